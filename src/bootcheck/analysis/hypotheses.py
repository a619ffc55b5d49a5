"""What else it could have been: each hypothesis with its verdict, what speaks for and against it, what would refute it.

`HYPOTHESES` lists them. Each is a function of a case that returns None where nobody would think of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bootcheck.analysis.history import Moment
from bootcheck.analysis.incidents import Incident
from bootcheck.analysis.manifest import Probe
from bootcheck.analysis.pattern import seconds
from bootcheck.analysis.spans import Span
from bootcheck.model.cause import Cause

CONFIRMED = "confirmed"
LIKELY = "likely"
OPEN = "open"
UNLIKELY = "unlikely"
REFUTED = "refuted"
VERDICTS = (CONFIRMED, LIKELY, OPEN, UNLIKELY, REFUTED)

NEAR = 600.0
"""Seconds before a death in which a failed probe may be its reason."""
CLOSE = 2.0
"""Seconds by which a life may miss a time limit that ended it."""
NEARLY_ALL = 0.9
"""Share of the memory limit from which on a lack of memory is possible."""
_PROBE = re.compile(r"[Pp]robe|[Hh]ealth|[Uu]nhealthy")
_BY_PLATFORM = "BC513"
"""What the platform itself says needs no guess."""
_STOPPED = frozenset(
    {Cause.SIGTERM.value, Cause.SIGKILL_EXTERNAL.value, Cause.VANISHED.value, Cause.OOM.value, Cause.OS_EXIT.value}
)
_BY_SOMEBODY = frozenset({"external-stop", "oom-kill", "shutdown-timeout", "boot-timeout", "app-exception"})
_WOULD_REFUTE = {
    Cause.CHECK_FAILED.value: "bootcheck check in the same environment that finds nothing.",
    Cause.BOOT_DEADLINE.value: "A boot report whose step passed well within the deadline on the same host.",
    Cause.GUNICORN_TIMEOUT.value: "No WORKER TIMEOUT line for this pid, or a life shorter than timeout.",
    Cause.EXCEPTION.value: "A boot of the same release with the same settings that gets past this line.",
    Cause.APP_NOT_FOUND.value: 'python -c "import MODULE; MODULE.ATTRIBUTE" that succeeds in the server\'s directory.',
    Cause.SYS_EXIT.value: "An import of the app outside of Gunicorn, with the same variables, that does not exit.",
    Cause.NATIVE_CRASH.value: "The same request or import that succeeds with the suspected library unchanged.",
    Cause.OOM.value: "oom_kill 0 in the cgroup's memory.events, or a peak far below the limit.",
    Cause.SIGKILL_GRACEFUL_TIMEOUT.value: "Worker exiting of this pid before the grace period was over.",
    Cause.SIGKILL_EXTERNAL.value: "A raised oom_kill counter, or the master's line that it killed this pid.",
    Cause.SIGTERM.value: "A line that shows the process ended before the signal came.",
    Cause.OS_EXIT.value: "A signal in the wait status, or an exception before the end.",
    Cause.VANISHED.value: "A report, an exit status or a kernel line about this pid.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One explanation and how it stands."""

    name: str
    verdict: str
    pro: tuple[str, ...] = ()
    con: tuple[str, ...] = ()
    refuted_by: str = ""
    """The line, or the measurement, that would refute it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An incident and everything that is known around it."""

    incident: Incident
    spans: Sequence[Span] = ()
    """Of its processes."""
    all_spans: Sequence[Span] = ()
    moments: Sequence[Moment] = ()
    probes: Sequence[Probe] = ()
    good: Span | None = None
    """The last boot before it that became ready."""
    changes: Sequence[tuple[str, str | None, str | None]] = field(default=())
    """Versions and settings that differ from the last good boot."""

    @property
    def servers(self) -> list[float]:
        """How long the servers of the dead had run: what a probe counts, where the master's start is known."""
        found = []
        for span in self.spans:
            if span.ended is None or span.cause == Cause.VANISHED.value:
                continue
            starts = [
                master.started
                for master in self.all_spans
                if master.role == "master" and master.started is not None and _serves(master, span)
            ]
            begun = [at for at in starts if at <= span.ended]
            if begun:
                found.append(span.ended - max(begun))
        return found

    @property
    def was_stopped(self) -> bool:
        """True where somebody may have sent the signal: other classes tell by themselves what ended it."""
        return self.incident.cause in _STOPPED and self.incident.cause_class in _BY_SOMEBODY

    @property
    def longest(self) -> float | None:
        """The longest life among them."""
        return max(self.incident.pattern.lives, default=None)


def of_case(case: Case) -> list[Hypothesis]:
    """Return every hypothesis worth a thought, the best first."""
    found = [told for ask in HYPOTHESES if (told := ask(case)) is not None]
    return sorted(found, key=lambda told: VERDICTS.index(told.verdict))


def concluded(case: Case) -> Hypothesis:
    """What analyze itself concludes."""
    incident = case.incident
    sure = {"high": CONFIRMED, "medium": LIKELY}.get(incident.confidence, OPEN)
    return Hypothesis(
        name=incident.summary,
        verdict=LIKELY if sure == CONFIRMED and incident.against else sure,
        pro=tuple(f"{_place(item.source, item.line)}{item.text}" for item in incident.evidence),
        con=incident.against,
        refuted_by=_WOULD_REFUTE.get(incident.cause, "A boot under the same conditions that does not end so."),
    )


def probe_killed_it(case: Case) -> Hypothesis | None:
    """A probe or health check of the platform lost patience."""
    if not case.was_stopped or case.incident.code == _BY_PLATFORM:
        return None
    failed = [moment for moment in case.moments if _PROBE.search(moment.text) and _shortly_before(moment.at, case)]
    pro = [f"{_place(one.source, one.line)}{one.text}" for one in failed[:3]]
    con: list[str] = []
    if not failed:
        con.append("No line of a failed probe was read. The platform's events have it, if there was one.")
    verdict = _by_settings(case, LIKELY if failed else OPEN, pro, con)
    if "master" in case.incident.pattern.origins:
        verdict = UNLIKELY if verdict != REFUTED else verdict
        con.append("The signal came from the master: a probe can only have stopped that one first.")
    return Hypothesis(
        name="A liveness or startup probe killed it",
        verdict=verdict,
        pro=tuple(pro),
        con=tuple(con),
        refuted_by="A server that had run for less than initialDelaySeconds + failureThreshold × periodSeconds; events "
        "without Liveness probe failed (kubectl describe pod POD).",
    )


def _by_settings(case: Case, verdict: str, pro: list[str], con: list[str]) -> str:
    """Judge by the settings of the probe: it counts from the start of the server, not of a worker."""
    servers = case.servers
    if not case.probes:
        con.append(
            "The probe's settings are not known: --probe DELAY,PERIOD,FAILURES or --manifest lets this be computed."
        )
        return verdict
    if not servers:
        con.append("How long the server had run is not known, so the probe's settings decide nothing.")
        return verdict
    probe = min(case.probes, key=lambda one: one.earliest)
    told = f"{probe.delay} s + {probe.failures} × {probe.period} s = {seconds(probe.acts_at)}"
    if max(servers) >= probe.earliest - CLOSE:
        pro.append(f"The server had run for {seconds(max(servers))}, and the probe's patience is {told}.")
        return verdict
    con.append(f"The probe's patience is {told}; the server had run for {seconds(max(servers))} at most.")
    if verdict == LIKELY:
        con.append(
            "But a failed probe was read: either it killed nothing, or these settings are not the ones in force."
        )
        return UNLIKELY
    return REFUTED


def memory_ran_out(case: Case) -> Hypothesis | None:
    """The kernel or the platform killed it for memory."""
    cause = case.incident.cause
    if not case.was_stopped or cause == Cause.OOM.value or case.incident.code == _BY_PLATFORM:
        return None
    known = [(span.peak, span.limit) for span in case.spans if span.peak and span.limit]
    pro, con = [], []
    verdict = OPEN
    if known:
        peak, limit = max(known)
        told = f"{peak >> 20} MB at most of {limit >> 20} MB"
        if peak >= NEARLY_ALL * limit:
            verdict = LIKELY
            pro.append(f"Its memory came close to the limit: {told}.")
        else:
            verdict = UNLIKELY
            con.append(f"Its memory stayed below the limit: {told}.")
    else:
        con.append("Neither the memory nor the limit is known.")
    if cause == Cause.SIGTERM.value:
        verdict = REFUTED
        con.append("The signal was SIGTERM; the kernel's memory killer sends SIGKILL.")
    return Hypothesis(
        name="It ran out of memory",
        verdict=verdict,
        pro=tuple(pro),
        con=tuple(con),
        refuted_by="oom_kill 0 in memory.events of the cgroup, or a peak far below the limit.",
    )


def gunicorn_timed_out(case: Case) -> Hypothesis | None:
    """The master lost patience with a worker that hung."""
    if not case.was_stopped or case.longest is None:
        return None
    limits = {value for span in case.all_spans if (value := span.settings.get("bootcheck.gunicorn.timeout"))}
    if len(limits) != 1 or not (limit := limits.pop()[:9]).isdigit() or limit == "0":
        return None
    shorter = case.longest < int(limit) - CLOSE
    near = any(abs(lived - int(limit)) <= CLOSE for lived in case.incident.pattern.lives)
    con = ["There is no WORKER TIMEOUT of the master for it."]
    if shorter:
        con.append(f"It lived {seconds(case.longest)} at most; timeout is {limit} s.")
    return Hypothesis(
        name="Gunicorn's own timeout ended it",
        verdict=REFUTED if shorter else OPEN if near else UNLIKELY,
        pro=(f"It lived about as long as timeout ({limit} s).",) if near else (),
        con=tuple(con),
        refuted_by="A life shorter than timeout, or the master's log without WORKER TIMEOUT.",
    )


def somebody_stopped_it(case: Case) -> Hypothesis | None:
    """A deploy, an operator or a supervisor stopped it on purpose."""
    if not case.was_stopped or case.incident.cause not in (Cause.SIGTERM.value, Cause.SIGKILL_EXTERNAL.value):
        return None
    senders = list(dict.fromkeys(span.sender for span in case.spans if span.sender))
    pro = [f"Sender: {sender}." for sender in senders[:3]]
    con: list[str] = []
    origins = case.incident.pattern.origins
    verdict = LIKELY if senders or "outside" in origins else OPEN
    if "outside" in origins:
        pro.append("The master did not send the signal.")
    if case.incident.pattern.by_a_limit:
        con.append("All lived equally long: people are not that regular, a limit is.")
        verdict = UNLIKELY if not senders else verdict
    if "master" in origins:
        verdict = UNLIKELY
        con.append("The master sent the signal.")
    if not senders:
        con.append("The sender is not named: pip install 'bootcheck[siginfo]' names it next time.")
    return Hypothesis(
        name="A deploy, an operator or a supervisor stopped it",
        verdict=verdict,
        pro=tuple(pro),
        con=tuple(con),
        refuted_by="The sender's pid in a report, or a deploy log without an entry at that time.",
    )


def sibling_failed(case: Case) -> Hypothesis | None:
    """Another worker failed, and the master stopped the rest."""
    if case.incident.cause != Cause.SIGTERM.value or not (case.was_stopped and case.incident.pattern.origins):
        return None
    by_master = "master" in case.incident.pattern.origins
    return Hypothesis(
        name="A sibling failed, and the master stopped the rest",
        verdict=LIKELY if by_master else REFUTED,
        pro=("The master sent the signal.",) if by_master else (),
        con=() if by_master else ("The signal came from outside, not from the master.",),
        refuted_by="A signal that the master did not send.",
    )


def only_one_host(case: Case) -> Hypothesis | None:
    """It is that machine, not the software."""
    everywhere = {span.host for span in case.all_spans if span.host}
    here = {host for host, _ in case.incident.pattern.hosts}
    if len(everywhere) < 2 or not here:
        return None
    spared = sorted(everywhere - here)
    return Hypothesis(
        name="It is the host",
        verdict=OPEN if spared else REFUTED,
        pro=(f"Died on {', '.join(sorted(here))}; not on {', '.join(spared)}.",) if spared else (),
        con=() if spared else (f"All {len(everywhere)} hosts have it.",),
        refuted_by="The same death on another host with the same release.",
    )


def something_changed(case: Case) -> Hypothesis | None:
    """A release, a version or a setting broke it."""
    if case.good is None:
        # Nothing to compare with: the report says so, and an open hypothesis would say no more.
        return None
    changes = [f"{name}: {old or 'unset'} → {new or 'unset'}" for name, old, new in case.changes]
    same = "The last good boot had the same versions, settings and tags. The code itself is not compared."
    return Hypothesis(
        name="A change since the last good boot broke it",
        verdict=LIKELY if changes else UNLIKELY,
        pro=tuple(changes[:8]),
        con=() if changes else (same,),
        refuted_by="A good boot with the changed values, or the same death with the old ones.",
    )


HYPOTHESES: tuple[Callable[[Case], Hypothesis | None], ...] = (
    concluded,
    probe_killed_it,
    memory_ran_out,
    gunicorn_timed_out,
    somebody_stopped_it,
    sibling_failed,
    only_one_host,
    something_changed,
)


def _serves(master: Span, span: Span) -> bool:
    """Tell whether this is the master of a process: by the server's id; in a log, by the file."""
    if master.server and span.server:
        return master.server == span.server
    return master.source == span.source and master.of_log and span.of_log


def _shortly_before(at: float, case: Case) -> bool:
    return any(-CLOSE <= died - at <= NEAR for died in case.incident.pattern.times[:200])


def _place(source: str, line: int | None) -> str:
    if not source:
        return ""
    return f"{source}: " if line is None else f"{source}:{line}: "
