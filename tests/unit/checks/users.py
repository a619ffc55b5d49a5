"""Runs a check as a user without rights, as the preflight does for the workers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from bootcheck.checks.base import Check
from bootcheck.testing import Checkpoint, Finding, Result, run_check

NOBODY = 65534


def unprivileged(check: Check, environ: Mapping[str, str] | None = None, *, depth: int = 1, **options: Any) -> Result:
    """Run a check in a child that gave up root's rights; with a depth of 2 its parent has given them up too."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        _give_up_rights()
        if depth == 1:
            _answer(write, check, environ, options)
        inner = os.fork()
        if not inner:
            _answer(write, check, environ, options)
        os.waitpid(inner, 0)
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as pipe:
        said = json.loads(pipe.read())
    os.waitpid(pid, 0)
    return Result(
        findings=tuple(map(Finding.from_dict, said["findings"])),
        checkpoints=tuple(map(Checkpoint.from_record, said["points"])),
        facts={},
    )


def _give_up_rights() -> None:
    if not os.geteuid():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _answer(write: int, check: Check, environ: Mapping[str, str] | None, options: dict[str, Any]) -> None:
    try:
        result = run_check(check, environ, **options)
        points = [point.as_record() for point in result.checkpoints]
        said = {"findings": [finding.as_dict() for finding in result.findings], "points": points}
        os.write(write, json.dumps(said).encode())
    finally:
        os._exit(0)
