"""The settings of probes that fit measured boots: patient while it starts, quick once it serves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bootcheck.analysis.boot_times import BootTimes

READY = "/ready"
HEALTH = "/health"
LEAST = 10
"""Seconds that every start gets: a busy node makes short boots longer than any factor does."""
MARGIN = 10
"""Seconds after which the platform may step in where Gunicorn itself has not."""
FEW = 5
"""Boots; of fewer the longest says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How often one question is asked, and how many times in a row it may go unanswered."""

    path: str
    period: int
    failures: int
    timeout: int

    @property
    def patience(self) -> int:
        """Seconds until it acts."""
        return self.period * self.failures

    def as_dict(self) -> dict[str, Any]:
        """Return the public form."""
        return {
            "path": self.path,
            "period_s": self.period,
            "failures": self.failures,
            "timeout_s": self.timeout,
            "acts_after_s": self.patience,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to write into a manifest."""

    times: BootTimes
    port: str
    startup: Asking
    readiness: Asking
    liveness: Asking
    grace: int
    """Seconds between SIGTERM and SIGKILL."""
    watchdog: int
    notes: tuple[str, ...] = ()

    @property
    def start_limit(self) -> int:
        """Seconds that a start may take."""
        return self.startup.patience

    def as_dict(self) -> dict[str, Any]:
        """Return the public form."""
        return {
            "schema_version": 1,
            "measured": self.times.as_dict(),
            "port": self.port,
            "startup": self.startup.as_dict(),
            "readiness": self.readiness.as_dict(),
            "liveness": self.liveness.as_dict(),
            "start_limit_s": self.start_limit,
            "stop_grace_s": self.grace,
            "watchdog_s": self.watchdog,
            "notes": list(self.notes),
        }


def plan(times: BootTimes, port: str) -> Plan:
    """Return settings for boots that took so long."""
    needed = needed_for(times)
    period = min(10, max(1, round(times.p50 / 10)))
    timeout = math.ceil(times.timeout)
    return Plan(
        times=times,
        port=port,
        startup=Asking(path=READY, period=period, failures=math.ceil(needed / period), timeout=min(period, 3)),
        readiness=Asking(path=READY, period=5, failures=3, timeout=3),
        # A worker that hangs is Gunicorn's to replace, after its own timeout; the probe is for a master that hangs.
        liveness=Asking(path=HEALTH, period=10, failures=max(3, math.ceil((timeout + MARGIN) / 10)), timeout=5),
        grace=math.ceil(times.graceful_timeout) + MARGIN,
        watchdog=max(30, timeout + MARGIN),
        notes=tuple(_notes(times)),
    )


def needed_for(times: BootTimes) -> float:
    """Return the seconds that a start should be given."""
    needed = max(2 * times.p95, 1.5 * times.longest, LEAST)
    # Who was cut off might have needed twice as long: nobody knows.
    return max(needed, 2 * times.cut_off[-1]) if times.cut_off and times.cut_off[-1] > times.longest else needed


def _notes(times: BootTimes) -> list[str]:
    notes = []
    count = len(times.seconds)
    if count < FEW:
        notes.append(f"Only {count} boot{'s' if count != 1 else ''} measured: run it again when there are more.")
    if times.cut_off and times.cut_off[-1] > times.longest:
        notes.append(
            f"A start was ended before it was ready, after {told(times.cut_off[-1])}: longer than any that made it."
        )
    if times.timeout == 0:
        notes.append("Gunicorn's timeout is 0: nobody but the liveness probe ends a worker that hangs.")
    return notes


def told(seconds: float) -> str:
    """Return seconds as people write them."""
    if 0 < seconds < 0.1:
        return "under 0.1 s"
    return f"{seconds:.1f} s" if seconds < 10 and round(seconds, 1) != round(seconds) else f"{seconds:.0f} s"
