"""Lines for people: quiet when healthy, a line per checkpoint when asked for."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

import pytest

from bootcheck.model import journal
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Finding, Severity
from bootcheck.recorder import Recorder
from bootcheck.sinks.console import Console, checkpoint_line, finding_line

FINDING = Finding(code="BC101", summary="SECRET_KEY is not set.", severity=Severity.WARNING)


def shown(mode: str, act: Callable[[Recorder], Any]) -> list[str]:
    """Return what a console in this mode prints while this happens."""
    said: list[str] = []
    act(Recorder([Console(mode, said.append)], rss=lambda: 47_395_635))
    return said


def boot(recorder: Recorder) -> None:
    """A boot with a little of everything."""
    recorder.fact(journal.HEAD, role="worker", pid=1)
    with pytest.raises(OSError, match="refused"), recorder.step("database.tcp", Phase.DATABASE, host="db", port=5432):
        raise OSError(111, "refused")
    recorder.skipped("database.tls", Phase.DATABASE, "no TLS asked for")
    recorder.finding(FINDING)
    recorder.fact(journal.READY)


def test_a_failed_step_as_the_readme_shows_it():
    """CHECKPOINT[name] FAILED - facts PID Memory Duration."""
    lines = shown("checkpoints", boot)

    assert lines[0] == f"CHECKPOINT[database.tcp] ENTERED - host=db port=5432 PID:{os.getpid()} Memory:45.2MB"
    assert re.fullmatch(
        r"CHECKPOINT\[database\.tcp\] FAILED - host=db port=5432 error=ConnectionRefusedError "
        rf"message='\[Errno 111\] refused' PID:{os.getpid()} Memory:45\.2MB Duration:\d+\.\dms",
        lines[1],
    )
    assert lines[2] == (f"CHECKPOINT[database.tls] SKIPPED - reason='no TLS asked for' PID:{os.getpid()} Memory:45.2MB")
    assert lines[3] == "bootcheck: warning: SECRET_KEY is not set. [BC101 env-variable-missing]"
    assert len(lines) == 4


def test_by_default_only_findings_are_shown():
    """A healthy boot prints nothing here."""
    assert shown("summary", boot) == ["bootcheck: warning: SECRET_KEY is not set. [BC101 env-variable-missing]"]
    assert shown("summary", lambda recorder: recorder.passed("x", Phase.APP)) == []


def test_off_means_silence():
    """Also for findings and notes."""
    assert shown("off", boot) == []
    said: list[str] = []
    Console("off", said.append).note("x")
    assert said == []


def test_json_is_the_journals_lines():
    """For a log that machines read: checkpoints and findings, an object each."""
    objects = [json.loads(line) for line in shown("json", boot)]

    assert [item["t"] for item in objects] == ["checkpoint"] * 3 + ["finding"]


def test_notes_bear_our_name():
    """In somebody's log it must be clear who speaks."""
    said: list[str] = []
    Console("summary", said.append).note("reports go to /x")
    assert said == ["bootcheck: reports go to /x"]


def test_what_is_unknown_is_left_out():
    """No memory where /proc is not to be had."""
    line = checkpoint_line({"name": "x", "outcome": "passed"})

    assert line == f"CHECKPOINT[x] PASSED PID:{os.getpid()}"


@pytest.mark.parametrize("value", ["a\nb", "a b", "", "a\tb", "\x1b[31mred", "a\u2028b", "x" * 500, "\ud800"])
def test_no_value_leaves_its_line(value: str):
    """Neither a line break nor a terminal's escape gets through, and none fills the screen."""
    record = {"name": f"load {value}", "outcome": "passed", "detail": {"key": value}}
    line = checkpoint_line({**record, "name": "load"})

    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert len(line) < 200
    assert len(checkpoint_line(record).splitlines()) == 1
    finding = {**FINDING.as_dict(), "summary": f"It said: {value}"}
    assert len(finding_line(finding).splitlines()) == 1
