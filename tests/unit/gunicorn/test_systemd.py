"""What the watchdog counts as alive, and where systemd listens."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootcheck.gunicorn.child import Child
from bootcheck.gunicorn.systemd import EVERY, Notifier, address_of, watchdog_of
from bootcheck.sinks.spare import make_spare


class Worker:
    """A worker as the master keeps it: a spare journal and a heartbeat."""

    def __init__(self, *, ready: bool, began: float, beat: float) -> None:
        self.age = 3
        records = [{"t": "head", "role": "worker", "pid": 9, "start": 1, "at": began, "v": 1}]
        records += [{"t": "ready", "at": began}] if ready else []
        self.bootcheck_child = Child(self, make_spare())
        self.bootcheck_child.spare().write(
            b"".join(json.dumps(record).encode() + b"\n" for record in records), essential=True
        )
        self.tmp = SimpleNamespace(last_update=lambda: time.monotonic() - beat)


class Heard:
    """A master with these workers, and the socket that its notifier talks to."""

    def __init__(self, folder: Path, *workers: Worker, timeout: int = 30, pause: float = 0.0) -> None:
        self.now = 100.0
        path = str(folder / "n")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)
        self._socket.setblocking(False)
        self.arbiter = SimpleNamespace(
            WORKERS=dict(enumerate(workers, 10)), num_workers=len(workers), cfg=SimpleNamespace(timeout=timeout)
        )
        master: Any = SimpleNamespace(
            is_here=True,
            settings=SimpleNamespace(boot_deadline=0.0),
            directory=SimpleNamespace(read=lambda name, limit: b""),
            receiver=SimpleNamespace(breaker=SimpleNamespace(pause=pause, last_summary="refused")),
        )
        environ = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"}
        self.notifier = Notifier(master, environ, clock=lambda: self.now)
        self.notifier._arbiter = self.arbiter

    def close(self) -> None:
        """Give everything back."""
        self._socket.close()

    def turn(self, seconds: float = EVERY) -> list[str]:
        """Let the loop turn once; return the lines that were sent."""
        self.now += seconds
        self.notifier._turns()
        try:
            return self._socket.recv(65536).decode().splitlines()
        except BlockingIOError:
            return []


@pytest.fixture
def hear(tmp_path: Path) -> Iterator[Callable[..., Heard]]:
    """Make masters that are heard."""
    made: list[Heard] = []

    def make(*workers: Worker, **options: Any) -> Heard:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Heard(folder, *workers, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def _modern(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Gunicorn whose heartbeats are monotonic times."""
    monkeypatch.setattr("bootcheck.gunicorn.seams.version", lambda: "27.0.1")


def test_a_stale_heartbeat_feeds_nothing(hear: Callable[..., Heard]):
    """The master that loops is not enough; one worker that lives is."""
    silent = Worker(ready=True, began=time.time(), beat=31)
    assert "WATCHDOG=1" not in hear(silent).turn()
    assert "WATCHDOG=1" in hear(silent, Worker(ready=True, began=time.time(), beat=1)).turn()


def test_without_a_timeout_a_long_request_is_no_death(hear: Callable[..., Heard]):
    """Gunicorn's `timeout = 0` says that a worker may be silent for as long as it likes."""
    assert "WATCHDOG=1" in hear(Worker(ready=True, began=time.time(), beat=3000), timeout=0).turn()


def test_a_later_boot_is_waited_for_as_long_as_the_first_one_took(hear: Callable[..., Heard]):
    """Three times that and a minute at least; then it hangs, and systemd may act."""
    heard = hear(Worker(ready=True, began=time.time(), beat=1))
    assert "READY=1" in heard.turn()
    for seconds, fed in ((50, True), (70, False)):
        heard.arbiter.WORKERS = {11: Worker(ready=False, began=time.time() - seconds, beat=-1)}
        assert ("WATCHDOG=1" in heard.turn()) is fed


def test_a_pause_between_respawns_is_no_hang(hear: Callable[..., Heard]):
    """The breaker waits for a dependency on purpose."""
    heard = hear(Worker(ready=True, began=time.time(), beat=1), pause=5.0)
    heard.arbiter.WORKERS = {}
    lines = heard.turn()
    assert "WATCHDOG=1" in lines
    assert "STATUS=no worker: refused" in lines


def test_more_time_is_asked_for_until_ready_only(hear: Callable[..., Heard]):
    """An active service has no start that could take longer."""
    heard = hear(Worker(ready=False, began=time.time(), beat=-1))
    assert "EXTEND_TIMEOUT_USEC=30000000" in heard.turn()
    assert not [line for line in heard.turn() if line.startswith("EXTEND")]
    assert "EXTEND_TIMEOUT_USEC=30000000" in heard.turn(5)
    heard.arbiter.WORKERS = {11: Worker(ready=True, began=time.time(), beat=1)}
    assert "READY=1" in heard.turn()
    assert not [line for line in heard.turn(10) if line.startswith("EXTEND")]


def test_a_fault_of_ours_leaves_nobody_unready(hear: Callable[..., Heard], capfd: pytest.CaptureFixture[str]):
    """The server is declared ready at once, and its watchdog fed from then on."""
    heard = hear()
    heard.arbiter.WORKERS = None
    assert heard.turn() == ["READY=1", "WATCHDOG=1"]
    assert heard.turn() == ["READY=1", "WATCHDOG=1"]
    assert "Please report this" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "address"),
    [("/run/n", b"/run/n"), ("@n", b"\0n"), ("@", None), ("vsock:2:1", None), ("", None)],
)
def test_where_systemd_listens(text: str, address: bytes | None):
    """A path or an abstract name; what it is else Gunicorn does not know either."""
    assert address_of(text) == address


def test_whose_watchdog_it_is():
    """In microseconds, of this process or of no named one."""
    assert watchdog_of({"WATCHDOG_USEC": "2500000"}) == 2.5
    assert watchdog_of({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": str(os.getpid())}) == 2.5
    assert watchdog_of({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"}) == 0.0
    assert watchdog_of({"WATCHDOG_USEC": "soon"}) == 0.0
    assert watchdog_of({}) == 0.0
