"""How long boots of this server took, from the boot reports that earlier ones left."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from typing import Any

from bootcheck.model.journal import report_name
from bootcheck.sinks.directory import ReportDirectory

NEWEST = 20
SECONDS = 0.05
MAX_REPORT = 1 << 20
_SAME = ("bootcheck.gunicorn.app", "bootcheck.gunicorn.preload", "bootcheck.gunicorn.worker_class")
"""Boots of the same server have these in common."""


def usual(directory: ReportDirectory, common: Mapping[str, Any], role: str = "worker") -> float | None:
    """Return the median of the newest boots of this server's workers or masters, None where none is known.

    Looks for at most a moment: a directory may hold thousands.
    """
    deadline = time.monotonic() + SECONDS
    found = [name for name in directory.names(SECONDS) if name.startswith("boot-") and f"-{role}-" in name]
    times = sorted((parts[0], name) for name in found if (parts := report_name(name)) is not None)
    took: list[float] = []
    for _, name in reversed(times[-NEWEST:]):
        if took and time.monotonic() > deadline:
            break
        seconds = _seconds(directory.read(name, MAX_REPORT), common)
        if seconds is not None:
            took.append(seconds)
    return statistics.median(took) if took else None


def _seconds(data: bytes, common: Mapping[str, Any]) -> float | None:
    try:
        attributes = json.loads(data)["attributes"]
        if any(attributes.get(name) != common.get(name) for name in _SAME):
            return None
        seconds = attributes["bootcheck.boot.duration_s"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return float(seconds) if isinstance(seconds, (int, float)) else None
