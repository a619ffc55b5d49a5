"""Connections of redis-py that somebody holds: single-connection clients, subscriptions, pipelines.

What lies idle in one of its pools is safe: redis-py compares process ids whenever a connection is taken or
given back. A connection that is held passes there no more, and the lock around it may be held by a thread of
the master's that no child has.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from typing import Any

from bootcheck.guards.clients.base import RENEW, SAFE, Claim, Found
from bootcheck.probes.engines import fileno_of
from bootcheck.probes.heap import own

_RLOCK = type(threading.RLock())
CONNECTIONS = (("redis.connection", "AbstractConnection"), ("redis.connection", "Connection"))
POOL = ("redis.connection", "ConnectionPool")
HOLDERS = {("redis.client", "Redis"): "single_connection_lock", ("redis.client", "PubSub"): "_lock"}
"""Who holds a connection, and the attribute that is the lock around it."""
CLASSES = (*CONNECTIONS, POOL, *HOLDERS)


def claims(found: Found) -> Iterator[Claim]:
    """Yield every open connection: one that is idle needs nothing."""
    idle = {id(connection) for pool in found.get(POOL, ()) for connection in _idle_of(pool)}
    for connection in _open(found):
        fd = fileno_of(own(connection, "_sock"), depth=0)
        if fd is not None:
            remedy = SAFE if id(connection) in idle else RENEW
            owner = f"redis-py connection to {own(connection, 'host') or own(connection, 'path')}"
            yield Claim(fd=fd, library="redis-py", owner=owner, remedy=remedy, thing=connection, lasting=False)


def renew(found: Found, dead: set[int]) -> dict[str, int]:
    """Disconnect what leads to a dead socket: its next command connects anew, subscriptions included."""
    reset = 0
    for connection in _open(found):
        if fileno_of(own(connection, "_sock"), depth=0) in dead:
            try:
                connection.disconnect()
                reset += 1
            except Exception:  # noqa: BLE001, S112 - its next command fails, and reconnects
                continue
    for name, attribute in HOLDERS.items():
        for holder in found.get(name, ()):
            lock = own(holder, attribute)
            if lock is not None and own(holder, "connection") is not None:
                setattr(holder, attribute, _lock_like(lock))
    return {"reset": reset}


def _lock_like(lock: Any) -> Any:
    """Return a lock that nobody holds.

    Under gevent's worker class one that tells greenlets apart, as a client made in the worker would have: the class
    patches later than this, and the new connection lets other greenlets run while it waits.
    """
    if "gunicorn.workers.ggevent" in sys.modules:
        from gevent.lock import RLock

        return RLock()
    return threading.RLock() if type(lock) is _RLOCK else threading.Lock()


def _open(found: Found) -> list[Any]:
    return [connection for name in CONNECTIONS for connection in found.get(name, ())]


def _idle_of(pool: Any) -> list[Any]:
    idle = list(own(pool, "_available_connections") or ())
    # A pool that blocks keeps them in a queue, with None for those not made yet.
    return idle + [one for one in list(own(own(pool, "pool"), "queue") or ()) if one is not None]
