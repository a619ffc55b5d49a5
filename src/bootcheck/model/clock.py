"""Time as text: RFC 3339 in UTC, and a form that sorts in file names."""

from __future__ import annotations

import time


def rfc3339(at: float) -> str:
    """Return epoch seconds as RFC 3339 UTC with milliseconds."""
    whole, millis = _parts(at)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{millis:03d}Z"


def compact(at: float) -> str:
    """Return epoch seconds as `20261127T084459123Z`, which sorts by time as text."""
    whole, millis = _parts(at)
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(whole)) + f"{millis:03d}Z"


def _parts(at: float) -> tuple[int, int]:
    total = int(at * 1000)
    return total // 1000, total % 1000
