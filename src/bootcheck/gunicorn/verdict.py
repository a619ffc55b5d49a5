"""From the facts about a death to its cause: the first that fits, never a guess."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bootcheck.guards.boot_deadline import MARK
from bootcheck.guards.native_crash import NATIVE_SIGNALS
from bootcheck.gunicorn import senders
from bootcheck.model.advice import CLOSED
from bootcheck.model.boot import Boot
from bootcheck.model.cause import CODE_OF_CAUSE, Cause
from bootcheck.model.checkpoint import Checkpoint
from bootcheck.model.finding import Evidence, Severity
from bootcheck.model.report import Verdict
from bootcheck.model.signals import LIMITS, signal_name

_STOP = frozenset({int(signal.SIGTERM), int(signal.SIGINT), int(signal.SIGQUIT)})

_STUCK = (
    "From Python 3.12 on a dirty worker that has had a task waits at its stop for the dirty arbiter's open "
    "connection, and that for it: Gunicorn's own fault. Set `dirty_graceful_timeout` and `graceful_timeout` low."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """What is known about one process that ended."""

    boot: Boot
    status: int | None = None
    """The wait status, None where nobody could read it (found by a sweep)."""
    sent: Sequence[int] = ()
    """Signals that the master sent it, in order."""
    order: Mapping[str, Any] | None = None
    """What the master acted upon when it sent the first: signo, name, sender."""
    timed_out: bool = False
    """The master called it timed out."""
    oom_kills: int | None = None
    """By how much the control group's counter rose since the last death, None where unreadable."""
    fault: str = ""
    """What faulthandler wrote."""
    peak_rss_bytes: int | None = None
    memory_limit_bytes: int | None = None
    stopping: bool = False
    """The master was stopping its workers."""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """True where the process had become ready."""
        return self.boot.ready_at is not None

    @property
    def signo(self) -> int | None:
        """The signal that ended it."""
        return os.WTERMSIG(self.status) if self.status is not None and os.WIFSIGNALED(self.status) else None

    @property
    def exit_code(self) -> int | None:
        """The status it exited with."""
        return os.WEXITSTATUS(self.status) if self.status is not None and os.WIFEXITED(self.status) else None


def cause_of(death: Death) -> Cause | None:  # noqa: PLR0911 - the order of the contract
    """Return the cause, or None where this end is no death (contract: deaths)."""
    boot = death.boot
    kind = str(boot.exception.get("kind")) if boot.exception is not None else None
    if kind == Cause.CHECK_FAILED:
        return Cause.CHECK_FAILED
    # Found by a sweep, the watchdog's dump alone tells of it.
    if not death.ready and (death.exit_code == 1 or death.status is None) and MARK in death.fault:
        return Cause.BOOT_DEADLINE
    if death.timed_out:
        return Cause.GUNICORN_TIMEOUT
    told = death.ready and (death.signo in _STOP or death.exit_code == 0)
    if told:
        return None
    if kind in (Cause.EXCEPTION, Cause.APP_NOT_FOUND, Cause.SYS_EXIT):
        return Cause(kind)
    if death.status is None:
        if _fatal(death.fault):
            return Cause.NATIVE_CRASH
        return Cause.VANISHED if boot.signal is None else Cause.SIGTERM
    return _by_status(death)


def _by_status(death: Death) -> Cause | None:
    signo = death.signo
    if signo in NATIVE_SIGNALS:
        return Cause.NATIVE_CRASH
    if signo == signal.SIGKILL:
        if death.oom_kills:
            return Cause.OOM
        return Cause.SIGKILL_GRACEFUL_TIMEOUT if signal.SIGKILL in death.sent else Cause.SIGKILL_EXTERNAL
    if signo is not None or death.boot.signal is not None:
        return Cause.SIGTERM
    if any(sent in _STOP for sent in death.sent):
        # After ready it did what it was told, with whatever status.
        return None if death.ready else Cause.SIGTERM
    return Cause.OS_EXIT


def _fatal(fault: str) -> bool:
    return "Fatal Python error:" in fault


def verdict_of(death: Death, cause: Cause, step: str | None) -> Verdict:
    """Return the verdict: one sentence, the evidence, what speaks against it, what to do."""
    summary, actions = _told(death, cause, step)
    return Verdict(
        cause=cause,
        code=code_of(death, cause),
        summary=summary,
        action=tuple(actions),
        confirm=_confirm(death, cause),
        confidence="high" if death.status is not None or cause is Cause.EXCEPTION else "medium",
        evidence=tuple(_evidence(death, cause)),
        against=tuple(_against(death, cause)),
        missing=(*_missing(death), *senders.missing_of(death, cause)),
    )


def _missing(death: Death) -> tuple[str, ...]:
    return () if death.status is not None else ("the exit status: nobody was left to wait for the process",)


def code_of(death: Death, cause: Cause) -> str | None:
    """Return the code: the failed check's own, else that of the cause."""
    if cause is Cause.CHECK_FAILED:
        errors = [finding for finding in death.boot.findings if finding.severity is Severity.ERROR]
        declared = [finding for finding in errors if finding.declared] or errors
        return declared[0].code if declared else "BC002"
    return CODE_OF_CAUSE.get(cause)


def _told(death: Death, cause: Cause, step: str | None) -> tuple[str, list[str]]:  # noqa: C901, PLR0911
    boot = death.boot
    who = f"The {boot.role.replace('-', ' ')}" + (f" (pid {boot.pid})" if boot.pid else "")
    where = f" in step {step}" if step else ""
    parent, dirty = ("dirty arbiter", "dirty_") if boot.role == "dirty-worker" else ("master", "")
    exc = boot.exception or {}
    first_line = (str(exc.get("message", "")).strip().splitlines() or [""])[0]
    message = f"{exc.get('type')}: {first_line}" if first_line else str(exc.get("type"))
    closed = f" What runs in step {boot.closed_in} had closed its descriptors." if boot.closed_in else ""
    if cause is Cause.CHECK_FAILED:
        errors = [finding for finding in boot.findings if finding.severity is Severity.ERROR]
        return (
            "; ".join(finding.summary.rstrip(".") for finding in errors[:5]) + "."
            if errors
            else f"{who} failed a declared check.",
            [action for finding in errors for action in finding.action][:8],
        )
    if cause is Cause.EXCEPTION:
        from bootcheck.checks.advice import of_exception

        return f"{who} raised {message if where else message.rstrip('.')}{where}.{closed}", of_exception(exc)
    if cause is Cause.APP_NOT_FOUND:
        return (
            f"{who} did not find the app: {first_line}",
            ["Name an existing module and attribute (gunicorn MODULE:ATTRIBUTE), and start in its directory."],
        )
    if cause is Cause.SYS_EXIT:
        return (
            f"{who} called sys.exit({exc.get('code')!r}){where}."
            + (" Gunicorn alone starts such a worker again without end." if boot.role.endswith("worker") else ""),
            ["Look at the stack for who calls sys.exit while the app is loaded; raise an exception instead."],
        )
    if cause is Cause.OS_EXIT:
        silent = "Look for os._exit, or native code that calls exit(), in what that step runs."
        return (
            f"{who} ended with status {death.exit_code}{where} without an exception.{closed}",
            [CLOSED if closed else silent],
        )
    if cause is Cause.NATIVE_CRASH:
        name = signal_name(death.signo) if death.signo else "a fault"
        return (
            f"{who} was ended by {name}{where}: a fault in native code.",
            ["The stack names the Python call that entered native code; look at that library and its version first."],
        )
    if cause is Cause.OOM:
        return (
            f"The kernel killed {who[0].lower() + who[1:]} for memory{where}.",
            ["Raise the memory limit, or lower the number of workers or what each one loads."],
        )
    if cause is Cause.GUNICORN_TIMEOUT:
        return (
            f"The {parent} timed out {who[0].lower() + who[1:]}{where}.",
            [
                (
                    f"Look at the stack for what kept the worker from its heartbeat; raise `{dirty}timeout` only if "
                    "that work is meant to take so long."
                )
            ],
        )
    if cause is Cause.BOOT_DEADLINE:
        return _overrun(death.boot, who, where), ["The stack shows what it was waiting for."]
    if cause is Cause.SIGKILL_GRACEFUL_TIMEOUT:
        return (
            f"{who} did not stop within {dirty}graceful_timeout{where}, so the {parent} killed it.",
            [
                f"Look at what holds it on its way out; raise `{dirty}graceful_timeout` if it needs the time.",
                *([_STUCK] if boot.role.startswith("dirty-") else []),
            ],
        )
    if cause is Cause.SIGKILL_EXTERNAL:
        return (
            f"{who} got SIGKILL{where}, and "
            + (
                "it was not the memory limit that"
                if boot.role == "master"
                else f"neither the {parent} nor the memory limit"
            )
            + " sent it.",
            [
                (
                    "Ask who may kill processes here: an orchestrator after its grace period, an operator, "
                    "a memory killer of the host."
                )
            ],
        )
    if cause is Cause.SIGTERM:
        return _signalled(death, who, where)
    return f"{who} vanished{where}: its journal stops without an end.", [
        "Look in the host's log for a kill (out of memory, node restart) at the time of the last checkpoint."
    ]


def _signalled(death: Death, who: str, where: str) -> tuple[str, list[str]]:
    signo = (death.boot.signal or {}).get("signo") or death.signo or next(iter(death.sent), signal.SIGTERM)
    limit = LIMITS.get(signal_name(int(signo)))
    if limit is not None:
        what, where_set = limit
        return (
            f"{who} got {signal_name(int(signo))}{where}: the kernel sends it when the limit of {what} is used up.",
            [f"Raise that limit ({where_set}), or find what uses so much."],
        )
    origin = senders.summary_of(death, int(signo))
    when = "" if death.ready else " before it was ready"
    return (
        f"{who} got {signal_name(int(signo))} from {origin}{when}{where}.",
        ["Find who stops the server while it starts (probe, deploy, supervisor), and what makes this step slow."],
    )


def _evidence(death: Death, cause: Cause) -> list[Evidence]:
    facts: list[Evidence] = []
    parent = "dirty arbiter" if death.boot.role == "dirty-worker" else "master"
    if death.signo is not None:
        core = " (core dumped)" if death.status is not None and os.WCOREDUMP(death.status) else ""
        facts.append(Evidence(source="wait status", text=f"ended by {signal_name(death.signo)}{core}"))
    elif death.exit_code is not None:
        facts.append(Evidence(source="wait status", text=f"exited with status {death.exit_code}"))
    if death.sent:
        names = ", ".join(signal_name(signo) for signo in death.sent)
        facts.append(Evidence(source=parent, text=f"the {parent} sent it {names}"))
    if death.timed_out:
        facts.append(Evidence(source=parent, text=f"the {parent} had declared it timed out"))
    if cause is Cause.OOM:
        facts.append(Evidence(source="cgroup", text=f"the kernel's count of memory kills rose by {death.oom_kills}"))
        if death.peak_rss_bytes and death.memory_limit_bytes:
            facts.append(
                Evidence(
                    source="cgroup",
                    text=f"it had used {death.peak_rss_bytes >> 20} MB at most; "
                    f"the limit is {death.memory_limit_bytes >> 20} MB",
                )
            )
    if death.boot.signal is not None:
        facts.append(Evidence(source="journal", text=f"it noticed {death.boot.signal.get('name')}"))
    facts += senders.evidence_of(death)
    if death.boot.closed_in is not None:
        while_in = f" in step {death.boot.closed_in}" if death.boot.closed_in else ""
        facts.append(Evidence(source="journal", text=f"somebody had closed its descriptor{while_in}"))
    span = death.boot.open_span
    if span is not None and death.boot.last_at is not None:
        facts.append(Evidence(source="journal", text=f"{span.name} had been entered and not left"))
    return facts


def _against(death: Death, cause: Cause) -> list[str]:
    if cause is Cause.SIGKILL_EXTERNAL and death.oom_kills is None:
        return ["The kernel's count of memory kills could not be read, so it may have been memory."]
    if cause is Cause.NATIVE_CRASH and not death.fault:
        return ["No fault dump was written: the signal may have been sent by another process."]
    return []


def _confirm(death: Death, cause: Cause) -> str | None:
    if cause in (Cause.EXCEPTION, Cause.APP_NOT_FOUND, Cause.SYS_EXIT, Cause.CHECK_FAILED):
        return "bootcheck check"
    if cause is Cause.OOM:
        return "cat /sys/fs/cgroup/memory.events"
    if cause in (Cause.VANISHED, Cause.SIGKILL_EXTERNAL):
        return f"journalctl -k | grep -i -e 'killed process' -e {death.boot.pid}"
    return None


def _overrun(boot: Boot, who: str, where: str) -> str:
    """Say which deadline it was: that of the whole boot, or of the step whose limit ended first."""
    limited = [
        (span.at + limit, limit, span.name) for span in boot.open_spans if (limit := _limit_of(span)) is not None
    ]
    ends, limit, name = min(limited, default=(0.0, 0.0, ""))
    whole = boot.head.get("boot_deadline")
    if not limited or (whole and boot.head.get("at", 0.0) + whole < ends):
        return f"{who} was not ready before the boot deadline{where}."
    return f"{who} was in step {name} for longer than its deadline of {limit:g} s."


def _limit_of(span: Checkpoint) -> float | None:
    limit = (span.detail or {}).get("deadline_s")
    return float(limit) if isinstance(limit, (int, float)) else None
