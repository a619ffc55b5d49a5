"""The board: what each process shows, every other reads, whatever happens to either."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from bootcheck.model import journal
from bootcheck.model.outcome import Outcome, Phase
from bootcheck.probes import black_box, board
from bootcheck.probes.board import Board, MasterMark, WorkerMark
from bootcheck.recorder import Recorder


@pytest.fixture
def shown() -> Board:
    """A board that forked processes share."""
    return Board(black_box.make(black_box.BOARD))


def recorder(mark: Any) -> Recorder:
    """Return a recorder that feeds the mark."""
    return Recorder([mark], rss=lambda: None)


def test_the_master_shows_phase_and_innermost_step(shown: Board):
    """Steps only while it starts: afterwards they are the workers'."""
    mark = MasterMark(shown)
    told = recorder(mark)
    mark.show(workers=3, timeout=30.0)
    with told.step("server.boot", Phase.SERVER), told.step("app.load", Phase.APP):
        seen = shown.master()
        assert (seen.pid, seen.phase, seen.workers, seen.timeout) == (os.getpid(), board.STARTING, 3, 30.0)
        assert seen.step == "app.load"
        assert 0 < seen.step_since <= time.monotonic()
    assert shown.master().step == ""


def test_a_worker_shows_its_step_until_it_is_ready(shown: Board):
    """Then nobody waits for a step: what requests record changes nothing."""
    mark = WorkerMark(shown, 1, 2)
    told = recorder(mark)
    told.fact(journal.HEAD, role="worker")
    with told.step("app.load"), told.step("load model"):
        [seen] = shown.workers()
        assert (seen.pid, seen.phase, seen.step, seen.workers) == (os.getpid(), board.BOOTING, "load model", 2)
    told.fact(journal.READY)
    [seen] = shown.workers()
    assert (seen.phase, seen.step) == (board.READY, "")
    assert seen.ready_at >= seen.born > 0
    with told.step("in a request"):
        assert shown.workers() == [seen]
    told.fact(journal.END)
    assert shown.workers()[0].phase == board.LEAVING


def test_a_moment_is_no_step(shown: Board):
    """Passed at once, it leaves the open step alone."""
    mark = WorkerMark(shown, 1, 1)
    told = recorder(mark)
    with told.step("app.load"):
        told.passed("one thing", Phase.APP)
        told.record("another", Phase.APP, Outcome.SKIPPED)
        assert shown.workers()[0].step == "app.load"


def test_a_long_or_strange_name_is_cut_to_its_place(shown: Board):
    """In the middle of a character, too."""
    mark = WorkerMark(shown, 1, 1)
    with recorder(mark).step("é" * 150):
        assert shown.workers()[0].step == "é" * (board.MAX_STEP // 2)


def test_each_worker_has_a_place_and_the_dead_have_none(shown: Board):
    """Also where their numbers lead to the same place."""
    children = [worker_child(shown, number) for number in (1, 1 + board.PLACES, 2)]
    try:
        seen = shown.workers()
        assert {worker.pid for worker in seen} == set(children)
        assert [worker.born for worker in seen] == sorted(worker.born for worker in seen)
        now = time.monotonic()
        shown.beats(dict.fromkeys(children[:2], now), now)
        shown.told(children[1])
        by_pid = {worker.pid: worker for worker in shown.workers()}
        assert (by_pid[children[0]].beat, by_pid[children[0]].told) == (now, False)
        assert by_pid[children[1]].told
        assert by_pid[children[2]].beat == 0.0
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert shown.workers() == []
    shown.beats({}, time.monotonic())
    assert list(shown._places()) == []


def worker_child(shown: Board, number: int) -> int:
    """Fork a process that shows itself as this worker; return its pid once it does."""
    before = {worker.pid for worker in shown.workers()}
    pid = os.fork()
    if not pid:
        try:
            WorkerMark(shown, number, 1).show()
            time.sleep(120)
        finally:
            os._exit(0)
    while pid not in {worker.pid for worker in shown.workers()} - before:
        time.sleep(0.01)
    return pid


def test_what_a_process_forks_shows_nothing(shown: Board):
    """Neither for its parent nor for itself."""
    mark, master = WorkerMark(shown, 1, 1), MasterMark(shown)
    mark.show()
    master.show(workers=1)
    pid = os.fork()
    if not pid:
        try:
            mark.write({"t": journal.READY, "at": time.time()}, b"")
            master.show(workers=9)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)

    assert [worker.phase for worker in shown.workers()] == [board.BOOTING]
    assert shown.master().workers == 1


def test_a_writer_that_died_in_the_middle_costs_nobody_the_rest(shown: Board):
    """Its part is read as it is."""
    MasterMark(shown).show(workers=4)
    shown.memory[board._AT] |= 1

    assert shown.master().workers == 4


def test_without_an_armed_server_there_is_no_board(monkeypatch: pytest.MonkeyPatch):
    """And what says it is one is looked at."""
    monkeypatch.setattr(black_box, "on_use", None)
    assert board.here() is None
    monkeypatch.setattr(black_box, "on_use", lambda: "no board")
    assert board.here() is None


def test_the_master_follows_once_somebody_uses_the_board(monkeypatch: pytest.MonkeyPatch):
    """A byte that nobody has set costs nothing."""
    asked: list[int] = []
    monkeypatch.setattr(black_box, "server", bytearray(black_box.BOARD))
    monkeypatch.setattr(black_box, "on_use", lambda: asked.append(1))
    black_box.heed()
    assert not asked
    Board(black_box.server)
    black_box.heed()
    assert asked == [1]
