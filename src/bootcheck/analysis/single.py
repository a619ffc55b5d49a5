"""One report or journal, found and read for `bootcheck show`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from bootcheck.analysis import boots
from bootcheck.analysis.readers import Documents, read
from bootcheck.analysis.readers.places import STDIN, places, report_directories
from bootcheck.model.boot import Boot
from bootcheck.model.errors import BootcheckError
from bootcheck.model.journal import key_of, report_name
from bootcheck.model.stamps import rfc3339

KINDS = ("crash", "boot", "snapshot")


class _One(Documents):
    """Strictly private: an intake that keeps the reports and journals of one source."""

    # ruff: noqa: ARG002 - an intake is told more than this one keeps

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[Mapping[str, Any]] = []
        self.boots: list[tuple[Boot, str | None]] = []

    def report(self, document: Mapping[str, Any], source: str, line: int | None, *, alone: bool) -> None:
        self.reports.append(document)

    def journal(self, boot: Boot, source: str, path: str | None, *, torn: bool) -> None:
        self.boots.append((boot, path))


def one(path: str, stdin: BinaryIO) -> Mapping[str, Any]:
    """Return the last report in a file; of a journal, what it tells in the shape of a report."""
    intake = _One()
    read([path], intake, stdin)
    if intake.reports:
        return intake.reports[-1]
    if intake.boots:
        return _of_journal(*intake.boots[-1])
    msg = (
        intake.problems[0]
        if intake.problems
        else f"{path} holds no report and no journal. For a log use `bootcheck analyze {path}`."
    )
    raise BootcheckError(msg)


def chosen(path: str | None, environ: Mapping[str, str]) -> str:
    """Return what a command is to look at: of a directory its newest report; without a name, where reports go."""
    if path is None:
        return _newest(report_directories(environ))
    return _newest([path]) if path != STDIN and os.path.isdir(path) else path


def _newest(directories: Sequence[str]) -> str:
    """Return the newest crash report of the first directory that has reports; without a crash its newest report."""
    looked: list[str] = []
    for directory in directories:
        found = [place.name for place in places([directory]) if place.problem is None and os.path.isdir(directory)]
        looked.append(directory)
        for kind in KINDS:
            names = [
                (named, path)
                for path in found
                if (named := report_name(os.path.basename(path))) and os.path.basename(path).startswith(kind)
            ]
            if names:
                return max(names)[1]
        journals = [path for path in found if key_of(os.path.basename(path))]
        if journals:
            return max(journals, key=lambda path: os.stat(path).st_mtime)
    msg = f"no report in {' or '.join(looked)}. Name a report or a directory: bootcheck show PATH."
    raise BootcheckError(msg)


def _of_journal(boot: Boot, path: str | None) -> dict[str, Any]:
    lives = boots.alive(boot.head, path)
    trouble = None if lives else boots.death_of(boot, path or STDIN, fault=boots.fault_text(path))
    state = "still runs" if lives else "ended by itself" if trouble is None else f"died: {trouble.cause.value}"
    at = boots.moment_of(boot)
    return {
        "kind": "journal",
        "timestamp": None if at is None else rfc3339(at),
        "role": boot.role,
        "step": boot.step,
        "verdict": {
            "cause": "none" if trouble is None else trouble.cause.value,
            "code": None,
            "summary": f"The {boot.role} with pid {boot.pid} {state}.",
            "action": [],
            "evidence": [item.as_dict() for item in trouble.said] if trouble is not None else [],
            "against": [],
            "missing": [],
            "confirm": None,
            "confidence": "medium",
        },
        "findings": [finding.as_dict() for finding in boot.findings],
        "checkpoints": [checkpoint.as_report_entry() for checkpoint in boot.checkpoints],
        "stacks": [dict(stack) for stack in boot.stacks],
        "attributes": {"process.pid": boot.pid, "host.name": boot.head.get("host"), **boots.exception_of(boot)},
        "annotations": dict(boot.annotations or {}),
    }
