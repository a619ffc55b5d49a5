"""What a process keeps of itself where its master can read it after any death.

Anonymous memory, shared between the master and one worker: made before the fork, gone with both, and
never a file. A SIGKILL, a fault in native code or `os._exit` cost nothing of it.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable

from bootcheck.probes import imports, log_lines, requests

ROOM_OF_JOURNAL = 64 << 10
"""Bytes, some three hundred lines, for what no file takes (RLIMIT_FSIZE); pages that nobody touches cost nothing."""

REQUESTS = 0
LOG_LINES = REQUESTS + requests.SIZE
IMPORTS = LOG_LINES + log_lines.SIZE
JOURNAL = IMPORTS + imports.SIZE
SIZE = JOURNAL + ROOM_OF_JOURNAL


BOARD = 512 + 256 * 256
"""Bytes for the board of a whole server (`bootcheck.probes.board`); a page that nobody touches costs nothing."""

server: mmap.mmap | None = None
"""The memory of the board: made before the first fork, for nobody knows yet whether it will be used."""
on_use: Callable[[], object] | None = None
"""Whoever runs this server puts here what sets the board up, in the process that calls it."""


def make(size: int = SIZE) -> mmap.mmap | None:
    """Return new memory, or None where the system has none to give."""
    try:
        return mmap.mmap(-1, size)
    except (OSError, ValueError):
        return None


def heed() -> None:
    """Set the board up in this process, too, where another one of the server has begun to use it."""
    if server is not None and server[0] and on_use is not None:
        on_use()
