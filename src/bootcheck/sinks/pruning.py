"""Pruning: a report directory keeps its newest reports, and of each fault the first and the last.

Loaded only where there are many.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bootcheck.model.journal import report_name

if TYPE_CHECKING:
    from bootcheck.sinks.directory import ReportDirectory

MAX_REPORTS = 500
MAX_BYTES = 64 * 1024 * 1024
SECONDS = 0.05


def prune(
    directory: ReportDirectory, *, keep: int = MAX_REPORTS, max_bytes: int = MAX_BYTES, seconds: float = SECONDS
) -> int:
    """Remove the oldest reports over the limits, the first and last of each fingerprint kept.

    Goes by names alone, opens no file, and stops after `seconds`: the next start goes on.
    Returns how many files were removed.
    """
    deadline = time.monotonic() + seconds
    reports = sorted(found for found in map(report_name, directory.names(seconds * 0.6)) if found is not None)
    first = {fingerprint: name for _, fingerprint, name in reversed(reports)}
    last = {fingerprint: name for _, fingerprint, name in reports}
    protected = {*first.values(), *last.values()}
    removed = 0
    excess = len(reports) - keep
    spare = sum(directory.size_of(name) for _, _, name in reports) - max_bytes if 0 < len(reports) <= keep * 4 else 0
    for only_unprotected in (True, False):
        # The endpoints give way only where there are more of them than the limit allows.
        for _, _, name in reports:
            if (excess <= 0 and spare <= 0) or time.monotonic() > deadline:
                return removed
            if (name in protected) is only_unprotected:
                continue
            size = directory.size_of(name)
            if directory.remove(name):
                removed += 1
                excess -= 1
                spare -= size
        if excess <= 0:
            break
    return removed
