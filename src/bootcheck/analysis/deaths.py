"""One death as `analyze` keeps it: small, because there may be a hundred thousand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bootcheck.analysis import tracebacks
from bootcheck.analysis.classify import Diagnoser, Diagnosis, class_of_cause
from bootcheck.analysis.quoting import template
from bootcheck.analysis.readers.prefixes import epoch
from bootcheck.analysis.trouble import BOOT, UNKNOWN, Raised, Trouble
from bootcheck.model.cause import CODE_OF_CAUSE, Cause
from bootcheck.model.codes import CODES
from bootcheck.model.finding import Evidence, Finding, Severity

REPORT = "report"
ANNOUNCEMENT = "announcement"
JOURNAL = "journal"
LOG = "log"
BY_EXCEPTION = frozenset({Cause.EXCEPTION, Cause.SYS_EXIT, Cause.OS_EXIT})
_STOPS = frozenset({Cause.CHECK_FAILED, Cause.EXCEPTION, Cause.APP_NOT_FOUND})
_PORT_STEP = "check.port"
_SAYS_WHY = frozenset({"BC405", "BC407", "BC408", "BC521"})
"""Codes of what was found where a master only says exit(1): about its port, or about its configuration."""
MAX_EVIDENCE = 12
MAX_MESSAGE = 4_000
MAX_TRACEBACK = 100_000


@dataclass(frozen=True, slots=True)
class Alike:
    """The conclusion on reports that are alike in all that decides; the words of each are read when they are told."""

    code: str
    confidence: str
    example: Finding
    """That on one of them, for those that are gone meanwhile."""
    again: Callable[[Death], Finding | None]

    def of(self, death: Death) -> Finding:
        """Return the conclusion on this one."""
        return self.again(death) or self.example


@dataclass(slots=True, kw_only=True)
class Death:
    """Who died, when, of what; the conclusion is shared among deaths that are alike."""

    kind: str
    """The fullest source that tells of it: report, announcement, journal or log."""
    cause: Cause
    cause_class: str
    told: Finding | Alike
    subject: str
    """What tells deaths of one cause apart: the exception's type and text."""
    source: str
    role: str = "worker"
    pid: int | None = None
    host: str | None = None
    at: float | None = None
    since: float | None = None
    step: str | None = None
    server: str | None = None
    origin: str | None = None
    """Who sent the signal: master or outside."""
    sent_here: bool = False
    """True where it is known that another process of the same container did."""
    ready: bool | None = None
    report_id: str | None = None
    path: str | None = None
    stops: bool = False
    specific: bool = True
    bare: bool = False
    """An exception whose traceback is not in the log, so that nobody knows what it came from."""
    place: int | None = None
    """Where in its source the report begins, where that is one of many."""
    told_in: tuple[str, ...] = ()
    """Every source in which its report was found, as a file or as a line; empty where that is `source` alone."""
    collateral: int = 0
    """Siblings that the master stopped because of it."""

    def like(  # noqa: PLR0913, PLR0917 - by place, and field by field, because there may be a hundred thousand
        self,
        source: str,
        pid: int | None,
        host: str | None,
        at: float | None,
        since: float | None,
        server: str | None,
        report_id: str | None,
        path: str | None,
        place: int | None,
    ) -> Death:
        """Return the death of another process of the same, as its report tells it."""
        new = object.__new__(Death)
        new.kind, new.cause, new.cause_class = self.kind, self.cause, self.cause_class
        new.told, new.subject, new.role, new.step = self.told, self.subject, self.role, self.step
        new.origin, new.sent_here, new.ready = self.origin, self.sent_here, self.ready
        new.stops, new.specific, new.bare = self.stops, self.specific, self.bare
        new.source, new.pid, new.host, new.at, new.since = source, pid, host, at, since
        new.server, new.report_id, new.path, new.place = server, report_id, path, place
        new.told_in, new.collateral = (), 0
        return new

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The same for deaths that are alike."""
        return (self.cause.value, self.told.code, self.cause_class, self.subject)

    @property
    def finding(self) -> Finding:
        """The conclusion."""
        if isinstance(self.told, Alike):
            self.told = self.told.of(self)
        return self.told


def of_trouble(trouble: Trouble, diagnosis: Diagnosis, source: str, kind: str = LOG) -> Death:
    """Return the death that a log tells of."""
    return Death(
        kind=kind,
        cause=trouble.cause,
        cause_class=diagnosis.cause_class,
        told=diagnosis.finding,
        subject=subject_of(trouble),
        source=source,
        role=trouble.role,
        pid=trouble.pid or None,
        host=trouble.host,
        at=trouble.at,
        since=trouble.since,
        step=trouble.step,
        ready=None if trouble.moment == UNKNOWN else trouble.moment != BOOT,
        stops=trouble.stops_server,
        specific=diagnosis.specific,
        bare=trouble.error is not None and not any(link.frames for link in trouble.chain),
    )


def subject_of(trouble: Trouble) -> str:
    """Return what tells troubles of the same cause apart."""
    error = trouble.error
    if error is None:
        if trouble.cause in (Cause.NATIVE_CRASH, Cause.SIGTERM):
            return trouble.signal or ""
        return str(trouble.exit_code) if trouble.cause is Cause.OS_EXIT and trouble.exit_code is not None else ""
    return f"{error.name}: {template(error.message.splitlines()[0] if error.message else '')}"


def of_report(document: Mapping[str, Any], source: str, diagnoser: Diagnoser, *, full: bool) -> Death:
    """Return the death that a crash report tells of; raises ValueError or KeyError where it is none."""
    verdict = _mapping(document.get("verdict"))
    attributes = _mapping(document.get("attributes"))
    cause = Cause(verdict["cause"])
    step = text(document.get("step"))
    ready = attributes.get("bootcheck.ready")
    ready = ready if isinstance(ready, bool) else None
    signal = text(attributes.get("bootcheck.exit.signal.name"))
    at = epoch(str(document.get("timestamp", "")).replace("T", " "))
    uptime = attributes.get("bootcheck.worker.uptime_s")
    trouble = Trouble(
        cause=cause,
        role=text(document.get("role")) or "worker",
        pid=number(attributes.get("process.pid")),
        moment=UNKNOWN if ready else BOOT,
        step=step,
        signal=signal,
        exit_code=number(attributes.get("process.exit.code")),
        at=at,
        since=at - uptime if at is not None and isinstance(uptime, (int, float)) else None,
        said=(Evidence(source=source, text=(text(verdict.get("summary")) or "")[:MAX_MESSAGE]),),
        **_exception(attributes),
    )
    finding, cause_class, specific = _conclusion(
        document, trouble, diagnoser, before_ready=not ready and (ready is False or step is not None)
    )
    return Death(
        kind=REPORT if full else ANNOUNCEMENT,
        cause=cause,
        cause_class=cause_class,
        told=finding,
        subject=subject_of(trouble) if cause in BY_EXCEPTION or signal else "; ".join(error_codes(document)),
        source=source,
        role=trouble.role,
        pid=trouble.pid,
        host=text(attributes.get("host.name")),
        at=at,
        since=trouble.since,
        step=step,
        server=text(attributes.get("bootcheck.server.id")),
        origin=text(attributes.get("bootcheck.signal.origin")) or sender(verdict.get("evidence")),
        sent_here=sent_here(attributes),
        ready=ready,
        report_id=text(document.get("report_id")),
        path=source if full else text(document.get("path")),
        stops=trouble.role == "master" or (trouble.role == "worker" and cause in _STOPS and not ready),
        specific=specific,
    )


def _conclusion(
    document: Mapping[str, Any], trouble: Trouble, diagnoser: Diagnoser, *, before_ready: bool
) -> tuple[Finding, str, bool]:
    verdict = _mapping(document.get("verdict"))
    told = _of_verdict(document, verdict, trouble)
    if trouble.cause is Cause.CHECK_FAILED:
        return told, CODES[told.code].cause_class if told.code in CODES else "app-exception", True
    why = _found_beside_exit(document, trouble)
    if why is not None:
        return why, why.rule.cause_class, True
    if trouble.cause in BY_EXCEPTION and trouble.exception is not None:
        diagnosis = diagnoser.of_kind(trouble)
        if diagnosis is not None and diagnosis.specific:
            return _blend(diagnosis.finding, told, trouble.step), diagnosis.cause_class, True
        return told, "app-exception", False
    cause_class = class_of_cause(trouble.cause, signal=trouble.signal, before_ready=before_ready)
    return told, cause_class, cause_class != "app-exception"


def _found_beside_exit(document: Mapping[str, Any], trouble: Trouble) -> Finding | None:
    """Return who holds the address or what is wrong in the configuration: Gunicorn only says exit(1)."""
    if trouble.role != "master" or trouble.cause is not Cause.SYS_EXIT:
        return None
    for item in _errors(document):
        # The line on stderr has no room for the step.
        if item.get("step") == _PORT_STEP or item.get("code") in _SAYS_WHY:
            try:
                return Finding.from_dict(item)
            except (KeyError, TypeError, ValueError, AttributeError):
                continue
    return None


def _of_verdict(document: Mapping[str, Any], verdict: Mapping[str, Any], trouble: Trouble) -> Finding:
    evidence = [Evidence.from_dict(item) for item in _list(verdict.get("evidence")) if isinstance(item, dict)]
    if trouble.exception is not None and trouble.cause in BY_EXCEPTION:
        evidence = [*trouble.shown(), *evidence]
    for item in _errors(document):
        evidence.append(Evidence(source=str(item.get("code", "")), text=str(item.get("summary", ""))))
        evidence += [Evidence.from_dict(part) for part in _list(item.get("evidence"))[:3] if isinstance(part, dict)]
    # The line on stderr carries no evidence: then the line itself is it.
    evidence = evidence or list(trouble.said)
    code = text(verdict.get("code")) or CODE_OF_CAUSE.get(trouble.cause) or "BC501"
    confidence = text(verdict.get("confidence")) or "medium"
    return Finding(
        code=code,
        summary=text(verdict.get("summary")) or f"{trouble.who} died ({trouble.cause.value}).",
        action=tuple(str(item) for item in _list(verdict.get("action"))[:10]),
        evidence=tuple(evidence[:MAX_EVIDENCE]),
        against=tuple(str(item) for item in _list(verdict.get("against"))[:10]),
        confirm=text(verdict.get("confirm")),
        confidence=confidence if confidence in ("low", "medium", "high") else "medium",
    )


def _blend(signature: Finding, told: Finding, step: str | None) -> Finding:
    where = f" (step {step})" if step and step not in signature.summary else ""
    return Finding(
        code=told.code,
        summary=signature.summary + where,
        action=tuple(dict.fromkeys((*signature.action, *told.action))),
        evidence=told.evidence,
        against=tuple(dict.fromkeys((*told.against, *signature.against))),
        confirm=signature.confirm or told.confirm,
        confidence=signature.confidence,
    )


def _exception(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = text(attributes.get("exception.type"))
    if kind is None:
        return {}
    trace = (text(attributes.get("exception.stacktrace")) or "")[:MAX_TRACEBACK]
    return _raised(kind, (text(attributes.get("exception.message")) or "")[:MAX_MESSAGE], trace)


@lru_cache(maxsize=256)
def _raised(kind: str, message: str, trace: str) -> Mapping[str, Any]:
    """Read a traceback once, however many workers died with it."""
    chain = tracebacks.parse(trace)
    frames = chain[0].frames if chain else ()
    last = Raised(type=kind, message=message, frames=frames)
    return {"exception": last, "chain": (last, *chain[1:])}


def sender(evidence: object) -> str | None:
    """Return who sent the signal, as far as a verdict's evidence says so."""
    for item in _list(evidence):
        if isinstance(item, dict) and str(item.get("text", "")).startswith("the master sent it"):
            return "master"
    return None


def sent_here(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a process in here, that is not PID 1 passing a signal on, told the server to stop."""
    for prefix in ("bootcheck.signal.order.sender", "bootcheck.signal.sender"):
        origin, pid = attributes.get(f"{prefix}.origin"), attributes.get(f"{prefix}.pid")
        if origin is not None and pid != attributes.get("process.parent_pid"):
            return bool(origin == "this namespace" and pid != 1)
    return False


def _errors(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = [item for item in _list(document.get("findings")) if isinstance(item, dict)]
    return [item for item in found if item.get("severity") == Severity.ERROR.value][:8]


def error_codes(document: Mapping[str, Any]) -> list[str]:
    """Return the codes of what a report calls an error."""
    return sorted({str(item.get("code")) for item in _errors(document)})


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: object) -> str | None:
    """Return a text that is not empty, None for anything else."""
    return value if isinstance(value, str) and value else None


def number(value: object) -> int | None:
    """Return a whole number as a process may have, None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62 else None
