"""Wait until a server is ready, and say why where it will not be.

    bootcheck wait http://127.0.0.1:9090/ready
    bootcheck wait /var/lib/shop/reports
    bootcheck wait 4711

TARGET is a URL (a side port, or an endpoint of the app), a report directory, or
the pid of a master or of the process that started it. Without one: BOOTCHECK_DIR,
$STATE_DIRECTORY, $LOGS_DIRECTORY, then /tmp/bootcheck-<uid>.

What is being loaded, and for how long, is told on stderr. With a URL, --dir (or
BOOTCHECK_DIR) names where the server's reports are: then a death is told with its
diagnosis, also one before the first answer.

Exit codes: 0 ready; 1 the server died, with the diagnosis; 2 not ready in time, or
nothing that could be waited for.
"""

from __future__ import annotations

import argparse
import os
from typing import TextIO

from bootcheck.cli import seconds
from bootcheck.render import Style

NAME = "wait"
HELP = "wait until a server is ready; say why it died"
DEFAULT = 120.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("target", nargs="?", metavar="TARGET", help="a URL, a report directory, or a pid")
    parser.add_argument(
        "--timeout", type=seconds, default=DEFAULT, metavar="S", help=f"give up after so many seconds ({DEFAULT:g})"
    )
    parser.add_argument("--dir", metavar="DIR", help="the report directory of that server")
    parser.add_argument(
        "--workers", type=_count, default=1, metavar="N", help="how many workers must be ready (1), or all"
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how the outcome is printed")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Wait, and print how it ended."""
    from bootcheck.render import json, report
    from bootcheck.waiting import DIED, READY, wait, watcher_of
    from bootcheck.waiting.progress import Progress, told, workers_told

    watcher = watcher_of(args.target, directory=args.dir, workers=args.workers, environ=os.environ)
    ended = wait(watcher, timeout=args.timeout, progress=Progress(err))
    seen = ended.seen
    if args.format == "json":
        print(json.dumped(ended.as_dict()), file=out)
    elif ended.outcome == READY:
        print(f"ready after {ended.waited_s:.1f} s: {workers_told(seen.state) or seen.text}", file=out)
    if ended.outcome == DIED:
        print(f"bootcheck: {seen.text}.", file=err)
        if seen.report is not None and args.format == "text":
            for line in report.lines(seen.report, seen.path or "", Style.of(out)):
                print(line, file=out)
    elif ended.outcome != READY:
        print(f"bootcheck: not ready within {args.timeout:g} s; last seen: {told(seen)}.", file=err)
    return {READY: 0, DIED: 1}.get(ended.outcome, 2)


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or not 0 < int(text) < 100_000:
        msg = f"{text!r} is neither a number of workers nor all"
        raise argparse.ArgumentTypeError(msg)
    return int(text)
