"""Work done once: real forks, a killed holder, failures, waits."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bootcheck.guards.once import Once
from bootcheck.model.errors import BootcheckError, OnceFailed

LIMIT = 60.0


@pytest.fixture
def once() -> Iterator[Once]:
    """A file of this test alone."""
    made = Once()
    yield made
    made.close()


class Forked:
    """A forked process that reports one JSON value through a pipe."""

    def __init__(self, body: Callable[[], Any]) -> None:
        read_end, write_end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(read_end)
                try:
                    told: Any = body()
                except BaseException as exc:  # noqa: BLE001 - the parent judges it
                    told = {"raised": type(exc).__name__, "text": str(exc)}
                os.write(write_end, json.dumps(told).encode())
                status = 0
            finally:
                os._exit(status)
        os.close(write_end)
        self._read_end = read_end

    def told(self) -> Any:
        """Wait for its end and return what it reported, None if it was killed."""
        with os.fdopen(self._read_end, "rb") as pipe:
            text = pipe.read()
        os.waitpid(self.pid, 0)
        return json.loads(text) if text else None


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def lines(path: Path) -> list[str]:
    """Return the lines of a file that may not be there yet."""
    return path.read_text().splitlines() if path.exists() else []


def append(path: Path, text: str) -> None:
    """Add a line, from any process."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{text}\n".encode())
    os.close(fd)


def test_one_of_many_processes_does_the_work(once, tmp_path):
    """Eight processes that start together run the function once and all get its value."""
    log = tmp_path / "log"
    go_read, go_write = os.pipe()

    def work() -> dict[str, int]:
        append(log, str(os.getpid()))
        time.sleep(0.05)
        return {"tables": 7}

    def body() -> Any:
        os.close(go_write)
        os.read(go_read, 1)
        return once.run("init", work)

    workers = [Forked(body) for _ in range(8)]
    os.close(go_write)
    os.close(go_read)
    told = [worker.told() for worker in workers]

    assert len(lines(log)) == 1
    assert sorted(did for did, _ in told) == [False] * 7 + [True]
    assert all(value == {"tables": 7} for _, value in told)


def test_a_killed_holder_is_succeeded(once, tmp_path):
    """When the process that does the work is killed in the middle, a waiting one does it anew."""
    log = tmp_path / "log"

    def hang() -> None:
        append(log, "began")
        time.sleep(LIMIT)

    holder = Forked(lambda: once.run("init", hang))
    eventually(lambda: lines(log) == ["began"])
    waiter = Forked(lambda: [once.state("init").pid, *once.run("init", lambda: "second")])
    time.sleep(0.1)
    os.kill(holder.pid, signal.SIGKILL)
    seen_holder, did, value = waiter.told()

    assert seen_holder == holder.pid
    assert (did, value) == (True, "second")
    assert holder.told() is None


def test_those_that_waited_get_the_error(once, tmp_path):
    """A failure is raised as itself where it happened, and as OnceFailed with its text in those that waited."""
    log = tmp_path / "log"

    def fail() -> None:
        append(log, "began")
        eventually(lambda: "waiting" in lines(log))
        time.sleep(0.1)
        msg = "no such table: users"
        raise LookupError(msg)

    def wait() -> Any:
        append(log, "waiting")
        return once.run("init", lambda: "must not run")

    holder = Forked(lambda: once.run("init", fail))
    eventually(lambda: "began" in lines(log))
    waiter = Forked(wait)

    assert holder.told() == {"raised": "LookupError", "text": "no such table: users"}
    told = waiter.told()
    assert told["raised"] == "OnceFailed"
    assert "LookupError: no such table: users" in told["text"]
    assert str(holder.pid) in told["text"]


def test_a_process_forked_after_a_failure_tries_again(once):
    """A respawned worker is not condemned for what failed before it was born."""
    first = Forked(lambda: once.run("init", lambda: 1 / 0))
    assert first.told()["raised"] == "ZeroDivisionError"

    assert Forked(lambda: once.run("init", lambda: "worked")).told() == [True, "worked"]


def test_a_process_may_try_its_own_failure_again(once):
    """A function that failed here can be run again here."""
    with pytest.raises(ZeroDivisionError):
        once.run("init", lambda: 1 / 0)

    assert once.run("init", lambda: "worked") == (True, "worked")


def test_a_stop_signal_in_the_work_hands_it_on(once, tmp_path):
    """SystemExit in the middle is no failure of the work: the next process does it, also one that waited."""
    log = tmp_path / "log"

    def interrupted() -> None:
        append(log, "began")
        eventually(lambda: "waiting" in lines(log))
        raise SystemExit(143)

    def wait() -> Any:
        append(log, "waiting")
        return once.run("init", lambda: "second")

    holder = Forked(lambda: once.run("init", interrupted))
    eventually(lambda: "began" in lines(log))
    waiter = Forked(wait)

    assert holder.told() == {"raised": "SystemExit", "text": "143"}
    assert waiter.told() == [True, "second"]


def test_a_waiter_can_be_interrupted_by_a_signal(once, tmp_path):
    """A Python signal handler that raises ends the wait at once."""
    log = tmp_path / "log"

    def hang() -> None:
        append(log, "began")
        time.sleep(LIMIT)

    def wait() -> Any:
        def stop(signum: int, frame: object) -> None:
            raise SystemExit(128 + signum)

        signal.signal(signal.SIGTERM, stop)
        append(log, "waiting")
        return once.run("init", lambda: "must not run")

    holder = Forked(lambda: once.run("init", hang))
    eventually(lambda: "began" in lines(log))
    waiter = Forked(wait)
    eventually(lambda: "waiting" in lines(log))
    time.sleep(0.1)
    os.kill(waiter.pid, signal.SIGTERM)

    assert waiter.told() == {"raised": "SystemExit", "text": "143"}
    os.kill(holder.pid, signal.SIGKILL)
    holder.told()


def test_reset_lets_the_work_be_done_anew(once):
    """After a reload the result of the old code is forgotten, in processes forked before it as well."""
    assert once.run("init", lambda: 1) == (True, 1)
    assert once.run("init", lambda: 2) == (False, 1)

    once.reset()

    assert Forked(lambda: once.run("init", lambda: 3)).told() == [True, 3]
    assert once.run("init", lambda: 4) == (False, 3)


def test_names_do_not_wait_for_each_other(once):
    """While one name runs, another runs too, also from inside the first."""
    assert once.run("outer", lambda: once.run("inner", lambda: 1)) == (True, [True, 1])


def test_running_a_name_inside_itself_is_refused(once):
    """It would wait for itself for ever, so it says so."""
    with pytest.raises(BootcheckError, match="inside itself"):
        once.run("init", lambda: once.run("init", lambda: 1))


def test_threads_of_one_process_are_kept_apart(once):
    """Record locks do not hold between threads; the work is done once all the same."""
    ran: list[int] = []
    results: list[tuple[bool, Any]] = []
    start = threading.Barrier(6)

    def work() -> int:
        ran.append(1)
        time.sleep(0.02)
        return 5

    def body() -> None:
        start.wait()
        results.append(once.run("init", work))

    threads = [threading.Thread(target=body) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ran) == 1
    assert sorted(did for did, _ in results) == [False] * 5 + [True]
    assert {value for _, value in results} == {5}


def test_a_value_that_is_no_json_is_told_as_text(once):
    """The work was done: what it returned must not turn it into a failure."""
    did, value = once.run("init", lambda: {"where": Path("/srv")})

    assert did
    assert once.run("init", lambda: None) == (False, value)
    assert "/srv" in json.dumps(value)


def test_a_descriptor_that_the_app_closed_costs_only_the_coordination(once, tmp_path):
    """Where the number was closed and given to another file, that file is not touched."""
    foreign = tmp_path / "foreign"
    foreign.write_text("mine")

    def body() -> Any:
        fd = os.open(foreign, os.O_RDWR)
        os.dup2(fd, once.ledger._fd)
        return [*once.run("init", lambda: "ran"), foreign.read_text(), once.state("init").status]

    assert Forked(body).told() == [True, "ran", "mine", "new"]


def test_a_line_cut_by_a_kill_costs_that_line_only(once):
    """Half a record in the file hides neither those before nor those after it."""
    once.run("first", lambda: 1)
    os.write(once.ledger._fd, b'\n{"name": "second", "in": 0, "sta')

    assert once.run("first", lambda: 2) == (False, 1)
    assert once.run("second", lambda: 2) == (True, 2)
    assert once.run("second", lambda: 3) == (False, 2)


def test_it_works_where_there_are_no_memory_files(monkeypatch):
    """Without memfd_create an unlinked temporary file serves."""
    monkeypatch.delattr(os, "memfd_create", raising=False)
    made = Once()
    try:
        assert Forked(lambda: made.run("init", lambda: 1)).told() == [True, 1]
        assert made.run("init", lambda: 2) == (False, 1)
        assert os.fstat(made.ledger._fd).st_nlink == 0
    finally:
        made.close()


def test_once_failed_carries_what_happened_and_where():
    """The error names the work, the process and the holder's error."""
    error = OnceFailed("init", 77, "KeyError: 'x'")

    assert (error.name, error.pid, error.error) == ("init", 77, "KeyError: 'x'")
    assert "77" in str(error)
