"""How a master ends: refused, failed at the app's import, stopped in mid-boot, or over.

Loaded only when it happens.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from bootcheck.gunicorn import circumstances, obituary, seams
from bootcheck.gunicorn.server import exit_status, kind_of, unlink_pidfile
from bootcheck.gunicorn.verdict import Death
from bootcheck.model import journal
from bootcheck.model.boot import Boot
from bootcheck.model.cause import Cause
from bootcheck.model.codes import EX_CONFIG, EX_UNAVAILABLE
from bootcheck.model.finding import Finding
from bootcheck.probes import sender
from bootcheck.probes.stacks import of_all_threads

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master


def refuse(master: Master, arbiter: Any, stopping: Sequence[Finding]) -> NoReturn:
    """End the start: one report with every problem, the banner, no pidfile."""
    code = EX_CONFIG if any(finding.rule.exit_code == EX_CONFIG for finding in stopping) else EX_UNAVAILABLE
    code = master.exit_codes.get(code, code)
    master.recorder.fact(
        journal.EXCEPTION,
        kind=Cause.CHECK_FAILED.value,
        type="bootcheck.Refused",
        message="; ".join(finding.summary for finding in stopping),
        step=stopping[0].step,
    )
    _report(master, Death(boot=_boot(master), status=code << 8), f"THE SERVER DID NOT START (exit {code})")
    unlink_pidfile(arbiter)
    master.end(code)
    raise SystemExit(code)


def app_not_loaded(master: Master, exc: BaseException) -> None:
    """Report that the import of the app failed in the master: plain Gunicorn loses the traceback."""
    status = exit_status(exc)
    master.recorder.exception(exc, kind_of(exc, master.common.get("bootcheck.gunicorn.app")))
    # Python ends by the signal itself where nobody catches a KeyboardInterrupt.
    wait_status = int(signal.SIGINT) if isinstance(exc, KeyboardInterrupt) else status << 8
    _report(master, Death(boot=_boot(master), status=wait_status), "THE APP COULD NOT BE LOADED (--preload)")
    master.end(status)


def stopped(master: Master, signo: int, frame: FrameType | None) -> None:
    """Report a stop signal that came before the server was up."""
    recorder = master.recorder
    name, who = signal.Signals(signo).name, sender.first(signo)
    recorder.fact(journal.SIGNAL, signo=signo, name=name, step=recorder.open_step, sender=who)
    recorder.fact(journal.STACKS, stacks=of_all_threads(frame)[:20])
    _report(master, Death(boot=_boot(master), status=int(signo)), "THE SERVER WAS STOPPED WHILE IT STARTED")
    if master.arbiter is not None:
        unlink_pidfile(master.arbiter)
    master.end(128 + signo)


def over(master: Master, exc: BaseException) -> None:
    """Account for the end of a running master; only one that nobody asked for is a death."""
    status = exit_status(exc)
    told = isinstance(exc, KeyboardInterrupt) or (isinstance(exc, SystemExit) and status == 0)
    if not (told or master.receiver.boot_failures or seams.is_halt(exc)):
        cause = exc.__context__ if isinstance(exc, SystemExit) else None
        root = cause if isinstance(cause, Exception) and not seams.is_halt(cause) else exc
        master.recorder.exception(root, (Cause.SYS_EXIT if isinstance(root, SystemExit) else Cause.EXCEPTION).value)
        _explain_bind(master)
        headline = "THE SERVER DID NOT START" if master.arbiter is None else "THE SERVER ENDED"
        _report(master, Death(boot=_boot(master), status=status << 8), headline)
    master.end(status)


def orphaned(master: Master, boot: Boot, role: str) -> None:
    """Report, in a worker whose master is gone, what it died of; an end by itself is no death."""
    if boot.exception is None and boot.signal is None:
        return
    report = obituary.report_of(Death(boot=boot, status=None), master.common, hidden=master.redactor.hidden)
    if report is not None:
        master.publisher.death(report, f"{role.upper()} {boot.pid} DIED ({report.verdict.cause})")


def _explain_bind(master: Master) -> None:
    """Where the master never got its address, say who holds it."""
    arbiter = master.arbiter
    if arbiter is None or arbiter.LISTENERS or master.receiver.forked:
        return
    from bootcheck.checks import port
    from bootcheck.checks.base import Planned, run_one

    run_one(Planned(port(), False), master.context(arbiter))


def _boot(master: Master) -> Boot:
    return Boot.from_records(master.ring.records)


def _report(master: Master, death: Death, headline: str) -> None:
    # A stop signal may come while a death is being written: it is one death all the same.
    if master.told:
        return
    master.told = True
    death = circumstances.of_master(master, death)
    report = obituary.report_of(death, master.common, hidden=master.redactor.hidden)
    if report is not None:
        master.publisher.death(report, headline, stops_server=True)


def die_by(signo: int, previous: Any) -> NoReturn:
    """End this process as the signal would have ended it without us."""
    signal.signal(signo, previous)
    if previous is signal.default_int_handler:
        raise KeyboardInterrupt
    os.kill(os.getpid(), signo)
    # Still here: PID 1 of a container ignores a signal whose action is the default one.
    os._exit(128 + signo)
