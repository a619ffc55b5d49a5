"""What a person would write about a day: summary, timeline, critical intervals, hypotheses, missing facts, what to do.

Formats lay it out; everything that is concluded is concluded here, from the analysis and its history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bootcheck.analysis import clocks, hypotheses
from bootcheck.analysis.comparison import changed_settings
from bootcheck.analysis.history import History, Moment
from bootcheck.analysis.hypotheses import Case, Hypothesis
from bootcheck.analysis.incidents import Analysis, Incident
from bootcheck.analysis.intervals import Interval, intervals
from bootcheck.analysis.manifest import Probe
from bootcheck.analysis.quoting import quoted, template
from bootcheck.analysis.readers.prefixes import epoch
from bootcheck.analysis.spans import Span

MAX_ENTRIES = 150
FOLDED = 2.0
"""Seconds within which the same from the same source is one entry."""
FIRST_SIGN = 600.0
"""Seconds before the first death in which a bad line may be its first sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing to do, by how much it matters."""

    priority: int
    """1 stops the server, 2 is another incident, 3 makes the next one easier to explain, 4 would be better."""
    text: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One incident, told."""

    incident: Incident
    pattern: tuple[str, ...]
    first_sign: Moment | None
    good: Span | None
    """The last boot before it that became ready."""
    changes: tuple[tuple[str, str | None, str | None], ...]
    hypotheses: tuple[Hypothesis, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The whole report, ready to be laid out."""

    analysis: Analysis
    summary: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    entries: tuple[Moment, ...]
    left_out: int
    clocks: tuple[str, ...]
    intervals: tuple[Interval, ...]
    missing: tuple[str, ...]
    advice: tuple[Advice, ...]
    spans: tuple[Span, ...]


def tell(analysis: Analysis) -> Story:
    """Return the story of an analysis; without a history it has no timeline."""
    history = analysis.history or History()
    found, spans, moments = _known(analysis.incidents, history)
    own = [moment for moment in moments if not moment.beside]
    chapters = tuple(_chapter(incident, spans, own, analysis.probes) for incident in analysis.incidents)
    entries, left_out = _entries(moments)
    return Story(
        analysis=analysis,
        summary=tuple(_summary(analysis, spans)),
        chapters=chapters,
        entries=tuple(entries),
        left_out=left_out + history.left_out,
        clocks=tuple(_clocks(found, history)),
        intervals=tuple(intervals(analysis.incidents, spans, own)),
        missing=tuple(dict.fromkeys(_missing(analysis, history, chapters, spans))),
        advice=(*_advice(chapters, spans), *_of_healthy(analysis)),
        spans=tuple(spans),
    )


def chapters(analysis: Analysis) -> tuple[Chapter, ...]:
    """Return the chapter of each incident; none at all where something had to be left out of the history."""
    history = analysis.history
    if history is None or not history.whole:
        return ()
    _, spans, moments = _known(analysis.incidents, history)
    return tuple(_chapter(incident, spans, moments, analysis.probes) for incident in analysis.incidents)


def _known(incidents: Sequence[Incident], history: History) -> tuple[list[clocks.Skew], list[Span], list[Moment]]:
    """Return the skew of each clock, then the lives and moments in one time."""
    found = clocks.skews(history)
    spans = clocks.lives(history, found)
    for span in spans:
        _end_by_incident(span, incidents)
    moments = clocks.shifted(history.moments, found)
    unsaid = _unsaid(incidents, [moment for moment in moments if not moment.beside])
    return found, spans, sorted([*moments, *unsaid], key=lambda moment: moment.at)


def _summary(analysis: Analysis, spans: Sequence[Span]) -> Iterator[str]:
    incidents = analysis.incidents
    if not incidents:
        yield "No incident: nothing that was read tells of a death."
    deaths = sum(incident.count for incident in incidents if incident.cause != "none")
    for incident in incidents[:5]:
        times = f" ({incident.count} times)" if incident.count > 1 else ""
        yield f"{incident.summary}{times}"
    if len(incidents) > 5:
        yield f"And {len(incidents) - 5} more incidents."
    if deaths:
        begins = [incident.first_seen for incident in incidents if incident.first_seen]
        ends = [incident.last_seen for incident in incidents if incident.last_seen]
        when = f", {_clock(min(begins))} to {_clock(max(ends))} UTC" if begins and ends else ""
        hosts = {host for incident in incidents for host, _ in incident.pattern.hosts}
        where = f" on {len(hosts)} host{'s' if len(hosts) > 1 else ''}" if hosts else ""
        kinds = f" in {len(incidents)} incidents" if len(incidents) > 1 else ""
        yield f"{deaths} death{'s' if deaths > 1 else ''}{kinds}{where}{when}."
    ready = sum(span.good for span in spans)
    if spans:
        yield f"{len(spans)} processes are known, {ready} of them became ready."


def _chapter(incident: Incident, spans: Sequence[Span], moments: Sequence[Moment], probes: Sequence[Probe]) -> Chapter:
    own = [span for span in spans if _belongs(span, incident)]
    first = min(incident.pattern.times, default=None)
    good = _last_good(spans, first, own)
    changes = tuple(_changes(good, own)) if good is not None else ()
    case = Case(
        incident=incident, spans=own, all_spans=spans, moments=moments, probes=probes, good=good, changes=changes
    )
    return Chapter(
        incident=incident,
        pattern=tuple(incident.pattern.sentences()),
        first_sign=_first_sign(moments, first),
        good=good,
        changes=changes,
        hypotheses=tuple(hypotheses.of_case(case)),
    )


def _belongs(span: Span, incident: Incident) -> bool:
    if not any((host, span.pid) in incident.pattern.processes for host in ("", span.host or "")):
        return False
    return span.ended is None or any(abs(span.ended - at) <= clocks.SAME_START for at in incident.pattern.times)


def _end_by_incident(span: Span, incidents: Sequence[Incident]) -> None:
    """Give a life that ends nowhere, as a vanished one does, the end that was concluded."""
    if span.ended is not None:
        return
    for incident in incidents:
        for process in incident.processes:
            at = epoch(str(process["at"] or "").replace("T", " "))
            fits = process["pid"] == span.pid and (not span.host or process["host"] in (None, span.host))
            if fits and at is not None and (span.first is None or at >= span.first - clocks.SAME_START):
                span.ended, span.cause = at, incident.cause
                return


def _unsaid(incidents: Sequence[Incident], moments: Sequence[Moment]) -> Iterator[Moment]:
    """Yield the deaths that no line and no report tells of: a journal that ends."""
    times = sorted(moment.at for moment in moments if moment.bad)
    for incident in incidents:
        for process in incident.processes:
            at = epoch(str(process["at"] or "").replace("T", " "))
            if not str(process["report"] or "").endswith(".jsonl"):
                continue
            if at is None or any(abs(at - other) < 1.0 for other in times):
                continue
            who = f"{process['role']} {process['pid'] or ''}".strip()
            where = str(process["report"] or "")
            yield Moment(at=at, text=f"{who}: {incident.summary}", source=where, host=process["host"], bad=True)


def _last_good(spans: Sequence[Span], before: float | None, own: Sequence[Span]) -> Span | None:
    if before is None:
        return None
    roles = {span.role for span in own}
    good = [
        span
        for span in spans
        if span.ready is not None
        and span.ready < before
        and span.settings
        and span not in own
        and (not roles or span.role in roles)
    ]
    return max(good, key=lambda span: span.ready or 0.0, default=None)


def _changes(good: Span, own: Sequence[Span]) -> list[tuple[str, str | None, str | None]]:
    dead = next((span for span in own if span.settings), None)
    return changed_settings(good.settings, dead.settings) if dead is not None else []


def _first_sign(moments: Sequence[Moment], first: float | None) -> Moment | None:
    if first is None:
        return None
    before = [moment for moment in moments if first - FIRST_SIGN <= moment.at <= first + 1.0]
    well = max((moment.at for moment in before if moment.good and moment.at < first), default=float("-inf"))
    return next((moment for moment in before if moment.bad and moment.at >= well), None)


def _entries(moments: Sequence[Moment]) -> tuple[list[Moment], int]:
    folded: list[Moment] = []
    for moment in moments:
        key = template(moment.text)
        same = next(
            (
                one
                for one in reversed(folded[-6:])
                if one.source == moment.source or clocks.clock_of(one) == clocks.clock_of(moment)
                if template(one.text) == key and moment.at - (one.until or one.at) <= FOLDED
            ),
            None,
        )
        if same is None:
            folded.append(replace(moment))
        else:
            same.count += 1
            same.until = moment.at
    if len(folded) <= MAX_ENTRIES:
        return folded, 0
    # What went wrong first, and how it ended, matter more than the middle.
    head, tail = folded[: MAX_ENTRIES * 2 // 3], folded[-MAX_ENTRIES // 3 :]
    return [*head, *tail], len(folded) - len(head) - len(tail)


def _clocks(found: Sequence[clocks.Skew], history: History) -> Iterator[str]:
    if found:
        yield from (skew.sentence for skew in found[:20])
    elif history.moments:
        yield "One clock: everything that has a time was stamped by the same one, so no skew has to be estimated."
    if history.untimed:
        yield f"{history.untimed} lines of Gunicorn have no time of their own and are not in the timeline."


def _missing(analysis: Analysis, history: History, chapters: Sequence[Chapter], spans: Sequence[Span]) -> Iterator[str]:
    yield from (text for span in spans if span.cause for text in span.missing)
    for chapter in chapters:
        if chapter.incident.pattern.only_logs and chapter.incident.pattern.count:
            yield f"{chapter.incident.code}: known from logs only. Without a report: no step, no stack, no memory."
        if not chapter.incident.pattern.times:
            yield f"{chapter.incident.code}: no time is known, so neither order nor intervals."
    if not any(span.good for span in spans):
        yield "No boot that became ready was read: there is nothing healthy to compare with."
    if not any(span.memory for span in spans):
        yield "No memory was measured over any boot."
    yield from _unread(analysis, history)


def _unread(analysis: Analysis, history: History) -> Iterator[str]:
    for item in analysis.inputs.unreadable[:5]:
        yield f"Could not be read: {quoted(item['source'])}: {quoted(item['reason'])}"
    left = analysis.inputs.unreadable_count - 5
    if left > 0:
        yield f"And {left} more could not be read."
    if analysis.unexplained:
        lines = sum(item.count for item in analysis.unexplained)
        first = analysis.unexplained[0]
        where = f"{quoted(first.source)}:{first.line}"
        yield f"{lines} error lines belong to no incident, most often: {first.template} ({where})"
    if history.spans_left_out:
        yield f"{history.spans_left_out} more processes than the charts have room for."
    if analysis.interrupted:
        yield "The reading was broken off: what came later is not in here."


def _advice(chapters: Sequence[Chapter], spans: Sequence[Span]) -> Iterator[Advice]:
    seen: set[str] = set()
    for number, chapter in enumerate(chapters):
        incident = chapter.incident
        for text in incident.action:
            if text not in seen:
                seen.add(text)
                yield Advice(priority=1 if number == 0 else 2, text=text, why=f"{incident.code} {incident.slug}")
    yield from _next_time(chapters, spans)


def _of_healthy(analysis: Analysis) -> Iterator[Advice]:
    for finding in analysis.advice:
        for text in finding.action:
            yield Advice(priority=4, text=quoted(text), why=f"{finding.code} {finding.slug}: {quoted(finding.summary)}")


def _next_time(chapters: Sequence[Chapter], spans: Sequence[Span]) -> Iterator[Advice]:
    if (
        chapters
        and all(chapter.incident.pattern.only_logs for chapter in chapters)
        and all(one.of_log for one in spans)
    ):
        yield Advice(
            priority=3,
            text="Start the server with bootcheck (gunicorn -c python:bootcheck.conf app:app): the next death leaves a "
            "report with its step and stack.",
            why="known from logs only",
        )
    stopped = [chapter for chapter in chapters if chapter.incident.cause in ("sigterm", "sigkill_external")]
    if stopped and not any(span.sender for span in spans):
        yield Advice(
            priority=3, text="pip install 'bootcheck[siginfo]': it names who sends a stop signal.", why="sender unknown"
        )
    if any(chapter.incident.pattern.by_a_limit for chapter in chapters):
        yield Advice(
            priority=3,
            text="Set BOOTCHECK_BOOT_DEADLINE below that limit: the worker is then reported with its stack before "
            "somebody else ends it.",
            why="all lived equally long",
        )


def _clock(stamp: str) -> str:
    return stamp[:19].replace("T", " ")
