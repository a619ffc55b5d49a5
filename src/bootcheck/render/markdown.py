"""Markdown: the incident report that a person would otherwise write, for a ticket or a wiki."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from bootcheck.analysis.pattern import seconds
from bootcheck.analysis.story import Chapter, Story, tell
from bootcheck.model.finding import Severity
from bootcheck.model.stamps import rfc3339
from bootcheck.render import Checked, Style
from bootcheck.render.text import plain

if TYPE_CHECKING:
    from bootcheck.analysis.history import Moment
    from bootcheck.analysis.incidents import Analysis, Incident

HISTORY = "whole"
_SPECIAL = re.compile(r"([\\`*_{}\[\]|#~!])")
_PRIORITIES = {1: "Now", 2: "Then", 3: "So that the next one is easier to explain", 4: "What would be better"}


def incidents(analysis: Analysis, style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield the report: summary, what to do, timeline, intervals, hypotheses, what is missing."""
    story = tell(analysis)
    yield "# Incident report"
    yield ""
    yield from (f"- {_md(text)}" for text in story.summary)
    yield from _advice(story)
    yield from _timeline(story)
    yield from _intervals(story)
    for chapter in story.chapters:
        yield from _chapter(chapter)
    yield from _list("What is missing", story.missing)
    inputs = analysis.inputs
    yield ""
    yield f"Made by `bootcheck analyze` from {inputs.files} files, {inputs.lines} lines, {inputs.reports} reports."


def findings(checked: Sequence[Checked], style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield a table of what checks found, then each finding with what to do."""
    found = [(check, finding) for check in checked for finding in check.findings]
    found.sort(key=lambda pair: list(Severity).index(pair[1].severity))
    yield "# Checks"
    yield ""
    yield from _table(
        ("check", "result"),
        ((f"{check.name} {check.subject}".strip(), _result(check)) for check in checked),
    )
    for _, finding in found:
        yield ""
        yield f"## {finding.code} {finding.slug}: {_md(finding.summary)}"
        yield ""
        yield f"Severity: {finding.severity.value}"
        yield from _list("Evidence", (_fact(item.source, item.line, item.text) for item in finding.evidence), level=3)
        yield from _list("What to do", finding.action, level=3)


def _advice(story: Story) -> Iterator[str]:
    if not story.advice:
        return
    yield ""
    yield "## What to do"
    for priority, title in _PRIORITIES.items():
        items = [advice for advice in story.advice if advice.priority == priority]
        if not items:
            continue
        yield ""
        yield f"**{title}**"
        yield ""
        yield from (f"{number}. {_md(item.text)} ({_md(item.why)})" for number, item in enumerate(items, 1))


def _timeline(story: Story) -> Iterator[str]:
    yield ""
    yield "## Timeline (UTC)"
    yield ""
    if not story.entries:
        yield "Nothing that was read has a time."
    yield from _table(("when", "what", "where"), (_entry(moment) for moment in story.entries))
    if story.left_out:
        yield ""
        yield f"{story.left_out} more entries are left out."
    yield from _list("Clocks", story.clocks, level=3)


def _entry(moment: Moment) -> tuple[str, str, str]:
    when = clock(moment.at)
    if moment.until is not None and moment.until - moment.at >= 1:
        when += f" to {clock(moment.until)[11:]}"
    times = f"{moment.count} × " if moment.count > 1 else ""
    where = moment.source if moment.line is None else f"{moment.source}:{moment.line}"
    text = f"{'! ' if moment.bad else ''}{times}{moment.text}"
    return when, text, f"{moment.host} {where}" if moment.host and moment.host not in where else where


def _intervals(story: Story) -> Iterator[str]:
    if not story.intervals:
        return
    yield ""
    yield "## Critical intervals"
    yield ""
    yield from _table(("interval", "length", "note"), ((one.name, one.told, one.note) for one in story.intervals))


def _chapter(chapter: Chapter) -> Iterator[str]:
    incident = chapter.incident
    yield ""
    yield f"## {incident.code} {incident.slug}: {_md(incident.summary)}"
    yield ""
    yield (
        f"Class {incident.cause_class}, cause {incident.cause}, confidence {incident.confidence}, "
        f"{times(incident)}, fingerprint `{incident.id}`."
    )
    facts = [*chapter.pattern, *first_sign(chapter), *since_good(chapter)]
    yield from _list("How it went", facts, level=3)
    yield ""
    yield "### Hypotheses"
    for told in chapter.hypotheses:
        yield ""
        yield f"**{_md(told.name)}**: {told.verdict}"
        yield ""
        yield from (f"- for: {_md(text)}" for text in told.pro)
        yield from (f"- against: {_md(text)}" for text in told.con)
        yield f"- would be refuted by: {_md(told.refuted_by)}"
    if incident.confirm:
        yield from _list("Confirm", (incident.confirm,), level=3)


def times(incident: Incident) -> str:
    """Return how often it came: deaths, or errors that ended no process."""
    what = "time" if incident.cause == "none" else "death"
    return f"{incident.count} {what}{'' if incident.count == 1 else 's'}"


def first_sign(chapter: Chapter) -> Iterator[str]:
    """Yield the first line that went wrong, where it is not the death itself."""
    sign = chapter.first_sign
    if sign is not None:
        where = sign.source if sign.line is None else f"{sign.source}:{sign.line}"
        yield f"First sign, {clock(sign.at)}: {sign.text} ({where})"


def since_good(chapter: Chapter) -> Iterator[str]:
    """Yield when it last went well, and what has changed since."""
    good = chapter.good
    if good is None or good.ready is None:
        yield "No good boot before it was read."
        return
    yield f"Last good boot before it: {good.role} {good.pid}, {clock(good.ready)}."
    for name, old, new in chapter.changes:
        yield f"Changed since: {name}: {old or 'unset'} → {new or 'unset'}"
    first = min(chapter.incident.pattern.times, default=None)
    if not chapter.changes and first is not None:
        yield f"Versions, settings and tags are those of that boot, {seconds(first - good.ready)} before."


def clock(at: float) -> str:
    """Return a time of the timeline, in UTC to the millisecond."""
    return rfc3339(at).replace("T", " ").rstrip("Z")


def _result(check: Checked) -> str:
    if check.skipped is not None:
        return f"not asked: {check.skipped}"
    return "; ".join(f"{finding.code} {finding.severity.value}" for finding in check.findings) or "good"


def _list(title: str, texts: Iterable[str], *, level: int = 2) -> Iterator[str]:
    items = list(texts)
    if items:
        yield ""
        yield f"{'#' * level} {title}"
        yield ""
        yield from (f"- {_md(text)}" for text in items)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    told = list(rows)
    if told:
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        yield from (f"| {' | '.join(map(_md, row))} |" for row in told)


def _fact(source: str, line: int | None, text: str) -> str:
    place = source if line is None else f"{source}:{line}"
    return f"{place}: {text}" if place else text


def _md(text: str) -> str:
    """Return a text that Markdown shows as it is: no markup, no HTML, no mention, one line."""
    told = plain(" ".join(text.split())).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _SPECIAL.sub(r"\\\1", told).replace("@", "&#64;")
