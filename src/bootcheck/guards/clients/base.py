"""What a client's file has, and what it says of a connection.

`CLASSES` are looked for on the heap. `claims(found)` says which descriptors are whose. `close_idle(found, …)`,
where there is one, closes in the master what nobody uses. `prepare(found)`, where there is one, makes in the
master what every child would have to make. `renew(found, dead)` makes the library open new connections, after a
dead socket has taken the place of the old ones. It is shown the instances of `RENEWED` where that is not all of
`CLASSES`: a child copies the memory of what it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bootcheck.probes.heap import Name

RENEW, CUT, SAFE = "renew", "cut", "safe"
"""What can be done about an inherited connection: replaced, only cut off, or nothing need be done."""

Found = Mapping[Name, Sequence[Any]]
"""The living instances of each class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One connection and its owner."""

    fd: int
    """-1 where the driver does not tell, and `port` must do."""
    library: str
    owner: str
    """What owns it, without secrets."""
    remedy: str
    thing: Any = None
    """The object whose holder is to be named."""
    port: int | None = None
    """The server's."""
    inner: Any = None
    """The driver's connection, where it does not tell: what owns it has been asked before it."""
    raw: bool = False
    """True for a driver's connection that is in nobody's pool."""
    lasting: bool = True
    """False where the remedy depends on what the connection is used for at the moment."""


class Client(Protocol):
    """The module of one client."""

    CLASSES: tuple[Name, ...]

    def claims(self, found: Found) -> Iterator[Claim]:
        """Yield the connections that are this library's."""

    def renew(self, found: Found, dead: set[int]) -> dict[str, int]:
        """Make what leads to a dead socket reconnect; return what was done, by word."""


def kind_of(thing: Any) -> str:
    """Return module and name of an object's class, as a reader would import it."""
    kind = type(thing)
    home = str(kind.__module__)
    return f"{home.partition('.')[0] if home.startswith(('psycopg', 'MySQLdb')) else home}.{kind.__name__}"
