"""Whose report it is: the server's own, its journal's, or the parent's by status."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

from bootcheck.model import journal
from bootcheck.model.checkpoint import Phase
from bootcheck.model.journal import Key
from bootcheck.model.redactor import Redactor
from bootcheck.model.report import schema
from bootcheck.model.stamps import compact
from bootcheck.parent.account import Accounts
from bootcheck.probes.process import boot_id
from bootcheck.recorder import Recorder
from bootcheck.sinks.console import Console
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.journal import Journal

PID = 4_000_001
"""Nobody's."""
USAGE = SimpleNamespace(ru_maxrss=20_000, ru_utime=0.5, ru_stime=0.1, ru_majflt=0)


class Ended(SimpleNamespace):
    """A server that ended."""

    def __init__(self, status: int, **more: Any) -> None:
        values = {"pid": PID, "start": 77, "argv": ("gunicorn", "app:app"), "command": ["python"], "told": []}
        super().__init__(**{**values, "since": time.time() - 5, "status": status, "usage": USAGE, **more})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The directory of the reports."""
    return tmp_path / "reports"


@pytest.fixture
def accounts(place: Path) -> Accounts:
    """The accounts of one parent."""
    return Accounts({"BOOTCHECK_DIR": str(place)}, Console("off"), Redactor())


def settle(accounts: Accounts, child: Ended, *, died: bool = True, oom_kills: int | None = 0) -> None:
    """Settle an end about which nothing else is known."""
    accounts.settle(child, died=died, oom_kills=oom_kills, limit_bytes=None, stderr=lambda: None)  # type: ignore[arg-type]


def crashes(place: Path) -> list[dict[str, Any]]:
    """Return the reports of deaths, each valid."""
    found = [json.loads(path.read_bytes()) for path in sorted(place.glob("crash-*.json"))]
    for report in found:
        jsonschema.validate(report, schema())
    return found


def write_journal(place: Path, key: Key, *, ready: bool = True, ends: bool = False, server: str = "s") -> None:
    """Leave the journal of a process that is gone."""
    recorder = Recorder([Journal(ReportDirectory({"BOOTCHECK_DIR": str(place)}), key)])
    recorder.fact(
        journal.HEAD, role=key.role, pid=key.pid, start=key.start, boot_id=boot_id(), host="web-1", server_id=server
    )
    with recorder.step("server.boot", Phase.SERVER):
        pass
    if ready:
        recorder.fact(journal.READY)
    if ends:
        recorder.fact(journal.END, status=0)


def leave_report(place: Path, kind: str, *, pid: int = PID, host: str | None = None, ago: float = 0.0) -> None:
    """Leave a report as an armed master would."""
    place.mkdir(exist_ok=True)
    name = f"{kind}-{compact(time.time() - ago)}-{'0' * 16}-master-{pid}.json"
    (place / name).write_text(json.dumps({"attributes": {"host.name": host or os.uname().nodename}}))


def written(place: Path) -> int:
    """Return how many reports of deaths there are, without reading them."""
    return len(list(place.glob("crash-*.json")))


# -- plain servers


@pytest.mark.parametrize(
    ("status", "oom_kills", "cause"),
    [
        (7 << 8, 0, "os_exit"),
        (signal.SIGSEGV, 0, "native_crash"),
        (signal.SIGABRT | 0x80, 0, "native_crash"),
        (signal.SIGKILL, 0, "sigkill_external"),
        (signal.SIGKILL, None, "sigkill_external"),
        (signal.SIGKILL, 1, "oom"),
        (signal.SIGTERM, 0, "sigterm"),
        (signal.SIGHUP, 0, "sigterm"),
    ],
)
def test_a_plain_server_is_reported_by_its_status(accounts, place, status, oom_kills, cause):
    """In the words of the contract, with what cannot be known said as missing."""
    settle(accounts, Ended(int(status)), oom_kills=oom_kills)

    (report,) = crashes(place)
    assert (report["role"], report["verdict"]["cause"]) == ("master", cause)
    assert report["step"] is None
    assert report["incomplete"] is True
    assert report["attributes"]["process.pid"] == PID
    assert report["attributes"]["bootcheck.process.cpu.user_s"] == 0.5
    assert any("no bootcheck is armed" in text for text in report["verdict"]["missing"])


def test_an_unreadable_count_speaks_against_a_kill_from_outside(accounts, place):
    """It may have been memory."""
    settle(accounts, Ended(signal.SIGKILL), oom_kills=None)

    assert "may have been memory" in crashes(place)[0]["verdict"]["against"][0]


# -- servers that told their end


@pytest.mark.parametrize(
    ("kind", "status", "reports"),
    [
        ("crash", 78 << 8, 0),
        ("crash", signal.SIGTERM, 0),
        ("boot", 3 << 8, 0),
        ("boot", signal.SIGSEGV, 1),
    ],
    ids=["refused", "stopped in mid-boot", "a worker failed", "a fault on the way out"],
)
def test_a_master_that_told_its_end_needs_no_second_report(accounts, place, kind, status, reports):
    """Its own stands; only a fault after everything was told is one that nobody wrote."""
    leave_report(place, kind)
    before = written(place)
    settle(accounts, Ended(int(status)))

    assert written(place) - before == reports


@pytest.mark.parametrize("other", [{"pid": PID + 1}, {"host": "web-2"}, {"ago": 60.0}], ids=["pid", "host", "time"])
def test_a_report_of_another_server_is_none_of_this_one(accounts, place, other):
    """Containers that share a volume number their processes alike, and so does a restart."""
    leave_report(place, "boot", **other)
    settle(accounts, Ended(3 << 8))

    assert written(place) == 1


def test_without_a_place_that_both_know_only_a_signal_is_reported(tmp_path, monkeypatch, capfd):
    """An armed master had a makeshift place of its own: an exit code is its to tell."""
    monkeypatch.setattr(ReportDirectory, "_chosen", _refused)
    monkeypatch.setattr(ReportDirectory, "_private", _refused)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    settle(Accounts({}, Console("off"), Redactor()), Ended(78 << 8))
    assert "BOOTCHECK_REPORT" not in capfd.readouterr().err
    settle(Accounts({}, Console("off"), Redactor()), Ended(signal.SIGKILL))
    assert capfd.readouterr().err.count("BOOTCHECK_REPORT") == 1


def _refused(*_: object) -> int:
    raise PermissionError


# -- journals


def test_a_journal_without_an_end_is_folded_with_the_status(accounts, place):
    """At once, once, and nothing stays for a sweep."""
    write_journal(place, Key("master", PID, 77))
    settle(accounts, Ended(signal.SIGKILL))

    (report,) = crashes(place)
    assert report["verdict"]["cause"] == "sigkill_external"
    assert report["attributes"]["bootcheck.ready"] is True
    assert report["attributes"]["host.name"] == "web-1"
    assert [path.name for path in place.iterdir()] == [path.name for path in place.glob("crash-*.json")]


def test_a_journal_with_an_end_is_no_death(accounts, place):
    """It could not be removed; that is all."""
    write_journal(place, Key("master", PID, 77), ends=True)
    settle(accounts, Ended(1 << 8))

    assert not crashes(place)


@pytest.mark.parametrize(("ready", "reports"), [(True, 0), (False, 1)])
def test_an_ordered_stop_is_a_death_before_ready_only(accounts, place, ready, reports):
    """The contract's: a stop in mid-boot leaves a report."""
    write_journal(place, Key("master", PID, 77), ready=ready)
    settle(accounts, Ended(signal.SIGTERM), died=False)

    assert [report["verdict"]["cause"] for report in crashes(place)] == ["sigterm"] * reports
    assert not list(place.glob("*.jsonl"))


def test_a_journal_that_a_sweep_took_first_is_reported_there(accounts, place, monkeypatch):
    """Another server that starts in the same directory may be faster."""
    write_journal(place, Key("master", PID, 77))
    monkeypatch.setattr(ReportDirectory, "rename", lambda *_: False)
    settle(accounts, Ended(signal.SIGKILL))

    assert written(place) == 0


def test_the_journals_of_workers_go_without_a_report(accounts, place):
    """They ended because their master was gone; one of another server is left alone."""
    write_journal(place, Key("master", PID, 77))
    write_journal(place, Key("worker", PID + 1, 78))
    write_journal(place, Key("worker", PID + 2, 79))
    write_journal(place, Key("worker", PID + 3, 80), server="another")
    settle(accounts, Ended(signal.SIGKILL))
    accounts.settle_orphans({PID + 1: (int(signal.SIGTERM), USAGE), PID + 2: (int(signal.SIGKILL), USAGE)}, {PID + 2})

    assert len(crashes(place)) == 1
    assert [path.name for path in place.glob("*.jsonl")] == [Key("worker", PID + 3, 80).file_name]


@pytest.mark.parametrize("signo", [signal.SIGSEGV, signal.SIGKILL])
def test_a_worker_that_died_by_itself_has_its_own_report(accounts, place, signo):
    """With the status that came to its grandparent."""
    write_journal(place, Key("master", PID, 77))
    write_journal(place, Key("worker", PID + 1, 78))
    settle(accounts, Ended(signal.SIGKILL))
    accounts.settle_orphans({PID + 1: (int(signo), USAGE)}, set())

    assert sorted(report["role"] for report in crashes(place)) == ["master", "worker"]
