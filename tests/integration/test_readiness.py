"""Started, ready and live on real servers: the app's own endpoints, and the side port."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import CLASSES, PATIENCE, Server, alive, parent_of, partly, sleeps, wait_until

KINDS = tuple(CLASSES)
GRACE = "30"
"""Seconds for a stop: Gunicorn 25.3 itself waits them out after an asgi request that was under way."""
LOAD = """
import os, time, bootcheck
HERE = os.path.dirname(os.path.abspath(__file__))
with bootcheck.step("load model"):
    open(os.path.join(HERE, "loading"), "w").close()
    while not os.path.exists(os.path.join(HERE, "go")):
        time.sleep(0.01)
"""
"""A load that ends when the test says so."""
WSGI = (
    LOAD
    + """
from bootcheck.wsgi import Endpoints

def inner(environ, start_response):
    if environ["PATH_INFO"] == "/hold":
        said = []
        for _ in range(6000):
            body = b"".join(app({**environ, "PATH_INFO": "/ready"}, lambda status, headers: said.append(status)))
            open(os.path.join(HERE, "held"), "w").close()
            if said[-1].startswith("503"):
                break
            time.sleep(0.01)
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]

app = Endpoints(inner)
"""
)
ASGI = (
    LOAD
    + """
import asyncio
from bootcheck.asgi import Endpoints

async def inner(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b"hello"
    if scope["path"] == "/hold":
        for _ in range(6000):
            said = []
            async def collect(message):
                said.append(message)
            await app({**scope, "path": "/ready"}, receive, collect)
            open(os.path.join(HERE, "held"), "w").close()
            body = said[1]["body"]
            if said[0]["status"] == 503:
                break
            await asyncio.sleep(0.01)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

app = Endpoints(inner)
"""
)
SIDE = {"BOOTCHECK_PROBE_BIND": "127.0.0.1:0"}


class Side:
    """The side port of a server under test."""

    def __init__(self, server: Server) -> None:
        self.server = server
        found = server.wait_for_line(r"^bootcheck: side port http://127\.0\.0\.1:(\d+) .* \(process (\d+)\)")
        self.port, self.pid = int(found[1]), int(found[2])

    def ask(self, path: str = "/ready") -> tuple[int, dict[str, Any]]:
        """Return status and body of one answer."""
        status, headers, body = raw(self.port, path)
        told = json.loads(body)
        # The contract's keys, in every answer.
        assert {"phase", "step", "elapsed_s", "expected_s", "workers_ready", "workers"} <= set(told)
        assert (status == 503) == ("retry-after" in headers)
        return status, told

    def until(self, path: str, status: int, **expected: Any) -> dict[str, Any]:
        """Wait for an answer with this status and these values."""

        def fits() -> dict[str, Any] | None:
            got, told = self.ask(path)
            return told if got == status and all(told[name] == value for name, value in expected.items()) else None

        return wait_until(fits, lambda: f"{path} {status} {expected}, not {self.ask(path)}{self.server.story()}")


def raw(port: int, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def app_of(kind: str) -> str:
    """Return an app with endpoints and a load that waits."""
    return ASGI if kind in ("asgi", "uvicorn") else WSGI


def go(server: Server) -> None:
    """Let the load end."""
    (server.home / "go").touch()


@contextlib.contextmanager
def request(server: Server, path: str) -> Iterator[list[tuple[int, bytes]]]:
    """Send a request meanwhile; its answer is in the list when the block is over."""
    got: list[tuple[int, bytes]] = []
    port = server.port
    thread = threading.Thread(target=lambda: got.append(_get(port, path)), daemon=True)
    thread.start()
    yield got
    thread.join(PATIENCE)
    assert not thread.is_alive()


def _get(port: int, path: str) -> tuple[int, bytes]:
    status, _, body = raw(port, path)
    return status, body


@pytest.mark.parametrize("kind", partly(KINDS, "gthread", "gevent", "asgi"))
def test_a_server_says_what_it_loads_that_it_is_ready_and_that_it_stops(serve: Callable[..., Server], kind: str):
    """On both ports: live all the time, ready only between the end of the load and the order to stop."""
    server = serve(app=app_of(kind), worker_class=kind, workers=2, environ=SIDE, options=("--graceful-timeout", GRACE))
    side = Side(server)
    loading = side.until("/ready", 503, step="load model")
    assert loading["phase"] == "booting"
    assert (loading["workers_ready"], loading["workers"], loading["started"]) == (0, 2, False)
    assert side.ask("/health")[0] == 200
    assert side.ask("/ready")[1]["elapsed_s"] >= loading["elapsed_s"]

    go(server)
    ready = side.until("/ready", 200, workers_ready=2)
    assert (ready["phase"], ready["step"], ready["started"]) == ("ready", None, True)
    for path in ("/ready", "/health"):
        status, body = server.get(path)
        assert (status, json.loads(body)["workers_ready"]) == (200, 2), body
    assert server.get("/other") == (200, b"hello")

    with request(server, "/hold") as held:
        wait_until((server.home / "held").exists, "the request's begin")
        server.signal(signal.SIGTERM)
        stopping = side.until("/ready", 503, phase="stopping")
        assert stopping["live"]
    assert held[0][0] == 200
    assert json.loads(held[0][1])["phase"] == "stopping"
    assert server.wait() == 0
    wait_until(lambda: not alive(side.pid), "the end of the side port's process")


@pytest.mark.parametrize("kind", partly(KINDS, "gthread", "asgi"))
def test_a_worker_that_is_stopped_alone_is_not_ready(serve: Callable[..., Server], kind: str):
    """Without a side port, and with a signal that the master knows nothing of."""
    server = serve(app=app_of(kind), worker_class=kind, options=("--graceful-timeout", GRACE))
    go(server)
    server.wait_ready()
    [worker] = server.workers()
    wait_until(lambda: server.get("/ready")[0] == 200, lambda: str(server.get("/ready")))

    with request(server, "/hold") as held:
        wait_until((server.home / "held").exists, "the request's begin")
        os.kill(worker, signal.SIGTERM)
    told = json.loads(held[0][1])
    assert (told["phase"], told["ready"], told["live"]) == ("stopping", False, True)


def test_a_thousand_probes_during_a_long_load_get_no_wrong_answer(serve: Callable[..., Server]):
    """One sync worker whose only process is loading: not ready, but live; and never unready once it is ready."""
    server = serve(app=WSGI, environ=SIDE)
    side = Side(server)
    side.until("/ready", 503, step="load model")
    before = 0.0
    for _ in range(250):
        status, told = side.ask("/ready")
        assert (status, told["phase"], told["step"], told["workers_ready"]) == (503, "booting", "load model", 0)
        assert told["elapsed_s"] >= before
        before = told["elapsed_s"]
        assert side.ask("/health")[0] == 200
    assert not server.reports("boot", "worker")

    go(server)
    side.until("/ready", 200)
    for _ in range(250):
        assert side.ask("/ready")[0] == 200
        assert side.ask("/health")[0] == 200


def test_a_preload_import_is_told_by_the_master(serve: Callable[..., Server]):
    """No worker exists yet: the side port is there before the import, and the step is the master's."""
    server = serve(app=WSGI, environ=SIDE, options=("--preload",), workers=2)
    side = Side(server)
    told = side.until("/ready", 503, step="load model")
    assert (told["phase"], told["workers"]) == ("starting", 2)
    assert side.ask("/health")[0] == 200

    go(server)
    side.until("/ready?workers=all", 200, workers_ready=2)
    assert json.loads(server.get("/ready?workers=all")[1])["workers_ready"] == 2


def test_workers_that_all_hang_are_not_live(serve: Callable[..., Server]):
    """From the moment at which the master itself sees their heartbeats too old, until it has others."""
    server = serve(environ=SIDE, workers=2, options=("--timeout", "3"))
    side = Side(server)
    server.wait_ready(2)
    side.until("/health", 200, workers_ready=2)
    old = [pid for pid in server.workers() if pid != side.pid]
    # Their first heartbeat is over: before it no Gunicorn from 22 on gives up on a worker.
    wait_until(lambda: all(sleeps(pid) for pid in old), "workers that wait for requests")
    for pid in old:
        os.kill(pid, signal.SIGSTOP)

    told = side.until("/health", 503)
    assert (told["phase"], told["live"], told["ready"]) == ("hanging", False, False)
    assert "sign of life" in told["reason"]
    wait_until(lambda: not any(alive(pid) for pid in old), "their end")
    side.until("/health", 200, phase="ready")


def test_a_master_that_hangs_is_not_live(serve: Callable[..., Server]):
    """Its loop does not turn, whatever its workers do."""
    server = serve(environ=SIDE, options=("--timeout", "3"))
    side = Side(server)
    server.wait_ready()
    side.until("/health", 200)
    server.signal(signal.SIGSTOP)
    try:
        told = side.until("/health", 503)
        assert "loop has not turned" in told["reason"]
    finally:
        server.signal(signal.SIGCONT)
    side.until("/health", 200)


def test_a_boot_over_its_deadline_is_not_live(serve: Callable[..., Server]):
    """A stopped process cannot even be ended by its own watchdog."""
    server = serve(app=WSGI, environ={**SIDE, "BOOTCHECK_BOOT_DEADLINE": "2"})
    side = Side(server)
    side.until("/ready", 503, step="load model")
    [worker] = [pid for pid in server.workers() if pid != side.pid]
    os.kill(worker, signal.SIGSTOP)
    assert side.ask("/health")[0] == 200
    side.until("/health", 503, phase="hanging")
    go(server)
    os.kill(worker, signal.SIGKILL)
    side.until("/ready", 200)


def test_the_process_is_started_again_some_times(serve: Callable[..., Server]):
    """The socket is the master's: between two processes a probe waits. In the end it is said, and the server serves."""
    server = serve(environ=SIDE)
    side = Side(server)
    server.wait_ready()
    pid = side.pid
    for number in range(1, 6):
        os.kill(pid, signal.SIGKILL)
        found = server.wait_for_line(r"process has ended; it is process (\d+) now", count=number)
        pid = int(found[1])
        side.until("/ready", 200)
    os.kill(pid, signal.SIGKILL)
    server.wait_for_line("it is not started again")

    assert server.get() == (200, b"hello")
    with pytest.raises(OSError, match="refused"):
        raw(side.port, "/ready")


def test_a_port_that_is_taken_is_said_once_and_tried_again(serve: Callable[..., Server]):
    """The server serves meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        server = serve(environ={"BOOTCHECK_PROBE_BIND": f"127.0.0.1:{port}"})
        server.wait_ready()
        server.wait_for_line(rf"side port 127\.0\.0\.1:{port} cannot be opened: Address already in use")
        assert server.get() == (200, b"hello")
    side = Side(server)
    side.until("/ready", 200)

    assert server.stderr.count("cannot be opened") == 1


@pytest.mark.wide
def test_the_process_does_not_outlive_a_killed_master(serve: Callable[..., Server], tmp_path: Path):
    """And it leaves the port free for the next start, which finds how long boots take."""
    server = serve(app=WSGI, environ=SIDE, home=tmp_path / "one")
    go(server)
    side = Side(server)
    side.until("/ready", 200)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    wait_until(lambda: not alive(side.pid), "its end")
    wait_until(lambda: not server.processes(), "its workers' end")

    (server.home / "go").unlink()
    again = serve(
        app=WSGI,
        environ={"BOOTCHECK_PROBE_BIND": f"127.0.0.1:{side.port}"},
        home=tmp_path / "one",
        reports=server.directory,
    )
    wait_until(lambda: again.stderr.count("side port http") == 2, "the second side port")
    second = Side(again)
    told = second.until("/ready", 503, step="load model")
    assert told["expected_s"] is not None
    go(again)
    second.until("/ready", 200)
    again.stop()


def test_it_survives_a_reload_and_signals_to_the_whole_group(serve: Callable[..., Server]):
    """Ctrl-C and systemd's stop reach every process; it ends with the master only."""
    server = serve(environ=SIDE)
    side = Side(server)
    server.wait_ready()
    for signo in (signal.SIGHUP, signal.SIGUSR1, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGWINCH):
        os.kill(side.pid, signo)
    server.signal(signal.SIGHUP)
    server.wait_ready(2)
    side.until("/ready", 200, workers_ready=1)

    assert alive(side.pid)
    assert parent_of(side.pid) == server.pid
    assert "process has ended" not in server.stderr


def test_an_upgrade_takes_the_port_over(serve: Callable[..., Server]):
    """USR2, then TERM to the old master: no probe is refused, and none hears a false no."""
    server = serve(environ=SIDE, options=("--pid", "pid"))
    side = Side(server)
    server.wait_ready()
    side.until("/ready", 200)
    answers: list[tuple[int, dict[str, Any]]] = []
    done = threading.Event()

    def probe() -> None:
        while not done.is_set():
            answers.append(side.ask("/ready"))

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    server.signal(signal.SIGUSR2)
    found = server.wait_for_line(r"side port http://127\.0\.0\.1:(\d+) .* \(process (\d+)\)", count=2)
    successor = parent_of(int(found[2]))
    server.wait_ready(2)
    assert int(found[1]) == side.port
    server.signal(signal.SIGTERM)
    server.wait()
    count = len(answers)
    wait_until(lambda: len(answers) > count + 20, "answers of the new image")
    done.set()
    thread.join(PATIENCE)
    try:
        assert not [told for status, told in answers if status != 200]
        assert not alive(side.pid)
    finally:
        os.kill(successor, signal.SIGTERM)
        wait_until(lambda: not server.processes(), "the end of the new image")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_it_runs_as_the_workers_do(serve: Callable[..., Server], tmp_path: Path):
    """A port that anybody can reach is not served by root."""
    tmp_path.chmod(0o755)
    server = serve(environ=SIDE, options=("--user", "65534", "--group", "65534"))
    side = Side(server)
    status = Path(f"/proc/{side.pid}/status").read_text(encoding="ascii")
    wait_until(
        lambda: "Uid:\t65534\t65534" in Path(f"/proc/{side.pid}/status").read_text(encoding="ascii"), lambda: status
    )
    side.until("/health", 200)


def test_every_worker_is_counted_although_one_answers(serve: Callable[..., Server]):
    """Without a side port: three workers know of each other through shared memory."""
    server = serve(app=WSGI, workers=3)
    go(server)
    server.wait_ready(3)

    def all_there() -> bool:
        return json.loads(server.get("/ready?workers=all")[1])["workers_ready"] == 3

    wait_until(all_there, lambda: str(server.get("/ready")))
    server.signal(signal.SIGTTIN)
    wait_until(lambda: json.loads(server.get("/ready")[1])["workers"] == 4, lambda: str(server.get("/ready")))
    wait_until(lambda: json.loads(server.get("/ready")[1])["workers_ready"] == 4, lambda: str(server.get("/ready")))
    server.signal(signal.SIGTTOU)
    wait_until(lambda: json.loads(server.get("/ready")[1])["workers"] == 3, lambda: str(server.get("/ready")))
    wait_until(lambda: server.get("/ready?workers=all")[0] == 200, lambda: str(server.get("/ready")))
