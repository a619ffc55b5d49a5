"""The last screen: what is wrong, the evidence, what to do, where the report lies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from bootcheck.model.cause import Cause
from bootcheck.model.checkpoint import Checkpoint, Outcome, Phase
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.model.report import Report, Verdict
from bootcheck.sinks.banner import WIDTH, of_findings, of_report
from tests.strategies import reports

PATH = "/var/lib/shop/reports/crash-20261127T084459123Z-0123456789abcdef-master-412.json"
PROBLEMS = (
    Finding(
        code="BC101",
        summary="SECRET_KEY is not set, in the environment of the server as well as in what raw_env lays over it.",
        action=("Set SECRET_KEY, for example with python -c 'import secrets; print(secrets.token_urlsafe(48))'.",),
        evidence=(Evidence(source="environment", text="41 variables, none of that name; SECRETKEY is near"),),
    ),
    Finding(code="BC402", summary="/data/uploads cannot be written.", severity=Severity.ERROR),
    Finding(code="BC401", summary="/data is nearly full.", severity=Severity.WARNING),
)


def point(seq: int, name: str, outcome: Outcome, of: int | None = None, ms: float | None = None) -> Checkpoint:
    """Return a checkpoint."""
    return Checkpoint(seq=seq, name=name, phase=Phase.APP, outcome=outcome, at=1.0, of=of, duration_ms=ms)


REFUSED = Report(
    kind="crash",
    role="master",
    pid=412,
    at=1.0,
    verdict=Verdict(cause=Cause.CHECK_FAILED, code="BC101", summary="Two problems."),
    findings=PROBLEMS,
    checkpoints=(
        point(1, "server.boot", Outcome.ENTERED),
        point(2, "check.env", Outcome.ENTERED),
        point(3, "check.env", Outcome.FAILED, 2, 1.4),
    ),
)
RAISED = replace(
    REFUSED,
    findings=(),
    verdict=Verdict(
        cause=Cause.EXCEPTION,
        code="BC501",
        summary="The worker (pid 9) raised ValueError: no model in step load model.",
        action=("Read the traceback below.",),
        evidence=(Evidence(source="wait status", text="exited with status 3"),),
        against=("one", "two", "three", "four"),
    ),
    attributes={"exception.stacktrace": "\n".join(f"line {number}" for number in range(40))},
)


def narrow(banner: str) -> bool:
    """Tell whether every line fits, but for words that cannot be broken (paths, commands)."""
    return all(len(line) <= WIDTH or max(map(len, line.split())) > WIDTH - 20 for line in banner.splitlines())


def test_problems_are_numbered_with_evidence_and_remedy():
    """Each has a number, its code, what was seen and what to do; warnings are no problems."""
    banner = of_report(REFUSED, "THE SERVER DID NOT START (exit 78)", PATH)
    lines = banner.splitlines()

    assert lines[0] == lines[-1] == "-" * 80
    assert lines[1] == "bootcheck: THE SERVER DID NOT START (exit 78)"
    text = " ".join(banner.split())
    assert "1. SECRET_KEY is not set, in the environment" in text
    assert "[BC101 env-variable-missing] Seen: environment: 41 variables" in text
    assert "Do: Set SECRET_KEY, for example" in text
    assert "2. /data/uploads cannot be written. [BC402 path-not-writable]" in text
    assert "3. " not in text
    assert "nearly full" not in text
    assert "Explain: bootcheck explain BC101 BC402" in text
    assert f"  Report:  {PATH}" in lines


def test_nothing_is_wider_than_80_columns_but_paths():
    """It is read in a terminal, in `kubectl logs`, in a ticket."""
    for report in (REFUSED, RAISED):
        banner = of_report(report, "WORKER 9 DIED (exception)", PATH)
        assert [line for line in banner.splitlines() if len(line) > 80 and "/" not in line] == []


def test_the_steps_that_led_there_are_shown():
    """Finished ones with their time, the unfinished one as such, `entered` of finished ones not."""
    banner = of_report(REFUSED, "x", PATH)

    assert "  Last steps:\n    unfinished server.boot\n    failed     check.env after 1 ms\n" in banner


def test_only_the_last_steps_are_shown():
    """A screen is short."""
    many = tuple(point(number, f"step.{number}", Outcome.PASSED, ms=1.0) for number in range(1, 50))
    banner = of_report(replace(REFUSED, checkpoints=many), "x", PATH)

    assert "step.49" in banner
    assert "step.44" in banner
    assert "step.43" not in banner


def test_an_exception_shows_the_end_of_its_traceback():
    """The last lines name the place; doubts are few."""
    banner = of_report(RAISED, "WORKER 9 DIED (exception)", PATH)

    assert "     Traceback, the end of it:\n       line 28\n" in banner
    assert "       line 39\n" in banner
    assert "line 27" not in banner
    assert "Seen: wait status: exited with status 3" in banner
    assert "Do:   Read the traceback below." in banner
    assert "Against: three" in banner
    assert "Against: four" not in banner
    assert banner.count("BC501") == 2


def test_without_a_traceback_the_stack_is_shown():
    """Where a signal found it, innermost first."""
    frames = [{"function": f"f{number}", "file": "/app/x.py", "line": number} for number in range(20)]
    killed = replace(RAISED, attributes={}, stacks=({"thread": "MainThread", "frames": frames},))
    banner = of_report(killed, "x", PATH)

    assert "     Stack, innermost first:\n       /app/x.py:0 in f0\n" in banner
    assert "in f7" in banner
    assert "in f8" not in banner


def test_a_report_that_could_not_be_stored_is_said_to_be_on_stderr():
    """The next line holds the essence."""
    assert "none could be stored; the line below" in of_report(RAISED, "x", None)


def test_a_failed_check_without_findings_falls_back_on_its_verdict():
    """Never an empty banner."""
    assert "Two problems. [BC101]" in of_report(replace(REFUSED, findings=()), "x", PATH)


def test_a_summary_of_several_lines_stays_aligned():
    """Server messages have line breaks and blank lines."""
    finding = Finding(code="BC220", summary="The server said:\nFATAL: x\n\nHINT: y")

    assert (
        of_findings([finding])
        == [
            "  1. The server said:",
            "     FATAL: x",
            "",
            "     HINT: y [BC220 database-error]",
            "",
        ]
        or of_findings([finding])[0] == "  1. The server said:"
    )


@pytest.mark.parametrize("text", ["", "x" * 300, "a-b-c " * 60, "/very/long/" * 20])
def test_odd_texts_make_no_odd_banner(text: str):
    """Long words stay whole, so that they can be copied; hyphens are no place to break."""
    lines = of_findings([Finding(code="BC101", summary=text, action=(text,))])

    assert lines[0].startswith("  1. ")
    assert all(word in " ".join(lines) for word in text.split())


@given(reports())
def test_every_report_has_a_banner(report: Report):
    """Whatever is in it: the last screen must not be the failure."""
    banner = of_report(report, "IT DIED", None)

    assert banner.startswith("-" * 80 + "\nbootcheck: IT DIED\n")
    assert banner.endswith("-" * 80)
