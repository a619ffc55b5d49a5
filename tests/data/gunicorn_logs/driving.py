"""What is done to a server while it runs: requests, signals, clients that say nothing."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress

from scene import Scenario


def drive(
    scenario: Scenario, process: subprocess.Popen[bytes], port: int, lines: list[tuple[float, str]]
) -> float | None:
    """Do the scenario's acts, wait for its end, and return when it was told to stop."""
    end = time.monotonic() + scenario.seconds
    ordered = None
    for act in scenario.acts:
        if process.poll() is not None:
            break
        word, _, rest = act.partition(" ")
        if word == "leave":
            return ordered
        if word == "signal":
            if rest in ("TERM", "INT", "QUIT"):
                ordered = time.time()
            process.send_signal(getattr(signal, f"SIG{rest}"))
        elif word == "wait":
            while not any(rest in line for _, line in lines) and time.monotonic() < end and process.poll() is None:
                time.sleep(0.05)
        elif word == "kill-worker":
            pids = [found[1] for _, line in lines if (found := re.search(r"Booting worker with pid: (\d+)", line))]
            os.kill(int(pids[0]), getattr(signal, f"SIG{rest}"))
        else:
            _ask(word, rest, port)
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.1, end - time.monotonic()))
    return ordered


def _ask(word: str, rest: str, port: int) -> None:
    if word == "sleep":
        time.sleep(float(rest))
    elif word == "get":
        _get(port, rest)
    elif word == "start":
        threading.Thread(target=_get, args=(port, rest), daemon=True).start()
    elif word == "storm":
        clients = [threading.Thread(target=_get, args=(port, rest), daemon=True) for _ in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(20)
    elif word == "connect":
        held = socket.create_connection(("127.0.0.1", port), 5)
        threading.Timer(60, held.close).start()
    elif word == "tls":
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as plain:
            ssl._create_unverified_context().wrap_socket(plain)


def _get(port: int, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        connection.getresponse().read()
    connection.close()


def reserve() -> tuple[socket.socket, int]:
    """Return a listener and its port."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    holder.listen()
    return holder, holder.getsockname()[1]
