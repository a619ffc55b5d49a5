"""The Python stacks of a process that native code ends."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from bootcheck.guards.native_crash import NATIVE_SIGNALS, FaultFile, close_quietly
from bootcheck.probes.fault_text import fault_headline, of_fault_text
from tests.unit.children import forked


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The fault file."""
    return tmp_path / "worker-1-2.fault"


def crash_here(signo: int) -> None:
    """End this process as native code would."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    os.kill(os.getpid(), signo)


def armed(path: Path, act: Callable[[FaultFile], object]) -> tuple[object, int]:
    """Run this in a forked process with an armed fault file."""

    def child() -> object:
        fault = FaultFile(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        faulthandler.disable()
        fault.arm()
        return act(fault)

    return forked(child)


@pytest.mark.parametrize("signo", sorted(NATIVE_SIGNALS))
def test_a_fault_leaves_the_stack_and_still_ends_the_process(path: Path, signo: int):
    """The wait status is the signal's own, the file names the Python call."""
    _, status = armed(path, lambda fault: crash_here(signo))

    assert os.WTERMSIG(status) == signo
    (stack, *_) = of_fault_text(path.read_text())
    assert "crash_here" in [frame["function"] for frame in stack["frames"]]
    assert fault_headline(path.read_text())


def test_disarmed_nothing_is_written(path: Path):
    """A child of the worker must not write into the worker's file."""

    def act(fault: FaultFile) -> None:
        fault.register(signal.SIGUSR1)
        fault.disarm()
        crash_here(signal.SIGABRT)

    _, status = armed(path, act)

    assert os.WTERMSIG(status) == signal.SIGABRT
    assert path.read_text() == ""


def test_a_registered_signal_dumps_and_then_does_what_it_did(path: Path):
    """The handler that was there is called."""

    def act(fault: FaultFile) -> list[int]:
        seen: list[int] = []
        signal.signal(signal.SIGUSR1, lambda signo, frame: seen.append(signo))
        fault.register(signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        fault.unregister()
        os.kill(os.getpid(), signal.SIGUSR1)
        return seen

    told, _ = armed(path, act)

    assert told == [signal.SIGUSR1] * 2
    assert path.read_text().count("most recent call first") == 1


def test_after_gunicorns_handlers_the_dump_still_comes_first(path: Path):
    """`init_signals` replaces the handler of ABRT: disarm before it, arm after it."""

    def act(fault: FaultFile) -> None:
        fault.disarm()
        signal.signal(signal.SIGABRT, lambda signo, frame: os._exit(1))
        fault.arm()
        os.kill(os.getpid(), signal.SIGABRT)
        signal.pause()

    _, status = armed(path, act)

    assert os.waitstatus_to_exitcode(status) == 1
    assert "Fatal Python error: Aborted" in path.read_text()


def test_without_a_descriptor_nothing_happens():
    """A directory that cannot be used costs the dump only."""

    def act() -> bool:
        before = faulthandler.is_enabled()
        fault = FaultFile(-1)
        fault.arm()
        fault.register(signal.SIGUSR1)
        fault.disarm()
        return faulthandler.is_enabled() == before

    assert forked(act)[0] is True


def test_closing_what_is_closed_is_fine():
    """Somebody else was quicker."""
    read, write = os.pipe()
    os.close(write)
    close_quietly(read)
    close_quietly(read)
    close_quietly(-1)
