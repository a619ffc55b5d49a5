"""The line that an exception is to be blamed on: the innermost one of the app or of a package."""

from __future__ import annotations

import os
import traceback
from types import TracebackType

_STANDARD = os.path.dirname(os.__file__) + os.sep
_CHECKS = os.path.dirname(__file__) + os.sep


def blame(trace: TracebackType | None) -> tuple[str, int | None] | None:
    """Return file and line, past Python's own modules and this package; None where nothing is left."""
    for frame in reversed(traceback.extract_tb(trace)):
        name = frame.filename
        standard = name.startswith(_STANDARD) and "site-packages" not in name and "dist-packages" not in name
        if not standard and not name.startswith(("<", _CHECKS)):
            return name, frame.lineno
    return None
