"""Print one report readably: verdict, evidence, what to do, traceback, stacks, checkpoints.

PATH is a report, a journal, - or a directory, whose newest crash report is shown.
Without a PATH: BOOTCHECK_DIR, $STATE_DIRECTORY, $LOGS_DIRECTORY, then
/tmp/bootcheck-<uid>.

Exit codes: 0 shown, 2 there is nothing to show.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TextIO

from bootcheck.render import Style

NAME = "show"
HELP = "print one report readably"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("path", nargs="?", metavar="PATH", help="a report, a journal, a directory, or -")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:  # noqa: ARG001
    """Find the report and print it."""
    from bootcheck.analysis import single
    from bootcheck.render import durations, json, report

    path = single.chosen(args.path, os.environ)
    document = single.one(path, sys.stdin.buffer)
    if args.format == "json":
        print(json.dumped(document), file=out)
        return 0
    for line in report.lines(document, path, Style.of(out)):
        print(line, file=out)
    for line in durations.lines(document, path):
        print(line, file=out)
    return 0
