"""A moment as people type it: a time, or how long ago."""

from __future__ import annotations

import re

from bootcheck.analysis.readers.prefixes import epoch
from bootcheck.model.errors import BootcheckError

_AGO = re.compile(r"^(\d+(?:\.\d+)?)\s*(s|m|h|d|w)$")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DAY = re.compile(r"^\d{4}-\d\d-\d\d$")
_MINUTE = re.compile(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d$")


def moment(text: str, now: float) -> float:
    """Return the epoch seconds of a day, a time (UTC where it names no zone), an epoch, or `2h` for two hours ago."""
    text = text.strip()
    ago = _AGO.match(text)
    if ago is not None:
        return now - float(ago[1]) * _UNITS[ago[2]]
    if text.isdigit() and len(text) > 8:
        return float(text)
    if _DAY.match(text):
        text += " 00:00:00"
    elif _MINUTE.match(text):
        text += ":00"
    at = epoch(text)
    if at is None:
        msg = f"{text!r} is no time. Write for example 2026-11-27T09:15:00Z, 2026-11-27, or 2h for two hours ago."
        raise BootcheckError(msg)
    return at
