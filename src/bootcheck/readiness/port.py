"""A tiny HTTP server for two paths: one thread, no library, nothing that a client does may hold it up.

Each connection gets one answer and is closed. A client has a few seconds and some kilobytes for its
request; of too many connections the oldest has to go.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from bootcheck.probes.board import Board
from bootcheck.readiness.access import Access
from bootcheck.readiness.answer import Answer, answer
from bootcheck.readiness.endpoints import HEALTH, READY, least_of
from bootcheck.readiness.state import State, of_server

MOST = 256
"""Connections at the same time."""
MAX_REQUEST = 8192
PATIENCE = 5.0
"""Seconds for a client, from its connection to the end of its answer."""
TICK = 0.5
LAST = 0.3
"""Seconds, once the master is gone, for connections that are waiting to be accepted."""
_ERRORS = {
    400: b"400 Bad Request",
    404: b"404 Not Found",
    405: b"405 Method Not Allowed",
    431: b"431 Request Header Fields Too Large",
}


class Port:
    """The server of one listening socket."""

    def __init__(self, listener: socket.socket, board: Board, *, accepts: Callable[[], bool] = lambda: True) -> None:
        self._listener = listener
        self._listener.setblocking(False)
        self._board = board
        self._accepts = accepts
        self._access = Access()
        self._poll = _poll()
        self._clients: dict[int, _Client] = {}
        self._listening = False

    def run(self, master: int) -> int:
        """Serve until that process is gone; return the exit status."""
        handle = _handle(master)
        if handle >= 0:
            self._poll.register(handle, select.POLLIN)
        while os.getppid() == master:
            self._listen(self._accepts())
            if self._turn(TICK, handle):
                break
        deadline = time.monotonic() + LAST
        self._listen(self._accepts())
        while time.monotonic() < deadline and self._turn(0.01, -1, last=True):
            pass
        return 0

    def _listen(self, on: bool) -> None:  # noqa: FBT001
        if on and not self._listening:
            self._poll.register(self._listener.fileno(), select.POLLIN)
        elif not on and self._listening:
            self._poll.unregister(self._listener.fileno())
        self._listening = on

    def _turn(self, seconds: float, handle: int, *, last: bool = False) -> bool:
        """Do what is to be done now; tell whether the master has ended, or at the last, whether anything was."""
        ended = False
        for fd, _ in self._poll.poll(seconds * 1000):
            if fd == handle:
                ended = True
            elif fd == self._listener.fileno():
                self._accept()
            elif fd in self._clients:
                self._serve(self._clients[fd])
        now = time.monotonic()
        for client in [one for one in self._clients.values() if now > one.until]:
            self._drop(client)
        return bool(self._clients) if last else ended

    def _accept(self) -> None:
        for _ in range(64):
            before = of_server(self._board)
            # Asked each time: a successor may have taken over meanwhile.
            if not self._accepts():
                self._listen(False)
                return
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            connection.setblocking(False)
            if len(self._clients) >= MOST:
                self._drop(next(iter(self._clients.values())))
            client = _Client(connection, str(address[0]), before)
            self._clients[connection.fileno()] = client
            self._poll.register(connection.fileno(), select.POLLIN)
            # A probe sends its request with the connection: most are answered right here.
            self._serve(client)

    def _serve(self, client: _Client) -> None:
        try:
            if client.out is None:
                self._read(client)
            if client.out is not None:
                self._write(client)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._drop(client)

    def _read(self, client: _Client) -> None:
        data = client.connection.recv(MAX_REQUEST)
        client.got += data
        complete = b"\r\n\r\n" in client.got or b"\n\n" in client.got
        if complete or len(client.got) > MAX_REQUEST:
            client.out = self._answer(client) if complete else _error(431)
        elif not data:
            # It has said all that it will say.
            client.out = _error(400) if client.got else b""

    def _write(self, client: _Client) -> None:
        if client.out:
            sent = client.connection.send(client.out)
            client.out = client.out[sent:]
        if client.out:
            self._poll.modify(client.connection.fileno(), select.POLLOUT)
            return
        try:
            # What it sent beyond its request would turn the close into a reset, and the answer be lost.
            client.connection.shutdown(socket.SHUT_WR)
            client.connection.recv(MAX_REQUEST)
        except OSError:
            pass
        self._drop(client)

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None) is not None:
            self._poll.unregister(client.connection.fileno())
        client.connection.close()

    def _answer(self, client: _Client) -> bytes:
        words = client.got.split(b"\n", 1)[0].split()
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _error(400)
        method, (path, _, query) = words[0], words[1].partition(b"?")
        route = path.decode("latin-1")
        if route not in (HEALTH, READY):
            return _error(404)
        if method not in (b"GET", b"HEAD"):
            return _error(405)
        headers = client.got.lower()
        forwarded = b"\nx-forwarded-for:" in headers or b"\nforwarded:" in headers
        details = self._access.detailed(client.address, forwarded=forwarded)
        state = of_server(self._board, least=least_of(query.decode("latin-1"), 1))
        if state.phase == "stopping" and not self._accepts():
            # An upgrade came between this connection and its answer: its successor serves, as this one did then.
            state = client.before
        found = answer(state, good=state.live if route == HEALTH else state.ready, details=details)
        return _encoded(found, body=method == b"GET")


class _Client:
    """One connection."""

    def __init__(self, connection: socket.socket, address: str, before: State) -> None:
        self.connection = connection
        self.address = address
        self.before = before
        """What the server was when the connection was taken."""
        self.until = time.monotonic() + PATIENCE
        self.got = b""
        self.out: bytes | None = None
        """What is still to be sent; None before the request is complete."""


def _encoded(found: Answer, *, body: bool) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in found.headers)
    start = f"HTTP/1.1 {found.line}\r\n{head}Connection: close\r\n\r\n".encode("ascii")
    return start + found.body if body else start


def _error(status: int) -> bytes:
    text = _ERRORS[status]
    return b"HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % text


def _handle(pid: int) -> int:
    """Return a descriptor that can be read once the process has ended, -1 where the system has none."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        return -1


def _poll() -> Any:
    """Return a poll object that blocks this thread, also where gevent has patched the master: no loop runs here."""
    monkey = sys.modules.get("gevent.monkey")
    return (select.poll if monkey is None else monkey.get_original("select", "poll"))()
