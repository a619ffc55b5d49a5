"""Connections of redis.asyncio: those that lie idle in its pools as well, for these do not look at the process.

They belong to an event loop of the master's that no child runs. What a child writes would reach the server all the
same, and the master would read the answer. In the child a connection forgets its streams: the next command connects
anew, in the loop that asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bootcheck.guards.clients.base import RENEW, Claim, Found
from bootcheck.probes.engines import fileno_of

CONNECTION = ("redis.asyncio.connection", "AbstractConnection")
OLDER = ("redis.asyncio.connection", "Connection")
"""Before redis-py 5 it had no other base."""
CLASSES = (CONNECTION, OLDER)
_kept: list[Any] = []


def claims(found: Found) -> Iterator[Claim]:
    """Yield every connection that is open."""
    for connection in _every(found):
        fd = _descriptor(connection)
        if fd is not None:
            where = getattr(connection, "host", None) or getattr(connection, "path", None)
            owner = f"redis.asyncio connection to {where}"
            yield Claim(fd=fd, library="redis.asyncio", owner=owner, remedy=RENEW, thing=connection)


def renew(found: Found, dead: set[int]) -> dict[str, int]:
    """Take from each connection what leads to a dead socket, and what its parser has read of it."""
    reset = 0
    for connection in _every(found):
        if _descriptor(connection) not in dead:
            continue
        # Their finalisers would close what belongs to a loop that is not ours.
        _kept.append((connection._reader, connection._writer))  # noqa: SLF001
        connection._reader = connection._writer = None  # noqa: SLF001 - what `disconnect()` leaves, which needs the loop
        try:
            connection._parser.on_disconnect()  # noqa: SLF001
        except Exception:  # noqa: BLE001, S110 - it begins anew with the next connection
            pass
        reset += 1
    return {"reset": reset}


def _every(found: Found) -> list[Any]:
    return list({id(connection): connection for name in CLASSES for connection in found.get(name, ())}.values())


def _descriptor(connection: Any) -> int | None:
    return fileno_of(getattr(connection, "_writer", None), depth=1)
