"""SQLAlchemy's engines: pools, and the sessions and connections that hold something of them.

The master closes what lies idle before it forks, and makes a spare for each pool. In a worker open sessions are
invalidated and every engine gets its new pool. The finaliser of some drivers says goodbye: what was inherited is
kept, never finalised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from bootcheck.guards.clients import spares
from bootcheck.guards.clients.base import RENEW, Claim, Found
from bootcheck.probes import engines
from bootcheck.probes.objects import attributes
from bootcheck.probes.sockets import inode_of

_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
CLASSES = (engines.ENGINE, engines.CONNECTION, engines.RECORD)
RENEWED = (engines.ENGINE, engines.CONNECTION)

_descriptors: WeakKeyDictionary[Any, tuple[int, int]] = WeakKeyDictionary()
"""Descriptor and inode of each record's connection."""
_labels: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""Each engine's URL without its secrets: to mask one costs more than all else at a fork."""
_kept: list[Any] = []
"""In a worker: the pools that were left, which hold what lay idle, and what was checked out of them.

Not the engines, nor who holds a connection: what the app drops must not live on through us.
"""
_UNSEEN = (None, None, True)


def claims(found: Found) -> Iterator[Claim]:
    """Yield the connection of every pool record that has one."""
    by_pool = {id(engine.pool): engine for engine in _by_pool(found[engines.ENGINE])}
    for record in found[engines.RECORD]:
        if engines.dbapi_of(record) is None:
            continue
        number = _descriptor(record)
        # After a dispose a checked-out connection belongs to a pool that its engine has left.
        engine = by_pool.get(id(engines.pool_of(record)))
        yield Claim(
            fd=-1 if number is None else number,
            library="SQLAlchemy",
            owner="a SQLAlchemy pool" if engine is None else _label(engine),
            remedy=RENEW,
            thing=record if engine is None else engine,
            port=None if engine is None else _port(engine),
            inner=engines.dbapi_of(record),
        )


def close_idle(found: Found, alone: Callable[[], bool]) -> dict[str, int]:
    """Close idle pooled connections in the master, where it is alone with them and loses nothing."""
    closed: dict[str, int] = {}
    by_pool: dict[int, list[Any]] = {}
    for record in found[engines.RECORD]:
        if not engines.checked_out(record) and engines.dbapi_of(record) is not None:
            by_pool.setdefault(id(engines.pool_of(record)), []).append(record)
    for engine in _by_pool(found[engines.ENGINE]) if by_pool and alone() else ():
        idle = by_pool.get(id(engine.pool), ())
        # An async driver cannot be closed from here; data in memory would be lost with the connection.
        if not idle or engines.in_memory(engine) or getattr(engine.dialect, "is_async", False):
            continue
        try:
            engine.dispose()
        except Exception:  # noqa: BLE001, S112 - a listener of the app's; the worker's half still comes
            continue
        name = _label(engine)
        closed[name] = closed.get(name, 0) + len(idle)
    return closed


@dataclass(slots=True)
class Ready:
    """What the master has looked up for its children; it keeps nothing alive that the app drops."""

    held: dict[int, tuple[ReferenceType[Any], int | None, bool]] = field(default_factory=dict)
    """By the id of each open connection what it holds, the descriptor, and whether somebody wants to know its end."""
    pools: dict[int, tuple[ReferenceType[spares.Spare] | None, bool]] = field(default_factory=dict)
    """By the id of each engine with a pool of its own its spare, and whether somebody listens for `engine_disposed`."""
    listeners: spares.Stamp | None = None
    """Tells whether the listeners are those of then."""


def prepare(found: Found) -> Ready:
    """Make, in the master, the pools that every child would have to make, and look up who holds what."""
    ready = Ready()
    for engine in found[engines.ENGINE]:
        # An engine of `execution_options()` has none of its own.
        pool = (attributes(engine) or {}).get("pool")
        if pool is not None:
            spare = spares.make_ready(engine, pool)
            ready.pools[id(engine)] = (None, False) if spare is None else (ref(spare), _disposal_heard(engine))
    heard: dict[int, bool] = {}
    for connection in _held_connections(found):
        fairy = getattr(connection, "_dbapi_connection", None)
        if fairy is not None:
            pool = getattr(fairy, "_pool", None)
            if id(pool) not in heard:
                heard[id(pool)] = _heard(pool)
            ready.held[id(connection)] = (ref(fairy), _leads_to(fairy), heard[id(pool)])
    # Now, for a spare has the listeners of the pool that it stands for.
    ready.listeners = spares.stamp()
    return ready


def renew(found: Found, dead: set[int], ready: Ready | None = None) -> dict[str, int]:
    """Invalidate what leads to a dead socket, and give every engine a new pool."""
    ready = prepare(found) if ready is None else ready
    as_then = ready.listeners is not None and ready.listeners == spares.stamp()
    let_go = _let_go(found, dead, ready, as_then=as_then)
    _renew_pools(found, ready, as_then=as_then)
    return {"invalidated": let_go}


def _port(engine: Any) -> int | None:
    port = getattr(engine.url, "port", None)
    return port if type(port) is int else _PORTS.get(getattr(engine.dialect, "name", ""))


def _label(engine: Any) -> str:
    found = _labels.get(engine)
    if found is None:
        found = _labels[engine] = engines.label(engine)
    return found


def _descriptor(record: Any) -> int | None:
    """Return a record's descriptor. mysqlclient refuses to tell while another thread's query runs."""
    connection = engines.dbapi_of(record)
    if connection is None:
        return None
    before = _descriptors.get(record)
    if before is not None and inode_of(before[0]) == before[1]:
        return before[0]
    for pause in (0.0, 0.001, 0.002, 0.005, 0.01):
        if pause:
            time.sleep(pause)
        number = engines.fileno_of(connection)
        inode = None if number is None else inode_of(number)
        if number is not None and inode is not None:
            _descriptors[record] = (number, inode)
            return number
        if not engines.checked_out(record) or not hasattr(type(connection), "fileno"):
            return None
    return None


def _by_pool(every: Iterable[Any]) -> list[Any]:
    """Return one engine for each pool: `execution_options()` makes engines that share one."""
    return list({id(engine.pool): engine for engine in every}.values())


def _let_go(found: Found, dead: set[int], ready: Ready, *, as_then: bool) -> int:
    """Invalidate the connections that somebody held across the fork, if they lead to a dead socket."""
    let_go = 0
    for connection in _held_connections(found):
        try:
            fairy = getattr(connection, "_dbapi_connection", None)
            if fairy is None:
                continue
            _kept.append(fairy)
            seen, number, heard = ready.held.get(id(connection), _UNSEEN)
            if seen is None or seen() is not fairy:
                number, heard = _leads_to(fairy), True
            if number in dead:
                let_go += _invalidate(connection, fairy, heard=heard or not as_then)
        except Exception:  # noqa: BLE001, S112 - its first use will fail loudly, and reconnect
            continue
    for session in _open_sessions():
        try:
            if all(connection.invalidated for connection in _connections_of(session)):
                session.invalidate()
        except Exception:  # noqa: BLE001, S112
            continue
    return let_go


def _invalidate(connection: Any, fairy: Any, *, heard: bool) -> bool:
    """Let a connection forget the driver's one.

    Where nobody listens SQLAlchemy need not take leave of that: its pool is left behind with it, and kept.
    """
    if not heard:
        connection._dbapi_connection = None  # noqa: SLF001 - what `invalidate()` does, and half of it is for the pool
        if connection.invalidated:
            return True
        connection._dbapi_connection = fairy  # noqa: SLF001
    _unplug(fairy)
    connection.invalidate()
    return True


class _Unplugged:
    """In the place of a driver's connection while SQLAlchemy takes leave of it."""

    def close(self) -> None:
        """Do nothing: the connection is the master's."""

    terminate = rollback = close


def _unplug(fairy: Any) -> None:
    """Take the driver's connection out, and keep it.

    To close it would wait for ever where a thread of the master's was in the middle of a query, and held a lock of
    the driver's that nobody releases here.
    """
    for holder in (getattr(fairy, "_connection_record", None), fairy):
        # Before SQLAlchemy 1.4.24 the attribute had the other name.
        name = "dbapi_connection" if hasattr(holder, "dbapi_connection") else "connection"
        inner = getattr(holder, name, None)
        if inner is not None:
            _kept.append(inner)
            setattr(holder, name, _Unplugged())


def _heard(pool: Any) -> bool:
    """Tell whether somebody wants to know that a connection of this pool is invalidated, as far as can be known."""
    try:
        events = pool.dispatch
        return bool(pool._should_log_info() or events.invalidate or events.close or events.checkin)  # noqa: SLF001
    except AttributeError:
        return True


def _held_connections(found: Found) -> list[Any]:
    held = {id(connection): connection for connection in found[engines.CONNECTION]}
    for session in _open_sessions():
        try:
            held.update((id(connection), connection) for connection in _connections_of(session))
        except (AttributeError, TypeError):  # a SQLAlchemy whose session looks unlike any known one
            continue
    return list(held.values())


def _leads_to(fairy: Any) -> int | None:
    record = getattr(fairy, "_connection_record", None)
    before = None if record is None else _descriptors.get(record)
    if before is not None:
        return before[0]
    inner = getattr(fairy, "dbapi_connection", None)
    return engines.fileno_of(getattr(fairy, "connection", None) if inner is None else inner)


def _open_sessions() -> list[Any]:
    registry = getattr(engines.module("sqlalchemy.orm.session"), "_sessions", None)
    sessions = [] if registry is None else list(registry.values())
    return [session for session in sessions if getattr(session, "_transaction", None) is not None]


def _connections_of(session: Any) -> list[Any]:
    """Return the connections that a session's transactions hold, the nested ones included."""
    found: dict[int, Any] = {}
    transaction = session._transaction  # noqa: SLF001 - there is no public way from a session to its connections
    while transaction is not None:
        for entry in list(transaction._connections.values()):  # noqa: SLF001
            found[id(entry[0])] = entry[0]
        transaction = transaction._parent  # noqa: SLF001
    return list(found.values())


def _renew_pools(found: Found, ready: Ready, *, as_then: bool) -> None:
    made: dict[int, Any] = {}
    for engine in found[engines.ENGINE]:
        prepared = ready.pools.get(id(engine))
        if prepared is None:
            continue
        reference, heard = prepared
        pool = engine.pool
        _kept.append(pool)
        spare = None if reference is None else reference()
        if spare is None or not spare.fits(pool, as_then=as_then):
            _make_anew(engine, made)
            continue
        engine.pool = spare.pool
        if heard or not as_then:
            _tell(engine)


def _disposal_heard(engine: Any) -> bool:
    try:
        return bool(engine.dispatch.engine_disposed)
    except AttributeError:
        return True


def _tell(engine: Any) -> None:
    try:
        engine.dispatch.engine_disposed(engine)
    except Exception:  # noqa: BLE001, S110 - one engine's listener must not cost the others
        pass


def _make_anew(engine: Any, made: dict[int, Any]) -> None:
    """Make an engine's pool here; engines that shared one share the new one."""
    if engines.in_memory(engine):
        return
    pool = engine.pool
    if id(pool) in made:
        engine.pool = made[id(pool)]
        return
    try:
        engine.dispose(close=False)
    except TypeError:
        # Before SQLAlchemy 1.4.33 there is no such argument.
        engine.pool = pool.recreate()
    except Exception:  # noqa: BLE001 - one engine's listener must not cost the others
        return
    made[id(pool)] = engine.pool
