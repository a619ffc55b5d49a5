"""From facts to cause: the contract's precedence to the letter, and what is no death at all."""

# ruff: noqa: E501 - a table is read row by row
from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.gunicorn import obituary
from bootcheck.gunicorn.verdict import Death, cause_of, code_of, verdict_of
from bootcheck.model.boot import Boot
from bootcheck.model.cause import CODE_OF_CAUSE, Cause
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Finding, Severity
from bootcheck.model.report import schema
from bootcheck.model.signals import signal_name
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory

TERM, INT, QUIT, KILL, ABRT, HUP, USR1 = (
    int(signal.Signals[name]) for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGKILL", "SIGABRT", "SIGHUP", "SIGUSR1")
)
SEGV, BUS, ILL, FPE = (int(signal.Signals[name]) for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE"))
VALIDATOR = jsonschema.Draft202012Validator(schema())
DEADLINE = "Timeout (0:00:05)!\nThread 0x01 (most recent call first):\n"
FATAL = "Fatal Python error: Segmentation fault\n\nCurrent thread 0x01 (most recent call first):\n"
STOPPED = 'Current thread 0x01 (most recent call first):\n  File "a.py", line 1 in f\n'


def exited(code: int) -> int:
    """Return the wait status of an exit."""
    return code << 8


def boot(*, ready: bool = False, kind: str | None = None, signo: int | None = None, text: str = "text") -> Boot:
    """Return what a worker wrote of itself."""
    return Boot(
        head={"role": "worker", "pid": 412, "at": 1.0},
        ready_at=2.0 if ready else None,
        exception=None if kind is None else {"kind": kind, "type": "E", "message": text, "step": "app.load", "traceback": text, "code": 1},
        signal=None if signo is None else {"signo": signo, "name": signal_name(signo), "step": "app.load"},
    )  # fmt: skip


def died(status: int | None, *, facts: Mapping[str, Any] | None = None, **told: Any) -> Death:
    """Return a death with this wait status."""
    return Death(boot=boot(**told), status=status, **(facts or {}))


KILLED_BY_MASTER = {"sent": (TERM, KILL)}
TIMED_OUT = {"timed_out": True, "sent": (ABRT,)}

TABLE: list[tuple[str, Death, Cause | None]] = [
    # 1. check_failed, whatever came afterwards
    ("a declared check", died(exited(3), kind="check_failed"), Cause.CHECK_FAILED),
    ("a check, then a signal", died(TERM, kind="check_failed", signo=TERM), Cause.CHECK_FAILED),
    ("a check, then a timeout", died(KILL, kind="check_failed", facts=TIMED_OUT), Cause.CHECK_FAILED),
    ("a check, the deadline's mark", died(exited(1), kind="check_failed", facts={"fault": DEADLINE}), Cause.CHECK_FAILED),
    ("a check, found by a sweep", died(None, kind="check_failed"), Cause.CHECK_FAILED),
    # 2. boot_deadline
    ("our deadline", died(exited(1), facts={"fault": DEADLINE}), Cause.BOOT_DEADLINE),
    ("our deadline and a timeout", died(exited(1), facts={"fault": DEADLINE, **TIMED_OUT}), Cause.BOOT_DEADLINE),
    ("our deadline, an exception on the way", died(exited(1), kind="exception", facts={"fault": DEADLINE}), Cause.BOOT_DEADLINE),
    ("our deadline, found by a sweep", died(None, facts={"fault": DEADLINE}), Cause.BOOT_DEADLINE),
    ("status 1 without a dump", died(exited(1)), Cause.OS_EXIT),
    ("another status than the deadline's", died(exited(2), facts={"fault": DEADLINE}), Cause.OS_EXIT),
    # 3. gunicorn_timeout, whatever the final status
    ("timed out, ended by ABRT", died(ABRT, facts=TIMED_OUT), Cause.GUNICORN_TIMEOUT),
    ("timed out, exited in the handler", died(exited(1), signo=ABRT, facts=TIMED_OUT), Cause.GUNICORN_TIMEOUT),
    ("timed out, then killed", died(KILL, ready=True, facts={"timed_out": True, "sent": (ABRT, KILL)}), Cause.GUNICORN_TIMEOUT),
    ("timed out, and the kernel killed", died(KILL, facts={**TIMED_OUT, "oom_kills": 1}), Cause.GUNICORN_TIMEOUT),
    ("timed out, exited cleanly", died(exited(0), ready=True, facts=TIMED_OUT), Cause.GUNICORN_TIMEOUT),
    ("timed out, raised on the way", died(exited(1), kind="exception", facts=TIMED_OUT), Cause.GUNICORN_TIMEOUT),
    # 4. what was journaled, even if a signal came while it unwound
    ("an exception", died(exited(3), kind="exception"), Cause.EXCEPTION),
    ("an exception, TERM while it unwound", died(TERM, kind="exception", signo=TERM), Cause.EXCEPTION),
    ("an exception, then killed", died(KILL, kind="exception", facts=KILLED_BY_MASTER), Cause.EXCEPTION),
    ("an exception, then a crash", died(SEGV, kind="exception", facts={"fault": FATAL}), Cause.EXCEPTION),
    ("an exception after ready", died(exited(1), kind="exception", ready=True), Cause.EXCEPTION),
    ("an exception, found by a sweep", died(None, kind="exception"), Cause.EXCEPTION),
    ("no app", died(exited(4), kind="app_not_found"), Cause.APP_NOT_FOUND),
    ("sys.exit(1)", died(exited(1), kind="sys_exit"), Cause.SYS_EXIT),
    ("sys.exit(0) in the boot", died(exited(0), kind="sys_exit"), Cause.SYS_EXIT),
    ("sys.exit, TERM while it unwound", died(exited(1), kind="sys_exit", signo=TERM), Cause.SYS_EXIT),
    # 5. native_crash
    *((f"ended by {signal_name(signo)}", died(signo), Cause.NATIVE_CRASH) for signo in (SEGV, BUS, ILL, FPE, ABRT)),
    ("with a core", died(SEGV | 0x80), Cause.NATIVE_CRASH),
    ("a crash after ready", died(SEGV, ready=True), Cause.NATIVE_CRASH),
    ("a crash while it was stopped", died(SEGV, signo=TERM), Cause.NATIVE_CRASH),
    ("a crash, found by a sweep", died(None, facts={"fault": FATAL}), Cause.NATIVE_CRASH),
    ("a crash while it was stopped, found by a sweep", died(None, signo=TERM, facts={"fault": STOPPED + FATAL}), Cause.NATIVE_CRASH),
    # 6. to 8. SIGKILL
    ("the kernel's counter rose", died(KILL, facts={"oom_kills": 1}), Cause.OOM),
    ("the counter rose, the master killed too", died(KILL, facts={"oom_kills": 2, **KILLED_BY_MASTER}), Cause.OOM),
    ("the counter rose, ready", died(KILL, ready=True, facts={"oom_kills": 1}), Cause.OOM),
    ("killed by the master after grace", died(KILL, ready=True, facts=KILLED_BY_MASTER), Cause.SIGKILL_GRACEFUL_TIMEOUT),
    ("killed by the master in the boot", died(KILL, signo=TERM, facts=KILLED_BY_MASTER), Cause.SIGKILL_GRACEFUL_TIMEOUT),
    ("killed by somebody", died(KILL), Cause.SIGKILL_EXTERNAL),
    ("killed by somebody, the counter still", died(KILL, ready=True, facts={"oom_kills": 0}), Cause.SIGKILL_EXTERNAL),
    ("killed by somebody while it stopped", died(KILL, ready=True, facts={"sent": (TERM,)}), Cause.SIGKILL_EXTERNAL),
    # 9. sigterm
    *((f"{signal_name(signo)} noticed", died(exited(128 + signo), signo=signo), Cause.SIGTERM) for signo in (TERM, INT, QUIT)),
    *((f"{signal_name(signo)} not noticed", died(signo), Cause.SIGTERM) for signo in (TERM, INT, QUIT, HUP, USR1)),
    ("TERM noticed, exited 0", died(exited(0), signo=TERM), Cause.SIGTERM),
    ("the master's TERM, exited 0 unnoticed", died(exited(0), facts={"sent": (TERM,)}), Cause.SIGTERM),
    ("TERM noticed, found by a sweep", died(None, signo=TERM, facts={"fault": STOPPED}), Cause.SIGTERM),
    ("HUP after ready", died(HUP, ready=True), Cause.SIGTERM),
    # 10. os_exit
    ("exit 0 in the boot", died(exited(0)), Cause.OS_EXIT),
    ("exit 7 in the boot", died(exited(7)), Cause.OS_EXIT),
    ("exit 7 after ready", died(exited(7), ready=True), Cause.OS_EXIT),
    # 11. vanished
    ("nothing is known", died(None), Cause.VANISHED),
    ("nothing is known, ready", died(None, ready=True), Cause.VANISHED),
    ("only a dump of stacks", died(None, facts={"fault": STOPPED}), Cause.VANISHED),
    # no death
    *((f"{signal_name(signo)} after ready, exited 0", died(exited(0), ready=True, facts={"sent": (signo,)}), None) for signo in (TERM, INT, QUIT)),
    *((f"ended by {signal_name(signo)} after ready", died(signo, ready=True), None) for signo in (TERM, INT, QUIT)),
    ("max_requests, or its master is gone", died(exited(0), ready=True), None),
    ("stopped by the master with a status of its own", died(exited(143), ready=True, facts={"sent": (TERM,)}), None),
    ("sys.exit(0) after ready", died(exited(0), kind="sys_exit", ready=True), None),
]  # fmt: skip


@pytest.mark.parametrize(("death", "cause"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_the_first_cause_that_fits_is_the_verdict(death: Death, cause: Cause | None):
    """The table of contract.md §1 and §2."""
    assert cause_of(death) is cause


def test_the_table_covers_every_cause():
    """None is left untested; `none` belongs to boot reports."""
    assert {row[2] for row in TABLE} == {*Cause, None} - {Cause.NONE}


@pytest.mark.parametrize(("death", "cause"), [pytest.param(*row[1:], id=row[0]) for row in TABLE])
def test_without_any_exception_text_the_cause_is_the_same(death: Death, cause: Cause | None):
    """Causes come from facts, not from words: a server that answers in German is understood."""
    exception = death.boot.exception
    if exception is not None:
        exception = {key: "" if key in ("type", "message", "traceback") else value for key, value in exception.items()}
    mute = replace(death, boot=replace(death.boot, exception=exception))

    assert cause_of(mute) is cause


_signals = st.sampled_from([TERM, INT, QUIT, KILL, ABRT, HUP, USR1, SEGV, BUS, ILL, FPE, 40, 64])
_deaths = st.builds(
    Death,
    boot=st.builds(
        boot,
        ready=st.booleans(),
        kind=st.sampled_from([None, "exception", "app_not_found", "sys_exit", "check_failed", "strange"]),
        signo=st.none() | _signals,
        text=st.text(),
    ),
    status=st.none() | _signals | st.integers(0, 255).map(exited) | _signals.map(lambda signo: signo | 0x80),
    sent=st.lists(_signals, max_size=3).map(tuple),
    timed_out=st.booleans(),
    oom_kills=st.sampled_from([None, 0, 1]),
    fault=st.sampled_from(["", DEADLINE, FATAL, STOPPED]),
    peak_rss_bytes=st.none() | st.integers(0, 2**40),
    memory_limit_bytes=st.none() | st.integers(0, 2**40),
)


@given(_deaths)
def test_every_death_has_one_valid_report(death: Death):
    """One cause, its code, a sentence, and a step while it was not ready; an end that is none has no report."""
    cause = cause_of(death)
    report = obituary.report_of(death, {"host.name": "h"}, at=50.0)

    assert (report is None) is (cause is None)
    if report is None or cause is None:
        assert death.ready
        return
    data = report.as_dict()
    VALIDATOR.validate(data)
    assert data["verdict"]["cause"] == cause
    assert data["verdict"]["code"] == CODE_OF_CAUSE.get(cause, "BC002")
    assert data["verdict"]["summary"].endswith((".", "…")) or cause is Cause.APP_NOT_FOUND
    assert data["step"] is not None or death.ready
    assert data["incomplete"] is (death.status is None)
    assert data["attributes"]["process.pid"] == 412


@pytest.mark.parametrize("role", ["worker", "master"])
def test_before_ready_the_step_is_never_null(role: str):
    """Even where the journal was lost altogether."""
    report = obituary.report_of(Death(boot=Boot(head={"role": role, "pid": 1}), status=KILL), {})

    assert report is not None
    assert report.step == {"worker": "worker.boot", "master": "server.boot"}[role]


def failed_check() -> Boot:
    """Return a boot with a discovered warning, a discovered error and two declared ones."""
    memory = Memory()
    recorder = Recorder([memory])
    recorder.fact("head", role="worker", pid=412)
    for code, severity, declared in (
        ("BC401", Severity.WARNING, True),
        ("BC110", Severity.ERROR, False),
        ("BC302", Severity.ERROR, True),
        ("BC101", Severity.ERROR, True),
    ):
        finding = Finding(
            code=code, summary=f"{code} it is.", severity=severity, declared=declared, step=f"check.{code}"
        )
        with recorder.step(f"check.{code}", Phase.ENVIRONMENT):
            recorder.finding(finding)
    recorder.fact("exception", kind="check_failed", type="bootcheck.Refused", message="", step="check.BC302")
    return Boot.from_records(memory.records)


def test_a_failed_check_brings_its_own_code():
    """The first declared error; every error is in the summary, warnings are not."""
    death = Death(boot=failed_check(), status=exited(3))
    verdict = verdict_of(death, Cause.CHECK_FAILED, "check.BC302")

    assert verdict.code == "BC302"
    assert verdict.summary == "BC110 it is; BC302 it is; BC101 it is."
    assert code_of(Death(boot=boot(kind="check_failed"), status=exited(3)), Cause.CHECK_FAILED) == "BC002"


@pytest.mark.parametrize(
    ("death", "origin"),
    [
        (died(exited(143), signo=TERM, facts={"sent": (TERM,)}), "master"),
        (died(exited(143), signo=TERM), "outside"),
        (died(TERM), "outside"),
    ],
    ids=["master", "noticed", "unnoticed"],
)
def test_who_sent_the_signal_is_said_where_it_is_known(death: Death, origin: str):
    """The name of the signal and its origin are attributes."""
    report = obituary.report_of(death, {})

    assert report is not None
    assert report.attributes["bootcheck.exit.signal.name"] == "SIGTERM"
    assert report.attributes["bootcheck.signal.origin"] == origin
    assert (
        f"from {'the master' if origin == 'master' else 'outside the master'} before it was ready"
        in report.verdict.summary
    )


def test_a_doubt_is_said():
    """Where the kernel's counter could not be read, it may have been memory."""
    (doubt,) = verdict_of(died(KILL), Cause.SIGKILL_EXTERNAL, None).against
    assert "may have been memory" in doubt
    assert verdict_of(died(KILL, facts={"oom_kills": 0}), Cause.SIGKILL_EXTERNAL, None).against == ()
    (doubt,) = verdict_of(died(SEGV), Cause.NATIVE_CRASH, None).against
    assert "another process" in doubt


def test_what_nobody_could_know_is_missing():
    """A swept death has no exit status, and says so."""
    verdict = verdict_of(died(None), Cause.VANISHED, None)

    assert verdict.missing
    assert verdict.confidence == "medium"


def test_the_evidence_is_what_was_seen():
    """Each with its source."""
    facts = {"sent": (TERM, KILL), "oom_kills": 1, "peak_rss_bytes": 300 << 20, "memory_limit_bytes": 256 << 20}
    death = died(KILL | 0x80, signo=TERM, facts=facts)
    told = {(item.source, item.text) for item in verdict_of(death, Cause.OOM, "app.load").evidence}

    assert told == {
        ("wait status", "ended by SIGKILL (core dumped)"),
        ("master", "the master sent it SIGTERM, SIGKILL"),
        ("cgroup", "the kernel's count of memory kills rose by 1"),
        ("cgroup", "it had used 300 MB at most; the limit is 256 MB"),
        ("journal", "it noticed SIGTERM"),
    }


def test_a_signal_without_a_name_stays_a_number():
    """Real-time signals have none."""
    assert signal_name(15) == "SIGTERM"
    assert signal_name(40) == "signal 40"


@pytest.mark.parametrize(
    ("signo", "words"),
    [
        (signal.SIGXCPU, ("limit of processor time is used up", "ulimit -t")),
        (signal.SIGXFSZ, ("limit of a file's size is used up", "ulimit -f")),
        (signal.SIGHUP, ("SIGHUP from outside", "Find who stops the server")),
    ],
)
def test_a_limit_that_is_used_up_is_nobodys_stop(signo: signal.Signals, words: tuple[str, str]):
    """The kernel sends two of the signals that end a process: whoever looks for a probe then looks in vain."""
    death = died(int(signo))
    verdict = verdict_of(death, Cause.SIGTERM, "app.load")

    assert cause_of(death) is Cause.SIGTERM
    assert words[0] in verdict.summary
    assert words[1] in verdict.action[0]
