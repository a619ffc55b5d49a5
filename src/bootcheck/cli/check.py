"""Run the checks of a start without starting a server, and load the app as a worker would.

Reads bootcheck.conf.py or gunicorn.conf.py of this directory (or the file named
with -c) and GUNICORN_CMD_ARGS as Gunicorn does. Live checks and the app's import
run in a child process with the workers' user: a hang or a crash there ends the
child, not the command. Nothing is written, nothing listens.

Exit codes: 0 nothing wrong, 1 findings, 2 the configuration cannot be read.
"""

from __future__ import annotations

import argparse
from typing import TextIO

from bootcheck.cli import seconds
from bootcheck.model.finding import Severity
from bootcheck.render import RENDERERS, Style, renderer

NAME = "check"
HELP = "ask everything that a start asks, without a server"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "app", nargs="?", metavar="APP", help="module:attribute (default: the configuration's wsgi_app)"
    )
    parser.add_argument("-c", "--config", metavar="FILE", help="configuration, as for gunicorn -c (also python:MODULE)")
    parser.add_argument("--no-app", action="store_true", help="do not load the app")
    parser.add_argument("--timeout", type=seconds, default=60.0, metavar="S", help="seconds for loading the app (60)")
    parser.add_argument("--format", choices=RENDERERS, default=RENDERERS[0], help="how findings are printed")
    parser.add_argument(
        "--fail-on", choices=("error", "warning"), default="error", help="what makes the exit code 1 (error)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="also print a line per checkpoint, on stderr")


def run(args: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Run the checks and return 1 if one found something."""
    from bootcheck.asking import ask
    from bootcheck.gunicorn import rehearsal
    from bootcheck.settings import Settings

    # First: a format that cannot be written is not asked for.
    form = renderer(args.format)
    settings = Settings.from_environ()
    configured = rehearsal.read(args.config, args.app)
    checked, loaded = ask(
        configured, settings, load=not args.no_app, timeout=args.timeout, stream=err if args.verbose else None
    )
    for line in form.findings(checked, Style.of(out)):
        print(line, file=out)
    if not loaded and not args.no_app:
        print(
            "bootcheck: no app was loaded: name one (bootcheck check MODULE:ATTRIBUTE), "
            "or set wsgi_app in the configuration.",
            file=err,
        )
    wrong = {Severity.ERROR} if args.fail_on == "error" else {Severity.ERROR, Severity.WARNING}
    return int(any(finding.severity in wrong for item in checked for finding in item.findings))
