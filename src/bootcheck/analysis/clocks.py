"""Whose clock a time was read from, and how far two clocks are apart: told by processes that both tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from bootcheck.analysis.history import History, Moment
from bootcheck.analysis.pattern import seconds
from bootcheck.analysis.spans import Span

RESOLUTION = 1.5
"""Seconds below which two clocks agree: Gunicorn's lines have whole seconds."""
AGREE = 3.0
"""Seconds by which the offsets that single processes show may differ from each other."""
SAME_START = 3.0
"""Seconds by which two tellings of one start may differ."""
DRIFT = 900.0
"""Seconds by which a clock that nobody sets may be wrong; more is a time zone."""
FURTHEST = 50_400.0
"""Seconds to the furthest time zone."""
QUARTER = 900.0
"""Seconds of which every time zone is a multiple."""
MAX_ASKED = 100
"""Deaths of one source that are compared."""
MAX_OTHERS = 20
"""Others of the same pid with which each is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skew:
    """How far one clock is from the one that the timeline is told in."""

    clock: str
    reference: str
    offset: float | None
    """Seconds to add to its times; None where nothing tells."""
    pairs: int = 0

    @property
    def shifts(self) -> bool:
        """True where the times are to be corrected."""
        return self.offset is not None and abs(self.offset) > RESOLUTION

    @property
    def sentence(self) -> str:
        """What a reader must know of it."""
        if self.offset is None:
            return (
                f"{self.clock}: its clock cannot be compared with {self.reference}, as no process is told of by both; "
                f"entries of the two may be in the wrong order."
            )
        told = f"{self.pairs} moment{'s' if self.pairs > 1 else ''} that both tell of"
        if not self.shifts:
            return f"{self.clock}: agrees with {self.reference} within {RESOLUTION} s ({told})."
        way = "behind" if self.offset > 0 else "ahead of"
        zone = " That is whole hours: a time zone." if abs(self.offset) > 1800 and _is_zone(self.offset) else ""
        return (
            f"{self.clock}: {seconds(abs(self.offset))} {way} {self.reference} ({told}); its times are shifted "
            f"below.{zone}"
        )


def clock_of(item: Span | Moment) -> str:
    """Return whose clock stamped it: the host's of a report or journal, the file's of a log line."""
    from_log = item.line is not None if isinstance(item, Moment) else item.of_log
    return item.source if from_log else item.host or item.source


def skews(history: History) -> list[Skew]:
    """Return how far each other clock is from the first; nothing where there is only one."""
    by_clock: dict[str, list[Span]] = {}
    for span in history.spans:
        by_clock.setdefault(clock_of(span), []).append(span)
    for moment in history.moments:
        by_clock.setdefault(clock_of(moment), [])
    if len(by_clock) < 2:
        return []
    # A report's clock has milliseconds and a zone: what tells most is told in it.
    reference = max(by_clock, key=lambda name: (sum(not span.of_log for span in by_clock[name]), len(by_clock[name])))
    return [
        _between(name, reference, found, by_clock[reference]) for name, found in by_clock.items() if name != reference
    ]


def _between(name: str, reference: str, ours: Sequence[Span], theirs: Sequence[Span]) -> Skew:
    by_pid: dict[int, list[Span]] = {}
    for span in theirs:
        by_pid.setdefault(span.pid, []).append(span)
    offsets = [offset for span in ours for other in by_pid.get(span.pid, ()) for offset in _offsets(span, other)]
    if not offsets:
        return Skew(clock=name, reference=reference, offset=None)
    # Pids come round again: only offsets that agree with each other mean anything.
    best = max(([one for one in offsets if abs(one - start) <= AGREE] for start in offsets[:200]), key=len)
    if len(best) * 2 < len(offsets):
        return Skew(clock=name, reference=reference, offset=None)
    return Skew(clock=name, reference=reference, offset=median(best), pairs=len(best))


def _offsets(ours: Span, theirs: Span) -> Iterable[float]:
    if ours.role != theirs.role:
        return
    if ours.started is not None and theirs.started is not None:
        yield theirs.started - ours.started
    if ours.ended is not None and theirs.ended is not None:
        yield theirs.ended - ours.ended


def _is_zone(offset: float) -> bool:
    return abs(offset - round(offset / QUARTER) * QUARTER) < AGREE


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tellings that may be of one death: of the same pid and role."""

    death: int
    """Which death of the source whose clock is in question."""
    offset: float
    """Seconds from its end there to its end in the other telling."""
    life: float | None
    """By how much the two lives differ, None where a start is not known."""


def offset_of(pairs: Sequence[Pair], near: float) -> float:
    """Return the seconds that a source's times are to be corrected by, 0.0 where nothing shows it.

    Pids come round again: an offset counts where more deaths agree on it than agree as they stand, at most
    `near` seconds apart, and where it is a time zone's, or a clock's that drifted and several deaths, or the
    whole life of one, show it.
    """
    as_they_stand = len({pair.death for pair in pairs if abs(pair.offset) <= near})
    best: list[Pair] = []
    for start in sorted({pair.offset for pair in pairs}, key=abs)[:MAX_ASKED]:
        agree = [pair for pair in pairs if abs(pair.offset - start) <= AGREE / 2]
        if len({pair.death for pair in agree}) > len({pair.death for pair in best}):
            best = agree
    deaths = {pair.death for pair in best}
    if len(deaths) <= as_they_stand or len(deaths) * 2 <= len({pair.death for pair in pairs}):
        return 0.0
    offset = median(pair.offset for pair in best)
    lived = any(pair.life is not None and abs(pair.life) <= RESOLUTION for pair in best)
    zone = _is_zone(offset) and abs(offset) <= FURTHEST
    shown = zone or (abs(offset) <= DRIFT and (len(deaths) > 1 or lived))
    return offset if shown and not _lived_otherwise(best) else 0.0


def _lived_otherwise(pairs: Sequence[Pair]) -> bool:
    """Tell whether most of those whose lives both know lived for another time: then they are others."""
    known = [pair.life for pair in pairs if pair.life is not None]
    return sum(abs(life) > AGREE for life in known) * 2 > len(known)


def lives(history: History, found: Iterable[Skew]) -> list[Span]:
    """Return every process once, in the reference's time, the earliest first."""
    shifts = {skew.clock: skew.offset for skew in found if skew.shifts and skew.offset is not None}
    kept: list[Span] = []
    by_pid: dict[int, list[Span]] = {}
    # Reports know more than journals, and both more than logs.
    for span in sorted(history.spans, key=lambda one: (one.of_log, one.cause is None, one.summary == "")):
        told = _shifted(span, shifts.get(clock_of(span), 0.0))
        same = next((one for one in by_pid.get(told.pid, ()) if _same(one, told)), None)
        if same is None:
            kept.append(told)
            by_pid.setdefault(told.pid, []).append(told)
        else:
            _complete(same, told)
    return sorted(kept, key=lambda one: (one.first is None, one.first or 0.0))


def shifted(moments: Iterable[Moment], found: Iterable[Skew]) -> list[Moment]:
    """Return the moments in the reference's time and order."""
    shifts = {skew.clock: skew.offset for skew in found if skew.shifts and skew.offset is not None}
    return sorted(
        (replace(moment, at=moment.at + shifts.get(clock_of(moment), 0.0)) for moment in moments),
        key=lambda moment: moment.at,
    )


def _shifted(span: Span, by: float) -> Span:
    def moved(at: float | None) -> float | None:
        return None if at is None else at + by

    return replace(span, started=moved(span.started), ready=moved(span.ready), ended=moved(span.ended))


def _same(one: Span, other: Span) -> bool:
    if one.host and other.host and one.host.partition(".")[0] != other.host.partition(".")[0]:
        return False
    if one.server and other.server and one.server != other.server:
        return False
    if one.started is not None and other.started is not None:
        return abs(one.started - other.started) <= SAME_START
    return one.ended is not None and other.ended is not None and abs(one.ended - other.ended) <= SAME_START


def _complete(kept: Span, other: Span) -> None:
    """Let one telling gain what only the other one knows."""
    kept.host = kept.host or other.host
    kept.server = kept.server or other.server
    kept.started = kept.started if kept.started is not None else other.started
    kept.ready = kept.ready if kept.ready is not None else other.ready
    kept.ended = kept.ended if kept.ended is not None else other.ended
    kept.cause = kept.cause or other.cause
    kept.step = kept.step or other.step
    kept.steps = kept.steps or other.steps
    kept.memory = kept.memory or other.memory
    kept.peak = kept.peak or other.peak
    kept.limit = kept.limit or other.limit
    kept.imports = kept.imports or other.imports
    kept.settings = {**other.settings, **kept.settings}
    kept.findings = kept.findings or other.findings
    kept.missing = kept.missing or other.missing
