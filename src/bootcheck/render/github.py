"""Annotations for GitHub Actions: one `::error` or `::warning` line per problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from bootcheck.model.finding import Evidence, Severity
from bootcheck.render import Checked, Style

if TYPE_CHECKING:
    from bootcheck.analysis.incidents import Analysis

HISTORY = "nothing"
_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def incidents(analysis: Analysis, style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield an annotation per incident, at the line that shows it."""
    for incident in analysis.incidents:
        text = "\n".join(
            (_counted(incident.summary, incident.count), *incident.action, f"bootcheck explain {incident.code}")
        )
        command = "warning" if incident.cause == "none" else "error"
        yield _annotation(command, f"{incident.code} {incident.slug}", text, incident.evidence)


def findings(checked: Sequence[Checked], style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield an annotation per finding."""
    for check in checked:
        for finding in check.findings:
            text = "\n".join((finding.summary, *finding.action, f"bootcheck explain {finding.code}"))
            yield _annotation(_COMMANDS[finding.severity], f"{finding.code} {finding.slug}", text, finding.evidence)


def _annotation(command: str, title: str, text: str, evidence: Sequence[Evidence]) -> str:
    place = next((item for item in evidence if item.line is not None and item.source), None)
    properties = {"title": title}
    if place is not None:
        properties = {"file": place.source, "line": str(place.line), **properties}
    joined = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command} {joined}::{_data(text)}"


def _counted(summary: str, count: int) -> str:
    return summary if count == 1 else f"{summary} ({count} times)"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
