"""Warnings: of boot reports, of processes that live, and of the console's lines, each once per process."""

from __future__ import annotations

import os
from pathlib import Path

from bootcheck.analysis import analyze
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding, Severity
from bootcheck.probes.process import boot_id, start_ticks
from tests.unit.analysis.making import AT, head, journal, report, stored, told

TWICE = Finding(
    code="BC306",
    summary="model was loaded by 2 callers at once.",
    severity=Severity.WARNING,
    action=("Use load_once.",),
)
LINE = f"bootcheck: warning: {TWICE.summary} [BC306 loaded-by-several-at-once]\n"
SHARED = "bootcheck: error: All workers would share db, a raw PyMySQL connection. [BC202 raw-connection-shared]\n"


def living(directory: Path) -> Path:
    """Write the journal of a process that runs (this one), which met something after its boot report."""
    pid = os.getpid()
    alive = head(pid=pid, start=start_ticks(pid), boot_id=boot_id())
    return journal(directory, alive, {"t": "finding", "at": AT, "finding": TWICE.as_dict()})


def test_what_a_living_process_has_met(tmp_path: Path):
    """No death, and no incident unless warnings are asked for."""
    living(tmp_path)
    (incident,) = analyze([str(tmp_path)], warnings=True).incidents

    assert analyze([str(tmp_path)]).exit_code == 0
    assert (incident.code, incident.cause, incident.cause_class) == ("BC306", "none", "app-startup-race")
    assert (incident.count, incident.action) == (1, ("Use load_once.",))
    assert incident.processes[0]["pid"] == os.getpid()


def test_its_boot_report_and_its_journal_are_one_process(tmp_path: Path):
    """What stands in both is counted once."""
    living(tmp_path)
    stored(tmp_path, report(Cause.NONE, kind="boot", pid=os.getpid(), step=None, findings=[TWICE]))
    (incident,) = analyze([str(tmp_path)], warnings=True).incidents

    assert incident.count == 1


def test_the_console_says_it_too(tmp_path: Path):
    """Its lines are evidence where nothing else is left, with the time of the line before; not beside a report."""
    log = "[2026-11-27 09:05:00 +0000] [11] [INFO] Booting worker with pid: 11\n" + LINE + SHARED
    two = told(log, warnings=True).incidents

    assert told(log).exit_code == 0
    assert [(one.code, one.count, one.evidence[0].line) for one in two] == [("BC306", 1, 2), ("BC202", 1, 3)]
    assert two[0].first_seen == "2026-11-27T09:05:00.000Z"
    (tmp_path / "log").write_text(LINE)
    stored(tmp_path, report(Cause.NONE, kind="boot", step=None, findings=[TWICE]))
    (incident,) = analyze([str(tmp_path)], warnings=True).incidents
    assert (incident.count, incident.action) == (1, ("Use load_once.",))


def test_an_error_of_a_request_and_its_warning_are_one_incident():
    """The log says what failed, the watch says why."""
    failed = (
        "[2026-11-27 09:05:00 +0000] [11] [ERROR] Error handling request /\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/app.py", line 4, in app\n'
        "    load()\n"
        "NotImplementedError: Cannot copy out of meta tensor; no data!\n"
    )
    (incident,) = told(failed + LINE, warnings=True).incidents

    assert (incident.code, incident.count) == ("BC306", 1)
    assert incident.summary.startswith("A model was used while another thread still loaded it")
    assert any(item.text.startswith("bootcheck: warning: ") for item in incident.evidence)
    assert any("before the worker is ready" in action for action in incident.action)


def test_what_only_looks_like_a_line_of_the_console():
    """An unknown code, or words around it: a line like any other."""
    for line in (LINE.replace("BC306", "BC999"), "it said " + LINE, LINE.replace("]", "")):
        assert told(line, warnings=True).exit_code == 0
