"""Text for a person at three in the morning: the cause first, then what shows it and what to do."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.story import chapters
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.render import Checked, Style, reasons

if TYPE_CHECKING:
    from bootcheck.analysis.incidents import Analysis, Incident
    from bootcheck.analysis.story import Chapter

HISTORY = "brief"
MAX_PROCESSES = 6
MAX_UNEXPLAINED = 5
_LABEL = 11
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def incidents(analysis: Analysis, style: Style) -> Iterator[str]:
    """Yield the screen of `analyze`: its first line is a sentence with the cause."""
    total = len(analysis.incidents)
    if not total:
        yield from paragraph(_healthy(analysis), style)
    told = chapters(analysis)
    for number, incident in enumerate(analysis.incidents, 1):
        if number > 1:
            yield ""
            yield ""
        mark = f"[{number} of {total}] " if total > 1 else ""
        yield from _incident(incident, style, mark, told[number - 1] if told else None)
    if analysis.unexplained:
        yield ""
        yield from _unexplained(analysis, style)
    for finding in analysis.advice:
        yield ""
        yield from finding_lines(finding, style, "Advice: ")
    if total:
        yield ""
        yield from paragraph(f"Looked at {_looked_at(analysis)}.", style)


def findings(checked: Sequence[Checked], style: Style) -> Iterator[str]:
    """Yield what checks found: problems first, then what was asked and not answered."""
    found = [(check, finding) for check in checked for finding in check.findings]
    found.sort(key=lambda pair: list(Severity).index(pair[1].severity))
    errors = sum(finding.severity is Severity.ERROR for _, finding in found)
    warned = sum(finding.severity is Severity.WARNING for _, finding in found)
    ran = sum(check.skipped is None for check in checked)
    yield from paragraph(_verdict(errors, warned, ran), style, bold=True)
    for number, (_, finding) in enumerate(found, 1):
        yield ""
        yield from finding_lines(finding, style, f"{number}. ")
    skipped = [check for check in checked if check.skipped is not None]
    if skipped:
        yield ""
        yield "Not asked:"
        for check in skipped:
            yield from paragraph(f"  {check.name}{_of(check.subject)}: {check.skipped}", style, indent=4)


def finding_lines(finding: Finding, style: Style, mark: str = "") -> Iterator[str]:
    """Yield one finding: sentence, evidence, what to do."""
    yield from paragraph(f"{mark}{finding.summary} [{finding.code} {finding.slug}]", style, indent=len(mark), bold=True)
    yield from section("Severity", [finding.severity.value + ("" if finding.declared else ", discovered")], style)
    yield from _details(finding.evidence, finding.against, finding.action, finding.confirm, style)
    yield from section("More", [f"bootcheck explain {finding.code}"], style)


def _incident(incident: Incident, style: Style, mark: str, chapter: Chapter | None) -> Iterator[str]:
    yield from paragraph(mark + _sentence(incident), style, bold=True)
    yield ""
    yield from section(
        "What",
        [f"{incident.code} {incident.slug}, class {incident.cause_class}, confidence {incident.confidence}"],
        style,
    )
    yield from section("When", [_when(incident)], style)
    yield from section("Who", _who(incident), style)
    yield from section("Pattern", [quoted(text) for text in incident.pattern.sentences()], style)
    for label, texts in reasons.before(chapter) if chapter is not None else ():
        yield from section(label, texts, style)
    yield from _details(incident.evidence, incident.against, incident.action, incident.confirm, style)
    for label, texts in reasons.after(chapter) if chapter is not None else ():
        yield from section(label, texts, style)
    reports = list(dict.fromkeys(str(process["report"]) for process in incident.processes if process.get("report")))
    more = [f"and {len(reports) - 3} more"] if len(reports) > 3 else []
    yield from section("Reports", [*reports[:3], *more], style, wrap=False)
    yield from section("More", [f"bootcheck explain {incident.code}"], style)


def _sentence(incident: Incident) -> str:
    if incident.count == 1:
        return incident.summary
    roles = {str(process.get("role")) for process in incident.processes} or {"process"}
    what = f"{roles.pop()}s" if len(roles) == 1 else "processes"
    if incident.cause == "none":
        return f"{incident.summary} ({incident.count} times)"
    return f"{incident.count} {what} died alike. {incident.summary}"


def _when(incident: Incident) -> str:
    if incident.first_seen is None:
        return "unknown: the lines have no time"
    first, last = _time(incident.first_seen), _time(incident.last_seen or incident.first_seen)
    if first == last:
        return f"{first} UTC"
    return f"{first} to {last.removeprefix(first[:11])} UTC"


def _who(incident: Incident) -> list[str]:
    by_place: dict[tuple[str, str], list[str]] = {}
    for process in incident.processes:
        pids = by_place.setdefault((str(process.get("role") or "process"), str(process.get("host") or "")), [])
        pids.append("unknown pid" if process.get("pid") is None else str(process["pid"]))
    return [
        _place(role, host, pids, incident.count - len(incident.processes)) for (role, host), pids in by_place.items()
    ][:MAX_PROCESSES]


def _place(role: str, host: str, pids: list[str], unlisted: int) -> str:
    pids = list(dict.fromkeys(pids))
    shown = ", ".join(pids[:MAX_PROCESSES])
    left = len(pids) - MAX_PROCESSES
    more = f" and {left + unlisted} more" if left > 0 else ""
    return f"{role} {shown}{more}{f' on {host}' if host else ''}"


def _details(
    evidence: Sequence[Evidence], against: Sequence[str], action: Sequence[str], confirm: str | None, style: Style
) -> Iterator[str]:
    yield from section("Evidence", [_fact(item) for item in evidence], style)
    yield from section("Against", against, style)
    numbered = [f"{number}. {text}" for number, text in enumerate(action, 1)] if len(action) > 1 else action
    yield from section("What to do", numbered, style)
    yield from section("Confirm", [confirm] if confirm else [], style)


def _fact(item: Evidence) -> str:
    place = item.source if item.line is None else f"{item.source}:{item.line}"
    return f"{place}: {item.text}" if place else item.text


def section(label: str, texts: Sequence[str], style: Style, *, wrap: bool = True) -> Iterator[str]:
    """Yield texts beside a label in the margin; nothing where there is no text."""
    head = f"  {label}".ljust(_LABEL + 2)
    for text in texts:
        for line in plain(text).splitlines() or [""]:
            if wrap:
                yield from textwrap.wrap(
                    line,
                    style.width,
                    initial_indent=head,
                    subsequent_indent=" " * (_LABEL + 4),
                    break_long_words=False,
                    break_on_hyphens=False,
                ) or [head]
            else:
                yield head + line
            head = " " * (_LABEL + 2)


def _unexplained(analysis: Analysis, style: Style) -> Iterator[str]:
    lines = sum(item.count for item in analysis.unexplained)
    yield from paragraph(f"Unexplained: {lines} error line{_s(lines)} of no incident.", style)
    for item in analysis.unexplained[:MAX_UNEXPLAINED]:
        yield from paragraph(f"  {item.count} x {item.source}:{item.line}: {item.template}", style, indent=6)
    left = len(analysis.unexplained) - MAX_UNEXPLAINED
    if left > 0:
        yield f"  and {left} more kind{_s(left)} (--format json lists them)"


def _healthy(analysis: Analysis) -> str:
    inputs = analysis.inputs
    if not inputs.files:
        return (
            "Nothing was found to read (subdirectories are not looked into)."
            if not inputs.unreadable_count
            else "Nothing could be read."
        )
    if not inputs.lines and not inputs.reports:
        return (
            f"Nothing wrong: {inputs.files} file{_s(inputs.files)}, and nothing in "
            f"{'them' if inputs.files > 1 else 'it'}."
        )
    if inputs.foreign:
        return (
            f"Nothing wrong in {_looked_at(analysis)}, but none of it is Gunicorn's, nor a report of bootcheck: "
            f"is it the right file?"
        )
    return f"Nothing wrong in {_looked_at(analysis)}."


def _looked_at(analysis: Analysis) -> str:
    inputs = analysis.inputs
    parts = [f"{inputs.files} file{_s(inputs.files)}"]
    # A report counts as one line: where there is nothing else, the number would stand there twice.
    if inputs.lines != inputs.reports or not inputs.reports:
        parts.append(f"{inputs.lines} line{_s(inputs.lines)}")
    if inputs.reports:
        parts.append(f"{inputs.reports} report{_s(inputs.reports)}")
    unreadable = f" ({inputs.unreadable_count} could not be read)" if inputs.unreadable_count else ""
    return ", ".join(parts) + unreadable


def _verdict(errors: int, warned: int, ran: int) -> str:
    if not errors and not warned:
        return f"Nothing wrong: {ran} check{_s(ran)} asked, every answer is good."
    parts = [f"{errors} error{_s(errors)}" if errors else "", f"{warned} warning{_s(warned)}" if warned else ""]
    return f"{' and '.join(part for part in parts if part)} from {ran} check{_s(ran)}."


def paragraph(text: str, style: Style, *, indent: int = 0, bold: bool = False) -> Iterator[str]:
    """Yield a text wrapped to the width."""
    lines = textwrap.wrap(
        plain(text), style.width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ) or [""]
    for line in lines:
        yield f"\x1b[1m{line}\x1b[0m" if bold and style.colour else line


def plain(text: str) -> str:
    """Return the text without anything that a terminal would obey."""
    return _CONTROL.sub("", text)


def dicts(value: object) -> list[Mapping[str, Any]]:
    """Return the objects in a list that a file says is one."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def stack_lines(stacks: Sequence[Mapping[str, Any]], *, most: int, frames: int) -> Iterator[str]:
    """Yield the first stacks of a report, and of each the innermost frames."""
    for stack in stacks[:most]:
        told = dicts(stack.get("frames"))
        if not told:
            continue
        yield ""
        yield plain(f"Stack of {stack.get('thread')}, innermost first")
        for frame in told[:frames]:
            yield plain(f"  {frame.get('file')}:{frame.get('line')} in {frame.get('function')}")
        if len(told) > frames:
            yield f"  and {len(told) - frames} more"
    if len(stacks) > most:
        yield ""
        yield f"{len(stacks) - most} more stacks (--format json has them)"


def request_line(request: Mapping[str, Any]) -> str:
    """Return a request in flight as `GET /orders for 2.1 s`."""
    return quoted(f"{request.get('method')} {request.get('path')} for {seconds_of(request.get('running_s'))}")


def seconds_of(value: object) -> str:
    """Return a time in seconds, or that nobody knows it."""
    return f"{value:.1f} s" if isinstance(value, (int, float)) else "unknown time"


def _of(subject: str) -> str:
    return f" ({subject})" if subject else ""


def _time(stamp: str) -> str:
    return stamp[:19].replace("T", " ")


def _s(count: int) -> str:
    return "" if count == 1 else "s"
