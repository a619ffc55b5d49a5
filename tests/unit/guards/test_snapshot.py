"""A process answers one signal with its stacks, and goes on."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bootcheck.guards import snapshot
from bootcheck.guards.snapshot import FROM_C, FROM_C_ALONE, SIGNAL, TAKEN
from bootcheck.model.journal import Key
from bootcheck.model.report import schema
from bootcheck.probes.fault_text import last_dump
from bootcheck.recorder import Recorder, install
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.memory import Memory
from tests.unit.children import forked

HEAD = {"t": "head", "role": "worker", "pid": 0, "at": 1.0}


def armed(tmp_path: Path, act: Callable[[Path], Any], notes: list[str] | None = None, *, on_disk: bool = False) -> Any:
    """Arm a forked process, run this in it with the path of its dump file, and return what it returns."""

    def child() -> Any:
        key = Key("worker", os.getpid(), 1)
        head = {**HEAD, "pid": os.getpid()}
        told = snapshot.arm(
            key,
            directory=ReportDirectory({"BOOTCHECK_DIR": str(tmp_path)}),
            records=lambda: [head],
            common=lambda: {"bootcheck.gunicorn.workers": 2},
            note=(notes if notes is not None else []).append,
            on_disk=on_disk,
        )
        return [told, act(tmp_path / key.dump_name if on_disk else Path(f"/proc/{os.getpid()}/fd/{told['fd']}"))]

    told, _ = forked(child)
    return told


def answer_of(path: Path) -> dict[str, Any]:
    """Return the line behind the stacks."""
    return json.loads(path.read_text().strip().splitlines()[-1])


def as_a_command(path: Path, act: Callable[[], None]) -> None:
    """Hold the lock that a command holds, in another process, while this runs."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        with open(path, "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            os.write(write, b"x")
            signal.pause()
    os.read(read, 1)
    try:
        act()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
def test_asked_by_a_command_it_tells_stacks_and_what_python_knows(tmp_path: Path, on_disk: bool):
    """One JSON line; the report is the command's to make."""

    def act(path: Path) -> Any:
        over = threading.Event()
        other = threading.Thread(target=over.wait, name="search")
        other.start()
        as_a_command(path, lambda: os.kill(os.getpid(), SIGNAL))
        text = path.read_text()
        over.set()
        other.join()
        return [text, other.native_id, os.getpid()]

    told, (text, native, pid) = armed(tmp_path, act, on_disk=on_disk)

    assert (told["number"], told["on_disk"], told["from_c"]) == (SIGNAL, on_disk, True)
    answer = json.loads(text)
    main, other = answer["stacks"]
    assert (main["thread"], main["native_id"]) == ("MainThread", pid)
    assert "act" in [frame["function"].rpartition(".")[2] for frame in main["frames"]]
    assert (other["thread"], other["native_id"]) == ("search", native)
    assert "wait" in [frame["function"].rpartition(".")[2] for frame in other["frames"]]
    assert answer["attributes"] == {"bootcheck.gunicorn.workers": 2}
    assert list(tmp_path.glob("snapshot-*")) == []


@pytest.mark.parametrize("signo", [FROM_C, FROM_C_ALONE])
def test_from_c_it_writes_stacks_whatever_python_does(tmp_path: Path, signo: int):
    """Of all threads, the main one last; or of that one alone."""

    def act(path: Path) -> Any:
        over = threading.Event()
        other = threading.Thread(target=over.wait, name="search")
        other.start()
        os.kill(os.getpid(), signo)
        text = path.read_text()
        over.set()
        other.join()
        return text

    _, text = armed(tmp_path, act)

    stacks = last_dump(text)
    assert len(stacks) == (2 if signo == FROM_C else 1)
    assert stacks[-1]["current"]
    assert "act" in [frame["function"].rpartition(".")[2] for frame in stacks[-1]["frames"]]


def test_asked_by_hand_it_makes_the_report_and_empties_its_file(tmp_path: Path):
    """A valid one; and it says where."""
    notes: list[str] = []

    def act(path: Path) -> Any:
        os.kill(os.getpid(), SIGNAL)
        return [path.stat().st_size, notes]

    _, (size, said) = armed(tmp_path, act, notes)

    (report,) = tmp_path.glob("snapshot-*.json")
    document = json.loads(report.read_bytes())
    jsonschema.validate(document, schema())
    assert "act" in [frame["function"].rpartition(".")[2] for frame in document["stacks"][0]["frames"]]
    assert size == 0
    assert str(report) in said[0]


def test_the_app_s_own_handler_is_left_alone(tmp_path: Path):
    """Neither replaced nor called by us."""
    calls: list[int] = []

    def child() -> Any:
        signal.signal(SIGNAL, lambda signo, frame: calls.append(signo))
        told = snapshot.arm(
            Key("worker", os.getpid(), 1),
            directory=ReportDirectory({"BOOTCHECK_DIR": str(tmp_path)}),
            records=list,
            common=dict,
            note=print,
        )
        os.kill(os.getpid(), SIGNAL)
        return [told, calls]

    (told, called), _ = forked(child)

    assert told == {"number": None, "why": TAKEN}
    assert called == [SIGNAL]
    assert list(tmp_path.iterdir()) == []


def test_a_handler_that_comes_later_is_journaled(tmp_path: Path):
    """Then a command must not send the signal: it would run the app's code."""
    memory = Memory()

    def act(path: Path) -> Any:
        install(Recorder([memory]))
        snapshot.confirm()
        before = len(memory.records)
        signal.signal(SIGNAL, signal.SIG_IGN)
        snapshot.confirm()
        return [before, memory.records[-1]]

    _, (before, record) = armed(tmp_path, act)

    assert before == 0
    assert (record["t"], record["dump"]) == ("note", TAKEN)


def test_a_forked_child_answers_nothing(tmp_path: Path):
    """It lives on, and its parent's file stays empty."""

    def act(path: Path) -> Any:
        def child() -> str:
            snapshot.disarm()
            os.kill(os.getpid(), SIGNAL)
            return "alive"

        return [forked(child)[0], path.read_text()]

    _, told = armed(tmp_path, act)

    assert told == ["alive", ""]
    assert list(tmp_path.glob("snapshot-*")) == []


def test_a_worker_takes_the_master_s_registration_over(tmp_path: Path):
    """Its stacks go to its own file from then on."""

    def act(path: Path) -> Any:
        def worker(own: Path) -> str:
            as_a_command(own, lambda: os.kill(os.getpid(), SIGNAL))
            os.kill(os.getpid(), FROM_C)
            return own.read_text()

        _, workers = armed(tmp_path, worker)
        return [path.read_text(), workers]

    _, (masters, workers) = armed(tmp_path, act)

    assert masters == ""
    assert '"t": "answer"' in workers
    assert "Current thread" in workers


def test_what_fails_costs_that_part_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever knows the requests may raise; the rest of the answer is there."""

    def broken() -> list[dict[str, Any]]:
        raise ZeroDivisionError

    monkeypatch.setattr(snapshot, "requests_in_flight", broken)

    def act(path: Path) -> Any:
        as_a_command(path, lambda: os.kill(os.getpid(), SIGNAL))
        return answer_of(path)

    _, answer = armed(tmp_path, act)

    assert answer["requests"] == []
    assert answer["stacks"]


def test_requests_in_flight_are_in_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The seam: a function that returns them."""
    monkeypatch.setattr(snapshot, "requests_in_flight", lambda: [{"path": "/slow"}])

    def act(path: Path) -> Any:
        as_a_command(path, lambda: os.kill(os.getpid(), SIGNAL))
        return answer_of(path)

    _, answer = armed(tmp_path, act)

    assert answer["requests"] == [{"path": "/slow"}]


def test_a_process_without_any_file_costs_the_look_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No memory file and no disk: the journal's head says why."""
    monkeypatch.delattr(os, "memfd_create")

    def child() -> Any:
        directory = ReportDirectory({"BOOTCHECK_DIR": str(tmp_path)})
        directory.slow = True
        return snapshot.arm(Key("worker", 1, 1), directory=directory, records=list, common=dict, note=print)

    told, _ = forked(child)

    assert told == {"number": None, "why": "no file could be made for its stacks"}
