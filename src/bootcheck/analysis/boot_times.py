"""How long boots took until they were ready, measured from the reports that they left.

A server's time to ready is the master's own part (preflight, and the import under preload) and
its worker's. Boots that somebody ended before they were ready are kept apart: they took longer
than they were allowed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from bootcheck.analysis.readers import Documents, read

MAX_BOOTS = 10_000
_ENDED_BY_OTHERS = frozenset(
    {"sigterm", "sigkill_external", "sigkill_graceful_timeout", "boot_deadline", "gunicorn_timeout"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootTimes:
    """Measured boots of one app."""

    seconds: tuple[float, ...]
    """Each boot's time to ready, shortest first."""
    cut_off: tuple[float, ...] = ()
    """After how long others were ended before they were ready, shortest first."""
    steps: tuple[tuple[str, float], ...] = ()
    """The slowest steps and the longest that each took."""
    timeout: float = 30.0
    """Gunicorn's `timeout`."""
    graceful_timeout: float = 30.0
    preload: bool = False
    problems: tuple[str, ...] = ()
    """What could not be read."""

    @property
    def p50(self) -> float:
        """The median."""
        return percentile(self.seconds, 50)

    @property
    def p95(self) -> float:
        """What one boot of twenty takes longer than."""
        return percentile(self.seconds, 95)

    @property
    def longest(self) -> float:
        """The longest boot that became ready."""
        return self.seconds[-1]

    def as_dict(self) -> dict[str, Any]:
        """Return the public form."""
        return {
            "boots": len(self.seconds),
            "p50_s": round(self.p50, 3),
            "p95_s": round(self.p95, 3),
            "max_s": round(self.longest, 3),
            "ended_before_ready_s": [round(value, 3) for value in self.cut_off],
            "slowest_steps": [{"step": name, "max_s": round(value, 3)} for name, value in self.steps],
            "gunicorn_timeout_s": self.timeout,
            "gunicorn_graceful_timeout_s": self.graceful_timeout,
            "preload": self.preload,
        }


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return a percentile by nearest rank: always a value that was measured."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def measure(paths: Sequence[str], stdin: BinaryIO) -> BootTimes:
    """Return what the reports behind these paths tell; `seconds` is empty where no boot became ready."""
    intake = _Boots()
    read(paths, intake, stdin)
    return intake.result()


class _Boots(Documents):
    """Strictly private: an intake that keeps the durations of boots."""

    # ruff: noqa: ARG002 - an intake is told more than this one keeps

    def __init__(self) -> None:
        super().__init__()
        self._masters: dict[str, float] = {}
        self._workers: list[tuple[str, float]] = []
        self._cut_off: list[tuple[str, float]] = []
        self._steps: dict[str, float] = {}
        self._newest = ""
        self._settings: Mapping[str, Any] = {}
        self._seen: set[str] = set()

    def report(self, document: Mapping[str, Any], source: str, line: int | None, *, alone: bool) -> None:
        attributes = document.get("attributes")
        identity = str(document.get("report_id"))
        if not isinstance(attributes, Mapping) or identity in self._seen or len(self._seen) >= MAX_BOOTS:
            return
        self._seen.add(identity)
        server = str(attributes.get("bootcheck.server.id"))
        kind, role = document.get("kind"), document.get("role")
        took = _seconds(attributes.get("bootcheck.boot.duration_s"))
        if kind == "boot" and took is not None and role in ("master", "worker"):
            if role == "master":
                self._masters[server] = took
            else:
                self._workers.append((server, took))
            self._note(document, attributes)
        elif kind == "crash" and attributes.get("bootcheck.ready") is False and role == "worker":
            verdict = document.get("verdict")
            lived = _seconds(attributes.get("bootcheck.worker.uptime_s"))
            if isinstance(verdict, Mapping) and verdict.get("cause") in _ENDED_BY_OTHERS and lived is not None:
                self._cut_off.append((server, lived))

    def _note(self, document: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
        at = str(document.get("timestamp", ""))
        if at >= self._newest:
            self._newest, self._settings = at, attributes
        checkpoints = document.get("checkpoints")
        for point in checkpoints if isinstance(checkpoints, list) else []:
            took = _seconds(point.get("duration_ms")) if isinstance(point, Mapping) else None
            name = str(point.get("name")) if took is not None else ""
            if took is not None and name not in ("server.boot", "worker.boot"):
                self._steps[name] = max(self._steps.get(name, 0.0), took / 1000)

    def result(self) -> BootTimes:
        own = self._settings.get
        timeout, graceful = (
            _seconds(own("bootcheck.gunicorn.timeout")),
            _seconds(own("bootcheck.gunicorn.graceful_timeout")),
        )
        slowest = sorted(self._steps.items(), key=lambda item: -item[1])
        return BootTimes(
            seconds=tuple(sorted(self._masters.get(server, 0.0) + took for server, took in self._workers)),
            cut_off=tuple(sorted(self._masters.get(server, 0.0) + lived for server, lived in self._cut_off)),
            steps=tuple((name, took) for name, took in slowest[:3] if took >= 0.1),
            timeout=30.0 if timeout is None else timeout,
            graceful_timeout=30.0 if graceful is None else graceful,
            preload=own("bootcheck.gunicorn.preload") is True,
            problems=tuple(self.problems),
        )


def _seconds(value: object) -> float | None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9
    return float(value) if ok else None  # type: ignore[arg-type]
