"""Asking again what a report says was wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bootcheck.asking import ask
from bootcheck.gunicorn import rehearsal
from bootcheck.model.errors import BootcheckError
from bootcheck.model.finding import Finding, Severity
from bootcheck.render import Checked
from bootcheck.render.answer import BROKEN, FIXED, UNKNOWN, Answer
from bootcheck.settings import Settings

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What an operator says of the server as it is here."""

    config: str | None = None
    app: str | None = None
    timeout: float = 60.0
    """Seconds for loading the app."""


def answer(document: Mapping[str, Any], path: str, where: Where) -> Answer:
    """Return whether what a report says was wrong still is; raises BootcheckError where it tells of no death.

    A failed check is asked now; what ended the app's load is tried in a child process. Anything else
    cannot be provoked safely: then the answer says how to find out.
    """
    verdict = document.get("verdict") or {}
    cause = str(verdict.get("cause"))
    if document.get("kind") in ("boot", "snapshot") or cause == "none":
        msg = (
            f"{path} tells of no death: a {document.get('kind')} report. Name a crash report, or a directory with one."
        )
        raise BootcheckError(msg)
    failed = _failed_checks(document)
    if cause == "check_failed" and failed:
        return _by_check(failed, where)
    if cause in _LOADS and not _was_loaded(document):
        return _by_load(document, where)
    return _by_hand(cause, verdict)


def _by_check(failed: Sequence[Finding], where: Where) -> Answer:
    names = list(dict.fromkeys((finding.step or "").removeprefix("check.") for finding in failed))
    codes = {finding.code for finding in failed}
    checked = _asked(where, names=names)
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


def _by_load(document: Mapping[str, Any], where: Where) -> Answer:
    verdict = document.get("verdict") or {}
    attributes = document.get("attributes") or {}
    app = where.app or attributes.get("bootcheck.gunicorn.app")
    checked = _asked(where, names=(), app=str(app) if app else None)
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
    confirm = verdict.get("confirm") or _BY_HAND.get(cause)
    then = "." if confirm else ": start the server, and run bootcheck analyze over what it leaves."
    return Answer(
        state=UNKNOWN,
        summary=f"Could not look: a death by {cause} cannot be tried again from here{then}",
        confirm=str(confirm) if confirm else None,
    )


def _asked(where: Where, *, names: Sequence[str], app: str | None = None) -> list[Checked]:
    configured = rehearsal.read(where.config, app or where.app)
    load = app is not None or not names
    return ask(configured, Settings.from_environ(), load=load, timeout=where.timeout, names=names)[0]


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
