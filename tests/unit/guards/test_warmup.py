"""Warm-ups in one process: what may be declared, what is recorded, who is interrupted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

import bootcheck
from bootcheck.guards import warmup
from bootcheck.guards.warmup import Warmup, WarmupOverdue, run
from bootcheck.gunicorn import warming
from bootcheck.gunicorn.arm import arm
from bootcheck.model import journal
from bootcheck.model.errors import CheckOptionError
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory
from tests.unit.children import LIMIT, forked


@pytest.fixture(autouse=True)
def nothing_registered() -> Iterator[None]:
    """Each test has its own."""
    kept = dict(warmup.registered)
    warmup.registered.clear()
    yield
    warmup.registered.clear()
    warmup.registered.update(kept)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: bootcheck.warmup("", print), "Give it a name"),
        (lambda: bootcheck.warmup("model", 3), "Give a function, or its path"),  # type: ignore[call-overload]
        (lambda: bootcheck.warmup("model", "models.load"), "Give a function, or its path"),
        (lambda: bootcheck.warmup("model", print, deadline_s=0), "Give seconds"),
        (lambda: bootcheck.warmup("model", print, deadline_s=True), "Give seconds"),
        (lambda: arm({}, warmups=[print], environ={}), "is no warm-up"),  # type: ignore[list-item]
        (lambda: arm({}, warm_at_once=0, environ={}), "is no number of workers"),
    ],
    ids=["no name", "no function", "no path", "no time", "a truth", "no warm-up", "no slots"],
)
def test_what_cannot_be_declared_is_refused(make, said):
    """With what to write instead."""
    with pytest.raises(CheckOptionError, match=said):
        make()


def test_the_decorator_registers_and_changes_nothing():
    """With a name, without one, and bare."""

    def load() -> int:
        return 1

    assert bootcheck.warmup(name="model", required=True)(load) is load
    assert bootcheck.warmup(load) is load
    assert bootcheck.warmup()(load) is load
    assert list(warmup.registered) == ["model", "load"]
    assert warmup.registered["model"].required
    assert warmup.registered["model"].step == "warmup.model"


def test_each_name_runs_once_the_configurations_first():
    """What stands in both is the configuration's."""
    here = warming.Warming()
    here.declared = [Warmup("b", print), Warmup("c", print)]
    bootcheck.warmup(name="a")(print)
    bootcheck.warmup(name="b")(len)

    assert [(item.name, item.load) for item in here.todo()] == [("b", print), ("c", print), ("a", print)]
    here.declared[0].ran = True
    assert [item.name for item in here.todo()] == ["c", "a"]


def test_a_failure_is_a_warning_and_the_next_goes_on():
    """The message is masked as everything is."""
    memory = Memory()

    def bad() -> None:
        msg = "postgresql://shop:geheim-77@db/shop does not answer"
        raise ConnectionError(msg)

    done: list[int] = []
    items = [Warmup("bad", bad), Warmup("good", lambda: done.append(1))]
    run(items, Recorder([memory]))

    assert done == [1]
    assert [item.ran for item in items] == [False, True]
    (finding,) = [record["finding"] for record in memory.records if record["t"] == journal.FINDING]
    assert finding["code"] == "BC305"
    assert "geheim-77" not in str(memory.records)


def test_a_required_failure_and_a_stop_go_on():
    """The first ends the boot; SystemExit is how a stop comes."""

    def stopped() -> None:
        raise SystemExit(143)

    with pytest.raises(ZeroDivisionError):
        run([Warmup("model", lambda: 1 / 0, required=True)], Recorder([]))
    with pytest.raises(SystemExit):
        run([Warmup("model", stopped)], Recorder([]))


def test_an_async_function_runs_without_a_server():
    """In a loop of its own, also where it is given as a path."""
    done: list[int] = []

    async def load() -> None:
        done.append(1)

    run([Warmup("model", load), Warmup("path", f"{__name__}:load_for_path")], Recorder([]))

    assert done == [1]
    assert loaded == [1]


loaded: list[int] = []


async def load_for_path() -> None:
    """Found by its path."""
    loaded.append(1)


def test_the_apps_own_alarm_is_left_alone():
    """A handler or a running timer of the app's: then the watchdog alone limits the warm-up."""

    def body() -> list[int]:
        rung: list[int] = []
        signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with warmup.interrupted(Warmup("model", print, deadline_s=0.01)):
            deadline = time.monotonic() + LIMIT
            while not rung and time.monotonic() < deadline:
                time.sleep(0.01)
        return rung

    assert forked(body) == ([1], 0)


def test_an_interrupted_one_leaves_no_alarm_behind():
    """Neither the clock nor the handler."""

    def body() -> list[object]:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        try:
            with warmup.interrupted(Warmup("model", print, deadline_s=0.05)):
                time.sleep(LIMIT)
        except WarmupOverdue as exc:
            clock = signal.getitimer(signal.ITIMER_REAL)
            return [str(exc), *clock, signal.getsignal(signal.SIGALRM) is signal.SIG_DFL]
        return []

    # In a child: the clock of this process is pytest's.
    assert forked(body) == (["the warm-up model was not over within 0.05 s", 0.0, 0.0, True], 0)


def test_slots_are_counted_and_freed_by_death():
    """One of two is taken by a process that is killed."""
    from bootcheck.guards.warm_slots import WarmSlots

    slots = WarmSlots(1)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        slots.take()
        os.write(write, b"x")
        time.sleep(60)
        os._exit(0)
    try:
        assert os.read(read, 1) == b"x"
        assert slots.take() is None
        assert slots.holders() == [pid]
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(read)
        os.close(write)
    assert slots.take() == 0
    slots.give_back(0)
    slots.close()
    # A file that is gone limits nobody.
    assert slots.take() == -1
