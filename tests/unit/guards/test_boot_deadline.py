"""The boot deadline: a worker that hangs leaves its stack and ends; one that made it does not."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bootcheck.guards.boot_deadline import MARK, BootDeadline
from bootcheck.probes.fault_text import of_fault_text
from tests.unit.children import forked


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The fault file."""
    return tmp_path / "worker-1-2.fault"


def under(path: Path, seconds: float, act: Callable[[BootDeadline], object]) -> tuple[object, int]:
    """Run this in a forked process with a deadline."""

    def child() -> object:
        deadline = BootDeadline(seconds, os.open(path, os.O_WRONLY | os.O_CREAT))
        deadline.arm()
        return act(deadline)

    return forked(child)


def hang(deadline: BootDeadline | None = None) -> None:
    """Stand for an import that never ends."""
    time.sleep(60)


def test_a_boot_over_its_time_ends_with_its_stack(path: Path):
    """Status 1, the mark by which the verdict knows it, and where it hung."""
    _, status = under(path, 0.05, hang)

    assert os.waitstatus_to_exitcode(status) == 1
    text = path.read_text()
    assert text.startswith(MARK)
    assert "hang" in [frame["function"] for frame in of_fault_text(text)[0]["frames"]]


def test_a_boot_in_time_is_left_alone(path: Path):
    """Disarmed, nothing comes, however long the worker serves."""

    def act(deadline: BootDeadline) -> str:
        deadline.disarm()
        deadline.disarm()
        time.sleep(1.1)
        return "serving"

    assert under(path, 1.0, act) == ("serving", 0)
    assert path.read_text() == ""


def test_a_child_of_the_worker_is_not_ended_by_its_deadline(path: Path):
    """Multiprocessing during an import: the child has no deadline, the worker keeps its own."""
    lived = path.with_suffix(".child")

    def act(deadline: BootDeadline) -> None:
        if os.fork() == 0:
            time.sleep(1)
            lived.write_text("lived")
            os._exit(0)
        hang()

    # `forked` waits for the child, too: it has the pipe open.
    _, status = under(path, 0.2, act)

    assert os.waitstatus_to_exitcode(status) == 1
    assert lived.read_text() == "lived"
    assert path.read_text().count(MARK) == 1


def test_a_fork_does_not_give_more_time(path: Path, monkeypatch: pytest.MonkeyPatch):
    """After it the clock goes on with what is left, not from the beginning."""
    armed: list[float] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda left, **options: armed.append(left))

    def act(deadline: BootDeadline) -> list[float]:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        deadline.disarm()
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        return armed

    told, _ = under(path, 50, act)

    assert isinstance(told, list)
    assert len(told) == 2
    assert told[1] <= told[0] <= 50


def test_a_step_over_its_limit_ends_a_boot_without_a_deadline(path: Path):
    """The limit of a step counts although the whole has none."""

    def act(deadline: BootDeadline) -> None:
        deadline.limit(1, 60)
        deadline.limit(2, 0.05)
        hang()

    _, status = under(path, 0, act)

    assert os.waitstatus_to_exitcode(status) == 1
    assert path.read_text().startswith(MARK)


def test_a_step_within_its_limit_leaves_no_clock_behind(path: Path):
    """What ends gives its time back to whatever else is limited."""

    def act(deadline: BootDeadline) -> str:
        deadline.limit(1, 60)
        deadline.limit(2, 0.5)
        deadline.limit(2, None)
        time.sleep(1.2)
        return "loaded"

    assert under(path, 0, act) == ("loaded", 0)
    assert path.read_text() == ""
