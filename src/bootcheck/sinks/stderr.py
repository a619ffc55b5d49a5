"""Lines for people on descriptor 2, one `write(2)` each, whatever sys.stderr has become."""

from __future__ import annotations

import os
from collections.abc import Callable

Say = Callable[[str], None]


def say(text: str) -> None:
    """Write one line (or block) to stderr; a closed or full stderr is nobody's problem but its own."""
    data = (text if text.endswith("\n") else text + "\n").encode("utf-8", "backslashreplace")
    try:
        while data:
            data = data[os.write(2, data) :]
    except OSError:
        return
