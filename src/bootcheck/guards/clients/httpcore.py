"""Connections that httpcore keeps alive: those of httpx.

Before it uses a connection again httpcore looks whether its socket can be read: a dead one can, and is replaced.
"""

from __future__ import annotations

from collections.abc import Iterator

from bootcheck.guards.clients.base import RENEW, Claim, Found
from bootcheck.probes.engines import fileno_of
from bootcheck.probes.heap import own

STREAM = ("httpcore._backends.sync", "SyncStream")
CLASSES = (STREAM,)


def claims(found: Found) -> Iterator[Claim]:
    """Yield every stream that is open."""
    for stream in found.get(STREAM, ()):
        fd = fileno_of(own(stream, "_sock"), depth=0)
        if fd is not None:
            yield Claim(fd=fd, library="httpcore", owner="httpx or httpcore connection", remedy=RENEW, thing=stream)


def renew(found: Found, dead: set[int]) -> dict[str, int]:  # noqa: ARG001
    """Do nothing more: the next request replaces the connection."""
    return {}
