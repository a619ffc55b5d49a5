"""Run a server as its parent: PID 1 of a container, or below another supervisor.

    bootcheck run -- gunicorn app:app
    bootcheck run -- uvicorn app:app

Signals are passed on, orphans are reaped, and the exit status is the server's
(PID 1: 128 + n for a signal n; elsewhere this process dies by the same signal).
A death of the server itself, by SIGKILL, for memory, by a fault or with an exit
code, has exactly one report: the one that an armed Gunicorn wrote, or one that
is written here. An ordered stop leaves none.

Exit codes: the server's; 127 there is no such program, 126 it cannot be run, 78 a
variable of bootcheck is wrong, 2 the words before `--` are.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from bootcheck.cli import seconds
from bootcheck.parent import GRACE
from bootcheck.parent import run as run_below

NAME = "run"
HELP = "run a server as its parent, fit to be PID 1"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.usage = "bootcheck run [-h] [--tail] [--grace S] -- COMMAND ..."
    parser.add_argument(
        "--tail",
        action="store_true",
        help="pass the server's stderr through, to keep its last lines for a report (without it they are known where "
        "stderr is a file)",
    )
    parser.add_argument(
        "--grace",
        type=seconds,
        default=GRACE,
        metavar="S",
        help=f"seconds for what a dead server left behind, before it is killed ({GRACE:g})",
    )
    parser.add_argument(
        "words", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the server, as it is started now"
    )


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:  # noqa: ARG001
    """Run the command below this process and return its exit status."""
    separator, *command = args.words or [""]
    if separator != "--" or not command:
        print("bootcheck: name the command after two dashes: bootcheck run -- gunicorn app:app", file=err)
        return 2
    return run_below(command, tail=args.tail, grace=args.grace)
