"""The spans of time that decide: how long it took to die, to come back, and what was slow before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from bootcheck.analysis.history import Moment
from bootcheck.analysis.incidents import Incident
from bootcheck.analysis.pattern import seconds
from bootcheck.analysis.spans import Span

MAX_OUTAGES = 3
MAX_STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """One length of time and what it is of."""

    name: str
    told: str
    """The length, as people say it."""
    note: str = ""


def intervals(incidents: Sequence[Incident], spans: Sequence[Span], moments: Sequence[Moment]) -> Iterator[Interval]:
    """Yield the critical intervals, those of the incidents first."""
    for incident in incidents[:10]:
        yield from _of_incident(incident, spans)
    yield from _boots(spans)
    yield from _outages(spans)
    yield from _orders(spans, moments)


def _of_incident(incident: Incident, spans: Sequence[Span]) -> Iterator[Interval]:
    pattern = incident.pattern
    if pattern.lives:
        low, high = min(pattern.lives), max(pattern.lives)
        told = seconds(low) if low == high else f"{seconds(low)} to {seconds(high)}"
        yield Interval(
            name=f"{incident.code}: start to death",
            told=told,
            note=_counted(len(pattern.lives), "known life", "known lives"),
        )
    if len(pattern.times) > 1:
        yield Interval(name=f"{incident.code}: first death to last", told=seconds(pattern.times[-1] - pattern.times[0]))
    gaps = pattern.intervals
    if gaps:
        yield Interval(
            name=f"{incident.code}: from one wave of deaths to the next",
            told=seconds(median(gaps)),
            note=f"{_counted(len(gaps), 'interval', 'intervals')}, {seconds(min(gaps))} to {seconds(max(gaps))}",
        )
    first = min(pattern.times, default=None)
    good = [span.ready for span in spans if span.ready is not None and first is not None and span.ready < first]
    if good and first is not None:
        yield Interval(name=f"{incident.code}: last good boot to first death", told=seconds(first - max(good)))
    own = [span for span in spans if span.cause == incident.cause and (span.host or "", span.pid) in pattern.processes]
    yield from _stood_in(incident, own)


def _stood_in(incident: Incident, own: Sequence[Span]) -> Iterator[Interval]:
    """Yield how long they had stood in their unfinished steps."""
    stood: dict[str, list[float]] = {}
    for span in own:
        for step in span.steps:
            if step.outcome == "entered" and step.at is not None and span.uptime is not None:
                stood.setdefault(step.name, []).append(max(0.0, span.uptime - step.at))
            elif step.outcome == "failed" and step.duration_ms is not None:
                # The signal unwound it: it was left by its death.
                stood.setdefault(step.name, []).append(step.duration_ms / 1000)
    for name, took in sorted(stood.items(), key=lambda item: min(item[1]))[:MAX_STEPS]:
        yield Interval(
            name=f"{incident.code}: in step {name} until death",
            told=seconds(median(took)),
            note=_counted(len(took), "process", "processes"),
        )


def _boots(spans: Sequence[Span]) -> Iterator[Interval]:
    by_role: dict[str, list[float]] = {}
    for span in spans:
        if span.ready is not None and span.started is not None:
            by_role.setdefault(span.role, []).append(max(0.0, span.ready - span.started))
    for role, took in by_role.items():
        yield Interval(
            name=f"Start to ready, {role}",
            told=seconds(median(took)),
            note=f"{_counted(len(took), 'boot', 'boots')}, {seconds(min(took))} to {seconds(max(took))}",
        )


def _outages(spans: Sequence[Span]) -> Iterator[Interval]:
    """Yield the times in which no worker was ready, where readiness is known."""
    changes: list[tuple[float, int]] = []
    for span in spans:
        if span.role == "worker" and span.ready is not None:
            changes.append((span.ready, 1))
            if span.ended is not None:
                changes.append((span.ended, -1))
    ready, since, found = 0, None, []
    for at, change in sorted(changes):
        if ready == 0 and change > 0 and since is not None:
            found.append((at - since, since))
        ready += change
        since = at if ready == 0 else None
    for length, _ in sorted(found, reverse=True)[:MAX_OUTAGES]:
        yield Interval(name="No worker ready", told=seconds(length), note="between two workers that became ready")


def _orders(spans: Sequence[Span], moments: Sequence[Moment]) -> Iterator[Interval]:
    """Yield the time from an order to stop to the last end after it."""
    ends = sorted(span.ended for span in spans if span.ended is not None)
    orders = [moment for moment in moments if "Handling signal: " in moment.text]
    for order in orders[:3]:
        after = [at for at in ends if 0 <= at - order.at <= 300]
        if after:
            yield Interval(
                name=f"{order.text.partition('Handling signal: ')[2].strip()} to the last end",
                told=seconds(max(after) - order.at),
                note=order.source,
            )


def _counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
