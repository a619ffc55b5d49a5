"""Started, ready and live, judged from a board."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from bootcheck.probes import board
from bootcheck.probes.board import Board, Master, Worker
from bootcheck.readiness import state
from bootcheck.readiness.state import State, of_server, of_worker

AGO = 100.0


class Shown(Board):
    """A board that shows what a test says; times are seconds ago."""

    def __init__(self, living: list[Worker], **master: Any) -> None:
        super().__init__(bytearray(16))
        self._workers = living
        now = time.monotonic()
        self._master = Master(
            **{
                "pid": 1,
                "phase": board.RUNNING,
                "workers": max(1, len(living)),
                "turned": now,
                "since": now - AGO,
                "timeout": 30.0,
                **master,
            }
        )

    def master(self) -> Master:
        """Return it."""
        return self._master

    def workers(self) -> list[Worker]:
        """Return them."""
        return self._workers


def worker(**values: Any) -> Worker:
    """Return a worker that was ready long ago and beats."""
    now = time.monotonic()
    usual = {"pid": 7, "phase": board.READY, "workers": 1, "born": now - AGO, "ready_at": now - 50, "beat": now}
    return Worker(**{**usual, "seen": now, **values})


def booting(**values: Any) -> Worker:
    """Return a worker that is loading for five seconds."""
    now = time.monotonic()
    return worker(phase=board.BOOTING, ready_at=0.0, beat=0.0, born=now - 6, step="load", step_since=now - 5, **values)


def told(seen: State) -> tuple[str, bool, bool, bool]:
    """Return the phase and the three states."""
    return seen.phase, seen.started, seen.ready, seen.live


def test_a_server_that_starts_is_live_and_not_ready():
    """Its master is at a step: the preflight, the import under --preload."""
    now = time.monotonic()
    seen = of_server(
        Shown([], phase=board.STARTING, turned=0.0, step="app.load", step_since=now - 3, since=now - 4, workers=2)
    )

    assert told(seen) == ("starting", False, False, True)
    assert (seen.step, seen.workers_ready, seen.workers) == ("app.load", 0, 2)
    assert 3 <= (seen.elapsed_s or 0) < 60
    assert seen.expected_s is None


def test_while_the_master_starts_its_own_boot_is_expected_too():
    """Under --preload it is the longer half."""
    shown = Shown([], phase=board.STARTING, turned=0.0, since=time.monotonic() - 4)
    shown.usual = {"worker": 1.0}.get
    assert of_server(shown).expected_s is None
    shown.usual = {"worker": 1.0, "master": 50.0}.get
    assert 1 <= (of_server(shown).expected_s or 0) <= 47


def test_a_server_whose_workers_load_tells_of_the_slowest():
    """Its step, the seconds in it, and those still expected from past boots."""
    shown = Shown([booting(pid=8), booting(pid=9)], workers=2)
    shown.usual = {"worker": 20.0}.get
    seen = of_server(shown)

    assert told(seen) == ("booting", False, False, True)
    assert seen.step == "load"
    assert 5 <= (seen.elapsed_s or 0) < 60
    assert 0 <= (seen.expected_s or 0) <= 14
    assert seen.reason == "worker 8 is not ready yet"


def test_what_nobody_knows_is_not_expected():
    """No past boot, no guess; a boot of this very server is one."""
    assert of_server(Shown([booting()])).expected_s is None
    assert of_server(Shown([booting()], took=1.0)).expected_s == 0.0


def test_one_ready_worker_makes_a_server_ready_and_a_question_may_ask_for_more():
    """The socket is shared: whoever is ready takes the requests."""
    shown = Shown([worker(), booting(pid=8)], workers=2)

    assert told(of_server(shown)) == ("ready", True, True, True)
    assert (of_server(shown).workers_ready, of_server(shown).workers) == (1, 2)
    assert not of_server(shown, least=None).ready
    assert not of_server(shown, least=2).ready
    assert of_server(Shown([worker()]), least=5).ready


def test_a_stop_ends_ready_and_not_live():
    """A graceful stop is no reason to kill."""
    seen = of_server(Shown([worker()], phase=board.STOPPING))
    assert told(seen) == ("stopping", True, False, True)


def test_a_worker_that_was_told_to_stop_does_not_count():
    """Between two generations of a reload."""
    seen = of_server(Shown([worker(told=True), booting(pid=8)], workers=1, started=True))
    assert told(seen) == ("booting", True, False, True)
    assert seen.workers_ready == 0


@pytest.mark.parametrize(
    ("living", "master", "live"),
    [
        (lambda: [worker(beat=0.0, ready_at=1.0)], {}, False),
        (lambda: [worker(beat=0.0, ready_at=1.0), worker(pid=8)], {}, True),
        (lambda: [worker(beat=0.0, ready_at=1.0), booting(pid=8)], {}, True),
        (lambda: [worker(beat=0.0, ready_at=1.0)], {"timeout": 0.0}, True),
        (lambda: [worker(beat=0.0, ready_at=1.0)], {"phase": board.STOPPING}, True),
        (lambda: [worker(beat=0.0, ready_at=1.0, told=True)], {}, True),
        (list, {}, True),
        (lambda: [booting()], {"deadline": 3.0}, False),
        (lambda: [booting()], {"deadline": 60.0}, True),
        (lambda: [booting()], {"deadline": 0.0}, True),
    ],
)
def test_live_is_a_young_heartbeat_or_a_boot_inside_its_deadline(
    living: Callable[[], list[Worker]], master: dict[str, Any], live: bool
):
    """Never while all workers hang; without any, the master is about to start one."""
    seen = of_server(Shown(living(), **master))
    assert seen.live is live
    assert (seen.phase == "hanging") is not live


@pytest.mark.parametrize(
    ("ago", "master", "live"),
    [
        (29.0, {}, True),
        (40.0, {}, False),
        (4.0, {"timeout": 1.0}, True),
        (40.0, {"timeout": 0.0}, False),
        (40.0, {"reloading": True, "grace": 30.0}, True),
    ],
)
def test_live_is_a_master_whose_loop_turns(ago: float, master: dict[str, Any], live: bool):
    """Judged by the timeout, but never in a hurry; a reload may wait for the old workers."""
    now = time.monotonic()
    shown = Shown([worker(born=now - AGO)], **{"turned": now - ago, **master})
    assert of_server(shown).live is live


def test_a_hung_worker_is_not_counted_as_ready():
    """Although it once was."""
    assert of_server(Shown([worker(beat=0.0, ready_at=1.0), worker(pid=8)])).workers_ready == 1


# -- as a worker answers


def test_a_worker_answers_for_itself_as_well():
    """Ready is the server and this worker; live it is by answering."""
    me = os.getpid()
    assert told(of_worker(Shown([worker(pid=me)]))) == ("ready", True, True, True)
    assert told(of_worker(Shown([worker(pid=me, told=True), worker(pid=8)]))) == ("stopping", True, False, True)
    assert told(of_worker(Shown([booting(pid=me), worker(pid=8)]))) == ("booting", True, False, True)
    hung = worker(pid=8, beat=0.0, ready_at=1.0)
    assert told(of_worker(Shown([hung, worker(pid=me, beat=0.0, ready_at=1.0)])))[3]


def test_a_worker_that_its_server_has_begun_to_stop_is_not_ready():
    """A signal to this worker alone: the master knows nothing of it."""
    shown = Shown([worker(pid=os.getpid())])
    shown.leaving = lambda: True
    assert told(of_worker(shown)) == ("stopping", True, False, True)


def test_without_a_board_a_process_that_answers_is_ready():
    """Any other server: it has loaded the app, or nobody would ask."""
    assert of_worker(None) is state.ALONE
