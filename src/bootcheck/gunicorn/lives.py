"""The previous lives of a server: how its workers ended before, in this master and in earlier ones.

Loaded when the first worker ends. What this master saw is in memory. Of earlier starts the reports'
names in the directory tell how many deaths there were; only the five newest files are opened.
"""

from __future__ import annotations

import json
import time
from collections import deque
from typing import Any

from bootcheck.gunicorn.verdict import Death
from bootcheck.model.journal import report_name
from bootcheck.model.report import Report
from bootcheck.model.signals import signal_name
from bootcheck.model.stamps import rfc3339
from bootcheck.sinks.directory import ReportDirectory

LAST = 5
NAMES_SECONDS = 0.03
FILES_SECONDS = 0.02
MAX_REPORT = 256 << 10


class Lives:
    """How the workers of one master ended so far."""

    def __init__(self, directory: ReportDirectory) -> None:
        self._directory = directory
        self._ended = 0
        self._deaths = 0
        self._last: deque[dict[str, Any]] = deque(maxlen=LAST)
        self._earlier: dict[str, Any] | None = None

    def add(self, death: Death, report: Report | None) -> None:
        """Take the end of a worker; without a report it ended as it was told."""
        self._ended += 1
        ended_at = time.time()
        if report is not None:
            self._deaths += 1
        started = death.boot.head.get("at")
        self._last.append(
            {
                "at": rfc3339(ended_at),
                "role": death.boot.role,
                "pid": death.boot.pid,
                "cause": "none" if report is None else report.verdict.cause.value,
                "uptime_s": round(max(0.0, ended_at - started), 3) if isinstance(started, (int, float)) else None,
                "exit": _exit(death),
            }
        )

    def attributes(self) -> dict[str, Any]:
        """Return the lives before the one whose report is being written, the newest last."""
        if self._earlier is None:
            self._earlier = self._look()
        return {
            "ended": self._ended,
            "deaths": self._deaths,
            "last": list(self._last),
            "earlier_starts": self._earlier,
        }

    def _look(self) -> dict[str, Any]:
        """Read what earlier starts left in the directory, for at most 50 ms."""
        begun = time.monotonic()
        found = [name for name in self._directory.names(NAMES_SECONDS) if name.startswith("crash-")]
        complete = time.monotonic() - begun < NAMES_SECONDS
        # This is asked for at the first death, so none of these is of this master.
        times = sorted((parts[0], name) for name in found if (parts := report_name(name)) is not None)
        last: list[dict[str, Any]] = []
        deadline = time.monotonic() + FILES_SECONDS
        for _, name in reversed(times[-LAST:]):
            if time.monotonic() > deadline:
                break
            last.insert(0, _summary(self._directory.read(name, MAX_REPORT), name))
        return {"deaths": len(times), "complete": complete, "last": last}


def _exit(death: Death) -> str | None:
    if death.signo is not None:
        return signal_name(death.signo)
    return None if death.exit_code is None else f"exit {death.exit_code}"


def _summary(data: bytes, name: str) -> dict[str, Any]:
    """Return what one report says of its process; the name alone where it cannot be read."""
    known: dict[str, Any] = {"report": name, "cause": None}
    try:
        report = json.loads(data)
        attributes = report["attributes"]
        signo, code = attributes.get("bootcheck.exit.signal.name"), attributes.get("process.exit.code")
        return {
            "at": report["timestamp"],
            "role": report["role"],
            "pid": attributes["process.pid"],
            "cause": report["verdict"]["cause"],
            "uptime_s": attributes.get("bootcheck.worker.uptime_s"),
            "exit": signo if code is None else f"exit {code}",
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return known
