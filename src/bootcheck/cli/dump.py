"""Look at living processes, workers or a master, without disturbing them.

For each PID: the stack of every thread, which thread used how much CPU over a
short interval and where it is, greenlets, asyncio tasks, memory, descriptors,
the step of a boot that is not over. Stored as a snapshot report beside the
process's other files, and printed.

    bootcheck dump 4711

It works on processes that run under bootcheck, also while native code holds the
GIL: then faulthandler takes the stacks from C, of the main thread alone where
another thread may be running (--force: of all). Another process is not touched:
it is described from /proc alone.

The directory with the journal is that of --dir, else what the environment of the
process says, else that of this one, else /tmp/bootcheck-<uid>.

Exit codes: 0 looked, nothing stands out; 1 a thread burns a CPU (90 % or more),
or the main thread does not get to run Python; 2 a process could not be asked.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from typing import TextIO

from bootcheck.cli import seconds
from bootcheck.render import Style

NAME = "dump"
HELP = "look at a living worker or master: stacks, CPU per thread, memory"
MAX_SECONDS = 60.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("pids", nargs="+", type=_pid, metavar="PID", help="a worker or a master")
    parser.add_argument("--dir", metavar="DIR", help="the report directory of these processes")
    parser.add_argument(
        "--seconds",
        type=partial(seconds, most=MAX_SECONDS),
        default=1.0,
        metavar="S",
        help="how long CPU is measured (default 1.0)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="where Python does not get to run: take all stacks from C also while a thread runs, which may crash it",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Look at each process, print it, store its report."""
    if not sys.platform.startswith("linux"):
        print("bootcheck: looking at a running process needs Linux.", file=err)
        return 2
    from bootcheck.gunicorn.dump import look
    from bootcheck.render import json, snapshot

    looks = []
    for number, pid in enumerate(dict.fromkeys(args.pids)):
        found = look(pid, seconds=args.seconds, directory=args.dir, environ=os.environ, force=args.force)
        looks.append(found)
        if found.problem is not None:
            print(f"bootcheck: {found.problem}.", file=err)
        elif found.path is None:
            print(f"bootcheck: the report of process {pid} could not be stored.", file=err)
        if args.format == "text":
            for line in (*([""] if number else []), *snapshot.lines(found.as_dict(), Style.of(out))):
                print(line, file=out)
    if args.format == "json":
        print(json.dumped({"schema_version": 1, "snapshots": [found.as_dict() for found in looks]}), file=out)
    if any(found.conspicuous for found in looks):
        return 1
    return 2 if any(found.report is None for found in looks) else 0


def _pid(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 1 << 31:
        msg = f"{text!r} is no process id"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
