"""Journals without an end are deaths, unless their owner lives."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

from bootcheck.analysis import analyze
from bootcheck.model.cause import Cause
from bootcheck.probes.process import boot_id, start_ticks
from tests.unit.analysis.making import AT, entered, head, journal, report, stored

RAISED = {
    "t": "exception",
    "at": AT + 2,
    "kind": "exception",
    "type": "ModuleNotFoundError",
    "message": "No module named 'flask'",
    "step": "app.load",
    "traceback": 'Traceback (most recent call last):\n  File "/srv/app.py", line 1, in <module>\n    import flask\n'
    "ModuleNotFoundError: No module named 'flask'\n",
}


def causes(path: Path) -> list[tuple[str, str, int]]:
    """Return cause, class and count of each incident of a directory."""
    return [(incident.cause, incident.cause_class, incident.count) for incident in analyze([str(path)]).incidents]


def test_a_process_that_vanished(tmp_path: Path):
    """The step that it stood in is named."""
    journal(tmp_path, head(), entered("worker.boot"), entered("app.load", 2))
    (incident,) = analyze([str(tmp_path)]).incidents

    assert (incident.cause, incident.code, incident.cause_class) == ("vanished", "BC512", "external-stop")
    assert "app.load" in incident.summary
    assert incident.first_seen == "2026-11-27T09:25:58.500Z"
    assert incident.processes[0]["host"] == "web-1"


def test_a_ready_process_without_an_end_vanished_too(tmp_path: Path):
    """Being ready is no end."""
    journal(tmp_path, head(), {"t": "ready", "at": AT + 3})

    assert causes(tmp_path) == [("vanished", "external-stop", 1)]


def test_an_end_is_no_death(tmp_path: Path):
    """A process that ended by itself, ready or not, wrote so."""
    journal(tmp_path, head(), entered("app.load"), {"t": "end", "at": AT + 9})
    journal(tmp_path, head(pid=32), {"t": "ready", "at": AT + 3}, {"t": "end", "at": AT + 9})

    assert causes(tmp_path) == []


def test_what_the_journal_knows_is_the_cause(tmp_path: Path):
    """An exception, a noticed signal and a fault dump say more than `vanished`."""
    journal(tmp_path, head(pid=1), RAISED)
    journal(
        tmp_path,
        head(pid=2, server_id="s2"),
        entered("app.load"),
        {"t": "signal", "at": AT, "signo": 15, "name": "SIGTERM", "step": "app.load"},
    )
    path = journal(tmp_path, head(pid=3), entered("app.load"))
    path.with_suffix(".fault").write_text(
        "Fatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n"
    )

    assert {cause: kind for cause, kind, _ in causes(tmp_path)} == {
        "exception": "dependency-missing",
        "sigterm": "external-stop",
        "native_crash": "native-crash",
    }


def test_the_owner_still_lives(tmp_path: Path):
    """Same machine, same pid, same start time: it is just not over yet."""
    mine = head(pid=os.getpid(), start=start_ticks(), boot_id=boot_id())
    journal(tmp_path, mine, entered("app.load"))

    assert causes(tmp_path) == []


def test_another_process_has_the_pid_now(tmp_path: Path):
    """Pids come round again: the start time tells."""
    journal(tmp_path, head(pid=os.getpid(), start=start_ticks() + 1, boot_id=boot_id()), entered("app.load"))

    assert causes(tmp_path) == [("vanished", "external-stop", 1)]


def test_the_owner_holds_its_lock(tmp_path: Path):
    """Seen also where its pid is not: from another PID namespace."""
    path = journal(tmp_path, head(), entered("app.load"))
    with path.open("r+b") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        code = "import sys; from bootcheck.analysis import analyze; sys.exit(analyze(sys.argv[1:]).exit_code)"
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], check=False, env={"PYTHONPATH": os.pathsep.join(sys.path)}
        )

    assert done.returncode == 0
    assert causes(tmp_path) == [("vanished", "external-stop", 1)]


def test_a_death_that_was_reported_counts_once(tmp_path: Path):
    """The report about a process and its journal without an end are one death."""
    journal(tmp_path, head(), entered("app.load"), RAISED)
    stored(tmp_path, report(at=AT + 2.3, type="ModuleNotFoundError", message="No module named 'flask'", server="s1"))

    assert causes(tmp_path) == [("exception", "dependency-missing", 1)]


def test_a_report_of_an_earlier_process_with_this_pid(tmp_path: Path):
    """Another server's report, of an hour before, is another death."""
    journal(tmp_path, head(), entered("app.load"))
    stored(tmp_path, report(at=AT - 3600, server="s0"))

    assert {cause for cause, _, _ in causes(tmp_path)} == {"exception", "vanished"}


def test_a_boot_report_is_no_report_of_the_death(tmp_path: Path):
    """It was ready, then vanished."""
    journal(tmp_path, head(), {"t": "ready", "at": AT + 3})
    stored(tmp_path, report(Cause.NONE, kind="boot", at=AT + 3, step=None, server="s1"))

    assert causes(tmp_path) == [("vanished", "external-stop", 1)]


def test_a_refusal_that_nobody_reported(tmp_path: Path):
    """The failed check's own code and class."""
    finding = {
        "code": "BC210",
        "summary": "The database at db:5432 refuses connections.",
        "severity": "error",
        "declared": True,
    }
    refused = {
        "t": "exception",
        "at": AT,
        "kind": "check_failed",
        "type": "bootcheck.Refused",
        "message": "x",
        "step": "check.database",
    }
    journal(tmp_path, head("master"), {"t": "finding", "at": AT, "finding": finding}, refused)
    (incident,) = analyze([str(tmp_path)]).incidents

    assert (incident.cause, incident.code, incident.cause_class) == ("check_failed", "BC210", "db-unreachable")


def test_a_head_that_is_lost(tmp_path: Path):
    """The file's name still says whose it was; the damage is listed and the doubt said."""
    path = journal(tmp_path, head(), entered("app.load"))
    path.write_bytes(b'{"t":"hea\0\0\0\n' + path.read_bytes().split(b"\n", 1)[1])
    found = analyze([str(tmp_path)])

    assert found.incidents[0].processes[0]["pid"] == 31
    assert "damaged" in found.inputs.unreadable[0]["reason"]


def test_a_last_line_that_is_cut_is_no_damage(tmp_path: Path):
    """Dying while it writes costs a process that line only; but an end may have stood there."""
    path = journal(tmp_path, head(), entered("app.load"))
    path.write_bytes(path.read_bytes() + json.dumps({"t": "end", "at": AT}).encode()[:9])
    found = analyze([str(tmp_path)])

    assert found.inputs.unreadable == []
    assert found.incidents[0].confidence == "low"
    assert found.incidents[0].against
