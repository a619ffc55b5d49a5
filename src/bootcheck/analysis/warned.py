"""What was found in processes that did not die of it: warnings of boot reports, of journals, of console lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bootcheck.analysis.quoting import template
from bootcheck.analysis.readers.prefixes import Record, epoch
from bootcheck.model.boot import Boot
from bootcheck.model.codes import CODES
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.model.stamps import rfc3339

MAX_PROCESSES = 200
MAX_LATER = 1_000
WORDS = ("bootcheck: warning: ", "bootcheck: error: ")
"""One of them stands in every line that the console says of a finding."""
_LINE = re.compile(r"bootcheck: (?P<severity>warning|error): (?P<summary>.*) \[(?P<code>BC\d{3}) [a-z0-9-]+\]\s*$")


@dataclass(slots=True)
class Warned:
    """A warning of boots that reached ready."""

    finding: Finding
    count: int = 0
    first: str | None = None
    last: str | None = None
    processes: list[dict[str, Any]] = field(default_factory=list)

    def add(self, document: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
        """Count one more process."""
        self.count += 1
        at = document.get("timestamp")
        if isinstance(at, str) and epoch(at.replace("T", " ")) is not None:
            self.first = min(self.first or at, at)
            self.last = max(self.last or at, at)
        if len(self.processes) < MAX_PROCESSES:
            self.processes.append(
                {
                    "pid": attributes.get("process.pid"),
                    "host": attributes.get("host.name"),
                    "role": document.get("role"),
                    "at": at,
                    "report": None,
                }
            )

    def knows(self, pid: object, host: object) -> bool:
        """Tell whether this process has been counted."""
        return any(process["pid"] == pid and process["host"] == host for process in self.processes)


class Warnings:
    """Keeps each warning once per process, whatever tells of it; a report before a journal, both before a line."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Warned] = {}
        self._journals: list[tuple[Finding, Boot]] = []
        self._lines: list[tuple[Finding, Record]] = []

    def report(self, document: Mapping[str, Any]) -> None:
        """Take the findings of a boot report; whatever stands in it, nothing is raised."""
        attributes = document.get("attributes")
        found = document.get("findings")
        for item in found if isinstance(found, list) else []:
            try:
                finding = Finding.from_dict(item)
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
            if finding.severity is not Severity.INFO:
                self._of(finding).add(document, attributes if isinstance(attributes, dict) else {})

    def journal(self, boot: Boot) -> None:
        """Take the findings of a process that lives: what it met after its boot report was written as well."""
        for finding in boot.findings:
            if finding.severity is not Severity.INFO and len(self._journals) < MAX_LATER:
                self._journals.append((finding, boot))

    def line(self, record: Record, at: float | None) -> bool:
        """Take a line of a log where the console says of a finding; False where it is none.

        `at` is its time, else that of the line before it.
        """
        match = _LINE.match(record.text)
        if match is None or match["code"] not in CODES:
            return False
        if len(self._lines) < MAX_LATER:
            finding = Finding(
                code=match["code"],
                severity=Severity(match["severity"]),
                summary=match["summary"],
                action=(f"bootcheck explain {match['code']} says what to do.",),
                evidence=(Evidence(source=record.source, line=record.line, text=record.text),),
                confidence="medium",
                against=("Known from the console's line only: the report has the evidence.",),
            )
            self._lines.append((finding, replace(record, at=at)))
        return True

    def told(self) -> Iterable[Warned]:
        """Return every warning, once everything has been read."""
        for finding, boot in self._journals:
            pid, host = boot.pid or None, boot.head.get("host")
            known = self._of(finding)
            if not known.knows(pid, host):
                known.add(
                    {"timestamp": _stamp(boot.last_at), "role": boot.role}, {"process.pid": pid, "host.name": host}
                )
        by_line: dict[tuple[str, str], Warned] = {}
        for finding, record in self._lines:
            if _key(finding) not in self._found:
                known = by_line.setdefault(_key(finding), Warned(finding))
                known.add({"timestamp": _stamp(record.at)}, {"process.pid": record.pid, "host.name": record.host})
        self._journals, self._lines = [], []
        return [*self._found.values(), *by_line.values()]

    def _of(self, finding: Finding) -> Warned:
        return self._found.setdefault(_key(finding), Warned(finding))


def _key(finding: Finding) -> tuple[str, str]:
    return finding.code, template(finding.summary)


def _stamp(at: object) -> str | None:
    return rfc3339(at) if isinstance(at, (int, float)) else None
