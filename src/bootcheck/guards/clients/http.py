"""Connections that http.client keeps alive: also those of urllib3, requests and botocore."""

from __future__ import annotations

from collections.abc import Iterator

from bootcheck.guards.clients.base import RENEW, Claim, Found
from bootcheck.probes.engines import fileno_of
from bootcheck.probes.heap import own

CONNECTION = ("http.client", "HTTPConnection")
CLASSES = (CONNECTION,)


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
    """Close what leads to a dead socket: the next request connects anew."""
    closed = 0
    for connection in found.get(CONNECTION, ()):
        if fileno_of(own(connection, "sock"), depth=0) in dead:
            try:
                connection.close()
                closed += 1
            except Exception:  # noqa: BLE001, S112 - a subclass of the app's; its next request fails, and reconnects
                continue
    return {"reset": closed}
