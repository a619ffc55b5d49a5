"""A psycopg_pool, or a connection of asyncpg, was opened before the fork.

What it means

BC203: a pool of psycopg_pool was opened while the app was imported under `preload_app`. Its threads do not exist in
workers, and its idle connections are everybody's. Where bootcheck knows the pool's class and version it builds the
pool anew in each worker (BC201); where it does not (an asynchronous pool, a subclass, another version), it cuts the
inherited connections off, so that no worker reads another one's rows, and says this. The same with every connection
of asyncpg, pooled or not: it belongs to an event loop that no worker runs.

How it looks

`couldn't get a connection after 30.00 sec`, `the connection is closed`, `attached to a different loop`; without
bootcheck also another request's rows, and in the master `another operation is in progress`.

Why it happens

psycopg_pool has no supported way to start again in a child: `close()` and `open()` raise `PoolClosed`, and `close()`
would end the master's sessions. asyncpg sends a worker's query before it notices that its loop is another one; the
answer reaches the master.

What to do

Make the pool with `open=False` and call `pool.open()` in each worker, in a `post_worker_init` hook or in the app's
lifespan. Make asyncpg's connections and pools in the lifespan.

How to know it is fixed

The workers' boot reports hold neither BC203 nor a `fresh_pools` entry under `guards` for the pool.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from bootcheck.guards.clients.base import CUT, RENEW, Claim, Found, kind_of
from bootcheck.probes.engines import fileno_of
from bootcheck.probes.heap import own
from bootcheck.probes.objects import class_of

RULES: tuple[str, ...] = ("BC203",)

POOL = ("psycopg_pool.base", "BasePool")
CONNECTIONS = (("psycopg._connection_base", "BaseConnection"), ("psycopg.connection", "BaseConnection"))
CLASSES = (POOL, *CONNECTIONS)
RENEWABLE = (("psycopg_pool.pool", "ConnectionPool"), ("psycopg_pool.null_pool", "NullConnectionPool"))

KEPT_AS = {
    "conninfo": "conninfo",
    "connection_class": "connection_class",
    "kwargs": "kwargs",
    "min_size": "_min_size",
    "max_size": "_max_size",
    "configure": "_configure",
    "check": "_check",
    "reset": "_reset",
    "name": "name",
    "close_returns": "close_returns",
    "timeout": "timeout",
    "max_waiting": "max_waiting",
    "max_lifetime": "max_lifetime",
    "max_idle": "max_idle",
    "reconnect_timeout": "reconnect_timeout",
    "reconnect_failed": "_reconnect_failed",
    "num_workers": "num_workers",
}
"""Where a pool of the versions proven (3.1 to 3.3) keeps each argument that it was made with."""
_kept: list[Any] = []
"""The insides of inherited pools: to finalise them would stop threads that are not ours."""


def claims(found: Found) -> Iterator[Claim]:
    """Yield the connections of every pool, idle or in use."""
    pools = {id(pool): pool for pool in found.get(POOL, ())}
    members = [(pool, connection) for pool in pools.values() for connection in list(own(pool, "_pool") or ())]
    for name in CONNECTIONS:
        for connection in found.get(name, ()):
            pool = own(connection, "_pool")
            if id(pool) in pools:
                members.append((pool, connection))
    for pool, connection in members:
        fd = fileno_of(connection)
        if fd is not None:
            remedy = RENEW if _arguments(pool) is not None else CUT
            owner = f"{kind_of(pool)} {own(pool, 'name')!r}"
            yield Claim(fd=fd, library="psycopg_pool", owner=owner, remedy=remedy, thing=pool)


def renew(found: Found, dead: set[int]) -> dict[str, int]:  # noqa: ARG001
    """Build every open pool anew: also one without a connection has lost its threads."""
    renewed = 0
    for pool in found.get(POOL, ()):
        arguments = _arguments(pool)
        if arguments is not None and own(pool, "_opened") and not own(pool, "_closed"):
            renewed += _build_anew(pool, arguments)
    return {"renewed": renewed}


def _arguments(pool: Any) -> dict[str, Any] | None:
    """Return what a pool was made with; None where it does not look like those that are known."""
    kind = type(pool)
    if kind not in [class_of(*name) for name in RENEWABLE]:
        return None
    inside = vars(pool)
    names = set(inspect.signature(kind.__init__).parameters) - {"self", "open"}
    if any(KEPT_AS.get(name) not in inside for name in names):
        return None
    return {name: inside[KEPT_AS[name]] for name in names}


def _build_anew(pool: Any, arguments: dict[str, Any]) -> bool:
    inside = dict(vars(pool))
    _kept.append(inside)
    vars(pool).clear()
    try:
        type(pool).__init__(pool, open=False, **arguments)
        # What the app put on the pool itself is the app's.
        vars(pool).update({key: value for key, value in inside.items() if key not in vars(pool) and key[0] != "_"})
        pool.open()
    except Exception:  # noqa: BLE001 - what it was: its connections are dead, and say so
        vars(pool).clear()
        vars(pool).update(inside)
        return False
    return True
