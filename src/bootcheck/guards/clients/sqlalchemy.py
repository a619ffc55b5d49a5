"""SQLAlchemy's engines: pools, and the sessions and connections that hold something of them.

The master closes what lies idle before it forks. In a worker open sessions are invalidated and every engine
gets a new pool. The finaliser of some drivers says goodbye: what was inherited is kept, never finalised.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from bootcheck.guards.clients.base import RENEW, Claim, Found
from bootcheck.probes import engines
from bootcheck.probes.sockets import inode_of

_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
CLASSES = (engines.ENGINE, engines.CONNECTION, engines.RECORD)

_descriptors: WeakKeyDictionary[Any, tuple[int, int]] = WeakKeyDictionary()
"""Descriptor and inode of each record's connection."""
_labels: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
"""Each engine's URL without its secrets: to mask one costs more than all else at a fork."""
_kept: list[Any] = []


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


def close_idle(found: Found) -> dict[str, int]:
    """Close idle pooled connections in the master, where that can be done and loses nothing."""
    closed: dict[str, int] = {}
    by_pool: dict[int, list[Any]] = {}
    for record in found[engines.RECORD]:
        if engines.dbapi_of(record) is not None:
            by_pool.setdefault(id(engines.pool_of(record)), []).append(record)
    for engine in _by_pool(found[engines.ENGINE]):
        idle = [record for record in by_pool.get(id(engine.pool), ()) if not engines.checked_out(record)]
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


def renew(found: Found, dead: set[int]) -> dict[str, int]:
    """Invalidate what leads to a dead socket, and give every engine a new pool."""
    _kept.extend(record for record in found[engines.RECORD] if engines.dbapi_of(record) is not None)
    let_go = _let_go(found, dead)
    _renew_pools(found)
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


def _let_go(found: Found, dead: set[int]) -> int:
    """Invalidate the connections that somebody held across the fork, if they lead to a dead socket.

    The driver's connection is taken out first, and kept: to close it would wait for ever where a thread of the
    master's was in the middle of a query, and held a lock of the driver's that nobody releases here.
    """
    let_go = 0
    for connection in _held_connections(found):
        try:
            if not connection.closed and not connection.invalidated and _leads_to(connection) in dead:
                _unplug(connection)
                connection.invalidate()
                let_go += 1
        except Exception:  # noqa: BLE001, S112 - its first use will fail loudly, and reconnect
            continue
    for session in _open_sessions():
        try:
            if all(connection.invalidated for connection in _connections_of(session)):
                session.invalidate()
        except Exception:  # noqa: BLE001, S112
            continue
    return let_go


class _Unplugged:
    """In the place of a driver's connection while SQLAlchemy takes leave of it."""

    def close(self) -> None:
        """Do nothing: the connection is the master's."""

    terminate = rollback = close


def _unplug(connection: Any) -> None:
    fairy = getattr(connection, "_dbapi_connection", None)
    for holder in (getattr(fairy, "_connection_record", None), fairy):
        # Before SQLAlchemy 1.4.24 the attribute had the other name.
        name = "dbapi_connection" if hasattr(holder, "dbapi_connection") else "connection"
        inner = getattr(holder, name, None)
        if inner is not None:
            _kept.append(inner)
            setattr(holder, name, _Unplugged())


def _held_connections(found: Found) -> list[Any]:
    held = {id(connection): connection for connection in found[engines.CONNECTION]}
    for session in _open_sessions():
        try:
            held.update((id(connection), connection) for connection in _connections_of(session))
        except (AttributeError, TypeError):  # a SQLAlchemy whose session looks unlike any known one
            continue
    return list(held.values())


def _leads_to(connection: Any) -> int | None:
    fairy = getattr(connection, "_dbapi_connection", None)
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


def _renew_pools(found: Found) -> None:
    for engine in _by_pool(found[engines.ENGINE]):
        if engines.in_memory(engine):
            continue
        _kept.append(engine.pool)
        try:
            engine.dispose(close=False)
        except TypeError:
            # Before SQLAlchemy 1.4.33 there is no such argument.
            engine.pool = engine.pool.recreate()
        except Exception:  # noqa: BLE001, S112 - one engine's listener must not cost the others
            continue
