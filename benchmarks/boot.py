"""CPU and wall time of a boot: plain Gunicorn against the same with bootcheck, interleaved.

    python benchmarks/boot.py [--runs 15] [--workers 2]

Each round starts both servers in turn (the order alternates), waits until every worker answers,
reads the CPU time of the whole process tree, and stops them. Checks are left out of the figure
as the budget has it: the app is empty and nothing is declared; what is discovered runs. Prints
medians, minima and the ratio of each pair with its spread.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

APP = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n"
CONF = "import bootcheck\nbootcheck.arm(globals())\n"
TICK = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a living process from schedstat (nanoseconds), its threads included."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def once(folder: Path, workers: int, *, armed: bool) -> tuple[float, float]:
    """Return (CPU seconds of all processes, wall seconds) from start until all workers are up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "-w", str(workers), "-b", f"127.0.0.1:{port}", "app:app"]
    if armed:
        command[3:3] = ["-c", "armed.py"]
    else:
        command[3:3] = ["-c", "plain.py"]
    environ = {**os.environ, "BOOTCHECK_DIR": str(folder / "reports"), "BOOTCHECK_LOG": "off"}
    started = time.perf_counter()
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
    try:
        while True:
            if server.poll() is not None:
                sys.exit((folder / "log").read_text())
            booted = (folder / "ready").read_bytes() if (folder / "ready").exists() else b""
            if booted.count(b"x") >= workers:
                break
            time.sleep(0.001)
        wall = time.perf_counter() - started
        time.sleep(0.15)
        cpu = sum(cpu_of(pid) for pid in tree(server.pid))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        (folder / "ready").unlink(missing_ok=True)
    return cpu, wall


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.py").write_text(APP)
        mark = "def post_worker_init(worker):\n    open('ready', 'ab').write(b'x')\n"
        (folder / "plain.py").write_text(mark)
        (folder / "armed.py").write_text(mark + CONF)
        rounds: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for number in range(options.runs + 1):
            for armed in (False, True) if number % 2 else (True, False):
                result = once(folder, options.workers, armed=armed)
                if number:
                    rounds[armed].append(result)
    for index, what in ((0, "CPU"), (1, "wall")):
        plain = [row[index] * 1000 for row in rounds[False]]
        armed = [row[index] * 1000 for row in rounds[True]]
        ratios = sorted(a / p for a, p in zip(armed, plain, strict=True))
        extra = sorted(a - p for a, p in zip(armed, plain, strict=True))
        print(
            f"{what:5} plain {statistics.median(plain):6.1f} ms (min {min(plain):.1f})  "
            f"bootcheck {statistics.median(armed):6.1f} ms (min {min(armed):.1f})  "
            f"ratio {statistics.median(ratios):.3f} [{ratios[0]:.3f} .. {ratios[-1]:.3f}]  "
            f"extra {statistics.median(extra):+.1f} ms [{extra[0]:+.1f} .. {extra[-1]:+.1f}]"
        )


if __name__ == "__main__":
    main()
