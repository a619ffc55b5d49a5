"""Compare two boots or two releases: what got slower, larger, newly wrong, or was changed.

A and B are reports, directories, archives or logs, as for `analyze`. Compared are
the steps and imports of their boots (medians), memory, findings, incidents,
versions, settings and tags:

  bootcheck diff reports-1.41/ reports-1.42/

A step is slower from a quarter and 50 ms more on, memory is more from 10 MB on.

Exit codes: 0 B is not worse, 1 B is worse, 2 could not look.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, TextIO

from bootcheck.model.errors import BootcheckError
from bootcheck.render import Style

if TYPE_CHECKING:
    from bootcheck.analysis.comparison import Side

NAME = "diff"
HELP = "compare two boots or two releases"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("before", metavar="A", help="a report, a directory, a log, or -")
    parser.add_argument("after", metavar="B", help="what is compared with it")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="how differences are printed")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Read both, compare, print."""
    from bootcheck.analysis.comparison import compare
    from bootcheck.render import comparison, json

    if args.before == args.after == "-":
        msg = "A and B cannot both be standard input. Name a file or a directory for one of them."
        raise BootcheckError(msg)
    found = compare(_side(args.before, err), _side(args.after, err))
    if args.format == "json":
        print(json.dumped(found.as_dict()), file=out)
    else:
        for line in comparison.lines(found, (args.before, args.after), Style.of(out)):
            print(line, file=out)
    return int(found.worse)


def _side(path: str, err: TextIO) -> Side:
    from bootcheck.analysis import History, analyze, clocks
    from bootcheck.analysis.comparison import Side
    from bootcheck.render import progress

    history = History()
    with progress.shown(err) as tell:
        analysis = analyze([path], stdin=sys.stdin.buffer, history=history, progress=tell)
    if analysis.interrupted:
        raise KeyboardInterrupt
    reasons = [f"{item['source']}: {item['reason']}" for item in analysis.inputs.unreadable]
    if analysis.exit_code == 2:
        msg = f"cannot read {reasons[0] if reasons else path}. Name a report, a directory or a log."
        raise BootcheckError(msg)
    if not history.spans and not analysis.incidents:
        msg = f"{path} tells of no boot and no death, so there is nothing to compare. Name a directory with reports."
        raise BootcheckError(msg)
    if reasons:
        print(f"bootcheck: {len(reasons)} files of {path} could not be read, first {reasons[0]}", file=err)
    return Side(spans=clocks.lives(history, clocks.skews(history)), analysis=analysis)
