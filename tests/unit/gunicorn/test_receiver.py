"""Ends that come while others are accounted for: none is lost, none is told twice."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootcheck.gunicorn.child import Child
from bootcheck.gunicorn.reaping import deaths_held, deferring
from bootcheck.gunicorn.receiver import PRUNED_AFTER, Receiver
from bootcheck.sinks.directory import ReportDirectory


class Halt(BaseException):
    """Stands for Gunicorn's HaltServer."""


class Noting(Receiver):
    """A receiver whose account of an end is a note, and what the test does meanwhile."""

    def __init__(self) -> None:
        super().__init__(SimpleNamespace(is_here=True))  # type: ignore[arg-type]
        self.told: list[int] = []
        self.meanwhile: dict[int, Any] = {}

    def ends(self, pid: int) -> None:
        """Take the end of a child, as a handler of SIGCHLD does at any moment."""
        self._took(pid, Child(SimpleNamespace(age=pid), -1), 0, None)

    def _account(self, pid: int, child: Child, status: int, usage: Any) -> None:
        self.meanwhile.pop(pid, lambda: None)()
        child.told = True
        self.told.append(pid)


def test_an_end_that_interrupts_an_account_is_told_after_it():
    """Modules that the first one is loading are whole by then."""
    receiver = Noting()
    receiver.meanwhile = {1: lambda: (receiver.ends(2), receiver.ends(3)), 2: lambda: receiver.ends(4)}
    receiver.ends(1)

    assert receiver.told == [1, 2, 3, 4]


def test_an_end_in_work_that_must_not_be_disturbed_is_told_after_it():
    """Also where one such work is inside another."""
    receiver = Noting()
    ended: list[int] = []

    @deferring
    def reap() -> None:
        while ended:
            receiver.ends(ended.pop(0))

    with deaths_held():
        with deaths_held():
            ended.append(1)
            reap()
        ended.append(2)
        reap()
        assert receiver.told == []

    assert receiver.told == [1, 2]


def test_a_halt_in_the_middle_of_an_account_loses_none():
    """Gunicorn raises it in the handler that interrupted us; its stop accounts for the rest."""
    receiver = Noting()

    def halt() -> None:
        receiver.ends(2)
        raise Halt

    receiver.meanwhile = {1: halt}
    with pytest.raises(Halt):
        receiver.ends(1)
    assert receiver.told == []
    receiver.account()

    assert receiver.told == [1, 2]


def test_a_halt_of_the_reaping_that_comes_meanwhile_is_raised_after_the_account():
    """What the account had closed or counted is not read twice; and it is raised once."""
    receiver = Noting()

    @deferring
    def reap() -> None:
        receiver.ends(2)
        raise Halt

    receiver.meanwhile = {1: reap}
    with pytest.raises(Halt):
        receiver.ends(1)
    assert receiver.told == [1, 2]
    receiver.ends(3)
    with pytest.raises(Halt):
        reap()


def test_a_child_lets_go_of_what_it_shared_once():
    """Its journal is closed, its memory given back; another file with the same number stays open."""
    spare, other = os.pipe()
    child = Child(SimpleNamespace(age=1), spare)
    box = child.box
    child.close()
    os.dup2(other, spare)
    child.close()

    assert box is not None
    assert box.closed
    os.close(spare)
    os.close(other)


def test_a_fault_of_ours_in_one_account_costs_that_one(capfd: pytest.CaptureFixture[str]):
    """It is said, and the others are told."""
    receiver = Noting()

    def fail() -> None:
        receiver.ends(2)
        raise ZeroDivisionError

    receiver.meanwhile = {1: fail}
    receiver.ends(1)

    assert receiver.told == [2]
    assert "accounting for a death failed (ZeroDivisionError" in capfd.readouterr().err


def test_an_end_that_waits_for_its_account_is_no_child_any_more():
    """Gunicorn keeps it in its list a while: entered again, its closed descriptor would be a newer child's."""
    receiver = Noting()
    child = Child(SimpleNamespace(age=1), -1)
    seen: list[Any] = []

    def meanwhile() -> None:
        receiver._took(7, child, 0, None)
        receiver._settle_forking(SimpleNamespace(WORKERS={7: SimpleNamespace(bootcheck_child=child)}))
        seen.append((list(receiver.told), dict(receiver._children)))

    receiver.meanwhile = {1: meanwhile}
    receiver.ends(1)

    assert seen == [([], {})]
    assert receiver.told == [1, 7]


def test_reports_are_pruned_while_the_server_runs(tmp_path: Path):
    """Workers that are replaced again and again leave as many; a start in months would be too late."""
    directory = ReportDirectory({"BOOTCHECK_DIR": str(tmp_path)})
    for number in range(600):
        (tmp_path / f"boot-20261127T0900{number:05}Z-00000000deadbeef-worker-{number}.json").write_text("{}")
    receiver = Receiver(SimpleNamespace(is_here=True, directory=directory, dirty=None))  # type: ignore[arg-type]
    arbiter = SimpleNamespace(cfg=SimpleNamespace(preload_app=False, workers=1), WORKERS={}, num_workers=1)
    try:
        receiver.before_fork(arbiter, SimpleNamespace())
        assert len(list(tmp_path.iterdir())) == 600
        receiver.forked = PRUNED_AFTER - 1
        receiver.before_fork(arbiter, SimpleNamespace())
    finally:
        receiver.unblock()

    assert len(list(tmp_path.iterdir())) == 500
