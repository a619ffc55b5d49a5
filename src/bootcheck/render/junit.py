"""JUnit XML for CI systems: a test case per check, or per incident."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from bootcheck.model.finding import Finding, Severity
from bootcheck.render import Checked, Style

if TYPE_CHECKING:
    from bootcheck.analysis.incidents import Analysis, Incident

HISTORY = "nothing"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def incidents(analysis: Analysis, style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield a suite with a failed case per incident, or one that passed where there is none."""
    found = analysis.incidents
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<testsuite name="bootcheck analyze" tests="{max(1, len(found))}" failures="{len(found)}" errors="0" '
        f'skipped="0">'
    )
    for incident in found:
        yield (
            f"  <testcase classname={_attribute(f'bootcheck.{incident.cause_class}')} "
            f"name={_attribute(f'{incident.code} {incident.slug}')}>"
        )
        yield (
            f"    <failure type={_attribute(incident.code)} "
            f"message={_attribute(incident.summary)}>{_text(_told(incident))}</failure>"
        )
        yield "  </testcase>"
    if not found:
        yield '  <testcase classname="bootcheck" name="no incident"/>'
    yield "</testsuite>"


def findings(checked: Sequence[Checked], style: Style) -> Iterator[str]:  # noqa: ARG001
    """Yield a suite with a case per check: failed, skipped or passed; warnings go to its output."""
    failed = sum(check.failed for check in checked)
    skipped = sum(check.skipped is not None for check in checked)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        f'<testsuite name="bootcheck check" tests="{len(checked)}" failures="{failed}" errors="0" skipped="{skipped}">'
    )
    for check in checked:
        yield from _case(check)
    yield "</testsuite>"


def _case(check: Checked) -> Iterator[str]:
    name = f"{check.name} {check.subject}".strip()
    time = "" if check.duration_ms is None else f' time="{check.duration_ms / 1000:.3f}"'
    yield f"  <testcase classname={_attribute(f'bootcheck.{check.name}')} name={_attribute(name)}{time}>"
    if check.skipped is not None:
        yield f"    <skipped message={_attribute(check.skipped)}/>"
    for finding in check.findings:
        if finding.severity is Severity.ERROR:
            yield (
                f"    <failure type={_attribute(finding.code)} "
                f"message={_attribute(finding.summary)}>{_text(_finding(finding))}</failure>"
            )
    rest = [finding for finding in check.findings if finding.severity is not Severity.ERROR]
    if rest:
        yield f"    <system-out>{_text(chr(10).join(_finding(finding) for finding in rest))}</system-out>"
    yield "  </testcase>"


def _finding(finding: Finding) -> str:
    facts = [f"{item.source}: {item.text}" for item in finding.evidence]
    return "\n".join(
        (f"{finding.severity.value}: {finding.summary}", *facts, *finding.action, f"bootcheck explain {finding.code}")
    )


def _told(incident: Incident) -> str:
    facts = [f"{item.source}{'' if item.line is None else f':{item.line}'}: {item.text}" for item in incident.evidence]
    return "\n".join((f"{incident.count} times", *facts, *incident.action, f"bootcheck explain {incident.code}"))


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("?", text))


def _attribute(text: str) -> str:
    return quoteattr(_NOT_XML.sub("?", text).replace("\n", " "))
