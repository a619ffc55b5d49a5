"""CPU time of a worker per request: plain Gunicorn against the same with bootcheck, interleaved.

    python benchmarks/request.py [--requests 20000] [--batch 500] [--worker-class sync]

Two servers with one worker each run side by side and are asked in turn, a batch each, the order
alternating. Before and after each batch the worker's CPU time is read from /proc (schedstat, which
counts nanoseconds, threads included). Prints the median of both, the median of the differences of
neighbouring batches, and its 95 % interval by resampling: what lies within it is not resolved.
Then the hook alone, in a loop: the least of many runs, which no other process disturbs.
"""

from __future__ import annotations

import argparse
import asyncio
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
        (self.folder / "conf.py").write_text(CONF if armed else "")
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
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=environ, stdout=log, stderr=log)
        self.port = int(self._wait(r"Listening at: http://127\.0\.0\.1:(\d+)"))
        self.worker = int(self._wait(r"Booting worker with pid: (\d+)"))
        self.ask(200)

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
        before = self.cpu()
        self.ask(count)
        return (self.cpu() - before) / count / 1000

    def stop(self) -> None:
        """End it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def compare(options: argparse.Namespace) -> None:
    """Ask both servers in turn and print what a request costs."""
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
    plain, armed = (statistics.median(part) for part in zip(*rounds, strict=True))
    differences = [on - off for off, on in rounds]
    chance = random.Random(1)  # noqa: S311 - nothing here is secret
    medians = sorted(statistics.median(chance.choices(differences, k=len(differences))) for _ in range(2000))
    low, high = medians[50], medians[-51]
    print(f"{options.worker_class}: {len(rounds)} batches of {options.batch} requests on each server")
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
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--worker-class", default="sync")
    options = parser.parse_args()
    compare(options)
    hook_alone()


if __name__ == "__main__":
    main()
