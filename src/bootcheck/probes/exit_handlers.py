"""Functions that `atexit` runs when a process ends, and who may have registered them.

Python tells how many there are, not which. The modules that have `atexit` among their globals are
those who may have done it.
"""

from __future__ import annotations

import atexit
import sys
from typing import Any
from weakref import finalize

from bootcheck.probes.objects import module_globals

_STANDARD = ("logging", "multiprocessing.util", "rlcompleter", "idlelib.run")
"""Modules of the standard library that register one function when they are imported."""


def count() -> int | None:
    """Return how many there are, None where Python does not say."""
    ask: Any = getattr(atexit, "_ncallbacks", None)
    return int(ask()) if callable(ask) else None


def of_others(total: int, ours: int) -> int:
    """Return how many are neither the standard library's nor ours."""
    standard = sum(name in sys.modules for name in _STANDARD)
    standard += bool(getattr(finalize, "_registered_with_atexit", False))
    return max(0, total - standard - ours)


def users() -> list[str]:
    """Return the modules, none of the standard library, that use `atexit`."""
    theirs = (atexit, vars(atexit)["register"])
    found: list[str] = []
    for name, names in module_globals():
        if any(value is theirs[0] or value is theirs[1] for value in list(names.values())):
            found.append(name)
    return sorted(found)
