"""Incidents: the deaths that share one cause, counted, ordered, and told once."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from bootcheck.analysis import siblings
from bootcheck.analysis.deaths import LOG, Death
from bootcheck.analysis.history import History
from bootcheck.analysis.manifest import Probe
from bootcheck.analysis.pattern import Pattern, of_group
from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.wanted import Filter
from bootcheck.analysis.warned import Warned
from bootcheck.model.cause import Cause
from bootcheck.model.codes import CODES
from bootcheck.model.finding import Evidence, Finding
from bootcheck.model.stamps import rfc3339

SCHEMA_VERSION = 1
MAX_PROCESSES = 200
MAX_EVIDENCE = 12
_PID = re.compile(r" \(pid \d+\)")
_MANY_FACED = frozenset({"db-forked-connection", "db-too-many-connections", "app-startup-race"})
"""Each process that meets these in the same server may meet another error."""


@dataclass(slots=True)
class Inputs:
    """What was looked at, and what could not be."""

    files: int = 0
    lines: int = 0
    reports: int = 0
    foreign: bool = False
    """Nothing that was read is a server's: no line of Gunicorn, no report, no journal."""
    unreadable: list[dict[str, str]] = field(default_factory=list)
    unreadable_count: int = 0


@dataclass(slots=True)
class Unexplained:
    """Error lines that no trouble explains, by template."""

    template: str
    count: int
    source: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Deaths of one cause, as they are told."""

    id: str
    code: str
    cause: str
    cause_class: str
    summary: str
    action: tuple[str, ...] = ()
    confirm: str | None = None
    confidence: str = "medium"
    evidence: tuple[Evidence, ...] = ()
    against: tuple[str, ...] = ()
    first_seen: str | None = None
    last_seen: str | None = None
    processes: tuple[Mapping[str, Any], ...] = ()
    count: int = 1
    pattern: Pattern = field(default_factory=Pattern)
    """How the deaths lie in time and place; the JSON has what the contract promises and no more."""

    @property
    def slug(self) -> str:
        """The name of the bad thing."""
        return CODES[self.code].slug if self.code in CODES else "unknown"

    def as_dict(self) -> dict[str, Any]:
        """Return the public form."""
        return {
            "id": self.id,
            "code": self.code,
            "slug": self.slug,
            "cause": self.cause,
            "cause_class": self.cause_class,
            "summary": self.summary,
            "action": list(self.action),
            "confirm": self.confirm,
            "confidence": self.confidence,
            "evidence": [item.as_dict() for item in self.evidence],
            "against": list(self.against),
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "processes": [dict(process) for process in self.processes],
            "count": self.count,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What an analysis came to."""

    incidents: tuple[Incident, ...] = ()
    unexplained: tuple[Unexplained, ...] = ()
    inputs: Inputs = field(default_factory=Inputs)
    complete: bool = True
    """False where a path that was named is missing."""
    advice: tuple[Finding, ...] = ()
    """What healthy boots could do better: no incident, and no reason to exit with 1."""
    interrupted: bool = False
    """True where it was broken off: then this is what had been read."""
    history: History | None = None
    """Lives and moments, for the formats that ask for them."""
    probes: tuple[Probe, ...] = ()
    """Probes of the platform that can end a start, as far as the user says which there are."""

    @property
    def exit_code(self) -> int:
        """0 nothing wrong, 1 findings, 2 could not look; findings win."""
        if self.incidents:
            return 1
        nothing_read = bool(self.inputs.unreadable_count) and not self.inputs.files
        return 2 if nothing_read or not self.complete else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the public form (contract: commands)."""
        return {
            "schema_version": SCHEMA_VERSION,
            "incidents": [incident.as_dict() for incident in self.incidents],
            "unexplained": [
                {"template": item.template, "count": item.count, "source": quoted(item.source), "line": item.line}
                for item in self.unexplained
            ],
            "inputs": {
                "files": self.inputs.files,
                "lines": self.inputs.lines,
                "reports": self.inputs.reports,
                "unreadable": [{key: quoted(text) for key, text in item.items()} for item in self.inputs.unreadable],
            },
            **(
                {"advice": [_of_warning(Warned(finding, count=1)).as_dict() for finding in self.advice]}
                if self.advice
                else {}
            ),
        }


def of_deaths(deaths: Iterable[Death]) -> list[Incident]:
    """Return the incidents: what stopped a server first, then the earliest."""
    groups: dict[tuple[str, ...], list[Death]] = {}
    for death in siblings.by_each_other(siblings.without_collateral(list(deaths))):
        groups.setdefault(death.key, []).append(death)
    parted = [_in_order(part) for group in _folded(groups.values()) for part in _by_step(group)]
    return [_incident(group) for group in sorted(parted, key=_urgency)]


def _in_order(group: list[Death]) -> list[Death]:
    """Sort a group by time, those of unknown time last; there may be a hundred thousand."""
    timed = None not in map(attrgetter("at"), group)
    group.sort(key=attrgetter("at") if timed else lambda death: (death.at is None, death.at or 0.0))
    return group


def _urgency(group: list[Death]) -> tuple[bool, float]:
    first = group[0].at
    return (not any(death.stops for death in group), float("inf") if first is None else first)


def _folded(groups: Iterable[list[Death]]) -> list[list[Death]]:
    """Make one of what a server's processes met in different ways: a request that failed, the master that ended."""
    kept: dict[tuple[str, ...], list[Death]] = {}
    result: list[list[Death]] = []
    for group in groups:
        first = group[0]
        told = first.subject and all(death.kind == LOG and death.specific for death in group)
        places = {siblings.place_of(death) for death in group} if told else set()
        if len(places) != 1:
            result.append(group)
            continue
        subject = "" if first.cause_class in _MANY_FACED else first.subject
        same = kept.setdefault((*places, first.cause_class, subject), group)
        if same is group:
            result.append(group)
        else:
            same.extend(group)
    return result


def _by_step(group: list[Death]) -> list[list[Death]]:
    """Part a group by step; what has no step (logs) goes with the most frequent one."""
    if group[0].cause in (Cause.SIGTERM, Cause.SIGKILL_EXTERNAL, Cause.VANISHED, Cause.OOM):
        # One signal to all hits each worker where it stands.
        return [group]
    steps: dict[str, list[Death]] = {}
    for death in group:
        steps.setdefault(death.step or "", []).append(death)
    loose = steps.pop("", [])
    if not steps:
        return [loose]
    max(steps.values(), key=len).extend(loose)
    return list(steps.values())


def _incident(group: list[Death]) -> Incident:
    since, until = group[0].at, next((death.at for death in reversed(group) if death.at is not None), None)
    first = _spokesman(group)
    finding = first.finding
    confidences = {death.told.confidence for death in group}
    collateral = sum(map(attrgetter("collateral"), group))
    evidence = [*finding.evidence[: MAX_EVIDENCE - 2]]
    if collateral:
        evidence.append(
            Evidence(
                source="master",
                text=f"{collateral} sibling worker{'s' if collateral > 1 else ''} stopped by the master because of it",
            )
        )
    return Incident(
        id=hashlib.sha256("\0".join((*first.key, first.step or "")).encode("utf-8", "replace")).hexdigest()[:12],
        code=finding.code if finding.code in CODES else "BC501",
        cause=first.cause.value,
        cause_class=first.cause_class,
        summary=_summary(finding.summary, len(group)),
        action=tuple(quoted(item) for item in finding.action),
        confirm=None if finding.confirm is None else quoted(finding.confirm),
        confidence=max(confidences, key=("low", "medium", "high").index),
        evidence=tuple(
            Evidence(source=quoted(item.source), line=item.line, text=quoted(item.text)) for item in evidence
        ),
        against=tuple(quoted(item) for item in finding.against),
        first_seen=None if since is None else rfc3339(since),
        last_seen=None if until is None else rfc3339(until),
        processes=tuple(_process(death) for death in group[:MAX_PROCESSES]),
        count=len(group),
        pattern=of_group(group),
    )


def _spokesman(group: list[Death]) -> Death:
    """Return the death that speaks for all: of the step that most of them stood in, a report rather than a log."""
    steps = set(map(attrgetter("step"), group)) - {None}
    usual = next(iter(steps), None)
    if len(steps) > 1:
        usual = Counter(death.step for death in group if death.step).most_common(1)[0][0]
    # Of a hundred thousand the first that fits in all: what min would find, without a key for each.
    fits = (death for death in group if death.step == usual and death.kind != LOG and death.cause is not Cause.NONE)
    return next(fits, None) or min(
        group, key=lambda death: (death.step != usual, death.kind == LOG, death.cause is Cause.NONE)
    )


def _summary(text: str, count: int) -> str:
    return quoted(_PID.sub("", text) if count > 1 else text)


def _process(death: Death) -> dict[str, Any]:
    return {
        "pid": death.pid,
        "host": death.host,
        "role": death.role,
        "at": None if death.at is None else rfc3339(death.at),
        "report": None if death.path is None else quoted(death.path),
    }


def with_warnings(found: list[Incident], warned: Iterable[Warned], wanted: Filter) -> list[Incident]:
    """Return the incidents and one per warning of boots that reached ready: asked for with `--fail-on warning`.

    A warning of what is an incident already, as the log of a request that failed is, makes that one clearer.
    """
    result = list(found)
    for item in warned:
        finding = item.finding
        if not wanted.names(finding.code, finding.rule.cause_class):
            continue
        made = _of_warning(item)
        same = next(
            (place for place, one in enumerate(found) if (one.code, one.cause) == (made.code, made.cause)), None
        )
        if same is None:
            result.append(made)
        else:
            result[same] = _joined(result[same], made)
    return result


def _joined(incident: Incident, warning: Incident) -> Incident:
    return replace(
        incident,
        action=tuple(dict.fromkeys((*incident.action, *warning.action))),
        evidence=(*incident.evidence, *warning.evidence)[:MAX_EVIDENCE],
        confidence=max(incident.confidence, warning.confidence, key=("low", "medium", "high").index),
    )


def _of_warning(item: Warned) -> Incident:
    finding = item.finding
    identity = f"warning\0{finding.code}\0{finding.summary}".encode("utf-8", "replace")
    return Incident(
        id=hashlib.sha256(identity).hexdigest()[:12],
        code=finding.code,
        cause=Cause.NONE.value,
        cause_class=finding.rule.cause_class,
        summary=quoted(finding.summary),
        action=tuple(quoted(action) for action in finding.action),
        confirm=finding.confirm,
        confidence=finding.confidence,
        evidence=tuple(
            Evidence(source=quoted(part.source), line=part.line, text=quoted(part.text)) for part in finding.evidence
        ),
        against=finding.against,
        first_seen=item.first,
        last_seen=item.last,
        processes=tuple(item.processes),
        count=item.count,
    )
