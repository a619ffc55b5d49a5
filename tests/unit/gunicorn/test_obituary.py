"""From a death to its one report: stored, shown in full once per fingerprint, announced every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootcheck.gunicorn.obituary import Publisher, report_of
from bootcheck.gunicorn.verdict import Death
from bootcheck.model.boot import Boot
from bootcheck.model.report import LINE_PREFIX, Report
from bootcheck.sinks.console import Console
from bootcheck.sinks.directory import ReportDirectory


@pytest.fixture
def reports(tmp_path: Path) -> ReportDirectory:
    """Where reports are stored."""
    return ReportDirectory({"BOOTCHECK_DIR": str(tmp_path / "reports")})


def death(pid: int = 412, at: float = 50.0) -> Report:
    """Return the report of a worker that raised."""
    boot = Boot(
        head={"role": "worker", "pid": pid, "at": 1.0},
        exception={
            "kind": "exception",
            "type": "ValueError",
            "message": "no model",
            "step": "load model",
            "traceback": "Tb\nEnd",
            "frames": [{"function": "load", "file": "a.py", "line": 3}],
        },
        stacks=({"thread": "pool", "frames": []},),
        broken_lines=1,
    )
    report = report_of(Death(boot=boot, status=3 << 8, extra={"bootcheck.worker.age": 7}), {"host.name": "h"}, at=at)
    assert report is not None
    return report


def test_a_report_holds_what_is_known():
    """Attributes, the exception's frames first, and that a line of its journal was lost."""
    report = death()

    assert report.incomplete
    assert report.stacks[0] == {"thread": "MainThread", "frames": [{"function": "load", "file": "a.py", "line": 3}]}
    assert report.stacks[1]["thread"] == "pool"
    assert dict(report.attributes) == {
        "host.name": "h",
        "process.pid": 412,
        "process.exit.time": "1970-01-01T00:00:50.000Z",
        "process.exit.code": 3,
        "bootcheck.ready": False,
        "bootcheck.worker.uptime_s": 49.0,
        "bootcheck.worker.age": 7,
        "exception.type": "ValueError",
        "exception.message": "no model",
        "exception.stacktrace": "Tb\nEnd",
        "bootcheck.exception.chain": [],
    }


def test_the_same_fault_is_shown_in_full_once(reports: ReportDirectory, capfd: pytest.CaptureFixture[str]):
    """Then a line each with its number; every death is stored and announced."""
    publisher = Publisher(reports, Console("summary"))
    paths = [publisher.death(death(pid, float(pid)), f"WORKER {pid} DIED (exception)") for pid in (7, 8, 9)]
    said = capfd.readouterr().err

    assert said.count("-" * 80) == 2
    assert (
        "bootcheck: WORKER 9 DIED (exception): The worker (pid 9) raised ValueError: no model in step load model."
        in said
    )
    assert "(number 3 of its kind)" in said
    assert said.count(LINE_PREFIX) == 3
    assert all(path and json.loads(Path(path).read_bytes())["kind"] == "crash" for path in paths)


def test_off_leaves_the_report_lines_and_what_stopped_the_server(
    reports: ReportDirectory, capfd: pytest.CaptureFixture[str]
):
    """As the contract's `off` says."""
    publisher = Publisher(reports, Console("off"))
    publisher.death(death(), "WORKER 412 DIED (exception)")
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(LINE_PREFIX)
    publisher.death(death(), "THE SERVER DID NOT START", stops_server=True)
    assert "bootcheck: THE SERVER DID NOT START" in capfd.readouterr().err


def test_without_a_place_the_line_holds_the_essence(reports: ReportDirectory, capfd: pytest.CaptureFixture[str]):
    """A full disk costs the file only."""
    reports.slow = True

    assert Publisher(reports, Console("summary")).death(death(), "x") is None
    line = capfd.readouterr().err.splitlines()[-1]
    told = json.loads(line.removeprefix(LINE_PREFIX))
    assert "path" not in told
    assert told["verdict"]["cause"] == "exception"
