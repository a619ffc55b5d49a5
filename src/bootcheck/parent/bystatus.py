"""The report of a server that holds no bootcheck: what its wait status, its usage and its last lines say."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn import obituary
from bootcheck.gunicorn.verdict import Death
from bootcheck.model.boot import Boot
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence
from bootcheck.model.redactor import Redactor
from bootcheck.model.report import Report
from bootcheck.model.signals import signal_name
from bootcheck.parent.tail import last_lines

if TYPE_CHECKING:
    from bootcheck.parent.watch import Child

MAX_LINE = 500
_NO_LINES = "the server's last lines: `bootcheck run --tail` keeps them where stderr is no file"
_NO_STEP = "whether it was ready, and in which step: no bootcheck is armed in this server"


def report_of(
    child: Child, oom_kills: int | None, limit_bytes: int | None, stderr: bytes | None, redactor: Redactor
) -> Report:
    """Return the report of a death that the server itself could not tell."""
    command = redactor.mask(" ".join(child.argv))[:MAX_LINE]
    lines = [] if stderr is None else [line[:MAX_LINE] for line in last_lines(_masked(stderr, redactor))]
    # As one that is not ready, so that no cause is ruled out; what is said about it is taken back below.
    death = Death(
        boot=Boot(head={"role": "master", "pid": child.pid, "at": child.since}),
        status=child.status,
        oom_kills=oom_kills,
        peak_rss_bytes=child.usage.ru_maxrss * 1024,
        memory_limit_bytes=limit_bytes,
        extra={
            "bootcheck.ready": None,
            "process.parent_pid": os.getpid(),
            "process.command_line": command,
            "bootcheck.server.name": os.path.basename(child.argv[0]),
            **usage_of(child.usage),
        },
    )
    common = {"host.name": os.uname().nodename, "process.working_directory": os.getcwd()}
    report = obituary.report_of(death, common, hidden=redactor.hidden)
    assert report is not None  # noqa: S101 - no end of a process that was not ready is none
    return _told(report, child, command, lines, known=stderr is not None)


def usage_of(usage: Any) -> dict[str, Any]:
    """Return what a process had used, its reaped children included, as attributes."""
    return {
        "bootcheck.process.cpu.user_s": round(usage.ru_utime, 3),
        "bootcheck.process.cpu.system_s": round(usage.ru_stime, 3),
        "bootcheck.process.page_faults.major": usage.ru_majflt,
    }


def _masked(text: bytes, redactor: Redactor) -> bytes:
    # As a whole: a secret may be wrapped over lines.
    return redactor.mask(text.decode("utf-8", "replace")).encode("utf-8", "replace")


def _told(report: Report, child: Child, command: str, lines: list[str], *, known: bool) -> Report:
    verdict = report.verdict
    cause = verdict.cause
    summary, action = _words(cause, child, command)
    passed = [f"{signal_name(signo)} from {origin}" for signo, origin in child.told if origin]
    evidence = [
        *verdict.evidence,
        *(Evidence(source="bootcheck run", text=f"{text} had been passed on to it") for text in passed),
        *(Evidence(source="stderr", text=line) for line in lines),
    ]
    against = list(verdict.against)
    if cause is Cause.OS_EXIT:
        against = ["It may have been an exception: of that only its output can tell."]
    if cause is Cause.NATIVE_CRASH:
        against = ["Nothing in this server writes stacks at a fault: the signal may have come from another process."]
    missing = [*verdict.missing, _NO_STEP, *([] if known else [_NO_LINES])]
    told = replace(
        verdict,
        summary=summary,
        action=action,
        confidence="high" if cause is not Cause.OS_EXIT else "medium",
        evidence=tuple(evidence),
        against=tuple(against),
        missing=tuple(missing),
    )
    return replace(report, step=None, incomplete=True, verdict=told)


def _words(cause: Cause, child: Child, command: str) -> tuple[str, tuple[str, ...]]:
    who = f"The server (pid {child.pid}, {command})"
    arm = "Arm bootcheck in it (`bootcheck init`), so that the next death tells its step and stack."
    if cause is Cause.OS_EXIT:
        code = os.WEXITSTATUS(child.status)
        return f"{who} ended with status {code}.", ("Read the last lines that it printed.", arm)
    ended_by = signal_name(os.WTERMSIG(child.status))
    if cause is Cause.OOM:
        what = "Raise the memory limit, or lower the number of workers or what each one loads."
        return f"The kernel killed the server (pid {child.pid}, {command}) for memory.", (what,)
    if cause is Cause.NATIVE_CRASH:
        what = "Start it with PYTHONFAULTHANDLER=1: the next one prints the stack that entered native code."
        return f"{who} was ended by {ended_by}: a fault in native code.", (what, arm)
    if cause is Cause.SIGKILL_EXTERNAL:
        what = "Ask who may kill processes here: an operator, a script, a memory killer of the host."
        return f"{who} got SIGKILL, and it was not the memory limit that sent it.", (what,)
    if any(signo == os.WTERMSIG(child.status) for signo, _ in child.told):
        what = f"{ended_by} came through `bootcheck run`, and this server has no handler for it."
        return f"{who} was ended by {ended_by}, which was passed on to it.", (what,)
    what = "Find who signals the server itself. Whoever wants to stop it signals `bootcheck run`."
    return f"{who} was ended by {ended_by}, which did not come through its parent.", (what,)
