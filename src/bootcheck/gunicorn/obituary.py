"""From a death to its one report: built, stored, announced on stderr."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn import attributes, chain, circumstances, seams
from bootcheck.gunicorn.verdict import Death, cause_of, verdict_of
from bootcheck.model.boot import Boot
from bootcheck.model.cause import Cause
from bootcheck.model.redact import HIDDEN
from bootcheck.model.report import Report
from bootcheck.model.stamps import id_of, new_id
from bootcheck.probes.fault_text import of_fault_text
from bootcheck.sinks import banner
from bootcheck.sinks.console import Console
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.stderr import say

if TYPE_CHECKING:
    from bootcheck.gunicorn.last_words import LastWords

_BOOT_STEPS = {"master": "server.boot", "dirty-arbiter": "dirty-arbiter.boot"}


def report_of(death: Death, common: Mapping[str, Any], *, at: float | None = None, hidden: int = 0) -> Report | None:
    """Return the report of a death, or None where the end was none."""
    cause = cause_of(death)
    if cause is None:
        return None
    boot = death.boot
    step = boot.step or (None if death.ready else _BOOT_STEPS.get(boot.role, "worker.boot"))
    if cause is Cause.CHECK_FAILED:
        failed = [finding.step for finding in boot.findings if finding.severity.value == "error" and finding.step]
        step = failed[0] if failed else step
    ended_at = time.time() if at is None else at
    verdict = circumstances.argue(verdict_of(death, cause, step), death.extra)
    report = Report(
        kind="crash",
        role=boot.role,
        pid=boot.pid,
        at=ended_at,
        verdict=verdict,
        step=step,
        incomplete=bool(verdict.missing) or bool(boot.broken_lines),
        findings=boot.findings,
        guards=boot.guards,
        checkpoints=boot.checkpoints,
        stacks=tuple(_stacks(death)),
        attributes={
            **common,
            **attributes.of_death(death, ended_at),
            **death.extra,
            **({"bootcheck.missing": seams.missing()} if seams.missing() else {}),
        },
        annotations=boot.annotations or {},
        report_id=_identity(boot),
    )
    # The worker masked most of it, in a process that is gone: what the report shows is what can be counted.
    return replace(report, hidden_count=max(hidden, report.encoded().count(HIDDEN.encode("ascii"))))


def _identity(boot: Boot) -> str:
    """Return the id of this death, the same whoever tells of it: after a full disk the next start does it again."""
    start = boot.head.get("start")
    if not start:
        return new_id()
    return id_of(boot.head.get("boot_id"), boot.head.get("server_id"), boot.role, boot.pid, start)


class Publisher:
    """Stores reports and prints deaths: the banner in full once per fingerprint, then a line each."""

    def __init__(self, directory: ReportDirectory, console: Console, words: LastWords | None = None) -> None:
        self._directory = directory
        self._console = console
        self._words = words
        self._seen: dict[str, int] = {}

    def death(self, report: Report, headline: str, *, stops_server: bool = False, earlier: bool = False) -> str | None:
        """Store a death, print its banner and its `BOOTCHECK_REPORT` line; return the file's path.

        `earlier`: it was another container's, or another start's.
        """
        path = self._directory.store(report.file_name, report.encoded())
        count = self._seen[report.fingerprint] = self._seen.get(report.fingerprint, 0) + 1
        if stops_server or (self._console.mode != "off" and count == 1):
            say(banner.of_report(report, headline, path))
        elif self._console.mode != "off":
            say(f"bootcheck: {headline}: {report.verdict.summary} [{report.verdict.code}] (number {count} of its kind)")
        say(report.announcement(path))
        if self._words is not None and not earlier:
            what = headline if stops_server or count == 1 else f"{headline} (number {count} of its kind)"
            complaint = chain.quietly(self._words.death)(report, what, path, stops_server)
            if complaint:
                self._console.note(complaint)
        return path


def _stacks(death: Death) -> list[dict[str, Any]]:
    boot = death.boot
    stacks: list[dict[str, Any]] = []
    if boot.exception is not None and boot.exception.get("frames"):
        stacks.append({"thread": "MainThread", "frames": boot.exception["frames"]})
    stacks += [dict(stack) for stack in boot.stacks]
    return stacks or of_fault_text(death.fault)
