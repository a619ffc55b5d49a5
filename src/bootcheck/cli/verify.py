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
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from bootcheck.cli import seconds
from bootcheck.model.errors import BootcheckError
from bootcheck.model.finding import Finding, Severity
from bootcheck.render import Style

if TYPE_CHECKING:
    from bootcheck.render import Checked
    from bootcheck.render.answer import Answer

NAME = "verify"
HELP = "ask again what a report says was wrong"

_LOADS = frozenset({"exception", "app_not_found", "sys_exit", "os_exit", "native_crash", "boot_deadline"})
"""Causes that loading the app shows, where it had not been loaded."""
_COULD_NOT = "BC002"
_BY_HAND = {
    "native_crash": "send the request that was in flight to a server under test",
    "gunicorn_timeout": "send the request that was in flight, and see how long it takes",
    "oom": "watch memory.peak and oom_kill of the cgroup (memory.events) through one more run",
    "sigterm": "start the server, and see whether it becomes ready before the signal comes: bootcheck analyze",
    "sigkill_external": "start the server, and look at the platform's events after the time it lived",
    "sigkill_graceful_timeout": "stop the server under load, and see that every worker says it exits",
    "vanished": "start the server, and look at the platform's events after the time it lived",
}


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
    from bootcheck.analysis.readers.places import report_directories
    from bootcheck.render import answer as told
    from bootcheck.render import json

    path = args.report
    if path is None:
        path = single.newest(report_directories(os.environ))
    elif single.is_directory(path):
        path = single.newest([path])
    document = single.one(path, sys.stdin.buffer)
    answer = _answer(document, path, args)
    if args.format == "json":
        print(json.dumped(told.as_dict(answer, document)), file=out)
    else:
        for line in told.lines(answer, document, path, Style.of(out)):
            print(line, file=out)
    return told.EXIT_CODES[answer.state]


def _answer(document: Mapping[str, Any], path: str, args: argparse.Namespace) -> Answer:
    verdict = document.get("verdict") or {}
    cause = str(verdict.get("cause"))
    if document.get("kind") in ("boot", "snapshot") or cause == "none":
        msg = (
            f"{path} tells of no death: a {document.get('kind')} report. Name a crash report, or a directory with one."
        )
        raise BootcheckError(msg)
    failed = _failed_checks(document)
    if cause == "check_failed" and failed:
        return _by_check(failed, args)
    if cause in _LOADS and not _was_loaded(document):
        return _by_load(document, args)
    return _by_hand(cause, verdict)


def _by_check(failed: Sequence[Finding], args: argparse.Namespace) -> Answer:
    from bootcheck.render.answer import BROKEN, FIXED, UNKNOWN, Answer

    names = list(dict.fromkeys((finding.step or "").removeprefix("check.") for finding in failed))
    codes = {finding.code for finding in failed}
    checked = _asked(args, names=names)
    asked = f"the checks {', '.join(names)}, in this environment"
    found = [finding for item in checked for finding in item.findings]
    errors = tuple(finding for finding in found if finding.severity is Severity.ERROR)
    if any(finding.code in codes for finding in errors):
        return Answer(state=BROKEN, summary="Still broken: the check fails again.", findings=errors, asked=asked)
    if errors:
        return Answer(state=BROKEN, summary="Broken in another way: the check fails.", findings=errors, asked=asked)
    if any(finding.code == _COULD_NOT for finding in found) or not {item.name for item in checked} >= set(names):
        missing = sorted(set(names) - {item.name for item in checked})
        why = f"no configuration here asks {', '.join(missing)}: name it with -c" if missing else "the check broke off"
        return Answer(state=UNKNOWN, summary=f"Could not look: {why}.", findings=tuple(found), asked=asked)
    return Answer(state=FIXED, summary="No longer broken: the check finds nothing wrong.", asked=asked)


def _by_load(document: Mapping[str, Any], args: argparse.Namespace) -> Answer:
    from bootcheck.render.answer import BROKEN, FIXED, UNKNOWN, Answer

    verdict = document.get("verdict") or {}
    attributes = document.get("attributes") or {}
    app = args.app or attributes.get("bootcheck.gunicorn.app")
    checked = _asked(args, names=(), app=str(app) if app else None)
    loads = [item for item in checked if item.name == "app"]
    if not loads:
        msg = "the report names no app, and no configuration here does: name it with --app MODULE:ATTRIBUTE."
        raise BootcheckError(msg)
    asked = f"{loads[0].subject} loaded in a child process, in {os.getcwd()}"
    found = tuple(finding for item in loads for finding in item.findings)
    errors = tuple(finding for finding in found if finding.severity is Severity.ERROR or finding.code != _COULD_NOT)
    if errors:
        again = any(finding.code == verdict.get("code") for finding in errors)
        how = "Still broken: loading the app fails again" if again else "Broken in another way: loading the app fails"
        return Answer(state=BROKEN, summary=f"{how}.", findings=errors, asked=asked)
    if found:
        return Answer(state=UNKNOWN, summary="Could not look: the load broke off.", findings=found, asked=asked)
    return Answer(state=FIXED, summary="No longer broken: the app can be loaded.", asked=asked)


def _by_hand(cause: str, verdict: Mapping[str, Any]) -> Answer:
    from bootcheck.render.answer import UNKNOWN, Answer

    confirm = verdict.get("confirm") or _BY_HAND.get(cause)
    then = "." if confirm else ": start the server, and run bootcheck analyze over what it leaves."
    return Answer(
        state=UNKNOWN,
        summary=f"Could not look: a death by {cause} cannot be tried again from here{then}",
        confirm=str(confirm) if confirm else None,
    )


def _asked(args: argparse.Namespace, *, names: Sequence[str], app: str | None = None) -> list[Checked]:
    from bootcheck.cli.check import ask_again
    from bootcheck.gunicorn import rehearsal
    from bootcheck.settings import Settings

    settings = Settings.from_environ()
    configured = rehearsal.read(args.config, app or args.app)
    return ask_again(configured, settings, timeout=args.timeout, app=app is not None or not names, names=names)


def _failed_checks(document: Mapping[str, Any]) -> list[Finding]:
    found = []
    for item in document.get("findings") or []:
        try:
            finding = Finding.from_dict(item)
        except (KeyError, ValueError, TypeError, AttributeError):
            continue
        if finding.severity is Severity.ERROR and (finding.step or "").startswith("check."):
            found.append(finding)
    return found


def _was_loaded(document: Mapping[str, Any]) -> bool:
    """Tell whether the app had been loaded when the process died: then loading it shows nothing."""
    if (document.get("attributes") or {}).get("bootcheck.ready") is True:
        return True
    return any(
        isinstance(item, Mapping) and item.get("name") == "app.load" and item.get("outcome") == "passed"
        for item in document.get("checkpoints") or []
    )
