"""Several workers use a database connection that was made before the fork.

What it means
    With `--preload` the app opened a connection in the master; every worker inherited the same
    socket, and their conversations mix. Rows go to the wrong request.

How it looks
    `Commands out of sync; you can't run this command now`, `SSL error: decryption failed or bad record mac`,
    `lost synchronization with server`, `Packet sequence number wrong`, `Got response id 18 but expected 22`, seldom
    alone. Over TLS the server only sees
    a record that does not fit: `bad record mac`, `wrong version number`, and then it closes the connection.

Why it happens
    A query at import time under `--preload`: it leaves a connection in the pool that the fork copies.

What to do
    Let bootcheck dispose of the engine after the fork (`fresh_pools`), or call
    `engine.dispose(close=False)` in `post_fork`.

How to know it is fixed
    Under load, each worker's connections have local ports of their own (`ss -tnp`).
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.finding import Finding

CAUSE_CLASS = "db-forked-connection"
RULES: tuple[str, ...] = ()
WHILE_SERVING = True
WHATEVER_FOLLOWS = True

_SAID = late.regex(
    r"Commands? out of sync|bad[ _]record[ _]mac|lost synchronization with server|"
    r"PGRES_TUPLES_OK and no message|without prior row description|received \d+ results from command|"
    r"message contents do not agree with length in message type|Received malformed packet|"
    r"PGRES_COPY_OUT|Packet sequence number wrong|insufficient data in \"D\" message|"
    r"unexpected response from server; first received character|"
    r"message type 0x[0-9a-f]+ arrived from server while idle|NOAUTH_FORK|MongoClient opened before fork|"
    # The answer to another process's command; an INSERT that an app reads rows of names itself.
    r"didn't produce records \(command status: (?:BEGIN|COMMIT|ROLLBACK)\)|got no result from the query|"
    r"got result for unknown protocol state|ORA-03106|Expected EOF packet|"
    r"error with no message from the libpq|Got response id '?-?\d+'? but expected",
    re.IGNORECASE,
)
_TLS = late.regex(r"bad[ _]record[ _]mac", re.IGNORECASE)
_MID_STREAM = late.regex(
    r"(?:during query|Lost connection to MySQL server at|consuming input failed).*"
    r"(?:\[SSL: (?!UNEXPECTED_EOF)[A-Z0-9_/]+\]|SSL error: (?!unexpected eof|syscall)\w)",
    re.IGNORECASE | re.DOTALL,
)
"""What no TLS record is, in a conversation that had begun: each process takes a part of the stream."""
_PARSER = late.regex(
    r"(?:pymysql|aiomysql|mysql/connector)/(?:protocol|_?connection|connections|network|utils)\.py$|"
    r"pg8000/(?:core|converters)\.py$"
)
_READING = late.regex(r"message_types\[|handle_messages\(|data\[idx|_read_packet\(|read_packet\(")
_UNPARSED = ("IndexError", "error", "AssertionError", "KeyError", "ValueError", "UnicodeDecodeError")
"""What a driver's own parser raises where the bytes are not what its protocol says."""
_DATABASE = late.regex(
    r"psycopg|MySQL|pymysql|sqlalchemy|django\.db|asyncpg|OperationalError|DatabaseError|InterfaceError|"
    r"InternalError|ProgrammingError"
)


def _is_unparsed(error: Raised) -> bool:
    """Tell whether the driver itself stumbled over what it read: of what the app hands over it says other things."""
    if not error.is_a(*_UNPARSED) or not error.frames or _PARSER.search(error.frames[-1].file) is None:
        return False
    # By a type of message, or a length, that the protocol does not have.
    return not error.is_a("KeyError", "ValueError") or any(_READING.search(frame.code) for frame in error.frames)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from errors of mixed conversations, which one process alone hardly meets."""
    error = trouble.error
    if error is None or not (_SAID.search(error.text) or _MID_STREAM.search(error.text) or _is_unparsed(error)):
        return None
    if _TLS.search(error.text) and not any(_DATABASE.search(link.text) for link in (error, *trouble.chain)):
        return None
    return conclude(
        trouble,
        f"Workers share a database connection made before the fork: {one_line(error.text)}",
        "Dispose of the engine after the fork: bootcheck does it (fresh_pools); by hand call "
        "engine.dispose(close=False) in post_fork.",
        "Do not query the database while the app is imported under --preload.",
        code=None if trouble.died else "BC201",
        confirm="ss -tnp shows one local port per worker towards the database",
        confidence="high" if trouble.died or not _TLS.search(error.text) else "medium",
        against=("Threads that share one connection without a pool show the same errors.",),
    )
