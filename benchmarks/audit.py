"""What the audit before a fork costs the master of a preloaded app with about 100,000 objects.

    python benchmarks/audit.py [--runs 15] [--objects 100000]

Each run is a fresh process that makes an app of that size with four threads, audits its first fork
once, then a later fork where nothing has changed and one where a thread has come. Both kinds of
process, with and without the audit's findings, run in turn. Prints medians, minima and maxima.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
CHILD = """
import asyncio, json, logging, logging.handlers, os, sys, tempfile, threading, time
import concurrent.futures, email, http.server, multiprocessing, sqlite3, unittest, xml.dom.minidom
HEAP = [{"n": [n]} for n in range(int(sys.argv[1]) // 2)]
stop = threading.Event()
threads = [threading.Thread(target=stop.wait, daemon=True) for _ in range(4)] if sys.argv[2] == "found" else []
for thread in threads:
    thread.start()
LOCK = threading.Lock()

import bootcheck
bootcheck.arm({})
from bootcheck.gunicorn import arm
master = arm.armed()

class Cfg:
    workers = 4
    preload_app = True

class Arbiter:
    cfg = Cfg

def timed(function):
    cpu, wall = time.process_time(), time.perf_counter()
    function()
    return [(time.process_time() - cpu) * 1000, (time.perf_counter() - wall) * 1000]

def load():
    from bootcheck.gunicorn import fork_audit

def fork():
    from bootcheck.gunicorn import fork_audit
    fork_audit.before_fork(master, Arbiter)

told = {"import": timed(load), "first": timed(fork), "later": timed(fork)}
threading.Thread(target=stop.wait, daemon=True).start()
told["new thread"] = timed(fork)
import gc
told["objects"] = len(gc.get_objects())
print(json.dumps(told))
os._exit(0)
"""


def once(kind: str, objects: int, folder: str) -> dict[str, list[float]]:
    """Run one process and return milliseconds of CPU and wall for each moment."""
    environ = {**os.environ, "PYTHONPATH": str(SOURCE), "BOOTCHECK_DIR": folder, "BOOTCHECK_LOG": "off"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(objects), kind], env=environ, capture_output=True, check=True, text=True
    )
    told: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--objects", type=int, default=100_000)
    options = parser.parse_args()
    rounds: dict[str, list[dict[str, list[float]]]] = {"nothing": [], "found": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.runs + 1):
            for kind in ("nothing", "found") if number % 2 else ("found", "nothing"):
                told = once(kind, options.objects, folder)
                if number:
                    rounds[kind].append(told)
    for kind, runs in rounds.items():
        print(f"{kind} to be found, {runs[0]['objects']} objects")
        for moment in ("import", "first", "later", "new thread"):
            cpu, wall = ([run[moment][index] for run in runs] for index in (0, 1))
            print(
                f"  {moment:10}  CPU {statistics.median(cpu):7.2f} ms [{min(cpu):.2f} .. {max(cpu):.2f}]  "
                f"wall {statistics.median(wall):7.2f} ms [{min(wall):.2f} .. {max(wall):.2f}]"
            )


if __name__ == "__main__":
    main()
