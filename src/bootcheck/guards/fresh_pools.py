"""Workers share connections that the master opened.

What it means

BC201: with `preload_app` the app is imported in the master, and something in that import used the database or
another service: a query, `create_all()`, a warmed pool, an HTTP session, a Redis client. Every worker inherits the
open connection by fork, so several processes write to one socket and read each other's answers.

How it looks

Requests get another request's rows; `Commands out of sync; you can't run this command now`, `Lost connection to
MySQL server during query`, `error with status PGRES_TUPLES_OK and no message from the libpq`, `This result object
does not return rows`; `bad record mac` where the connection is encrypted. Often only for a second after each fork,
so that a smoke test passes.

Why it happens

SQLAlchemy's pool does not notice a fork, and `pool_pre_ping` does not help: two workers can both ping and then both
query. `engine.dispose()` in the worker makes it worse: it says goodbye on the master's socket. Django, psycopg_pool,
HTTP clients and a Redis connection that is held do not notice a fork either.

What to do

bootcheck repairs the clients that it can identify where there are two workers or more: SQLAlchemy, Django,
psycopg_pool, http.client (urllib3, requests), httpx, redis-py. The master closes idle pooled connections before it
forks, unless it has threads that may use them; in the worker a dead socket takes the place of every other connection
of theirs, open sessions are invalidated, and each client connects anew. The same happens in dirty workers and in
processes that a worker forks. Better: do not query at import. Move it into `initialise(...)` or a `post_worker_init`
hook, and close sessions that an import opens (`Session.remove()`). A driver's connection in a global cannot be
repaired (BC202); one whose owner is not known is left alone (BC204).

How to know it is fixed

The boot reports of the workers hold no `fresh_pools` entry under `guards`, and `bootcheck analyze` on the next
deployment's logs finds no incident of this kind.
"""

from __future__ import annotations

import _socket  # gevent's own sockets would be made known to its hub
import json
import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bootcheck.model import journal
from bootcheck.model.outcome import Phase
from bootcheck.probes.sockets import Descriptor, connected, descriptors, inode_of
from bootcheck.recorder import Recorder, current

if TYPE_CHECKING:
    from bootcheck.guards.inherited import Inherited
    from bootcheck.model.finding import Finding

RULES: tuple[str, ...] = ("BC201",)

_THREADED = "psycopg_pool.pool"
"""A library whose pools are dead in a worker also where they have no connection: their threads are gone."""
_SQLITE_MAGIC = b"SQLite format 3\0"

_closed: dict[str, int] = {}
"""What an earlier fork found idle and closed, by owner: later workers, too, would have inherited it."""
_last: list[Snapshot] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """What a child will record, in the form that its sinks take: made before the fork, once for the same snapshot."""

    inherited: Mapping[int, dict[str, Any]]
    """What is done with each connection, by inode."""
    closed: Sequence[dict[str, Any]]
    findings: Sequence[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the master saw, and did, right before one fork."""

    repair: bool = False
    """False with one worker: its connection works today, so it is reported and left alone."""
    inherited: tuple[Inherited, ...] = ()
    closed: dict[str, int] = field(default_factory=dict)
    """Idle connections that the master closed, by owner."""
    clients: tuple[str, ...] = ()
    """Libraries whose clients the child makes good."""
    findings: tuple[Finding, ...] | None = None
    """What is concluded, before the fork: nothing need be loaded or composed in the child."""
    masked: Masked | None = None
    """What is recorded of all this; None where the child must compose it."""
    trouble: str | None = None


def before_fork(workers: int) -> Snapshot:
    """Close what the master's clients hold idle, and note what a worker will inherit. Never raises.

    With one worker nothing is changed. Connections that somebody has checked out stay open.
    """
    try:
        return _before_fork(repair=workers >= 2, close=workers >= 2)
    except Exception as exc:  # noqa: BLE001 - a guest never stops a fork
        return Snapshot(trouble=f"{type(exc).__name__} before the fork")


def before_own_fork() -> Snapshot:
    """Note what a process will inherit that a worker forks itself; the worker's own connections stay as they are."""
    try:
        return _before_fork(repair=True, close=False)
    except Exception as exc:  # noqa: BLE001
        return Snapshot(trouble=f"{type(exc).__name__} before the fork")


def in_child(snapshot: Snapshot, recorder: Recorder) -> list[dict[str, Any]]:
    """Make every identified client this worker's own; return and record what was done or seen. Never raises."""
    try:
        records = _in_child(snapshot, recorder)
        if snapshot.trouble is not None:
            records.append(_record("failed", reason=snapshot.trouble))
        if records:
            recorder.passed("guard.fresh_pools", Phase.WORKER, actions=[record["action"] for record in records])
        recorder.masked_facts(journal.GUARD, records)
        _tell_findings(snapshot, recorder)
    except Exception as exc:  # noqa: BLE001
        recorder.failed("guard.fresh_pools", Phase.WORKER, error=type(exc).__name__)
        return [_record("failed", reason=type(exc).__name__)]
    return records


def _tell_findings(snapshot: Snapshot, recorder: Recorder) -> None:
    if snapshot.findings and snapshot.masked is not None:
        recorder.masked_facts(journal.FINDING, snapshot.masked.findings)
        return
    for finding in findings(snapshot):
        recorder.finding(finding)


def findings(snapshot: Snapshot) -> list[Finding]:
    """Return what the master had open: a warning only where workers share what nobody could repair."""
    if snapshot.findings is not None or not (snapshot.closed or snapshot.inherited):
        return list(snapshot.findings or ())
    from bootcheck.guards.sharing import findings_of

    return findings_of(snapshot)


def _before_fork(*, repair: bool, close: bool) -> Snapshot:
    among = descriptors()
    present, files = connected(among), database_files(among)
    if not present and not files and _THREADED not in sys.modules:
        return Snapshot(repair=repair, closed=dict(_closed) if close else {})
    from bootcheck.guards import inherited

    inherited.look(present, files)
    closed = inherited.close_idle() if close else {}
    left = connected() if closed else present
    inherited.remember(left, files)
    if close:
        _closed.update(closed)
    snapshot = Snapshot(
        repair=repair,
        inherited=inherited.explain(left),
        closed=dict(_closed) if close else {},
        clients=inherited.known.clients,
    )
    if repair:
        # A worker runs the app between its own forks.
        inherited.prepare(anew=not close)
    return _concluded(snapshot)


def _concluded(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with its findings and what is to be recorded; those of the same snapshot are made once."""
    if _last and _same(_last[0], snapshot):
        return _last[0]
    found = tuple(findings(snapshot))
    _last[:] = [replace(snapshot, findings=found, masked=_masked(snapshot, found, current()))]
    return _last[0]


def _masked(snapshot: Snapshot, found: Iterable[Finding], recorder: Recorder) -> Masked:
    """Return what is to be recorded, written out and read again: so it lies close together.

    A child copies every page of memory that it reads objects from, for each is counted there.
    """
    records = [recorder.masked(_fate(item, repair=snapshot.repair)) for item in snapshot.inherited]
    closed = [recorder.masked(_closure(owner, count)) for owner, count in snapshot.closed.items()]
    told = [recorder.masked({"finding": finding.as_dict()}) for finding in found]
    records, closed, told = json.loads(json.dumps([records, closed, told]))
    by_inode = {item.inode: record for item, record in zip(snapshot.inherited, records, strict=True)}
    return Masked(inherited=by_inode, closed=closed, findings=told)


def _fate(item: Inherited, *, repair: bool) -> dict[str, Any]:
    """Return the record of what becomes of a connection in the child."""
    if item.owner is None or not repair:
        return _record("reported", **item.facts())
    return _record("cut" if item.raw else "neutralised", **item.facts())


def _closure(owner: str, count: int) -> dict[str, Any]:
    return _record("closed", owner=owner, connections=count)


def _same(one: Snapshot, other: Snapshot) -> bool:
    return (one.repair, one.inherited, one.closed, one.clients) == (
        *(other.repair, other.inherited, other.closed, other.clients),
    )


def before_start(workers: int) -> list[Finding]:
    """Return, before any fork, what workers must not share and nobody can repair: a reason not to start."""
    among = descriptors()
    present = connected(among)
    if workers < 2 or not present:
        return []
    from bootcheck.guards import inherited
    from bootcheck.guards.sharing import refusals

    files = database_files(among)
    inherited.look(present, files)
    inherited.remember(present, files)
    return refusals(inherited.explain(present))


def database_files(among: Iterable[Descriptor]) -> frozenset[str]:
    """Return the SQLite files that are open: their connections must not cross a fork either."""
    found: set[str] = set()
    for fd, kind, _ in among:
        try:
            if kind == stat.S_IFREG and os.pread(fd, 16, 0) == _SQLITE_MAGIC:
                found.add(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    return frozenset(found)


def _in_child(snapshot: Snapshot, recorder: Recorder) -> list[dict[str, Any]]:
    told = snapshot.masked
    if told is None:
        told = _masked(snapshot, (), recorder)
    done = list(told.closed)
    # Of this fork's snapshot, by inode: another library's fork handler may have opened something in the meantime.
    left = [item for item in snapshot.inherited if inode_of(item.fd) == item.inode]
    if snapshot.repair:
        targets = [item for item in left if item.owner is not None]
        dead = neutralise(targets)
        done += [told.inherited[item.inode] for item in targets]
        done += _renew(dead) if snapshot.clients else []
        left = [item for item in left if item.owner is None]
    return done + [told.inherited[item.inode] for item in left]


def _renew(dead: set[int]) -> list[dict[str, Any]]:
    from bootcheck.guards.inherited import renew

    return [_record(word, client=client, connections=count) for client, word, count in renew(dead)]


def neutralise(targets: list[Inherited]) -> set[int]:
    """Put a dead socket in the place of each connection: nothing done here can reach the master's any more.

    A dead socket, not /dev/null: each driver then sees its ordinary lost connection and reconnects.
    """
    if not targets:
        return set()
    ours, peer = _socket.socketpair()
    peer.close()
    try:
        number = ours.fileno()
        for item in targets:
            os.dup2(number, item.fd, inheritable=False)
    finally:
        ours.close()
    return {item.fd for item in targets}


def _record(action: str, **more: Any) -> dict[str, Any]:
    return {"name": "fresh_pools", "action": action, **more}
