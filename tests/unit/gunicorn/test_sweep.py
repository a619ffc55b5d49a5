"""The sweep: dead predecessors become reports, living ones are left alone."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from bootcheck.gunicorn.obituary import Publisher
from bootcheck.gunicorn.sweep import sweep
from bootcheck.model import journal
from bootcheck.model.checkpoint import Phase
from bootcheck.model.journal import Key
from bootcheck.model.redactor import Redactor
from bootcheck.model.report import LINE_PREFIX, schema
from bootcheck.probes.process import boot_id, start_ticks
from bootcheck.recorder import Recorder
from bootcheck.sinks.console import Console
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.journal import Journal
from tests.unit.children import forked


@pytest.fixture
def reports(tmp_path: Path) -> ReportDirectory:
    """The directory that both starts use."""
    return ReportDirectory({"BOOTCHECK_DIR": str(tmp_path / "reports")})


@pytest.fixture
def master(reports: ReportDirectory) -> Any:
    """As much of a master as the sweep needs."""
    console = Console("off")
    return SimpleNamespace(
        directory=reports,
        key=Key("master", os.getpid(), start_ticks()),
        publisher=Publisher(reports, console),
        environ={},
        redactor=Redactor(),
    )


def die(
    reports: ReportDirectory, *, ends: bool = False, role: str = "worker", fault: str = "", head: bool = True
) -> Key:
    """Let a process write a journal, and die; return its key."""

    def live() -> list[int]:
        key = Key(role, os.getpid(), start_ticks())
        recorder = Recorder([Journal(reports, key)])
        if head:
            recorder.fact(
                journal.HEAD, role=role, pid=key.pid, start=key.start, boot_id=boot_id(), host="web-1", server_id="s"
            )
        recorder.step(f"{role}.boot", Phase.WORKER).__enter__()
        recorder.step("app.load", Phase.APP).__enter__()
        if ends:
            recorder.fact(journal.END)
        return [key.pid, key.start]

    (pid, start), _ = forked(live)
    key = Key(role, pid, start)
    if fault:
        Path(f"{reports.path}/{key.fault_name}").write_text(fault)
    return key


def found(reports: ReportDirectory) -> list[dict[str, Any]]:
    """Return the reports, each valid."""
    told = [json.loads(path.read_bytes()) for path in sorted(Path(reports.path or "").glob("*.json"))]
    for report in told:
        jsonschema.validate(report, schema())
    return told


@pytest.mark.parametrize("role", ["worker", "master"])
def test_a_journal_without_an_end_becomes_a_report(
    master: Any, reports: ReportDirectory, capfd: pytest.CaptureFixture[str], role: str
):
    """Vanished, in the step where it was; its files are gone; the line is on stderr."""
    key = die(reports, role=role)

    assert sweep(master) == 1
    (report,) = found(reports)
    assert (report["verdict"]["cause"], report["role"], report["step"]) == ("vanished", role, "app.load")
    assert report["attributes"]["process.pid"] == key.pid
    assert report["attributes"]["host.name"] == "web-1"
    assert report["attributes"]["bootcheck.swept"] is True
    assert report["incomplete"] is True
    assert [name for name in os.listdir(reports.path or "") if not name.endswith(".json")] == []
    assert capfd.readouterr().err.count(LINE_PREFIX) == 1
    assert sweep(master) == 0


def test_a_fault_file_says_more(master: Any, reports: ReportDirectory):
    """A crash whose master was gone, too."""
    die(
        reports,
        fault="Fatal Python error: Segmentation fault\n\n"
        'Current thread 0x01 (most recent call first):\n  File "a.py", line 3 in f\n',
    )

    sweep(master)
    (report,) = found(reports)
    assert report["verdict"]["cause"] == "native_crash"
    assert report["stacks"][0]["frames"] == [{"function": "f", "file": "a.py", "line": 3}]


def test_a_process_that_ended_by_itself_is_only_cleaned_up(master: Any, reports: ReportDirectory):
    """No death, no report."""
    die(reports, ends=True)

    assert sweep(master) == 0
    assert os.listdir(reports.path or "") == []


def test_a_living_process_is_left_alone(master: Any, reports: ReportDirectory):
    """It holds the lock of its journal; another server shares the directory."""
    told, tell = os.pipe()
    hold, release = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(release)
        kept = Journal(reports, Key("worker", os.getpid(), start_ticks()))
        kept.write({"t": "head"}, b'{"t":"head"}\n')
        os.write(tell, b"x")
        os.read(hold, 1)
        os._exit(0)
    os.read(told, 1)
    try:
        assert sweep(master) == 0
        assert len(os.listdir(reports.path or "")) == 1
    finally:
        os.close(release)
        os.waitpid(pid, 0)


def test_our_own_journal_is_not_swept(master: Any, reports: ReportDirectory):
    """Not even opened: closing it would give up its lock."""
    own = Journal(reports, master.key)
    own.write({"t": "head"}, b'{"t":"head"}\n')

    assert sweep(master) == 0
    assert os.listdir(reports.path or "") == [master.key.file_name]


def test_a_journal_whose_head_was_lost_is_known_by_its_name(master: Any, reports: ReportDirectory):
    """Role and pid stand there, too."""
    key = die(reports, head=False)

    assert sweep(master) == 1
    assert found(reports)[0]["attributes"]["process.pid"] == key.pid


def test_who_died_before_its_first_line_is_told_by_the_name_of_its_file(master: Any, reports: ReportDirectory):
    """Once; its file's time is what is known of when."""
    path = Path(f"{reports.path}/worker-4194303-7.jsonl")
    path.write_text("")
    os.utime(path, (1_700_000_000, 1_700_000_000))

    assert sweep(master) == 1
    (report,) = found(reports)
    assert (report["role"], report["attributes"]["process.pid"]) == ("worker", 4194303)
    assert (report["verdict"]["cause"], report["step"]) == ("vanished", "worker.boot")
    assert report["timestamp"].startswith("2023-11-14T22:13:20")

    path.write_text("")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert sweep(master) == 0
    assert len(found(reports)) == 1


def test_who_is_about_to_write_its_first_line_is_left_alone(master: Any, reports: ReportDirectory):
    """The journal is there a moment before it is locked and written to."""
    Path(f"{reports.path}/worker-{os.getpid()}-{start_ticks()}.jsonl").write_text("")

    assert sweep(master) == 0
    assert found(reports) == []


def test_a_foreign_file_makes_no_report(master: Any, reports: ReportDirectory):
    """A file of another name is not touched."""
    for name in ("notes.jsonl", "worker-x-1.jsonl"):
        Path(f"{reports.path}/{name}").write_text("")

    assert sweep(master) == 0
    assert sorted(os.listdir(reports.path or "")) == ["notes.jsonl", "worker-x-1.jsonl"]


def test_of_two_servers_that_start_at_once_one_reports(master: Any, reports: ReportDirectory):
    """The rename decides."""
    die(reports)
    twin = SimpleNamespace(**vars(master))

    assert sorted([sweep(master), sweep(twin)]) == [0, 1]
    assert len(found(reports)) == 1


def test_a_sweep_that_was_killed_is_finished_by_the_next(master: Any, reports: ReportDirectory):
    """It had claimed the journal and stored nothing yet."""
    key = die(reports)
    os.rename(f"{reports.path}/{key.file_name}", f"{reports.path}/.swept-{key.file_name}")

    assert sweep(master) == 1
    assert [report["attributes"]["process.pid"] for report in found(reports)] == [key.pid]
    assert [name for name in os.listdir(reports.path or "") if not name.endswith(".json")] == []


def test_a_claim_of_a_sweep_that_goes_on_is_left_alone(master: Any, reports: ReportDirectory):
    """Another server, maybe in another container, is at it: its lock tells."""
    key = die(reports)
    claimed = f"{reports.path}/.swept-{key.file_name}"
    os.rename(f"{reports.path}/{key.file_name}", claimed)
    with open(claimed, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert sweep(master) == 0
    assert found(reports) == []
    assert sweep(master) == 1


def test_a_death_that_has_its_report_is_not_reported_again(master: Any, reports: ReportDirectory):
    """The master was killed between storing the report and removing the journal."""
    key = die(reports)
    journal_bytes = Path(f"{reports.path}/{key.file_name}").read_bytes()
    assert sweep(master) == 1
    Path(f"{reports.path}/{key.file_name}").write_bytes(journal_bytes)

    assert sweep(master) == 0
    assert len(found(reports)) == 1
    assert not Path(f"{reports.path}/{key.file_name}").exists()


def test_half_written_files_of_killed_writers_go(master: Any, reports: ReportDirectory):
    """After an hour; what was written just now may have a living writer."""
    old, new = Path(f"{reports.path}/.crash-x.json.17.tmp"), Path(f"{reports.path}/.crash-y.json.18.tmp")
    for path in (old, new):
        path.write_bytes(b"{")
    os.utime(old, (1, 1))

    assert sweep(master) == 0
    assert not old.exists()
    assert new.exists()
