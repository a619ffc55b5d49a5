"""When a worker last gave its master a sign of life, on the monotonic clock.

Private touches of Gunicorn: `worker.tmp.last_update()` and `worker.alive`, listed in `seams`.
"""

from __future__ import annotations

import time
from typing import Any

from bootcheck.gunicorn import seams

_MONOTONIC_FROM = 22
"""The first version whose heartbeat is a monotonic time; before, it is the wall clock's."""


def last(worker: Any) -> float:
    """Return the time of a worker's last heartbeat, 0 where there was none yet."""
    try:
        at = float(worker.tmp.last_update())
    except (OSError, ValueError, TypeError, AttributeError):
        return 0.0
    now = time.monotonic()
    if tell_the_first():
        # Until the first one the file bears the time of its making, by the wall clock.
        return at if at <= now else 0.0
    return now - max(0.0, time.time() - at)


def tell_the_first() -> bool:
    """Tell whether a worker's first heartbeat can be told from the making of its file: before, both are wall time."""
    major = seams.version().partition(".")[0]
    return not major.isdecimal() or int(major) >= _MONOTONIC_FROM
