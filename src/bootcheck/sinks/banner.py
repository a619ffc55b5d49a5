"""The last screen: what is wrong, the evidence, what to do, where the report lies."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from bootcheck.model.cause import Cause
from bootcheck.model.checkpoint import Checkpoint, Outcome
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.model.report import Report

WIDTH = 80
_RULE = "-" * WIDTH


def of_report(report: Report, headline: str, path: str | None) -> str:
    """Return the banner of one death."""
    lines = [_RULE, f"bootcheck: {headline}", ""]
    problems = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    if report.verdict.cause is Cause.CHECK_FAILED and problems:
        lines += of_findings(problems)
    else:
        lines += _verdict(report)
    lines += _steps(report.checkpoints)
    lines.append(f"  Report:  {path or 'none could be stored; the line below holds the essence'}")
    codes = dict.fromkeys(
        [*(finding.code for finding in problems), *([report.verdict.code] if report.verdict.code else [])]
    )
    lines += [f"  Explain: bootcheck explain {' '.join(codes)}"] if codes else []
    return "\n".join([*lines, _RULE])


def of_findings(findings: Sequence[Finding]) -> list[str]:
    """Return numbered problems, each with evidence and what to do."""
    lines: list[str] = []
    for number, finding in enumerate(findings, 1):
        lines += _wrap(f"{number}. ", f"{finding.summary} [{finding.code} {finding.slug}]", indent=2)
        lines += _evidence(finding.evidence)
        lines += _actions(finding.action)
        lines.append("")
    return lines


def _verdict(report: Report) -> list[str]:
    verdict = report.verdict
    lines = _wrap("", verdict.summary + (f" [{verdict.code}]" if verdict.code else ""), indent=2)
    lines += _evidence(verdict.evidence)
    trace = report.attributes.get("exception.stacktrace")
    if isinstance(trace, str):
        lines.append("     Traceback, the end of it:")
        lines += ["       " + line for line in trace.rstrip().splitlines()[-12:]]
    elif report.stacks:
        lines.append("     Stack, innermost first:")
        for frame in report.stacks[0].get("frames", [])[:8]:
            lines.append(f"       {frame.get('file')}:{frame.get('line')} in {frame.get('function')}")
    lines += _actions(verdict.action)
    for doubt in verdict.against[:3]:
        lines += _wrap("Against: ", doubt, indent=5)
    lines.append("")
    return lines


def _evidence(evidence: Sequence[Evidence]) -> list[str]:
    lines: list[str] = []
    for item in evidence[:6]:
        source = f"{item.source}: " if item.source and not item.text.startswith(item.source) else ""
        lines += _wrap("Seen: ", source + item.text, indent=5)
    return lines


def _actions(actions: Sequence[str]) -> list[str]:
    return [line for action in actions[:4] for line in _wrap("Do:   ", action, indent=5)]


def _steps(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Return the last steps that led here."""
    closed = {checkpoint.of for checkpoint in checkpoints if checkpoint.of}
    shown = [
        checkpoint
        for checkpoint in checkpoints
        if checkpoint.outcome is not Outcome.ENTERED or checkpoint.seq not in closed
    ][-6:]
    if not shown:
        return []
    lines = ["  Last steps:"]
    for checkpoint in shown:
        took = "" if checkpoint.duration_ms is None else f" after {checkpoint.duration_ms:.0f} ms"
        word = "unfinished" if checkpoint.outcome is Outcome.ENTERED else checkpoint.outcome.value
        lines.append(f"    {word:10} {checkpoint.name}{took}")
    return [*lines, ""]


def _wrap(head: str, text: str, *, indent: int) -> list[str]:
    first = " " * indent + head
    lines: list[str] = []
    for part in text.splitlines() or [""]:
        lines += textwrap.wrap(
            part,
            WIDTH,
            initial_indent=first if not lines else " " * len(first),
            subsequent_indent=" " * len(first),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [first.rstrip()]
    return lines
