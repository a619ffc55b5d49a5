"""Connections that httpcore keeps alive: those of httpx.

A pool forgets them in the child, and gets a new lock: a thread of the master's may have held the old one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bootcheck.guards.clients.base import RENEW, Claim, Found
from bootcheck.probes.engines import fileno_of
from bootcheck.probes.heap import own

STREAM = ("httpcore._backends.sync", "SyncStream")
POOL = ("httpcore._sync.connection_pool", "ConnectionPool")
CLASSES = (STREAM, POOL)
_kept: list[Any] = []


def claims(found: Found) -> Iterator[Claim]:
    """Yield every stream that is open."""
    for stream in found.get(STREAM, ()):
        fd = fileno_of(own(stream, "_sock"), depth=0)
        if fd is not None:
            yield Claim(fd=fd, library="httpcore", owner="httpx or httpcore connection", remedy=RENEW, thing=stream)


def renew(found: Found, dead: set[int]) -> dict[str, int]:  # noqa: ARG001
    """Empty every pool that looks as it should; of another one the next request replaces the connections."""
    reset = 0
    for pool in found.get(POOL, ()):
        lock = own(pool, "_optional_thread_lock")
        connections, requests = own(pool, "_connections"), own(pool, "_requests")
        if lock is None or type(connections) is not list or type(requests) is not list:
            continue
        _kept.append((lock, connections, requests))
        pool._connections, pool._requests = [], []  # noqa: SLF001 - to close it would wait for that lock
        pool._optional_thread_lock = type(lock)()  # noqa: SLF001
        reset += len(connections)
    return {"reset": reset}
