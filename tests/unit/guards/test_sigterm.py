"""A stop signal before ready: facts kept, unwound, and gone within a second; each case in a process of its own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bootcheck.guards import sigterm as module
from bootcheck.guards.native_crash import FaultFile
from bootcheck.guards.sigterm import PATIENCE, STOP_SIGNALS, StopGuard
from bootcheck.model import journal
from bootcheck.model.checkpoint import Phase
from bootcheck.recorder import Recorder
from tests.unit.children import forked


class Written:
    """A sink whose records outlive the process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, record: object, line: bytes) -> None:
        """Append the line."""
        with self.path.open("ab") as file:
            file.write(line)

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Return what was written of this kind."""
        lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        return [record for record in journal.read_lines(lines)[0] if record["t"] == kind]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Where the child writes."""
    return Written(tmp_path / "records.jsonl")


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine under test is slow: only the tests of being ended anyway keep the real patience."""
    if "ended_anyway" not in request.node.name:
        monkeypatch.setattr(module, "PATIENCE", 60.0)


def guarded(written: Written, body: Callable[[StopGuard, Recorder], Any], **options: Any) -> tuple[Any, int]:
    """Run this in a forked process with an armed guard; return what it returned and its wait status."""

    def child() -> Any:
        for signo in STOP_SIGNALS:
            signal.signal(signo, signal.SIG_DFL)
        recorder = Recorder([written])
        guard = StopGuard(recorder, FaultFile(options.pop("fd", -1)), options.pop("on_stop", None))
        guard.arm()
        with recorder.step("worker.boot", Phase.WORKER), recorder.step("app.load"):
            return body(guard, recorder)

    return forked(child)


def stop(signo: int = signal.SIGTERM) -> None:
    """Send this process a signal."""
    os.kill(os.getpid(), signo)


@pytest.mark.parametrize("signo", STOP_SIGNALS)
def test_a_stop_keeps_step_and_stack_and_unwinds(written: Written, signo: int):
    """128 + its number; `finally` blocks run; the innermost step is named."""

    def body(guard: StopGuard, recorder: Recorder) -> None:
        try:
            stop(signo)
            time.sleep(60)
        finally:
            recorder.fact("note", text="unwound", stopping=guard.stopping)

    _, status = guarded(written, body)

    assert os.waitstatus_to_exitcode(status) == 128 + signo
    (told,) = written.records(journal.SIGNAL)
    assert (told["signo"], told["name"], told["step"]) == (signo, signal.Signals(signo).name, "app.load")
    (stacks,) = written.records(journal.STACKS)
    functions = [frame["function"] for frame in stacks["stacks"][0]["frames"]]
    assert any(name.endswith("body") or name == "stop" for name in functions[:2])
    assert not any(name.endswith("_handle") for name in functions)
    (note,) = written.records("note")
    assert note["stopping"] is True


def test_code_that_swallows_systemexit_is_ended_anyway(written: Written):
    """A bare `except` around a retry loop must not hold a deploy."""
    _, status = guarded(written, swallow)

    assert os.waitstatus_to_exitcode(status) == 143
    assert written.records(journal.SIGNAL)[0]["step"] == "app.load"
    assert PATIENCE < 1


def swallow(guard: StopGuard, recorder: Recorder) -> None:
    """Take the stop and go on as if nothing were."""
    deadline = time.monotonic() + 60
    try:
        stop()
    except SystemExit:
        assert guard.stopping
    while time.monotonic() < deadline:
        time.sleep(1)


def test_a_finally_that_blocks_is_ended_anyway(written: Written):
    """Cleaning up has half a second."""

    def body(guard: StopGuard, recorder: Recorder) -> None:
        try:
            stop()
        finally:
            time.sleep(60)

    assert os.waitstatus_to_exitcode(guarded(written, body)[1]) == 143


def test_a_second_signal_does_not_cut_the_first_short(written: Written):
    """Supervisors signal the group as well as the process."""

    def on_stop(signo: int) -> None:
        stop(signal.SIGINT)
        stop(signal.SIGTERM)

    def body(guard: StopGuard, recorder: Recorder) -> None:
        try:
            stop()
        finally:
            recorder.fact("note", text="unwound")

    _, status = guarded(written, body, on_stop=on_stop)

    assert os.waitstatus_to_exitcode(status) == 143
    assert len(written.records(journal.SIGNAL)) == 1
    assert len(written.records("note")) == 1


def test_a_stop_that_was_swallowed_is_insisted_on(written: Written):
    """An event loop takes the first SystemExit; at ready it comes once more."""

    def body(guard: StopGuard, recorder: Recorder) -> str:
        guard.insist()
        try:
            stop()
        except SystemExit:
            guard.insist()
        return "not reached"

    told, status = guarded(written, body)

    assert told is None
    assert os.waitstatus_to_exitcode(status) == 143


def test_a_lost_signal_can_be_given_by_hand(written: Written):
    """Taken out of the master's queue after the fork, it does what it would have done."""
    _, status = guarded(written, lambda guard, recorder: guard.stop(signal.SIGQUIT))

    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGQUIT
    assert written.records(journal.SIGNAL)[0]["name"] == "SIGQUIT"


def test_after_release_the_previous_handlers_are_back(written: Written):
    """Gunicorn's graceful stop is untouched after ready."""

    def child() -> list[bool]:
        mine = signal.signal(signal.SIGTERM, lambda *args: None)
        handler = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        guard = StopGuard(Recorder([written]), FaultFile(-1))
        guard.arm()
        armed = [guard.armed, signal.getsignal(signal.SIGTERM) is not handler]
        guard.release()
        guard.release()
        back = [signal.getsignal(signal.SIGTERM) is handler, signal.getsignal(signal.SIGINT) == signal.SIG_IGN]
        del mine
        return [*armed, *back, not guard.armed]

    assert forked(child)[0] == [True] * 5


def test_armed_twice_it_still_gives_back_what_it_found(written: Written):
    """Gunicorn's asgi worker: nobody has set a handler in between, and the graceful stop is the loop's."""

    def body(guard: StopGuard, recorder: Recorder) -> Any:
        before: list[int] = []
        signal.signal(signal.SIGTERM, lambda signo, frame: before.append(signo))
        guard.arm()
        guard.arm()
        guard.release()
        os.kill(os.getpid(), signal.SIGTERM)
        return before

    result, status = guarded(written, body)

    assert (result, status) == ([int(signal.SIGTERM)], 0)


def test_release_through_the_owner_of_the_handlers(written: Written):
    """Where Gunicorn can set its handlers anew, it does; what was found is not put back."""

    def child() -> list[Any]:
        set_anew: list[int] = []
        guard = StopGuard(Recorder([written]), FaultFile(-1))
        guard.arm()
        guard.release(lambda: set_anew.append(1))
        guard.release(lambda: set_anew.append(2))
        return set_anew

    assert forked(child)[0] == [1]


def test_a_forked_child_of_the_worker_dies_as_without_us(written: Written):
    """Multiprocessing's children inherit the handler; TERM ends them, and nothing is written."""

    def body(guard: StopGuard, recorder: Recorder) -> int:
        pid = os.fork()
        if pid == 0:
            stop()
            os._exit(7)
        return os.waitpid(pid, 0)[1]

    (status, own) = guarded(written, body)

    assert status == signal.SIGTERM
    assert own == 0
    assert written.records(journal.SIGNAL) == []


def test_after_release_a_handler_that_a_server_put_back_does_the_default(written: Written):
    """Uvicorn restores what it found and raises the signal again after its graceful stop."""

    def body(guard: StopGuard, recorder: Recorder) -> None:
        ours = signal.getsignal(signal.SIGTERM)
        guard.release()
        signal.signal(signal.SIGTERM, ours)
        stop()

    _, status = guarded(written, body)
    assert os.WTERMSIG(status) == signal.SIGTERM


def test_the_fault_file_gets_a_dump_as_well(written: Written, tmp_path: Path):
    """Faulthandler needs no Python: the stack is there although C code holds the GIL."""
    path = tmp_path / "worker.fault"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    _, status = guarded(written, lambda guard, recorder: stop(), fd=fd)

    assert os.waitstatus_to_exitcode(status) == 143
    assert "most recent call first" in path.read_text()
    assert "in stop" in path.read_text()
