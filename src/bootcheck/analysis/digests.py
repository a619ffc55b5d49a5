"""What is kept of a report, as plain values: read by one process, kept by another.

A digest tells all that the report would have told; what cannot be told in short has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bootcheck.analysis import deaths
from bootcheck.analysis.classify import Diagnoser
from bootcheck.analysis.deaths import Death
from bootcheck.analysis.durations import Durations
from bootcheck.analysis.readers.values import is_report, parsed
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding, Severity

CRASH, BOOT = "crash", "boot"
MAX_APPS = 100_000
Digest = tuple[Any, ...]
"""Kind, report_id, and what the kind has."""


class Digester:
    """Reads reports for another process."""

    def __init__(self, diagnoser: Diagnoser) -> None:
        self._diagnoser = diagnoser
        # Which apps are kept is decided where all are seen; here it only matters which starts are too old.
        self._durations = Durations(MAX_APPS)

    def of_line(self, line: bytes, source: str) -> Digest | None:
        """Return the digest of a report on one line of a file, None where it is none."""
        return self.of(parsed(line), source) if line[:1] == b"{" and b'"verdict"' in line else None

    def of(self, document: Any, source: str) -> Digest | None:
        """Return the digest of a report, None where it is none, or more than a digest tells."""
        if not is_report(document):
            return None
        identity = document.get("report_id")
        if not isinstance(identity, str) or not identity:
            return None
        if document["kind"] == CRASH:
            return self._of_crash(document, identity, source)
        if document["kind"] != BOOT or document.get("role") != "worker" or document.get("findings") != []:
            return None
        boot = self._durations.told(document, source)
        if boot is not None:
            self._durations.take((*boot[:4], {}, *boot[5:7], ()))
        return (BOOT, identity, boot)

    def _of_crash(self, document: Mapping[str, Any], identity: str, source: str) -> Digest | None:
        try:
            death = deaths.of_report(document, source, self._diagnoser, full="checkpoints" in document)
        except Exception:  # noqa: BLE001 - said by the one that keeps it
            return None
        return (CRASH, identity, packed(death))


def packed(death: Death) -> Digest:
    """Return a report's death as plain values."""
    finding = death.finding
    return (
        death.kind,
        death.cause.value,
        death.cause_class,
        (
            finding.code,
            finding.summary,
            finding.action,
            tuple((item.text, item.source, item.line) for item in finding.evidence),
            finding.against,
            finding.missing,
            finding.severity.value,
            finding.confirm,
            finding.confidence,
            finding.declared,
            finding.step,
        ),
        death.subject,
        death.source,
        *(getattr(death, name) for name in _PLAIN),
    )


_PLAIN = (
    "role",
    "pid",
    "host",
    "at",
    "since",
    "step",
    "server",
    "origin",
    "sent_here",
    "ready",
    "report_id",
    "path",
    "stops",
    "specific",
)


def unpacked(digest: Digest) -> Death:
    """Return the death again."""
    kind, cause, cause_class, finding, subject, source, *plain = digest
    code, summary, action, evidence, against, missing, severity, confirm, confidence, declared, step = finding
    return Death(
        kind=kind,
        cause=Cause(cause),
        cause_class=cause_class,
        finding=Finding(
            code=code,
            summary=summary,
            action=action,
            evidence=tuple(Evidence(text=text, source=told, line=line) for text, told, line in evidence),
            against=against,
            missing=missing,
            severity=Severity(severity),
            confirm=confirm,
            confidence=confidence,
            declared=declared,
            step=step,
        ),
        subject=subject,
        source=source,
        **dict(zip(_PLAIN, plain, strict=True)),
    )
