"""Workers share database connections that the master opened.

What it means

BC201: with `preload_app` the app is imported in the master, and something in that import used the database: a
query, `create_all()`, a warmed pool. Every worker inherits the open connection by fork, so several processes write
to one socket and read each other's answers.

How it looks

Requests get another request's rows; `Commands out of sync; you can't run this command now`, `Lost connection to
MySQL server during query`, `error with status PGRES_TUPLES_OK and no message from the libpq`, `This result object
does not return rows`; `bad record mac` where the connection is encrypted. Often only for a second after each fork,
so that a smoke test passes.

Why it happens

SQLAlchemy's pool does not notice a fork, and `pool_pre_ping` does not help: two workers can both ping and then both
query. `engine.dispose()` in the worker makes it worse: it says goodbye on the master's socket.

What to do

bootcheck repairs the pools that it can identify where there are two workers or more: the master closes idle pooled
connections before it forks, unless it has threads that may use them; in the worker a dead socket takes the place of
every other pooled connection, open sessions are invalidated and each engine gets a new pool. Better: do not query at
import. Move it into `initialise(...)` or a `post_worker_init` hook, and close sessions that an import opens
(`Session.remove()`). Connections that are nobody's pool (a driver's connection in a global, a `psycopg_pool` opened
at import, a Redis or HTTP client) are only reported: open them in each worker.

How to know it is fixed

The boot reports of the workers hold no `fresh_pools` entry under `guards`, and `bootcheck analyze` on the next
deployment's logs finds no incident of this kind.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from bootcheck.model import journal
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.probes import engines as sqlalchemy
from bootcheck.probes.sockets import Connected, connected, inode_of
from bootcheck.recorder import Recorder

RULES: tuple[str, ...] = ("BC201",)

_SQLITE_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """A connection that the workers inherit."""

    fd: int
    inode: int
    peer: str
    owner: str | None = None
    """The engine whose pool it belongs to; None where the owner is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the master saw, and did, right before one fork."""

    repair: bool = False
    """False with one worker: its connection works today, so it is reported and left alone."""
    inherited: tuple[Inherited, ...] = ()
    closed: dict[str, int] = field(default_factory=dict)
    """Idle connections that the master closed, by engine."""
    trouble: str | None = None


@dataclass(slots=True)
class _Known:
    """What earlier passes over the master's heap found: the next fork need not repeat them."""

    engines: WeakSet[Any] = field(default_factory=WeakSet)
    records: WeakSet[Any] = field(default_factory=WeakSet)
    connections: WeakSet[Any] = field(default_factory=WeakSet)
    descriptors: WeakKeyDictionary[Any, tuple[int, int]] = field(default_factory=WeakKeyDictionary)
    """Descriptor and inode of each record's connection."""
    closed: dict[str, int] = field(default_factory=dict)
    """What an earlier fork found idle and closed: later workers, too, would have inherited it."""
    inodes: frozenset[int] = frozenset()
    """Connections that were there at the last pass, explained or not."""
    files: frozenset[str] = frozenset()


_known = _Known()
_kept: list[Any] = []
"""What a worker must not finalise: a finaliser of some drivers says goodbye on the master's socket."""


def before_fork(workers: int) -> Snapshot:
    """Close what the master's pools hold idle, and note what a worker will inherit. Never raises.

    With one worker nothing is changed. Connections that somebody has checked out stay open.
    """
    try:
        return _before_fork(workers)
    except Exception as exc:  # noqa: BLE001 - a guest never stops a fork
        return Snapshot(trouble=f"{type(exc).__name__} before the fork")


def in_child(snapshot: Snapshot, recorder: Recorder) -> list[dict[str, Any]]:
    """Make every identified pool this worker's own; return and record what was done or seen. Never raises."""
    try:
        records = _in_child(snapshot)
        if snapshot.trouble is not None:
            records.append(_record("failed", reason=snapshot.trouble))
        if records:
            recorder.passed("guard.fresh_pools", Phase.WORKER, actions=[record["action"] for record in records])
        for record in records:
            recorder.fact(journal.GUARD, **record)
        for finding in findings(snapshot):
            recorder.finding(finding)
    except Exception as exc:  # noqa: BLE001
        recorder.failed("guard.fresh_pools", Phase.WORKER, error=type(exc).__name__)
        return [_record("failed", reason=type(exc).__name__)]
    return records


def findings(snapshot: Snapshot) -> list[Finding]:
    """Return BC201 for what the master had open: a warning only where workers share what nobody could repair."""
    found: list[Finding] = []
    if snapshot.closed or any(item.owner for item in snapshot.inherited):
        found.append(_repaired(snapshot))
    strangers = [item for item in snapshot.inherited if item.owner is None]
    if strangers:
        found.append(_unidentified(strangers, repair=snapshot.repair))
    return found


def _before_fork(workers: int) -> Snapshot:
    present = connected()
    files = _database_files()
    if not sqlalchemy.loaded():
        return Snapshot(repair=workers >= 2, inherited=tuple(_inherited(present, {})))
    # The pass over the heap costs 10 to 60 ms: only when there is a connection that none has seen.
    if any(item.inode not in _known.inodes for item in present) or not files <= _known.files:
        _look_at_heap()
    # A thread that uses the pool would at once connect again, in the middle of the fork, where
    # the drivers' C libraries hold locks that no worker could ever release.
    closed = _dispose_idle() if workers >= 2 and not _other_threads() else {}
    left = connected() if closed else present
    _known.inodes = frozenset(item.inode for item in left)
    _known.files = files
    _known.closed.update(closed)
    done = dict(_known.closed) if workers >= 2 else {}
    return Snapshot(repair=workers >= 2, inherited=tuple(_inherited(left, _owners())), closed=done)


def _other_threads() -> bool:
    """Tell whether the app has threads in the master; Gunicorn's own control thread uses no database."""
    for thread in threading.enumerate():
        owner = getattr(getattr(thread, "_target", None), "__self__", None)
        if thread is not threading.current_thread() and not type(owner).__module__.startswith("gunicorn"):
            return True
    return False


def _look_at_heap() -> None:
    heap = sqlalchemy.on_heap()
    _known.engines.update(heap.engines)
    _known.records.update(heap.records)
    _known.connections.update(heap.connections)


def _dispose_idle() -> dict[str, int]:
    """Close idle pooled connections in the master, where that can be done and loses nothing."""
    closed: dict[str, int] = {}
    for engine in _by_pool(_known.engines):
        idle = [record for record in _open_records(engine.pool) if not sqlalchemy.checked_out(record)]
        # An async driver cannot be closed from here; data in memory would be lost with the connection.
        if not idle or sqlalchemy.in_memory(engine) or getattr(engine.dialect, "is_async", False):
            continue
        try:
            engine.dispose()
        except Exception:  # noqa: BLE001, S112 - a listener of the app's; the worker's half still comes
            continue
        name = sqlalchemy.label(engine)
        closed[name] = closed.get(name, 0) + len(idle)
    return closed


def _owners() -> dict[int, str]:
    """Return, by descriptor, the engine that an open connection belongs to."""
    by_pool = {id(engine.pool): sqlalchemy.label(engine) for engine in _by_pool(_known.engines)}
    owners: dict[int, str] = {}
    for record in list(_known.records):
        number = _descriptor(record)
        if number is not None:
            # After a dispose a checked-out connection belongs to a pool that its engine has left.
            owners[number] = by_pool.get(id(sqlalchemy.pool_of(record)), "a SQLAlchemy pool")
    return owners


def _descriptor(record: Any) -> int | None:
    """Return a record's descriptor. mysqlclient refuses to tell while another thread's query runs."""
    connection = sqlalchemy.dbapi_of(record)
    if connection is None:
        return None
    before = _known.descriptors.get(record)
    if before is not None and inode_of(before[0]) == before[1]:
        return before[0]
    for pause in (0.0, 0.001, 0.002, 0.005, 0.01):
        time.sleep(pause)
        number = sqlalchemy.fileno_of(connection)
        inode = None if number is None else inode_of(number)
        if number is not None and inode is not None:
            _known.descriptors[record] = (number, inode)
            return number
        if not sqlalchemy.checked_out(record) or not hasattr(type(connection), "fileno"):
            return None
    return None


def _open_records(pool: Any) -> list[Any]:
    records = [record for record in list(_known.records) if sqlalchemy.pool_of(record) is pool]
    return [record for record in records if sqlalchemy.dbapi_of(record) is not None]


def _by_pool(engines: Iterable[Any]) -> list[Any]:
    """Return one engine for each pool: `execution_options()` makes engines that share one."""
    return list({id(engine.pool): engine for engine in list(engines)}.values())


def _inherited(present: Iterable[Connected], owners: dict[int, str]) -> list[Inherited]:
    return [Inherited(fd=item.fd, inode=item.inode, peer=item.peer, owner=owners.get(item.fd)) for item in present]


def _database_files() -> frozenset[str]:
    """Return the SQLite files that are open: their connections must not cross a fork either."""
    found: set[str] = set()
    for name in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
            if target.startswith("/") and os.pread(int(name), 16, 0) == _SQLITE_MAGIC:
                found.add(target)
        except OSError:
            continue
    return frozenset(found)


def _in_child(snapshot: Snapshot) -> list[dict[str, Any]]:
    done = [_record("closed", owner=owner, connections=count) for owner, count in snapshot.closed.items()]
    dead: set[int] = set()
    if snapshot.repair and sqlalchemy.loaded():
        targets = [item for item in snapshot.inherited if item.owner is not None and inode_of(item.fd) == item.inode]
        dead = _neutralise(targets)
        done += [_record("neutralised", fd=item.fd, peer=item.peer, owner=item.owner) for item in targets]
        done += _let_go(dead)
        _renew_pools()
    for item in snapshot.inherited:
        if item.fd not in dead and inode_of(item.fd) == item.inode:
            done.append(_record("reported", fd=item.fd, peer=item.peer, owner=item.owner))
    return done


def _neutralise(targets: list[Inherited]) -> set[int]:
    """Put a dead socket in the place of each connection: nothing done here can reach the master's any more.

    A dead socket, not /dev/null: each driver then sees its ordinary lost connection and reconnects.
    """
    if not targets:
        return set()
    ours, peer = socket.socketpair()
    peer.close()
    try:
        for item in targets:
            os.dup2(ours.fileno(), item.fd, inheritable=False)
    finally:
        ours.close()
    return {item.fd for item in targets}


def _let_go(dead: set[int]) -> list[dict[str, Any]]:
    """Invalidate the connections that somebody held across the fork, if they lead to a dead socket.

    To invalidate is to close: on any other connection that would say goodbye to the master's session.
    """
    _kept.extend(record for record in list(_known.records) if sqlalchemy.dbapi_of(record) is not None)
    let_go = 0
    for connection in _held_connections():
        try:
            if not connection.closed and not connection.invalidated and _leads_to(connection) in dead:
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
    return [_record("invalidated", connections=let_go)] if let_go else []


def _held_connections() -> list[Any]:
    held = {id(connection): connection for connection in list(_known.connections)}
    for session in _open_sessions():
        try:
            held.update((id(connection), connection) for connection in _connections_of(session))
        except (AttributeError, TypeError):  # a SQLAlchemy whose session looks unlike any known one
            continue
    return list(held.values())


def _leads_to(connection: Any) -> int | None:
    fairy = getattr(connection, "_dbapi_connection", None)
    inner = getattr(fairy, "dbapi_connection", None)
    return sqlalchemy.fileno_of(getattr(fairy, "connection", None) if inner is None else inner)


def _open_sessions() -> list[Any]:
    registry = getattr(sqlalchemy.module("sqlalchemy.orm.session"), "_sessions", None)
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


def _renew_pools() -> None:
    for engine in _by_pool(_known.engines):
        if sqlalchemy.in_memory(engine):
            continue
        _kept.append(engine.pool)
        try:
            engine.dispose(close=False)
        except TypeError:
            # Before SQLAlchemy 1.4.33 there is no such argument.
            engine.pool = engine.pool.recreate()
        except Exception:  # noqa: BLE001, S112 - one engine's listener must not cost the others
            continue


def _record(action: str, **more: Any) -> dict[str, Any]:
    return {"name": "fresh_pools", "action": action, **more}


def _repaired(snapshot: Snapshot) -> Finding:
    owned = [item for item in snapshot.inherited if item.owner is not None]
    total = sum(snapshot.closed.values()) + len(owned)
    evidence = [
        Evidence(source="master", text=f"{count} idle connection(s) of {owner}, closed before the fork")
        for owner, count in snapshot.closed.items()
    ]
    evidence += [
        Evidence(source="master", text=f"descriptor {item.fd} to {item.peer}, checked out, of {item.owner}")
        for item in owned
    ]
    deed = "gives each worker a pool of its own" if snapshot.repair else "left them alone: there is one worker"
    return Finding(
        code="BC201",
        severity=Severity.INFO,
        summary=f"The import of the app opened {total} database connection(s) in the master; bootcheck {deed}.",
        action=(
            "Do not query the database while the app is imported: do it in initialise(...) or in post_worker_init.",
            "Close what an import opens: Session.remove(), the end of the app context, connection.close().",
        ),
        evidence=tuple(evidence),
    )


def _unidentified(strangers: list[Inherited], *, repair: bool) -> Finding:
    peers = ", ".join(dict.fromkeys(item.peer for item in strangers))
    heirs = "Every worker inherits" if repair else "The worker inherits"
    advice = (
        "Open clients (a driver's connection, psycopg_pool, Redis, HTTP sessions) in each worker, not at import: "
        "in post_worker_init, or lazily at first use."
    )
    return Finding(
        code="BC201",
        severity=Severity.WARNING if repair else Severity.INFO,
        summary=f"{heirs} {len(strangers)} connection(s) of the master, to {peers}; whose they are is not known.",
        action=(advice,),
        evidence=tuple(Evidence(source="master", text=f"descriptor {item.fd} to {item.peer}") for item in strangers),
        missing=("the owner of each descriptor",),
        confidence="medium",
    )
