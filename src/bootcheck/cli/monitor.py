"""Watch a running Gunicorn: its processes, its health and its new reports.

    bootcheck monitor
    bootcheck monitor 4711 --health http://127.0.0.1:8000/health
    bootcheck monitor /run/shop.pid --every 10 --format json

TARGET is the pid of a master or of what started it, the file that `gunicorn --pid` writes, or a part of
its command line or title; without one, the only master that runs here. By file or
title the next master is followed when this one has ended.

Every few seconds one line: workers, memory, CPU, descriptors, threads, and what the
health endpoint answers. Told besides: who comes and goes, workers that do not stay,
memory, descriptors or threads that only grow, a health that fails, and each new
crash report with its verdict. At the end (Ctrl-C, SIGTERM, or the end of the
master): how the values went, and the incidents.

The server needs no bootcheck for it; with it, --dir (or the environment of the
master) says where its reports are. --format json prints one object a line.

Exit codes: 0 nothing stood out; 1 a death, a master that is gone, workers that do
not stay, a health that failed three times in a row; 2 there is no such master.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from typing import TextIO

from bootcheck.cli import seconds
from bootcheck.render import Style

NAME = "monitor"
HELP = "watch a running Gunicorn: processes, resources, health, reports"
EVERY = 5.0
MAX_EVERY = 3_600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("target", nargs="?", metavar="TARGET", help="a pid, a pidfile, or a part of a title")
    parser.add_argument("--health", metavar="URL", help="the endpoint to ask each time")
    parser.add_argument("--dir", metavar="DIR", help="the report directory of that server")
    parser.add_argument(
        "--every",
        type=partial(seconds, most=MAX_EVERY),
        default=EVERY,
        metavar="S",
        help=f"seconds from one look to the next ({EVERY:g})",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Watch until the user ends it, or the master has ended."""
    from bootcheck.analysis.readers.places import report_directories
    from bootcheck.watching import ended_by_signals, watch
    from bootcheck.watching.health import MOST, Health
    from bootcheck.watching.printing import Json, Text
    from bootcheck.watching.processes import table
    from bootcheck.watching.reports import Reports
    from bootcheck.watching.server import Server

    with ended_by_signals():
        known = table()
        health = None if args.health is None else Health(args.health, limit=min(MOST, args.every))
        server = Server(args.target, known, health=health)
        directory = args.dir or report_directories(known.environment(server.pid) or os.environ)[0]
        reports = Reports([directory])
        print(f"bootcheck: watching master {server.pid}, reports in {directory}; Ctrl-C ends it.", file=err, flush=True)
        printer = Json(out) if args.format == "json" else Text(out, err, Style.of(out))
        bad = watch([server, reports], every=args.every, tell=printer.event)
        printer.summary(list(server.summary()))
        printer.end(reports.analysis())
    return 1 if bad else 0
