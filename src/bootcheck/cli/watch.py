"""Follow report directories: tell each death as it comes, and the incidents at the end.

    bootcheck watch
    bootcheck watch /var/lib/shop/reports /var/lib/api/reports

Each new crash report is told with its verdict and what to do, also the death of a
process that left nothing but a journal; a boot report is one line. What lay there
before is counted and not told: use `bootcheck analyze`. Ctrl-C or SIGTERM ends it,
and the incidents of what was new are printed.

Without a DIR: BOOTCHECK_DIR, $STATE_DIRECTORY, $LOGS_DIRECTORY, then
/tmp/bootcheck-<uid>. A directory need not exist yet, and may go and come again.

--format json prints one object a line; the last one holds the incidents.

Exit codes: 0 nobody died; 1 somebody did; 2 a DIR is none.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from typing import TextIO

from bootcheck.cli import seconds
from bootcheck.render import Style

NAME = "watch"
HELP = "follow report directories: each death as it comes, then the incidents"
EVERY = 1.0
MAX_EVERY = 3_600.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("directories", nargs="*", metavar="DIR", help="a report directory")
    parser.add_argument(
        "--every",
        type=partial(seconds, most=MAX_EVERY),
        default=EVERY,
        metavar="S",
        help=f"seconds from one look to the next ({EVERY:g})",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how it is printed")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Watch until the user ends it."""
    from bootcheck.analysis.readers.places import report_directories
    from bootcheck.watching import ended_by_signals, watch
    from bootcheck.watching.printing import Json, Text
    from bootcheck.watching.reports import Reports

    directories = args.directories or report_directories(os.environ)[:1]
    with ended_by_signals():
        reports = Reports(directories)
        there = f"{reports.there} report{'' if reports.there == 1 else 's'} before"
        print(f"bootcheck: watching {', '.join(directories)} ({there}); Ctrl-C ends it.", file=err, flush=True)
        printer = Json(out) if args.format == "json" else Text(out, err, Style.of(out))
        bad = watch([reports], every=args.every, tell=printer.event)
        printer.end(reports.analysis())
    return 1 if bad else 0
