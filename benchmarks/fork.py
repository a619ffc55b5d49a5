"""What a fork costs with bootcheck's guard of inherited connections: ten pools, in the master and in the child.

    python benchmarks/fork.py [--forks 40] [--pools 10] [--objects 100000] [--url postgresql+psycopg://…]

Without a URL it starts a PostgreSQL of its own, as the tests do. Each pool holds one connection that is checked out
at every fork: the dearest case, for nothing can be closed before. The first look includes the one pass over the
heap; `--objects` says how large that is. The child records what it did as a worker does: in a journal on disk and in
memory. Prints medians, the middle half and the maximum of the CPU time, in milliseconds: wall time is the machine's
as well, and printed for the fork itself only. Much of what is left is the kernel's: of each page of memory that either
process touches after a fork it makes a copy, and the number of those is printed too.
"""

from __future__ import annotations

import argparse
import gc
import os
import resource
import statistics
import struct
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from bootcheck.model.journal import Key  # noqa: E402 - the path comes first
from bootcheck.model.outcome import Phase  # noqa: E402
from bootcheck.recorder import Recorder  # noqa: E402
from bootcheck.sinks.console import Console  # noqa: E402
from bootcheck.sinks.directory import ReportDirectory  # noqa: E402
from bootcheck.sinks.journal import Journal  # noqa: E402
from bootcheck.sinks.ring import Ring  # noqa: E402


def line(name: str, seconds: list[float], budget: float) -> str:
    """Return one row: median, spread, and whether the budget holds."""
    values = sorted(value * 1000 for value in seconds)
    median = statistics.median(values)
    low, high = values[len(values) // 4], values[3 * len(values) // 4]
    verdict = "within" if median <= budget else "OVER"
    return (
        f"{name:28} {median:8.2f}   {low:7.2f} to {high:.2f}   max {values[-1]:7.2f}   {verdict} {budget:g}"
        f"   ({len(values)} times)"
    )


def faults() -> int:
    """Return how many pages this process has had the kernel make or copy."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def child_of(snapshot: object, directory: ReportDirectory) -> tuple[float, int]:
    """Fork, repair in the child, and return the seconds that took there, and the pages."""
    from bootcheck.guards import fresh_pools

    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        # As a worker begins.
        sinks = [Journal(directory, Key("worker", os.getpid(), 1)), Ring(), Console("off")]
        recorder = Recorder(sinks)
        recorder.step("worker.boot", Phase.WORKER).__enter__()
        before, started = faults(), time.thread_time()
        fresh_pools.in_child(snapshot, recorder)
        took = time.thread_time() - started
        os.write(write, struct.pack("dq", took, faults() - before))
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        seconds, pages = struct.unpack("dq", pipe.read())
    os.waitpid(pid, 0)
    return seconds, pages


def measure(url: str, options: argparse.Namespace) -> None:
    """Make the pools, fork, and print the figures."""
    from sqlalchemy import create_engine, text

    from bootcheck.guards import fresh_pools, inherited

    ballast = [{"n": [number]} for number in range(options.objects // 2)]
    engines = [create_engine(url) for _ in range(options.pools)]
    held = [engine.connect() for engine in engines]
    for connection in held:
        connection.execute(text("select 1"))
        connection.commit()
    first, later, child, bare = [], [], [], []
    pages: dict[str, list[int]] = {"master": [], "child": []}
    with tempfile.TemporaryDirectory(prefix="bootcheck-fork-") as place:
        directory = ReportDirectory({"BOOTCHECK_DIR": place})
        for number in range(options.forks):
            if number % 8 == 0:
                inherited.known = inherited._Known()  # noqa: SLF001 - as at the first fork of a master
            before, started = faults(), time.thread_time()
            snapshot = fresh_pools.before_fork(4)
            (first if number % 8 == 0 else later).append(time.thread_time() - started)
            pages["master"] += [] if number % 8 == 0 else [faults() - before]
            if len(snapshot.inherited) != options.pools:
                sys.exit(f"{len(snapshot.inherited)} connections were seen, not {options.pools}")
            seconds, touched = child_of(snapshot, directory)
            child.append(seconds)
            pages["child"].append(touched)
            started = time.perf_counter()
            pid = os.fork()
            if pid == 0:
                os._exit(0)
            bare.append(time.perf_counter() - started)
            os.waitpid(pid, 0)
    print(f"{options.pools} pools, {len(gc.get_objects())} objects, {len(sys.modules)} modules, {len(ballast)} ballast")
    print(line("master, first look (once)", first, 100))
    print(line("master, per fork", later, 1))
    print(line("child, per fork", child, 2))
    print(line("fork itself, wall", bare, float("inf")))
    print(", ".join(f"{statistics.median(count):g} pages in the {who}" for who, count in pages.items()))


def main() -> None:
    """Read the arguments, have a database, measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--forks", type=int, default=40)
    parser.add_argument("--pools", type=int, default=10)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--url", default="")
    options = parser.parse_args()
    if options.url:
        measure(options.url, options)
        return
    from tests.integration.servers import running_postgres

    with running_postgres() as server:
        measure(server.url(query="sslmode=disable"), options)


if __name__ == "__main__":
    main()
