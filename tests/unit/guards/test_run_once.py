"""Work done once by processes that find each other by a path: forks, deaths, stops, full disks, scopes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bootcheck
from bootcheck.guards.once_file import NamedFile
from bootcheck.gunicorn.server import Home
from bootcheck.model import journal
from bootcheck.model.errors import BootcheckError, CheckOptionError, OnceHeld
from bootcheck.model.journal import Key
from bootcheck.recorder import Recorder, current, install
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.memory import Memory
from tests.unit.children import LIMIT, interpreter


class Forked:
    """A forked process that reports one JSON value, or what it raised."""

    def __init__(self, body: Callable[[], Any]) -> None:
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                try:
                    told: Any = body()
                except BaseException as exc:  # noqa: BLE001 - the parent judges it
                    told = {"raised": type(exc).__name__, "text": str(exc)}
                os.write(write, json.dumps(told).encode())
            finally:
                os._exit(0)
        os.close(write)
        self._read = read

    def told(self) -> Any:
        """Wait for its end and return what it said, None where it was killed."""
        with os.fdopen(self._read, "rb") as pipe:
            text = pipe.read()
        os.waitpid(self.pid, 0)
        return json.loads(text) if text else None


def append(path: Path) -> str:
    """Add this process to a file; return what is returned."""
    with path.open("a", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    return "done"


def lines(path: Path) -> list[str]:
    """Return the lines of a file that may not be there yet."""
    return path.read_text().splitlines() if path.exists() else []


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def at_home(directory: Path, start: int = 1) -> None:
    """Make this (forked) process one of a server that is armed."""
    recorder = Recorder([])
    recorder.home = Home(ReportDirectory({"BOOTCHECK_DIR": str(directory)}), Key("master", os.getppid(), start))
    recorder.home.scope = f"server-{start}"
    install(recorder)


def test_eight_processes_do_it_once(tmp_path):
    """Each gets the value; who comes later too."""
    log, go = tmp_path / "log", tmp_path / "go"

    def body() -> Any:
        eventually(go.exists)
        return bootcheck.run_once("seed", lambda: [append(log), time.sleep(0.1)][:1], lock=tmp_path, scope="r1")

    workers = [Forked(body) for _ in range(8)]
    go.touch()

    assert [worker.told() for worker in workers] == [["done"]] * 8
    assert len(lines(log)) == 1
    assert Forked(body).told() == ["done"]
    assert len(lines(log)) == 1


def test_a_scope_is_a_deployment_and_a_key_a_work(tmp_path):
    """The next release does it again, and another work is another."""
    log = tmp_path / "log"

    def once(key: str, scope: str) -> Any:
        return Forked(lambda: bootcheck.run_once(key, lambda: append(log), lock=tmp_path, scope=scope)).told()

    assert [once("seed", "r1"), once("seed", "r1"), once("seed", "r2"), once("tables", "r1")] == ["done"] * 4
    assert len(lines(log)) == 3


def test_who_was_killed_is_succeeded(tmp_path):
    """SIGKILL in the middle: one that waits does it, and nobody hangs."""
    log = tmp_path / "log"

    def hangs() -> None:
        append(log)
        time.sleep(LIMIT)

    holder = Forked(lambda: bootcheck.run_once("seed", hangs, lock=tmp_path, scope="r1"))
    eventually(lambda: len(lines(log)) == 1)
    waiting = [
        Forked(lambda: bootcheck.run_once("seed", lambda: append(log), lock=tmp_path, scope="r1")) for _ in range(3)
    ]
    os.kill(holder.pid, signal.SIGKILL)

    assert [one.told() for one in waiting] == ["done"] * 3
    assert holder.told() is None
    assert len(lines(log)) == 2


def test_who_was_stopped_is_named_in_time(tmp_path):
    """SIGSTOP: it lives and has the lock; the others say who it is, where, and since when, and raise."""
    log = tmp_path / "log"

    def hangs() -> str:
        append(log)
        time.sleep(0.5)
        return "after all"

    holder = Forked(lambda: bootcheck.run_once("seed", hangs, lock=tmp_path, scope="r1"))
    eventually(lambda: len(lines(log)) == 1)
    os.kill(holder.pid, signal.SIGSTOP)

    def body() -> Any:
        memory = Memory()
        install(Recorder([memory]))
        try:
            bootcheck.run_once("seed", lambda: append(log), lock=tmp_path, scope="r1", timeout_s=0.3)
        except OnceHeld as exc:
            findings = [record["finding"] for record in memory.records if record["t"] == journal.FINDING]
            return [
                str(exc),
                exc.holder,
                isinstance(exc, TimeoutError),
                [(item["code"], item["severity"]) for item in findings],
            ]

    text, named, is_timeout, findings = Forked(body).told()
    os.kill(holder.pid, signal.SIGCONT)

    assert f"process {holder.pid} on {os.uname().nodename} has had it since 20" in named
    assert "seed was not finished within 0.3 s" in text
    assert is_timeout
    assert findings == [["BC307", "warning"]]
    assert holder.told() == "after all"
    assert len(lines(log)) == 1


def test_a_failure_is_told_to_those_who_waited_and_tried_again_later(tmp_path):
    """Its type and its text, masked as everything that is written down."""
    log = tmp_path / "log"

    def fails() -> None:
        append(log)
        eventually((tmp_path / "waits").exists)
        time.sleep(0.1)
        msg = "postgresql://shop:geheim-77@db/shop: no such table"
        raise LookupError(msg)

    def wait() -> Any:
        (tmp_path / "waits").touch()
        return bootcheck.run_once("seed", lambda: append(log), lock=tmp_path, scope="r1")

    holder = Forked(lambda: bootcheck.run_once("seed", fails, lock=tmp_path, scope="r1"))
    eventually(lambda: len(lines(log)) == 1)
    waiting = Forked(wait)

    assert holder.told()["raised"] == "LookupError"
    told = waiting.told()
    assert told["raised"] == "OnceFailed"
    assert f"failed in process {holder.pid}" in told["text"]
    assert "no such table" in told["text"]
    assert "geheim-77" not in told["text"]
    assert not any("geheim-77" in path.read_text() for path in tmp_path.glob("*.once"))
    time.sleep(0.05)
    assert Forked(wait).told() == "done"


def full_from(size: int) -> None:
    """Let this process write no file beyond so many bytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_on_a_full_disk_nothing_is_begun(tmp_path):
    """It could not be noted that it is done: everybody would do it. The next process with room does it."""
    log = tmp_path / "log"

    def body() -> Any:
        full_from(1024)
        return bootcheck.run_once("seed", lambda: append(log), lock=tmp_path, scope="r1")

    told = Forked(body).told()

    assert told["raised"] == "BootcheckError"
    assert "seed was not begun: File too large" in told["text"]
    assert not lines(log)
    assert Forked(lambda: bootcheck.run_once("seed", lambda: append(log), lock=tmp_path, scope="r1")).told() == "done"


def test_a_disk_that_gets_full_in_the_middle_loses_neither_the_result_nor_the_mark(tmp_path):
    """Room was set aside before; a result that is larger is said to be lost, and the work is not done twice."""
    log = tmp_path / "log"

    def body(size: int) -> Any:
        def work() -> str:
            append(log)
            full_from(70_000)
            return "x" * size

        return len(bootcheck.run_once(f"seed-{size}", work, lock=tmp_path, scope="r1"))

    def later(size: int) -> Any:
        return len(bootcheck.run_once(f"seed-{size}", lambda: append(log), lock=tmp_path, scope="r1"))

    assert Forked(lambda: body(10)).told() == 10
    assert Forked(lambda: later(10)).told() == 10
    assert len(lines(log)) == 1

    assert Forked(lambda: body(200_000)).told() == 200_000
    told = Forked(lambda: later(200_000)).told()
    assert told["raised"] == "OnceFailed"
    assert "it was done, but its result could not be noted: File too large" in told["text"]
    assert len(lines(log)) == 2


def test_what_is_no_json_is_refused_at_once(tmp_path):
    """In one process it would work, in the others not: it fails everywhere, and says what to do."""
    with pytest.raises(BootcheckError, match="share a object with other processes, which is no JSON"):
        bootcheck.run_once("seed", object, lock=tmp_path, scope="r1")

    made = bootcheck.run_once("engine", object, lock=tmp_path, scope="r1", result=False)
    assert type(made) is object
    assert Forked(lambda: bootcheck.run_once("engine", object, lock=tmp_path, scope="r1", result=False)).told() is None


def test_threads_of_one_process_do_it_once(tmp_path):
    """Locks of files do not keep threads apart."""
    log = tmp_path / "log"
    got: list[Any] = []

    def body() -> None:
        got.append(bootcheck.run_once("seed", lambda: append(log), lock=tmp_path, scope="r1"))

    threads = [threading.Thread(target=body) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)

    assert got == ["done"] * 5
    assert len(lines(log)) == 1


def test_inside_itself_it_is_refused(tmp_path):
    """It would wait for itself."""

    def work() -> Any:
        return bootcheck.run_once("seed", work, lock=tmp_path, scope="r1")

    with pytest.raises(BootcheckError, match="inside itself"):
        work()


def test_a_server_that_is_armed_has_its_directory_and_its_start(tmp_path):
    """Without lock= or scope=: once per start of this server, also for a worker that comes later."""
    log = tmp_path / "log"

    def worker(start: int) -> Any:
        def body() -> Any:
            at_home(tmp_path, start)
            return bootcheck.run_once("seed", lambda: append(log))

        return Forked(body).told()

    assert [worker(1), worker(1), worker(2)] == ["done"] * 3
    assert len(lines(log)) == 2
    assert len(list(tmp_path.glob("*.once"))) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up its rights")
def test_workers_that_gave_up_their_rights_find_each_other(tmp_path):
    """The report directory is the master's alone; theirs is their user's, and it is done once all the same."""
    log = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    user = 54_321

    def body() -> Any:
        at_home(tmp_path)
        os.environ.pop("STATE_DIRECTORY", None)
        os.environ["BOOTCHECK_DIR"] = str(tmp_path)
        os.setgid(user)
        os.setuid(user)
        return bootcheck.run_once("seed", lambda: os.write(log, b"x"))

    try:
        assert [Forked(body).told(), Forked(body).told()] == [1, 1]
        assert (tmp_path / "log").read_text() == "x"
    finally:
        os.close(log)
        shutil.rmtree(f"/tmp/bootcheck-{user}", ignore_errors=True)


def test_files_of_servers_that_are_gone_are_removed(tmp_path):
    """Not those of one that lives, nor of one in another PID namespace that somebody uses, nor new ones."""
    names = {
        "gone": "999999999-1-aa.once",
        "used": "999999999-2-bb.once",
        "new": "999999999-3-cc.once",
        "scoped": "dd.once",
    }
    for what, name in names.items():
        (tmp_path / name).write_text("")
        if what != "new":
            os.utime(tmp_path / name, (1, 1))
    used, done = tmp_path / "is-used", tmp_path / "is-done"

    def uses() -> None:
        NamedFile(str(tmp_path / names["used"]))
        used.touch()
        eventually(done.exists)

    user = Forked(uses)
    eventually(used.exists)

    def body() -> Any:
        at_home(tmp_path)
        return bootcheck.run_once("seed", lambda: "done")

    assert Forked(body).told() == "done"
    done.touch()
    user.told()
    assert {what for what, name in names.items() if (tmp_path / name).exists()} == {"used", "new", "scoped"}


def test_processes_that_are_not_armed_belong_together_by_their_parent(tmp_path):
    """Under another server, and with bootcheck switched off: while one of them lives it is done; then it is new."""
    code = f"""
import os, bootcheck
def work():
    open({str(tmp_path / "log")!r}, "a").write("x")
    return "done"
def child(wait=None):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, bootcheck.run_once("seed", work).encode())
        if wait is not None:
            os.read(wait, 1)
        os._exit(0)
    os.close(write)
    assert os.read(read, 10) == b"done"
    return pid
wait, go = os.pipe()
first = child(wait)
for _ in range(3):
    os.waitpid(child(), 0)
print(len(open({str(tmp_path / "log")!r}).read()))
os.write(go, b"x")
os.waitpid(first, 0)
os.waitpid(child(), 0)
print(len(open({str(tmp_path / "log")!r}).read()))
"""
    done = interpreter(code, BOOTCHECK_DISABLE="1", BOOTCHECK_DIR=str(tmp_path / "reports"))

    assert (done.stdout, done.stderr) == ("1\n2\n", "")


@pytest.mark.parametrize(("key", "function"), [("", print), (3, print), ("seed", None)], ids=["", "number", "none"])
def test_what_cannot_be_run_is_refused(key, function):
    """With what to write instead."""
    with pytest.raises(CheckOptionError, match="needs a name and a function"):
        bootcheck.run_once(key, function)


@pytest.mark.parametrize("lock", [3, "sqlite:///x.db", "redis://cache"], ids=["number", "sqlite", "redis"])
def test_what_is_no_lock_is_refused(lock):
    """With what it takes."""
    with pytest.raises(BootcheckError, match="lock= takes a directory, a SQLAlchemy engine, a URL"):
        bootcheck.run_once("seed", print, lock=lock)


def test_the_step_says_who_did_it(tmp_path):
    """For the boot report of each worker."""
    before, memory = current(), Memory()
    install(Recorder([memory]))
    try:
        bootcheck.run_once("seed", lambda: 1, lock=tmp_path, scope="r1")
        bootcheck.run_once("seed", lambda: 1, lock=tmp_path, scope="r1")
    finally:
        install(before)
    passed = [record for record in memory.records if record.get("outcome") == "passed"]

    assert [record["name"] for record in passed] == ["once.seed"] * 2
    assert [record["detail"]["did"] for record in passed] == [True, False]
    assert {record["detail"]["pid"] for record in passed} == {os.getpid()}
