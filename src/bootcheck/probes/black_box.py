"""What a process keeps of itself where its master can read it after any death.

Anonymous memory, shared between the master and one worker: made before the fork, gone with both, and
never a file. A SIGKILL, a fault in native code or `os._exit` cost nothing of it.
"""

from __future__ import annotations

import mmap

from bootcheck.probes import imports, log_lines, requests

REQUESTS = 0
LOG_LINES = REQUESTS + requests.SIZE
IMPORTS = LOG_LINES + log_lines.SIZE
SIZE = IMPORTS + imports.SIZE


def make() -> mmap.mmap | None:
    """Return new memory, or None where the system has none to give."""
    try:
        return mmap.mmap(-1, SIZE)
    except (OSError, ValueError):
        return None
