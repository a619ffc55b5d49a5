"""What asking a recorded fault again came to, on a screen and as JSON, for `bootcheck verify`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bootcheck.analysis.quoting import quoted
from bootcheck.model.finding import Finding
from bootcheck.render import Style
from bootcheck.render.text import finding_lines, paragraph, section

FIXED = "fixed"
BROKEN = "broken"
UNKNOWN = "unknown"
EXIT_CODES = {FIXED: 0, BROKEN: 1, UNKNOWN: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether the fault of a report is still there."""

    state: str
    summary: str
    findings: tuple[Finding, ...] = ()
    """What was found now."""
    confirm: str | None = None
    """A command that tells what could not be asked here."""
    asked: str = ""
    """What was done to find out."""


def lines(answer: Answer, report: Mapping[str, Any], source: str, style: Style) -> Iterator[str]:
    """Yield the answer, what was done for it, and what was found."""
    verdict = report.get("verdict") or {}
    yield from paragraph(quoted(answer.summary), style, bold=True)
    yield ""
    recorded = f"{verdict.get('code') or ''} {verdict.get('cause')}: {verdict.get('summary')}".strip()
    yield from section("Recorded", [quoted(recorded)], style)
    yield from section("Asked", [answer.asked] if answer.asked else [], style)
    yield from section("Confirm", [quoted(answer.confirm)] if answer.confirm else [], style)
    yield from section("Report", [source], style, wrap=False)
    for number, finding in enumerate(answer.findings, 1):
        yield ""
        yield from finding_lines(finding, style, f"{number}. ")


def as_dict(answer: Answer, report: Mapping[str, Any]) -> dict[str, Any]:
    """Return the public form."""
    verdict = report.get("verdict") or {}
    return {
        "schema_version": 1,
        "report_id": report.get("report_id"),
        "code": verdict.get("code"),
        "cause": verdict.get("cause"),
        "state": answer.state,
        "summary": answer.summary,
        "asked": answer.asked,
        "confirm": answer.confirm,
        "findings": [finding.as_dict() for finding in answer.findings],
    }
