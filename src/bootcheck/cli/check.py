"""Run the checks of a start without starting a server, and load the app as a worker would.

Reads bootcheck.conf.py or gunicorn.conf.py of this directory (or the file named
with -c) and GUNICORN_CMD_ARGS as Gunicorn does. Live checks and the app's import
run in a child process with the workers' user: a hang or a crash there ends the
child, not the command. Nothing is written, nothing listens.

Exit codes: 0 nothing wrong, 1 findings, 2 the configuration cannot be read.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TextIO

from bootcheck.cli import seconds
from bootcheck.model.finding import Finding, Severity
from bootcheck.model.journal import CHECKPOINT, FINDING
from bootcheck.render import RENDERERS, Checked, Style, renderer

if TYPE_CHECKING:
    from bootcheck.checks.base import Context, Planned
    from bootcheck.gunicorn.rehearsal import AppLoad, Configured

NAME = "check"
HELP = "ask everything that a start asks, without a server"

_LEFT_OUT = {"initialise": "only a server initialises its database"}


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
    from bootcheck.gunicorn import rehearsal
    from bootcheck.settings import Settings

    # First: a format that cannot be written is not asked for.
    form = renderer(args.format)
    settings = Settings.from_environ()
    configured = rehearsal.read(args.config, args.app)
    planned, load, skipped = _plan(configured, settings, args)
    checked = [*_run(planned, load, configured, _Records(err if args.verbose else None)), *skipped]
    for line in form.findings(checked, Style.of(out)):
        print(line, file=out)
    if load is None and not args.no_app:
        print(
            "bootcheck: no app was loaded: name one (bootcheck check MODULE:ATTRIBUTE), "
            "or set wsgi_app in the configuration.",
            file=err,
        )
    wrong = {Severity.ERROR} if args.fail_on == "error" else {Severity.ERROR, Severity.WARNING}
    return int(any(finding.severity in wrong for item in checked for finding in item.findings))


def ask_again(
    configured: Configured, settings: Any, *, timeout: float, app: bool, names: Sequence[str]
) -> list[Checked]:
    """Ask the checks with these names, and load the app where that is asked for."""
    args = argparse.Namespace(no_app=not app, timeout=timeout)
    planned, load, _ = _plan(configured, settings, args, names)
    return _run(planned, load, configured, _Records(None))


def _plan(
    configured: Configured, settings: Any, args: argparse.Namespace, names: Sequence[str] | None = None
) -> tuple[list[Planned], AppLoad | None, list[Checked]]:
    from bootcheck.checks.base import Moment, Planned
    from bootcheck.checks.planning import plan
    from bootcheck.gunicorn.rehearsal import AppLoad

    everything = plan(configured.declared, settings, configured.environ, configured.server)
    if names is not None:
        everything = [item for item in everything if item.check.name in names]
    before = [item for item in everything if item.check.moment is not Moment.WORKER]
    inside = [item for item in everything if item.check.moment is Moment.WORKER]
    load = None
    if configured.app_uri is not None and not args.no_app:
        runnable = [item for item in inside if item.check.name not in _LEFT_OUT]
        load = AppLoad(
            application=configured.application, uri=configured.app_uri, inside=tuple(runnable), budget=args.timeout
        )
        before.append(Planned(load, True))
    skipped = [
        Checked(
            name=item.check.name,
            subject=item.check.subject,
            skipped=_LEFT_OUT.get(item.check.name, "no app was loaded"),
        )
        for item in inside
        if load is None or item.check.name in _LEFT_OUT
    ]
    return before, load, skipped


def _run(planned: Sequence[Planned], load: AppLoad | None, configured: Configured, records: _Records) -> list[Checked]:
    from bootcheck.checks.base import Context
    from bootcheck.gunicorn.preflight import Preflight
    from bootcheck.gunicorn.server import sources_of
    from bootcheck.model.redactor import Redactor
    from bootcheck.recorder import Recorder

    environ = configured.environ
    context: Context = Context(
        environ=environ,
        recorder=Recorder([records], redactor=Redactor(environ)),
        server=configured.server,
        sources=sources_of(dict(os.environ), configured.application.cfg.env),
    )
    Preflight(planned, context).run()
    return records.checked(load)


class _Records:
    """Strictly private: a sink that puts the records of each check back together."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._order: list[dict[str, Any]] = []
        self._open: list[dict[str, Any]] = []

    def write(self, record: Mapping[str, Any], line: bytes) -> None:  # noqa: ARG002
        """Take one record."""
        if record["t"] == CHECKPOINT:
            self._checkpoint(record)
        elif record["t"] == FINDING:
            finding = Finding.from_dict(record["finding"])
            self._of(finding.step)["findings"].append(finding)

    def _checkpoint(self, record: Mapping[str, Any]) -> None:
        if self._stream is not None:
            from bootcheck.sinks.console import checkpoint_line

            print(checkpoint_line(record), file=self._stream)
        name = str(record["name"])
        if not name.startswith("check."):
            return
        if record["outcome"] == "entered":
            subject = str((record.get("detail") or {}).get("subject", ""))
            entry = {"step": name, "subject": subject, "findings": [], "seq": record["seq"], "took": None}
            self._order.append(entry)
            self._open.append(entry)
            return
        for entry in self._open:
            if entry["seq"] == record.get("of"):
                entry["took"] = record.get("duration_ms")
                self._open.remove(entry)
                return

    def _of(self, step: str | None) -> dict[str, Any]:
        """Return the check that a finding belongs to: the innermost open one, else the last of its name."""
        known: Iterator[dict[str, Any]] = chain(reversed(self._open), reversed(self._order))
        for entry in known:
            if entry["step"] == step:
                return entry
        entry = {"step": step or "check", "subject": "", "findings": [], "seq": 0, "took": None}
        self._order.append(entry)
        return entry

    def checked(self, load: AppLoad | None) -> list[Checked]:
        """Return what each check came to, in the order in which they began."""
        return [
            Checked(
                name=entry["step"].removeprefix("check."),
                subject=entry["subject"],
                findings=tuple(finding if load is None else load.retold(finding) for finding in entry["findings"]),
                duration_ms=entry["took"],
            )
            for entry in self._order
        ]
