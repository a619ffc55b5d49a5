"""Ask again what a report says was wrong: is it still broken?

REPORT is a crash report, a journal, - or a directory, whose newest crash report is
taken. A failed check is asked now; what was raised while the app was loaded, a
missing app, a crash or a hang there is tried by loading the app in a child process.
Anything else cannot be provoked safely: the command that tells is printed.

Run it where the server runs: directory, environment and user decide the answer.

Exit codes: 0 no longer broken, 1 still broken, 2 could not look.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, TextIO

from bootcheck.cli import seconds
from bootcheck.render import Style

if TYPE_CHECKING:
    pass

NAME = "verify"
HELP = "ask again what a report says was wrong"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("report", nargs="?", metavar="REPORT", help="a report, a journal, a directory, or -")
    parser.add_argument("-c", "--config", metavar="FILE", help="configuration, as for gunicorn -c (also python:MODULE)")
    parser.add_argument("--app", metavar="APP", help="module:attribute (default: the report's)")
    parser.add_argument("--timeout", type=seconds, default=60.0, metavar="S", help="seconds for loading the app (60)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how the answer is printed")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:  # noqa: ARG001
    """Find the report, ask again, and print the answer."""
    from bootcheck.analysis import single
    from bootcheck.asking.again import Where, answer
    from bootcheck.render import answer as told
    from bootcheck.render import json

    path = single.chosen(args.report, os.environ)
    document = single.one(path, sys.stdin.buffer)
    found = answer(document, path, Where(config=args.config, app=args.app, timeout=args.timeout))
    if args.format == "json":
        print(json.dumped(told.as_dict(found, document)), file=out)
    else:
        for line in told.lines(found, document, path, Style.of(out)):
            print(line, file=out)
    return told.EXIT_CODES[found.state]
