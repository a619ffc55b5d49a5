"""Judges of what a preloaded app would hand its workers by fork: one file per subject.

Each has `judge(seen, workers)`, which yields findings about what the probes saw in the master right
before the fork. An audit warns or informs; it never refuses and never changes anything. Loaded only
where there is something to judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from bootcheck.model.finding import Finding

AUDITS = ("background", "native", "shared", "copied")

Seen = Mapping[str, Any]
"""What the probes saw, by their names: see `bootcheck.gunicorn.fork_audit`."""


def judge(seen: Seen, workers: int) -> list[Finding]:
    """Return what stands against this fork, in the order of `AUDITS`."""
    found: list[Finding] = []
    for name in AUDITS:
        found += import_module(f"bootcheck.audits.{name}").judge(seen, workers)
    return found
