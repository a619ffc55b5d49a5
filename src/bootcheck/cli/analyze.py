"""Fold reports, journals and Gunicorn logs into incidents: what happened, why, what to do.

PATH is a file, a directory, an archive (.gz, .zst, .tar.gz, ...) or - for standard
input, mixed and in any order; what each holds is told by its content. Without a
PATH the report directory of this user's servers is read. Works on logs that were
written without bootcheck, of Gunicorn 19 and later:

  kubectl logs --previous POD | bootcheck analyze -

--format markdown and html write the incident report that a person would
otherwise write: timeline, critical intervals, hypotheses, what to do:

  bootcheck analyze --format html --output report.html reports/ gunicorn.log

Exit codes: 0 nothing wrong, 1 incidents, 2 could not look. Findings win. Ctrl-C
ends the reading: what was read is told, with exit code 130.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from bootcheck.cli import INTERRUPTED
from bootcheck.model.errors import BootcheckError
from bootcheck.render import RENDERERS, Style, renderer

if TYPE_CHECKING:
    from bootcheck.analysis import Analysis

NAME = "analyze"
HELP = "say what happened, from reports, journals and logs"

MAX_COMPLAINTS = 10
MAX_JOBS = 64


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("paths", nargs="*", metavar="PATH", help="what to read; - is standard input")
    parser.add_argument("--format", choices=RENDERERS, default=RENDERERS[0], help="how incidents are printed")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write to this file, whole or not at all, instead of standard output"
    )
    parser.add_argument(
        "--fail-on",
        choices=("error", "warning"),
        default="error",
        help="warning: findings of boots that reached ready are incidents too",
    )
    parser.add_argument("--since", metavar="TIME", help="leave out earlier deaths: 2026-11-27T09:15:00Z, or 2h")
    parser.add_argument("--until", metavar="TIME", help="leave out later deaths")
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="only this host (a pattern; repeatable)"
    )
    parser.add_argument(
        "--manifest",
        metavar="FILE",
        help="the Kubernetes manifest it ran under: its probes are confirmed or ruled out by their arithmetic",
    )
    parser.add_argument(
        "--code", action="append", default=[], metavar="CODE", help="only this code, slug or cause class (repeatable)"
    )
    parser.add_argument(
        "--jobs",
        type=_count,
        metavar="N",
        help="processes that read large inputs (default: one for each processor)",
    )
    parser.add_argument(
        "--probe",
        metavar="D,P,F",
        help="the same of a probe's initialDelaySeconds, periodSeconds and failureThreshold alone",
    )


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Analyze, print, and return the exit code."""
    from bootcheck.analysis import Filter, analyze
    from bootcheck.analysis.history import kept
    from bootcheck.analysis.manifest import by_numbers, containers, contents, relevant
    from bootcheck.analysis.moments import moment
    from bootcheck.render import output, progress, terminal

    # First, so that nothing is read for a format that cannot be written.
    form = renderer(args.format)
    now = time.time()
    wanted = Filter(
        since=None if args.since is None else moment(args.since, now),
        until=None if args.until is None else moment(args.until, now),
        hosts=tuple(args.host),
        **_named(text.strip() for word in args.code for text in word.split(",") if text.strip()),
    )
    known = [] if args.manifest is None else relevant(containers(contents(args.manifest), args.manifest))
    known += [] if args.probe is None else [by_numbers(args.probe)]
    with progress.shown(err) as tell:
        analysis = analyze(
            args.paths or _default(),
            wanted=wanted,
            warnings=args.fail_on == "warning",
            stdin=sys.stdin.buffer,
            complain=lambda text: print(f"bootcheck: {text}", file=err),
            history=kept(form.HISTORY, wanted.covers),
            progress=tell,
            containers=known,
            jobs=args.jobs,
        )
    style = Style() if args.output else Style.of(out)
    if args.output:
        output.written(form.incidents(analysis, style), args.output)
    else:
        told = form.incidents(analysis, style)
        output.printed(terminal.dressed(told, out, style) if args.format == "text" else told, out)
    _complain(analysis, err)
    return INTERRUPTED if analysis.interrupted else analysis.exit_code


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    if not 1 <= number <= MAX_JOBS:
        msg = f"{text!r} is no number of processes: it must be 1 to {MAX_JOBS}"
        raise argparse.ArgumentTypeError(msg)
    return number


def _complain(analysis: Analysis, err: TextIO) -> None:
    for item in analysis.inputs.unreadable[:MAX_COMPLAINTS]:
        print(f"bootcheck: cannot read {item['source']}: {item['reason']}", file=err)
    left = analysis.inputs.unreadable_count - MAX_COMPLAINTS
    if left > 0:
        print(f"bootcheck: and {left} more could not be read (--format json lists them)", file=err)
    if analysis.interrupted:
        files = analysis.inputs.files
        print(f"bootcheck: broken off after {files} file{'' if files == 1 else 's'}: the rest was not read.", file=err)


def _named(words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    from bootcheck.cli.explain import rule_of
    from bootcheck.model.cause import CAUSE_CLASSES
    from bootcheck.model.codes import find

    codes: list[str] = []
    classes: list[str] = []
    for word in words:
        # Some slugs are classes too: then both are meant.
        known = word.lower() in CAUSE_CLASSES
        classes += [word.lower()] if known else []
        codes += [rule_of(word).code] if find(word) is not None or not known else []
    return {"codes": tuple(codes), "classes": tuple(classes)}


def _default() -> list[str]:
    from bootcheck.analysis.readers.places import report_directories

    directories = report_directories(os.environ)
    found = [path for path in directories if os.path.isdir(path)][:1]
    if not found:
        msg = (
            f"no PATH was given, and there is no report directory ({', '.join(directories)}). Name what to read, "
            f"or - for standard input."
        )
        raise BootcheckError(msg)
    return found
