"""Connections that http.client keeps alive: also those of urllib3, requests and botocore.

Nothing is closed in the child, and what urllib3 locks gets new locks: a thread of the master's that was in the middle
of a request held the old ones, and that of its response's buffer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from bootcheck.guards.clients.base import RENEW, Claim, Found
from bootcheck.probes.engines import fileno_of
from bootcheck.probes.heap import own

CONNECTION = ("http.client", "HTTPConnection")
POOL = ("urllib3.connectionpool", "HTTPConnectionPool")
POOLS = ("urllib3._collections", "RecentlyUsedContainer")
CLASSES = (CONNECTION, POOL, POOLS)
_kept: list[Any] = []


def claims(found: Found) -> Iterator[Claim]:
    """Yield every connection that is open."""
    for connection in found.get(CONNECTION, ()):
        fd = fileno_of(own(connection, "sock"), depth=0)
        if fd is not None:
            library = str(type(connection).__module__).partition(".")[0]
            library = "http.client" if library == "http" else library
            owner = f"{library} connection to {own(connection, 'host')}:{own(connection, 'port')}"
            yield Claim(fd=fd, library=library, owner=owner, remedy=RENEW, thing=connection)


def renew(found: Found, dead: set[int]) -> dict[str, int]:
    """Take from each connection what leads to a dead socket: the next request connects anew."""
    reset = 0
    for connection in found.get(CONNECTION, ()):
        if fileno_of(own(connection, "sock"), depth=0) in dead:
            inside = {"sock": None, "_HTTPConnection__response": None, "_HTTPConnection__state": "Idle"}
            _kept.append([own(connection, name) for name in inside])
            for name, value in inside.items():
                setattr(connection, name, value)
            reset += 1
    for pool in found.get(POOL, ()):
        _empty(pool)
    for pools in found.get(POOLS, ()):
        if own(pools, "lock") is not None:
            pools.lock = threading.RLock()
    return {"reset": reset}


def _empty(pool: Any) -> None:
    """Give a pool of urllib3's a new queue, as it makes one itself: full of connections that are not made yet."""
    queue = own(pool, "pool")
    size = own(queue, "maxsize")
    if type(size) is not int or size <= 0:
        return
    made = type(queue)(size)
    for _ in range(size):
        made.put(None, block=False)
    _kept.append(queue)
    pool.pool = made
