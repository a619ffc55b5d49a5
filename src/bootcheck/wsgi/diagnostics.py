"""Start-up diagnostics inside the app's own process: for uWSGI, Granian, waitress, mod_wsgi, uvicorn.

    # at the end of wsgi.py
    from bootcheck import run_startup_diagnostics

    ok = run_startup_diagnostics(app, db)
    if not ok:
        sys.exit(ok.exit_code)  # 1; under Gunicorn 3 and under uWSGI 22, which start any other code again

Under Gunicorn `bootcheck.arm` does more: it asks before a worker is forked, and it sees deaths.
"""

from __future__ import annotations

import os
import platform
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bootcheck.checks.base import Check, Context, Planned, Server, crashed, run_one
from bootcheck.checks.planning import plan
from bootcheck.model import bootreport, journal
from bootcheck.model.boot import Boot
from bootcheck.model.cause import Cause
from bootcheck.model.checkpoint import Phase
from bootcheck.model.errors import BootcheckError, SettingError
from bootcheck.model.finding import Finding, Severity
from bootcheck.model.redactor import Redactor
from bootcheck.model.report import Report, Verdict
from bootcheck.probes.process import boot_id, start_ticks
from bootcheck.recorder import Recorder, current, install
from bootcheck.settings import Settings, disabled
from bootcheck.sinks import banner
from bootcheck.sinks.console import Console
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.journal import Journal
from bootcheck.sinks.memory import Memory
from bootcheck.sinks.pruning import prune
from bootcheck.sinks.stderr import say

_SERVERS = ("uwsgi", "granian", "waitress", "mod_wsgi", "gunicorn.arbiter", "uvicorn", "hypercorn", "cheroot")
_STOPS = {"gunicorn": 3, "uwsgi": 22}
"""Gunicorn and uWSGI start a worker that ended with any other code again, without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostics:
    """What the diagnostics came to: false where the app should not serve."""

    ok: bool = True
    findings: tuple[Finding, ...] = ()
    problems: tuple[str, ...] = ()
    """What stands against serving, a sentence each; empty where `ok`."""
    report_path: str | None = None
    """The report's file; None where none could be stored, or where Gunicorn's armed master writes it."""

    def __bool__(self) -> bool:
        """Tell whether the app may serve."""
        return self.ok

    @property
    def exit_code(self) -> int:
        """What to end the process with: 0, else 1, or the one code that makes this server stop as well."""
        return 0 if self.ok else _STOPS.get(server_name(), 1)


def run_startup_diagnostics(
    app: Any = None,
    db: Any = None,
    *,
    checks: Sequence[Check] = (),
    environ: Mapping[str, str] = os.environ,
) -> Diagnostics:
    """Check environment, configuration and database now, and write the report; never raises.

    Args:
        app: The WSGI or ASGI callable; a Flask app is also asked about its settings.
        db: A SQLAlchemy engine, a Flask-SQLAlchemy object or a URL. Given, its errors count.
        checks: Declared checks, as in `bootcheck.arm`. What is merely discovered warns.
        environ: Where variables are looked up.
    """
    if disabled(environ):
        return Diagnostics()
    try:
        return _Run(app, environ).diagnose(db, checks)
    except Exception as exc:  # noqa: BLE001 - a guest never breaks the house
        say(
            f"bootcheck: the start-up diagnostics failed ({type(exc).__name__}: {exc}); the app goes on. Please report."
        )
        return Diagnostics()


def server_name() -> str:
    """Return the server that this process runs under, `unknown` where none is recognised."""
    found = next((name for name in _SERVERS if name in sys.modules), "unknown")
    return found.partition(".")[0]


class _Run:
    """Strictly private: one call of `run_startup_diagnostics`."""

    def __init__(self, app: Any, environ: Mapping[str, str]) -> None:
        self._app = app
        self._environ = dict(environ)
        self._memory = Memory()

    def diagnose(self, db: Any, checks: Sequence[Check]) -> Diagnostics:
        """Run everything, report, and tell."""
        recorder = current()
        if not recorder.sinks:
            return self._alone(db, checks)
        # Armed Gunicorn: its worker journals, and its master writes the one report of a death.
        recorder.sinks.append(self._memory)
        try:
            return self._outcome(recorder, db, checks)
        finally:
            if self._memory in recorder.sinks:
                recorder.sinks.remove(self._memory)

    def _alone(self, db: Any, checks: Sequence[Check]) -> Diagnostics:
        directory = ReportDirectory(self._environ)
        console = Console(self._environ.get("BOOTCHECK_LOG") or "summary")
        for note in directory.notes:
            console.note(note)
        key = journal.Key("worker", os.getpid(), start_ticks())
        redactor = Redactor(self._environ)
        before = current()
        recorder = install(Recorder([Journal(directory, key), self._memory, console], redactor=redactor))
        try:
            recorder.fact(journal.HEAD, **_head(key))
            with recorder.step("worker.boot", Phase.WORKER) as step:
                result = self._outcome(recorder, db, checks)
                if not result:
                    step.fail()
        finally:
            install(before)
        if result:
            path = self._store_boot(directory, redactor.hidden)
            console.note(f"start-up diagnostics passed, report {path or 'not stored'}")
        else:
            report = self._report(result, redactor.hidden)
            path = directory.store(report.file_name, report.encoded())
            say(banner.of_report(report, "THE APP MUST NOT SERVE", path))
            say(report.announcement(path))
            self._tell_platform(report, path)
        recorder.fact(journal.END, status=result.exit_code)
        if path is not None:
            directory.remove(key.file_name)
        prune(directory)
        return replace(result, report_path=path)

    def _outcome(self, recorder: Recorder, db: Any, checks: Sequence[Check]) -> Diagnostics:
        try:
            settings = Settings.from_environ(self._environ)
            declared = [*checks, *database_checks(db, self._app, self._environ)]
            planned = plan(declared, settings, self._environ, _server())
        except BootcheckError as exc:
            return Diagnostics(ok=False, problems=tuple(recorder.redactor.mask(str(exc)).splitlines()))
        self._findings(recorder, planned)
        # As the journal has them: masked.
        findings = Boot.from_records(self._memory.records).findings
        stopping = [finding for finding in findings if finding.declared and finding.severity is Severity.ERROR]
        ok = not stopping or settings.enforce == "observe"
        problems = () if ok else tuple(finding.summary for finding in stopping)
        return Diagnostics(ok=ok, findings=findings, problems=problems)

    def _findings(self, recorder: Recorder, planned: Sequence[Planned]) -> None:
        context = Context(environ=self._environ, recorder=recorder, server=_server(), app=self._app)
        for item in planned:
            try:
                run_one(item, context)
            except SystemExit as exc:
                # A module that is imported by a check may want to end the process; that is for the caller to do.
                recorder.finding(replace(crashed(item.check, exc), step=f"check.{item.check.name}"))

    def _tell_platform(self, report: Report, path: str | None) -> None:
        from bootcheck.sinks import termination

        log = termination.place(self._environ)
        if log is not None:
            termination.write(log, termination.message(report, "THE APP MUST NOT SERVE", path))

    def _store_boot(self, directory: ReportDirectory, hidden: int) -> str | None:
        at = time.time()
        report = bootreport.boot_report(self._memory.records, _attributes(), at=at, hidden=hidden)
        return directory.store(bootreport.file_name(report, at), bootreport.encoded(report))

    def _report(self, result: Diagnostics, hidden: int) -> Report:
        boot = Boot.from_records(self._memory.records)
        stopping = [finding for finding in result.findings if finding.declared and finding.severity is Severity.ERROR]
        return Report(
            kind="crash",
            role="worker",
            pid=boot.pid,
            at=time.time(),
            verdict=_verdict(result, stopping),
            step=(stopping[0].step if stopping else None) or "worker.boot",
            findings=result.findings,
            guards=boot.guards,
            checkpoints=boot.checkpoints,
            attributes={**_attributes(), "process.pid": boot.pid, "bootcheck.ready": False},
            annotations=boot.annotations or {},
            hidden_count=hidden,
        )


def database_checks(db: Any, app: Any, environ: Mapping[str, str]) -> list[Check]:
    """Return the declared check of a database that is given as an engine, a Flask-SQLAlchemy object or a URL."""
    url = _url_of(db, app)
    if url is None:
        return []
    from bootcheck.checks import database

    name = next((name for name, value in environ.items() if value == url), None)
    return [database(url=url) if name is None else database(name)]


def _url_of(db: Any, app: Any) -> str | None:
    if db is None or isinstance(db, str):
        return db or None
    url = getattr(db, "url", None)
    if url is None and hasattr(type(db), "engines") and hasattr(app, "app_context"):
        # Flask-SQLAlchemy makes its engines in an application context only.
        with app.app_context():
            url = db.engine.url
    if url is None:
        kind = type(db)
        msg = (
            f"run_startup_diagnostics(app, db) was given a {kind.__module__}.{kind.__qualname__} as db. "
            "Give a SQLAlchemy engine, a Flask-SQLAlchemy object together with its app, or a URL."
        )
        raise SettingError(msg)
    return str(url.render_as_string(hide_password=False)) if hasattr(url, "render_as_string") else str(url)


def _server() -> Server:
    """Return what is known of the server: uWSGI tells how many processes it runs."""
    uwsgi = sys.modules.get("uwsgi")
    workers = getattr(uwsgi, "numproc", 1)
    return Server(workers=workers if isinstance(workers, int) and workers > 0 else 1)


def _verdict(result: Diagnostics, stopping: Sequence[Finding]) -> Verdict:
    return Verdict(
        cause=Cause.CHECK_FAILED,
        code=stopping[0].code if stopping else None,
        summary="; ".join(result.problems[:5]),
        action=tuple(dict.fromkeys(action for finding in stopping for action in finding.action))[:8],
        confirm="bootcheck check" if stopping else None,
        evidence=tuple(item for finding in stopping for item in finding.evidence)[:10],
    )


def _head(key: journal.Key) -> dict[str, Any]:
    return {
        "v": journal.VERSION,
        "role": key.role,
        "pid": key.pid,
        "ppid": os.getppid(),
        "start": key.start,
        "boot_id": boot_id(),
        "host": socket.gethostname(),
    }


def _attributes() -> dict[str, Any]:
    return {
        "host.name": socket.gethostname(),
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": platform.python_version(),
        "process.working_directory": os.getcwd(),
        "bootcheck.server.name": server_name(),
    }
