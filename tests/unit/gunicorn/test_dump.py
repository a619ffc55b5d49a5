"""The asking side of a look: which stack is which thread's, and what cannot be known."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import pytest

from bootcheck.guards.snapshot import MEMORY, SIGNAL
from bootcheck.gunicorn import armed as where
from bootcheck.gunicorn import dump
from bootcheck.gunicorn.armed import Armed, Refused
from bootcheck.model.journal import Key
from bootcheck.probes.process import boot_id, start_ticks

PID = 40
FRAME = {"function": "f", "file": "a.py", "line": 1}


def thread(tid: int) -> dict[str, Any]:
    """Return a thread as the kernel knows it."""
    return {"native_id": tid, "name": "python", "state": "S", "cpu_s": 0.0, "cpu_percent": 0.0, "wanted_percent": 0.0}


def dumped(*idents: int, current: int | None = None) -> list[dict[str, Any]]:
    """Return stacks as faulthandler wrote them, the oldest thread last."""
    return [
        {
            "ident": ident,
            "name": None,
            "frames": [FRAME],
            "current": ident == (idents[-1] if current is None else current),
        }
        for ident in idents
    ]


def stack(name: str, tid: int | None = None) -> dict[str, Any]:
    """Return one stack."""
    return {"thread": name, "frames": [FRAME], **({} if tid is None else {"native_id": tid})}


def from_c(stacks: list[dict[str, Any]], threads: list[dict[str, Any]], *, alone: bool = False) -> Any:
    """Return stacks and what is missing of a process whose Python is silent."""
    told = dump._of_dump(stacks, SimpleNamespace(pid=PID))  # type: ignore[arg-type]
    dump._by_elimination(told, threads)
    dump._name(threads, told, complete=not alone)
    return told, dump._missing(told, answer=False, alone=alone)


def test_with_an_answer_every_thread_is_known():
    """Also a native one, which runs no Python; in another PID namespace by our numbers."""
    answer = {"stacks": [stack("MainThread", 10), stack("search", 11), stack("greenlet 0x1")]}
    threads = [thread(41), thread(PID), thread(42)]

    stacks = dump._of_answer(answer, {10: PID, 11: 41})
    dump._by_elimination(stacks, threads)
    dump._name(threads, stacks, complete=True)

    assert stacks == [stack("MainThread", PID), stack("search", 41), stack("greenlet 0x1")]
    assert dump._missing(stacks, answer=True, alone=True) == []
    assert [one["python_name"] for one in threads] == ["search", "MainThread", None]
    assert [one["native"] for one in threads] == [False, False, True]


def test_without_an_answer_the_main_thread_and_a_single_other_are_known():
    """The kernel gave the main thread the signal; what is left over once on both sides belongs together."""
    stacks, missing = from_c(dumped(1, 9), [thread(PID), thread(41)])

    assert stacks == [stack("thread 0x1", 41), stack("MainThread", PID)]
    assert len(missing) == 1
    assert "only Python knows" in missing[0]


def test_without_an_answer_several_others_stay_unknown():
    """Never a guess."""
    threads = [thread(PID), thread(41), thread(42)]
    stacks, missing = from_c(dumped(1, 2, 9), threads)

    assert [one.get("native_id") for one in stacks] == [None, None, PID]
    assert "the CPU of thread 0x1, thread 0x2" in missing[1]
    assert [one["native"] for one in threads] == [None, None, None]


def test_the_main_thread_alone_says_nothing_of_the_others():
    """Neither that they run no Python, nor that one that is left over is something."""
    threads = [thread(PID), thread(41)]
    stacks, missing = from_c(dumped(0), threads, alone=True)

    assert stacks == [stack("MainThread", PID)]
    assert "--force" in missing[1]
    assert [one["native"] for one in threads] == [None, None]


def test_a_signal_that_another_thread_took_names_nobody_as_main():
    """Then the current one is not the oldest."""
    stacks, _ = from_c(dumped(1, 9, current=1), [thread(PID), thread(41)])

    assert [one.get("native_id") for one in stacks] == [None, None]


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_an_answer_counts_only_when_it_is_complete(cut: int):
    """The file is read while it is written."""
    data = b"\n" + json.dumps({"t": "answer", "at": 1, "pid": 7, "stacks": [1, 2, 3]}).encode() + b"\n"

    assert (dump._answer_in(data[: len(data) - cut]) is None) is (cut > 0)


# -- whom the signal may be sent to


@pytest.fixture
def journal(tmp_path):
    """Write a journal for this process, and return its key."""

    def write(dump_says: Any, *, more: list[dict[str, Any]] | None = None, boot: str | None = None) -> Key:
        key = Key("worker", os.getpid(), start_ticks())
        head = {"t": "head", "role": "worker", "pid": key.pid, "boot_id": boot or boot_id(), "dump": dump_says}
        lines = [json.dumps(record) for record in (head, *(more or []))]
        (tmp_path / key.file_name).write_text("\n".join(lines) + "\n")
        (tmp_path / key.dump_name).touch()
        return key

    return write


def found(tmp_path) -> Armed:
    """Look for this very process."""
    return where.find(os.getpid(), str(tmp_path), {})


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (None, "does not answer"),
        ({"number": None, "why": "the app handles this signal itself"}, "the app handles this signal itself"),
        ({"number": 12, "fd": 3}, "it uses signal 12"),
        ({"number": SIGNAL, "fd": 3}, "does not catch signal"),
    ],
)
def test_a_process_that_does_not_answer_is_refused(journal, tmp_path, says, why):
    """By its own word, or by the kernel's."""
    journal(says)

    with pytest.raises(Refused, match=why):
        found(tmp_path)


def test_a_journal_of_another_boot_of_the_machine_is_no_journal(journal, tmp_path, monkeypatch):
    """Pids and start times repeat."""
    # Another test may have let this very process keep a journal, in a directory that is gone.
    monkeypatch.setattr(where, "_open_files", lambda pid: iter(()))
    journal({"number": SIGNAL, "fd": 3}, boot="another")

    with pytest.raises(Refused, match="has no journal in"):
        found(tmp_path)


def test_a_note_that_the_app_took_the_signal_counts(journal, tmp_path):
    """It came after the head."""
    journal({"number": SIGNAL, "fd": 3}, more=[{"t": "note", "dump": "the app handles this signal itself"}])

    with pytest.raises(Refused, match="the app handles"):
        found(tmp_path)


def test_a_descriptor_that_is_another_file_now_is_refused(journal, tmp_path, monkeypatch):
    """An app that closes everything may have a socket there: the stacks would go to a client."""
    with open(os.devnull, encoding="ascii") as other:
        key = journal({"number": SIGNAL, "fd": other.fileno(), "on_disk": True})
        status = {**where.status_of(os.getpid()), "SigCgt": f"{1 << (SIGNAL - 1):x}"}
        monkeypatch.setattr(where, "status_of", lambda pid: status)
        with pytest.raises(Refused, match="closed the file"):
            found(tmp_path)
    with open(tmp_path / key.dump_name, "ab") as own:
        journal({"number": SIGNAL, "fd": own.fileno(), "on_disk": True})
        assert found(tmp_path).key == key


def test_a_file_with_a_second_name_is_not_emptied(journal, tmp_path, monkeypatch):
    """In a directory of somebody else's it may be a link to anything."""
    monkeypatch.setattr(Armed, "check", lambda self: None)
    key = journal({"number": SIGNAL, "fd": 3, "on_disk": True})
    process = found(tmp_path)
    os.close(process.dump_file())
    os.link(tmp_path / key.dump_name, tmp_path / "second")

    with pytest.raises(Refused, match="cannot be opened"):
        process.dump_file()


def test_only_our_file_in_memory_is_opened(journal, tmp_path, monkeypatch):
    """An app that closes all descriptors has something else there, or nothing."""
    monkeypatch.setattr(Armed, "check", lambda self: None)
    own, other = os.memfd_create(MEMORY), os.memfd_create("theirs")
    try:
        journal({"number": SIGNAL, "fd": own, "on_disk": False})
        os.close(found(tmp_path).dump_file())
        for fd in (other, 999):
            journal({"number": SIGNAL, "fd": fd, "on_disk": False})
            with pytest.raises(Refused, match="has no longer the file"):
                found(tmp_path).dump_file()
    finally:
        os.close(own)
        os.close(other)


def test_the_environment_of_the_process_comes_first(tmp_path, monkeypatch):
    """Whatever the shell of the command says; a relative path of another process means nothing to us."""
    monkeypatch.setattr(where, "environment_of", lambda pid: {"BOOTCHECK_DIR": "/srv/a", "STATE_DIRECTORY": "rel"})
    paths = list(dict.fromkeys(where._places(os.getpid(), 33, None, {"BOOTCHECK_DIR": str(tmp_path)})))

    own = [path for path in paths if "/bootcheck-" not in path]
    assert own[:2] == ["/srv/a", str(tmp_path)]
    assert "/srv/a/bootcheck-33" in paths
    assert "/tmp/bootcheck-33" in paths
    assert next(where._places(os.getpid(), 33, "/named", {})) == "/named"


def test_in_another_pid_namespace_threads_have_two_numbers(monkeypatch):
    """The process knows them by the inner ones, /proc here shows the outer ones."""
    monkeypatch.setattr(where, "status_of_thread", lambda pid, tid: {"NSpid": f"{tid} {tid - 30}"})
    process = Armed.__new__(Armed)
    process.pid, process.key = PID, Key("worker", 10, 1)

    assert process.outer_tids([thread(40), thread(41)]) == {10: 40, 11: 41}
