"""CPU time of a worker per request: plain Gunicorn against the same with bootcheck, interleaved.

    python benchmarks/request.py [--pairs 9] [--requests 8000] [--worker-class sync]

Several pairs of servers with one worker each, the two of a pair side by side are asked in turn, a batch each,
the order alternating. A `sync` worker is asked from within: its own `handle` gets one end of a socket pair,
so that its CPU time (thread clock, nanoseconds) holds the whole of Gunicorn's work for a request
and no wait for another process. Workers of other classes are asked over the network, and their CPU
time is read from /proc (schedstat, threads included). Prints the median of both, the median of the
differences of each pair, and its 95 % interval by resampling: what lies within it is not resolved.
Then the hook alone, in a loop: the least of many runs, which no other process disturbs.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

WSGI = (
    "def app(environ, start_response):\n    start_response('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n"
)
ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
CONF = "import bootcheck\nbootcheck.arm(globals())\n"
INSIDE = """
import socket, time

def post_worker_init(worker):
    worker.run = lambda: answer_batches(worker)

def answer_batches(worker):
    control = socket.socket(socket.AF_UNIX)
    control.connect("control")
    while True:
        order = control.recv(64)
        if not order:
            return
        worker.notify()
        begun = time.thread_time_ns()
        for _ in range(int(order)):
            ours, theirs = socket.socketpair()
            ours.sendall(REQUEST)
            ours.shutdown(socket.SHUT_WR)  # Gunicorn 27 waits for the end of what the client has to say
            worker.handle(worker.sockets[0], theirs, ("127.0.0.1", 50000))
            while ours.recv(4096):
                pass
            ours.close()
        control.sendall(b"%d" % (time.thread_time_ns() - begun))
"""
REQUEST = b"GET /orders/12345/items?page=3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BUDGET_US = 2.0
SOURCE = str(Path(__file__).resolve().parents[1] / "src")


class Server:
    """One server with one worker."""

    def __init__(self, folder: Path, worker_class: str, *, armed: bool) -> None:
        self.folder = folder / ("armed" if armed else "plain")
        self.folder.mkdir()
        asynchronous = worker_class == "asgi" or "uvicorn" in worker_class.lower()
        (self.folder / "app.py").write_text(ASGI if asynchronous else WSGI)
        self.inside = worker_class == "sync"
        inside = f"REQUEST = {REQUEST!r}\n{INSIDE}" if self.inside else ""
        (self.folder / "conf.py").write_text(inside + (CONF if armed else ""))
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            "conf.py",
            "-k",
            worker_class,
            "-b",
            "127.0.0.1:0",
            "app:app",
        ]
        environ = {
            **os.environ,
            "PYTHONPATH": SOURCE,
            "BOOTCHECK_DIR": str(self.folder / "reports"),
            "BOOTCHECK_LOG": "off",
        }
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.folder / "control"))
        listener.listen()
        listener.settimeout(60)
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=environ, stdout=log, stderr=log)
        self.port = int(self._wait(r"Listening at: http://127\.0\.0\.1:(\d+)"))
        self.worker = int(self._wait(r"Booting worker with pid: (\d+)"))
        if self.inside:
            self.control, _ = listener.accept()
        listener.close()
        self.batch(200)

    def _wait(self, pattern: str) -> str:
        for _ in range(600):
            text = (self.folder / "log").read_text()
            found = re.search(pattern, text)
            if found:
                return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        sys.exit(f"no {pattern!r} in:\n{text}")

    def ask(self, count: int) -> None:
        """Send requests one after the other, a connection each."""
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", self.port)) as client:
                client.sendall(REQUEST)
                while client.recv(4096):
                    pass

    def cpu(self) -> int:
        """Return the worker's CPU time in nanoseconds."""
        total = 0
        for task in Path(f"/proc/{self.worker}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total

    def batch(self, count: int) -> float:
        """Return microseconds of CPU per request of one batch."""
        if self.inside:
            self.control.sendall(b"%d" % count)
            answer = self.control.recv(64)
            if not answer:
                sys.exit((self.folder / "log").read_text())
            return int(answer) / count / 1000
        before = self.cpu()
        self.ask(count)
        return (self.cpu() - before) / count / 1000

    def stop(self) -> None:
        """End it."""
        if self.inside:
            self.control.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def one_pair(options: argparse.Namespace) -> list[tuple[float, float]]:
    """Return what a request cost on both servers, plain and armed, for each pair of batches."""
    with tempfile.TemporaryDirectory() as name:
        servers = [Server(Path(name), options.worker_class, armed=armed) for armed in (False, True)]
        try:
            rounds: list[tuple[float, float]] = []
            for number in range(max(2, options.requests // options.batch)):
                order = (0, 1) if number % 2 else (1, 0)
                taken = {index: servers[index].batch(options.batch) for index in order}
                rounds.append((taken[0], taken[1]))
        finally:
            for server in servers:
                server.stop()
    return rounds


def compare(options: argparse.Namespace) -> None:
    """Ask both servers in turn, several pairs of them, and print what a request costs."""
    pairs = [one_pair(options) for _ in range(options.pairs)]
    plain, armed = (statistics.median(part) for part in zip(*itertools.chain(*pairs), strict=True))
    # Two processes with the same code differ by some microseconds for their whole life: a pair is one measurement.
    differences = [statistics.median(on - off for off, on in rounds) for rounds in pairs]
    chance = random.Random(1)  # noqa: S311 - nothing here is secret
    medians = sorted(statistics.median(chance.choices(differences, k=len(differences))) for _ in range(2000))
    low, high = medians[50], medians[-51]
    print(f"{options.worker_class}: {len(pairs)} pairs of servers, {options.requests} requests each")
    print(f"  worker CPU per request: plain {plain:.2f} us, armed {armed:.2f} us")
    print(f"  difference: {statistics.median(differences):+.2f} us, 95 % within {low:+.2f} .. {high:+.2f} us")
    print(f"  resolution: +-{(high - low) / 2:.2f} us; budget {BUDGET_US} us")


def hook_alone() -> None:
    """Print what the hook costs without a server around it."""
    sys.path.insert(0, SOURCE)
    from bootcheck.probes import black_box, requests

    memory = bytearray(black_box.SIZE) if (made := black_box.make()) is None else made
    request = SimpleNamespace(method="GET", path="/orders/12345/items")

    def handle(listener: object, req: object, client: object, addr: object) -> None:
        """Do nothing."""

    watched = requests.Requests(memory, black_box.REQUESTS).around_handler(handle, 1)
    loop: dict[str, Any] = {"timer": time.process_time, "number": 50_000, "repeat": 15}
    bare, with_hook = (
        # CPU time: others' use of the machine is no cost of the hook.
        min(timeit.repeat(lambda call=call: call(None, request, None, None), **loop)) / loop["number"] * 1e6
        for call in (handle, watched)
    )
    print(f"the hook alone: {with_hook - bare:.2f} us a request (least of 15 loops); budget {BUDGET_US} us")
    bare, with_hook = (least_of_app(app) for app in (empty, requests.WatchedApp(empty, requests.Requests(memory, 0))))
    print(f"the same around an ASGI app: {with_hook - bare:.2f} us a request")


async def empty(scope: object, receive: object, send: object) -> None:
    """Do nothing."""


def least_of_app(app: Callable[..., Awaitable[None]]) -> float:
    """Return the microseconds of one call, the least of many runs."""
    scope = {"type": "http", "method": "GET", "path": "/orders/12345/items", "raw_path": b"/orders/12345/items"}

    async def run(count: int) -> float:
        begun = time.process_time()
        for _ in range(count):
            await app(scope, None, None)
        return (time.process_time() - begun) / count * 1e6

    return min(asyncio.run(run(20_000)) for _ in range(15))


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--requests", type=int, default=8_000)
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--worker-class", default="sync")
    options = parser.parse_args()
    compare(options)
    hook_alone()


if __name__ == "__main__":
    main()
