"""The check database run as the preflight runs it, and its answer in a form that tests compare."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from bootcheck.checks.base import Context, Planned, Server, run_one
from bootcheck.checks.database import DatabaseCheck
from bootcheck.model.finding import Finding
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory
from tests.integration.servers import MYSQL_PASSWORD, PASSWORD


@dataclass
class Answer:
    """Findings, checkpoints and facts of one run."""

    findings: list[Finding]
    records: list[dict[str, Any]]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> list[str]:
        """Codes of the findings that would stop a start."""
        return [finding.code for finding in self.findings if finding.severity == "error"]

    @property
    def codes(self) -> list[tuple[str, str]]:
        """Codes and severities of all findings."""
        return [(finding.code, finding.severity.value) for finding in self.findings]

    @property
    def outcomes(self) -> dict[str, str]:
        """The last outcome of each checkpoint."""
        return {record["name"]: record["outcome"] for record in self._checkpoints()}

    def detail(self, name: str) -> dict[str, Any]:
        """Return the last detail of a checkpoint."""
        return [record.get("detail", {}) for record in self._checkpoints() if record["name"] == name][-1]

    def count(self, name: str, outcome: str) -> int:
        """Return how often a checkpoint came out like this."""
        return sum(record["name"] == name and record["outcome"] == outcome for record in self._checkpoints())

    def _checkpoints(self) -> list[dict[str, Any]]:
        return [record for record in self.records if record["t"] == "checkpoint"]


def ask(url: str, *secrets: str, workers: int = 1, environ: dict[str, str] | None = None, **options: Any) -> Answer:
    """Run the check as declared; no password may be in anything that comes out of it."""
    memory = Memory()
    facts: dict[str, Any] = {}
    context = Context(
        environ={} if environ is None else environ,
        recorder=Recorder([memory]),
        facts=facts,
        server=Server(workers=workers),
    )
    findings = run_one(Planned(DatabaseCheck(url=url, **options), True), context)
    told = json.dumps([memory.records, [finding.as_dict() for finding in findings], facts], ensure_ascii=False)
    for secret in (PASSWORD, MYSQL_PASSWORD, *secrets):
        assert secret not in told
    return Answer(findings, memory.records, facts)
