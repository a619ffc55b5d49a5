"""The side port's server: one answer per connection, whatever clients do."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from bootcheck.probes import black_box, board
from bootcheck.probes.board import Board, MasterMark
from bootcheck.readiness import port as module
from bootcheck.readiness.port import Port

LIMIT = 60.0


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port whose master is this process; its number."""
    monkeypatch.setattr(module, "PATIENCE", 1.0)
    shown = Board(black_box.make(black_box.BOARD))
    MasterMark(shown).show(phase=board.RUNNING, turned=time.monotonic() + 3600, workers=1)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        pid = os.fork()
        if not pid:
            status = 1
            try:
                status = Port(listener, shown).run(os.getppid())
            finally:
                os._exit(status)
        try:
            yield listener.getsockname()[1]
            assert os.waitpid(pid, os.WNOHANG) == (0, 0), "it has ended"
        finally:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def say(number: int, data: bytes) -> bytes:
    """Send this and return everything that comes back."""
    with socket.create_connection(("127.0.0.1", number), timeout=LIMIT) as client:
        client.sendall(data)
        return everything(client)


def everything(client: socket.socket) -> bytes:
    """Return what comes until the end."""
    got = b""
    while data := client.recv(65536):
        got += data
    return got


def test_health_and_ready_are_answered(served: int):
    """With what the contract says, and the connection is closed."""
    health = say(served, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert health.startswith(b"HTTP/1.1 200 OK\r\n")
    ready = say(served, b"GET /ready?workers=all HTTP/1.0\r\n\r\n")
    head, _, body = ready.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 5" in head
    assert b"\r\nConnection: close" in head
    assert json.loads(body)["workers_ready"] == 0
    assert "boot_s" in json.loads(body)


def test_details_are_not_for_what_a_proxy_passes_on(served: int):
    """It may come from anywhere."""
    got = say(served, b"GET /ready HTTP/1.1\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n")
    assert "boot_s" not in json.loads(got.partition(b"\r\n\r\n")[2])


def test_head_has_no_body(served: int):
    """But says how long it would be."""
    got = say(served, b"HEAD /health HTTP/1.1\r\n\r\n")
    assert got.endswith(b"\r\n\r\n")
    assert b"Content-Length: " in got


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /ready HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /ready/ HTTP/1.1\r\n\r\n", b"404"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"GET /ready\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"GET /" + b"a" * 9000, b"431"),
        (b"GET /ready HTTP/1.1\r\nX: " + b"a" * 9000, b"431"),
    ],
)
def test_anything_else_has_its_answer(served: int, request_: bytes, status: bytes):
    """And does not disturb the next one."""
    assert say(served, request_).split(b" ")[1] == status
    assert say(served, b"GET /health HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_request_may_come_byte_by_byte(served: int):
    """A slow one is served, one that never ends is dropped."""
    with socket.create_connection(("127.0.0.1", served), timeout=LIMIT) as slow:
        slow.sendall(b"GET /hea")
        with socket.create_connection(("127.0.0.1", served), timeout=LIMIT) as client:
            for byte in b"GET /health HTTP/1.1\r\n\r\n":
                client.sendall(bytes([byte]))
            assert everything(client).startswith(b"HTTP/1.1 200")
        assert slow.recv(10) == b""


def test_a_client_that_half_closes_or_resets_is_nobodys_trouble(served: int):
    """With and without a request."""
    for data in (b"", b"GET /rea"):
        with socket.create_connection(("127.0.0.1", served), timeout=LIMIT) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            got = everything(client)
            assert got == b"" if not data else got.startswith(b"HTTP/1.1 400")
    with socket.create_connection(("127.0.0.1", served), timeout=LIMIT) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sendall(b"GET /health HTTP/1.1\r\n")
    assert say(served, b"GET /health HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_many_idle_connections_do_not_lock_a_probe_out(served: int):
    """The oldest has to go."""
    with contextlib.ExitStack() as stack:
        for _ in range(module.MOST + 40):
            stack.enter_context(socket.create_connection(("127.0.0.1", served), timeout=LIMIT))
        assert say(served, b"GET /health HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_it_ends_with_its_master():
    """At once, and with what is waiting answered."""
    shown = Board(black_box.make(black_box.BOARD))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        told, tell = os.pipe()
        master = os.fork()
        if not master:
            server = os.fork()
            if not server:
                status = 1
                try:
                    os.close(told)
                    status = Port(listener, shown).run(os.getppid())
                finally:
                    os._exit(status)
            time.sleep(600)
            os._exit(0)
        os.close(tell)
        assert say(listener.getsockname()[1], b"GET /health HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")
        os.kill(master, signal.SIGKILL)
        os.waitpid(master, 0)
        # The other end is closed once both are gone.
        assert os.read(told, 1) == b""
        os.close(told)


def test_what_was_taken_before_an_upgrade_is_answered_as_the_server_was_then():
    """Its successor serves: that this image is being stopped would be a false no."""
    shown = Board(black_box.make(black_box.BOARD))
    mark = MasterMark(shown)
    mark.show(phase=board.RUNNING, turned=time.monotonic() + 3600, workers=1)
    serving = True
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = Port(listener, shown, accepts=lambda: serving)
        one._listen(True)
        with socket.create_connection(listener.getsockname(), timeout=LIMIT) as client:
            one._turn(LIMIT, -1)
            mark.show(phase=board.STOPPING)
            serving = False
            client.sendall(b"GET /ready HTTP/1.1\r\n\r\n")
            one._turn(LIMIT, -1)
            told = json.loads(everything(client).partition(b"\r\n\r\n")[2])

    assert told["phase"] != "stopping"
