"""Connections of asyncpg, in a pool of its own or held: cut off in a child, for nobody can use them there.

They belong to an event loop of the master's that no child runs. A worker that uses one gets an error either way
("attached to a different loop"), but what it has written before that reaches the server: the master would read an
answer that it has not asked for, and lose the connection.
"""

from __future__ import annotations

from collections.abc import Iterator

from bootcheck.guards.clients.base import CUT, Claim, Found
from bootcheck.probes.engines import fileno_of
from bootcheck.probes.heap import Name

CONNECTION = ("asyncpg.connection", "Connection")
CLASSES = (CONNECTION,)
RENEWED: tuple[Name, ...] = ()


def claims(found: Found) -> Iterator[Claim]:
    """Yield every open connection; what SQLAlchemy pools has been claimed before."""
    for connection in found.get(CONNECTION, ()):
        fd = fileno_of(connection, depth=1)
        if fd is not None:
            owner = "an asyncpg connection"
            yield Claim(fd=fd, library="asyncpg", owner=owner, remedy=CUT, thing=connection, inner=connection)


def renew(found: Found, dead: set[int]) -> dict[str, int]:  # noqa: ARG001
    """Do nothing: its loop is the master's, so that only a connection that a worker makes is one for it."""
    return {}
