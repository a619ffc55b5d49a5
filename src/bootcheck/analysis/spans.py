"""One process on a chart: its start, its end, its steps and its memory, from a report or a journal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.readers.prefixes import epoch
from bootcheck.model.boot import Boot
from bootcheck.model.finding import Finding

MAX_STEPS = 200
MAX_IMPORTS = 30
SETTINGS = (
    "bootcheck.gunicorn.version",
    "bootcheck.gunicorn.worker_class",
    "bootcheck.gunicorn.workers",
    "bootcheck.gunicorn.threads",
    "bootcheck.gunicorn.preload",
    "bootcheck.gunicorn.timeout",
    "bootcheck.gunicorn.graceful_timeout",
    "bootcheck.gunicorn.app",
    "process.runtime.name",
    "process.runtime.version",
    "process.working_directory",
    "service.name",
    "service.version",
    "host.arch",
    "os.version",
    "bootcheck.libc",
    "bootcheck.cgroup.memory.limit",
)
"""Attributes of a report that a deploy or a machine decides, not the boot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a boot."""

    name: str
    duration_ms: float | None
    outcome: str
    at: float | None = None
    """Seconds after the start of its process."""


@dataclass(slots=True, kw_only=True)
class Span:
    """One process on the chart."""

    role: str
    pid: int
    source: str
    host: str | None = None
    server: str | None = None
    started: float | None = None
    ready: float | None = None
    ended: float | None = None
    cause: str | None = None
    """Of a death; None where it ended well, or has not ended."""
    summary: str = ""
    step: str | None = None
    steps: tuple[Step, ...] = ()
    memory: tuple[tuple[float, int], ...] = ()
    """Seconds after its start, and bytes."""
    peak: int | None = None
    limit: int | None = None
    imports: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds of each slow module, without what it imports itself."""
    settings: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    missing: tuple[str, ...] = ()
    sender: str | None = None
    of_log: bool = False
    """Put together from lines of a log: whole seconds, and no more than a line says."""

    @property
    def uptime(self) -> float | None:
        """Seconds from its start to its end."""
        return None if self.started is None or self.ended is None else max(0.0, self.ended - self.started)

    @property
    def good(self) -> bool:
        """True where it became ready."""
        return self.ready is not None

    @property
    def first(self) -> float | None:
        """The earliest time known of it."""
        return next((at for at in (self.started, self.ready, self.ended) if at is not None), None)


def of_report(document: Mapping[str, Any], source: str) -> Span | None:
    """Return the life that a crash or boot report tells of; None where it is neither."""
    kind = document.get("kind")
    attributes = _mapping(document.get("attributes"))
    at = epoch(str(document.get("timestamp", "")).replace("T", " "))
    pid = _whole(attributes.get("process.pid"))
    if kind not in ("crash", "boot") or pid is None or at is None:
        return None
    crash = kind == "crash"
    verdict = _mapping(document.get("verdict"))
    life = _number(attributes.get("bootcheck.worker.uptime_s" if crash else "bootcheck.boot.duration_s"))
    begun = None if life is None else at - life
    steps, memory, first = _checkpoints(document.get("checkpoints"), begun)
    begun = begun if begun is not None else first
    was_ready = attributes.get("bootcheck.ready") is True and begun is not None
    return Span(
        role=_text(document.get("role")) or "worker",
        pid=pid,
        source=source,
        host=_text(attributes.get("host.name")),
        server=_text(attributes.get("bootcheck.server.id")),
        started=begun,
        ready=at if not crash else _ready_of(begun, steps) if was_ready and begun is not None else None,
        ended=at if crash else None,
        cause=_text(verdict.get("cause")) if crash else None,
        summary=quoted(str(verdict.get("summary") or "")),
        step=_text(document.get("step")),
        steps=steps,
        memory=memory,
        peak=_whole(attributes.get("bootcheck.process.memory.peak")),
        limit=_whole(attributes.get("bootcheck.cgroup.memory.limit")),
        imports=_imports(attributes.get("bootcheck.imports")),
        settings=_settings(attributes, document.get("annotations")),
        findings=_findings(document.get("findings")),
        missing=tuple(quoted(str(item)) for item in _list(verdict.get("missing"))),
        sender=_sender(attributes),
    )


def of_journal(boot: Boot, source: str) -> Span | None:
    """Return the life that a journal tells of, whether it has ended or not."""
    if not boot.pid:
        return None
    begun = _number(boot.head.get("at"))
    steps, memory, first = _checkpoints([checkpoint.as_report_entry() for checkpoint in boot.checkpoints], begun)
    return Span(
        role=boot.role,
        pid=boot.pid,
        source=source,
        host=_text(boot.head.get("host")),
        server=_text(boot.head.get("server_id")),
        started=begun if begun is not None else first,
        ready=_number(boot.ready_at),
        ended=_number(boot.last_at) if boot.end is not None else None,
        step=boot.step,
        steps=steps,
        memory=memory,
        imports=_imports(list(boot.imports)),
        findings=boot.findings,
    )


def _checkpoints(
    entries: object, begun: float | None
) -> tuple[tuple[Step, ...], tuple[tuple[float, int], ...], float | None]:
    """Return the steps with their durations, the memory over time, and the first checkpoint's time."""
    steps: list[Step] = []
    memory: list[tuple[float, int]] = []
    entered: dict[str, float] = {}
    first: float | None = None
    for entry in _list(entries)[: 4 * MAX_STEPS]:
        item = _mapping(entry)
        at = epoch(str(item.get("at", "")).replace("T", " "))
        if at is None:
            continue
        first = at if first is None else first
        offset = max(0.0, at - (begun if begun is not None else first))
        name, outcome, rss = quoted(str(item.get("name")), 120), str(item.get("outcome")), _whole(item.get("rss_bytes"))
        if rss is not None:
            memory.append((offset, rss))
        if outcome == "entered":
            entered[name] = offset
        elif len(steps) < MAX_STEPS:
            steps.append(
                Step(
                    name=name,
                    duration_ms=_number(item.get("duration_ms")),
                    outcome=outcome,
                    at=entered.pop(name, offset),
                )
            )
    steps += [Step(name=name, duration_ms=None, outcome="entered", at=at) for name, at in entered.items()][:MAX_STEPS]
    return tuple(steps), tuple(memory), first


def _ready_of(begun: float, steps: tuple[Step, ...]) -> float | None:
    """Return when a process was ready that is known to have been: at the end of its boot."""
    boot = next((step for step in steps if step.name.endswith(".boot") and step.duration_ms is not None), None)
    return None if boot is None else begun + (boot.at or 0.0) + (boot.duration_ms or 0.0) / 1000


def _imports(value: object) -> dict[str, float]:
    found: dict[str, float] = {}
    for entry in _list(value)[:MAX_IMPORTS]:
        took = _number(_mapping(entry).get("self_ms"))
        if took is not None:
            found[quoted(str(_mapping(entry).get("module")), 120)] = took
    return found


def _settings(attributes: Mapping[str, Any], annotations: object) -> dict[str, str]:
    told = {name: quoted(str(attributes[name]), 200) for name in SETTINGS if attributes.get(name) is not None}
    tags = {
        f"tag {name}": quoted(f"{name}={value}", 200).partition("=")[2] for name, value in _mapping(annotations).items()
    }
    return {**told, **tags}


def _findings(value: object) -> tuple[Finding, ...]:
    found: list[Finding] = []
    for item in _list(value)[:50]:
        try:
            found.append(Finding.from_dict(item))
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
    return tuple(found)


def _sender(attributes: Mapping[str, Any]) -> str | None:
    told = {key: attributes.get(f"bootcheck.signal.sender.{key}") for key in ("origin", "pid", "command")}
    if not told["pid"] and not told["command"]:
        return None
    return quoted(f"pid {told['pid']} ({told['command'] or 'unknown command'}), {told['origin'] or 'unknown'}", 200)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return quoted(value, 200) if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if ok and isinstance(value, (int, float)) and 0 <= value < 1e11 else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62 else None
