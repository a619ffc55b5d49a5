"""What systemd is told of a server under Type=notify, heard on a real datagram socket from real Gunicorn."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import tempfile
import textwrap

import pytest

from tests.integration.harness import FULL, HELLO, PATIENCE, wait_until

pytestmark = pytest.mark.wide

GATED = """
import os, time
open("loading-%d" % os.getpid(), "w").close()
while not os.path.exists("go"):
    time.sleep(0.02)
"""


class Systemd:
    """A notification socket, and what came through it."""

    def __init__(self, *, abstract: bool) -> None:
        self.folder = tempfile.mkdtemp(prefix="bc-n-")
        self.name = f"@{self.folder}" if abstract else f"{self.folder}/notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.name.replace("@", "\0", 1) if abstract else self.name)
        self._socket.settimeout(0.05)
        self.messages: list[list[str]] = []

    def hear(self) -> list[list[str]]:
        """Take what has come; return every message so far, each as its lines."""
        while True:
            try:
                self.messages.append(self._socket.recv(65536).decode().splitlines())
            except TimeoutError:
                return self.messages

    @property
    def lines(self) -> list[str]:
        """Every line so far."""
        return [line for message in self.hear() for line in message]

    def wait_for(self, pattern: str, count: int = 1) -> str:
        """Wait for a line that matches."""
        return wait_until(
            lambda: found[-1] if len(found := [x for x in self.lines if re.search(pattern, x)]) >= count else None,
            lambda: f"{count} × {pattern}: {self.messages[-20:]}",
            PATIENCE,
        )

    def close(self) -> None:
        """Take the socket away."""
        self._socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(params=["path", "abstract"])
def systemd(request):
    """A service manager that listens."""
    manager = Systemd(abstract=request.param == "abstract")
    yield manager
    manager.close()


@pytest.fixture
def manager():
    """One that listens on a path."""
    one = Systemd(abstract=False)
    yield one
    one.close()


def test_ready_is_said_when_the_workers_are(serve, systemd):
    """Until then the step of the slowest, and that more time is needed; at the end that it stops."""
    server = serve(app=GATED + HELLO, workers=2, environ={"NOTIFY_SOCKET": systemd.name})
    told = systemd.wait_for(r"^STATUS=worker \d: app\.load [1-9]\d* s; 0 of 2 workers ready$")
    assert told
    assert "READY=1" not in systemd.lines
    more = [line for line in systemd.lines if line.startswith("EXTEND_TIMEOUT_USEC=")]
    assert more[0] == "EXTEND_TIMEOUT_USEC=30000000"
    (server.home / "go").touch()
    systemd.wait_for("^READY=1$")
    assert len(server.reports("boot", "worker")) == 2
    systemd.wait_for("^STATUS=2 of 2 workers ready$")
    assert server.stop() == 0
    systemd.wait_for("^STOPPING=1$")
    assert systemd.lines.count("READY=1") == 1
    assert systemd.lines.count("STOPPING=1") == 1
    assert "STATUS=Gunicorn arbiter booted" not in systemd.lines


@pytest.mark.parametrize("kind", ["gthread", "gevent", "asgi", "uvicorn"] if FULL else ["asgi", "uvicorn"])
def test_every_worker_class_becomes_ready(serve, manager, kind):
    """Whatever ready means for it."""
    server = serve(worker_class=kind, environ={"NOTIFY_SOCKET": manager.name})
    manager.wait_for("^READY=1$")
    assert len(server.reports("boot", "worker")) == 1


def test_one_that_serves_is_enough_after_a_while(serve, manager):
    """Nothing of ours may leave a serving server unready: its other worker hangs, and nobody knows for how long."""
    app = """
    import os, time
    import turn
    if not turn.first():
        while not os.path.exists("go"):
            time.sleep(0.02)
    """
    server = serve(app=textwrap.dedent(app) + HELLO, workers=2, environ={"NOTIFY_SOCKET": manager.name})
    manager.wait_for("1 of 2 workers ready")
    assert "READY=1" not in manager.lines
    manager.wait_for("^READY=1$")
    (server.home / "go").touch()
    manager.wait_for("2 of 2 workers ready")


def test_a_start_over_its_deadline_asks_for_no_more_time(serve, manager):
    """Then it is systemd's to judge; the worker was reported and ended by ours."""
    app = "import time\ntime.sleep(600)\n" + HELLO
    environ = {"NOTIFY_SOCKET": manager.name, "BOOTCHECK_BOOT_DEADLINE": "2"}
    server = serve(app=app, environ=environ)
    server.wait_for_reports("crash", 2)
    before = [line for line in manager.lines if line.startswith("EXTEND_TIMEOUT_USEC=")]
    assert before
    assert sum(int(line.partition("=")[2]) for line in before) <= 7_000_000
    server.wait_for_reports("crash", 4)
    assert [line for line in manager.lines if line.startswith("EXTEND_TIMEOUT_USEC=")] == before
    assert "READY=1" not in manager.lines


def test_the_steps_before_the_loop_are_told_and_why_it_did_not_start(serve, manager):
    """The import under preload, which no turn of the loop can tell of."""
    app = GATED + "raise ValueError('no model')\n"
    environ = {"NOTIFY_SOCKET": manager.name, "BOOTCHECK_BOOT_DEADLINE": "90"}
    server = serve(app=app, options=["--preload"], environ=environ)
    manager.wait_for("^STATUS=starting: app.load$")
    assert [line for line in manager.lines if re.fullmatch(r"EXTEND_TIMEOUT_USEC=9\d{7}", line)]
    (server.home / "go").touch()
    assert server.wait() == 1
    manager.wait_for("^STATUS=failed: no model")
    assert "READY=1" not in manager.lines


def test_a_server_that_fails_says_why_it_stops(serve, manager):
    """`systemctl status` shows it after the end."""
    server = serve(app="raise ValueError('no model')\n", environ={"NOTIFY_SOCKET": manager.name})
    assert server.wait() == 3
    manager.wait_for("^STATUS=failed: .*ValueError: no model")
    assert "STOPPING=1" in manager.lines


def test_the_watchdog_is_fed_while_a_worker_lives(serve, manager):
    """And while the next one starts, after Gunicorn ended one that gave no sign of life."""
    environ = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "4000000"}
    server = serve(options=["--timeout", "3"], environ=environ)
    manager.wait_for("^WATCHDOG=1$", 3)
    server.wait_ready()
    [worker] = server.workers()
    os.kill(worker, signal.SIGSTOP)
    server.wait_for_line("WORKER TIMEOUT")
    fed = manager.lines.count("WATCHDOG=1")
    manager.wait_for("^WATCHDOG=1$", fed + 2)


def test_the_watchdog_is_fed_while_a_reload_waits_for_the_old_worker(serve, manager):
    """From Gunicorn 25 on the master's loop stands still until that has answered its last request."""
    app = """
    import os, time
    def app(environ, start_response):
        while environ["PATH_INFO"] == "/slow" and not os.path.exists("go"):
            time.sleep(0.02)
        start_response("200 OK", [])
        return [b"hello"]
    """
    environ = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "2000000"}
    server = serve(app=textwrap.dedent(app), environ=environ)
    manager.wait_for("^READY=1$")
    [old] = server.workers()
    server.get_in_vain("/slow")
    server.signal(signal.SIGHUP)
    server.wait_ready(2)
    fed = manager.lines.count("WATCHDOG=1")
    manager.wait_for("^WATCHDOG=1$", fed + 3)
    assert old in server.workers()
    (server.home / "go").touch()
    wait_until(lambda: old not in server.workers(), "the old worker's end")
    assert server.stop() == 0


@pytest.mark.parametrize("pid", ["1", "4194304"])
def test_another_process_s_watchdog_is_not_fed(serve, manager, pid):
    """WATCHDOG_PID names whose it is."""
    environ = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": pid}
    server = serve(environ=environ)
    manager.wait_for("^READY=1$")
    assert server.stop() == 0
    assert "WATCHDOG=1" not in manager.lines


def test_nobody_who_listens_slows_nothing(serve, tmp_path):
    """A socket that is gone, full or of an unknown kind is nobody's problem."""
    for name in (str(tmp_path / "gone"), "vsock:2:1234"):
        server = serve(environ={"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"})
        server.wait_ready()
        assert server.get() == (200, b"hello")
        assert server.stop() == 0


def test_a_full_queue_is_tried_again(serve, manager):
    """READY=1 that could not be sent at once comes with a later turn; the server serves meanwhile."""
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    filler.connect(manager.name)
    try:
        while True:
            filler.send(b"X=1")
    except BlockingIOError:
        pass
    finally:
        filler.close()
    server = serve(environ={"NOTIFY_SOCKET": manager.name})
    server.wait_ready()
    assert server.get() == (200, b"hello")
    manager.wait_for("^READY=1$")


def test_nothing_of_it_is_loaded_without_systemd(serve):
    """A healthy boot pays for nothing that it does not use."""
    config = """
    import bootcheck
    def when_ready(server):
        import sys
        ours = ("gunicorn.systemd", "gunicorn.last_words", "gunicorn.safe_reload", "sinks.termination", "model.boot")
        print("LOADED", [name for name in ours if "bootcheck." + name in sys.modules], flush=True)
    bootcheck.arm(globals())
    """
    server = serve(config=textwrap.dedent(config))
    server.wait_ready()
    assert "LOADED []" in server.stdout
