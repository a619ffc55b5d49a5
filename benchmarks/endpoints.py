"""What the middleware costs a request on another route: the same app with and without, in turn.

    python benchmarks/endpoints.py [--rounds 41] [--calls 100000]

No server: the app is called in a loop, the order alternating, and CPU time is taken. Prints the median of
both and of the differences of neighbouring rounds, with the least and the most, for WSGI and ASGI.
Then how soon a side port answers while the only sync worker is loading, holding the GIL.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCE = str(Path(__file__).resolve().parents[1] / "src")
sys.path.insert(0, SOURCE)

from bootcheck import asgi, wsgi  # noqa: E402 - from this tree, not from an installation

ENVIRON = {"PATH_INFO": "/orders/12345/items", "REQUEST_METHOD": "GET", "QUERY_STRING": "", "REMOTE_ADDR": "10.0.0.1"}
SCOPE = {"type": "http", "method": "GET", "path": "/orders/12345/items", "headers": [], "query_string": b""}
LOADING = """
import os, time
end = time.monotonic() + 20
while time.monotonic() < end and not os.path.exists("go"):
    sum(range(200_000))
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:  # noqa: ARG001
    """Answer."""
    return [b"ok"]


async def plain_async(scope: Any, receive: Any, send: Any) -> None:
    """Answer nothing."""


def of_wsgi(app: Callable[..., Any], calls: int) -> float:
    """Return the nanoseconds of one call."""
    begun = time.process_time_ns()
    for _ in range(calls):
        app(ENVIRON, None)
    return (time.process_time_ns() - begun) / calls


def of_asgi(app: Callable[..., Any], calls: int) -> float:
    """Return the nanoseconds of one call."""

    async def run() -> float:
        begun = time.process_time_ns()
        for _ in range(calls):
            await app(SCOPE, None, None)
        return (time.process_time_ns() - begun) / calls

    return asyncio.run(run())


def compare(what: str, timed: Callable[..., float], off: Any, on: Any, options: argparse.Namespace) -> None:
    """Time both in turn and print what one pays."""
    pairs: list[tuple[float, float]] = []
    for number in range(options.rounds):
        order = (off, on) if number % 2 else (on, off)
        taken = {id(app): timed(app, options.calls) for app in order}
        pairs.append((taken[id(off)], taken[id(on)]))
    without, with_it = (statistics.median(part) for part in zip(*pairs, strict=True))
    costs = sorted(on_ - off_ for off_, on_ in pairs)
    print(f"{what}: without {without:.0f} ns, with {with_it:.0f} ns a request")
    low, high = costs[len(costs) // 20], costs[-1 - len(costs) // 20]
    print(f"  difference: median {statistics.median(costs):+.0f} ns, 90 % within {low:+.0f} .. {high:+.0f} ns")


def side_port() -> None:
    """Print how long answers of the side port take while a worker is loading."""
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "app.py").write_text(LOADING)
        (home / "conf.py").write_text("import bootcheck\nbootcheck.arm(globals())\n")
        environ = {**os.environ, "PYTHONPATH": SOURCE, "BOOTCHECK_DIR": str(home / "r")}
        environ["BOOTCHECK_PROBE_BIND"] = "127.0.0.1:0"
        command = [sys.executable, "-m", "gunicorn", "-c", "conf.py", "-b", "127.0.0.1:0", "app:app"]
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(command, cwd=home, env=environ, stdout=log, stderr=log)
        try:
            while not (found := re.search(r"side port http://127\.0\.0\.1:(\d+)", (home / "log").read_text())):
                time.sleep(0.05)
            while b"app.load" not in ask(int(found[1]), "/ready")[1]:
                time.sleep(0.05)
            took = []
            for _ in range(1000):
                begun = time.perf_counter()
                status, _ = ask(int(found[1]), "/health")
                took.append((time.perf_counter() - begun) * 1000)
                if status != 200:
                    sys.exit(f"/health answered {status} during a load")
            (home / "go").touch()
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    took.sort()
    told = ", ".join(f"{name} {took[int(len(took) * part) - 1]:.1f}" for name, part in (("p50", 0.5), ("p99", 0.99)))
    print(f"side port, /health during a load: {told}, most {took[-1]:.1f} ms over {len(took)} requests")


def ask(port: int, path: str) -> tuple[int, bytes]:
    """Return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args()
    compare("wsgi", of_wsgi, plain, wsgi.Endpoints(plain), options)
    compare("asgi", of_asgi, plain_async, asgi.Endpoints(plain_async), options)
    side_port()


if __name__ == "__main__":
    main()
