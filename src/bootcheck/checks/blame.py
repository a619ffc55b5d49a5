"""The line that an exception is to be blamed on: the innermost one of the app or of a package."""

from __future__ import annotations

import os
import traceback
from types import TracebackType

from bootcheck.probes.stacks import is_pythons

_CHECKS = os.path.dirname(__file__) + os.sep


def blame(trace: TracebackType | None) -> tuple[str, int | None] | None:
    """Return file and line, past Python's own modules and this package; None where nothing is left."""
    for frame in reversed(traceback.extract_tb(trace)):
        name = frame.filename
        if not is_pythons(name) and not name.startswith(_CHECKS):
            return name, frame.lineno
    return None
