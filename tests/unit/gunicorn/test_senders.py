"""Senders in words: for the console, the attributes and the verdict; an unknown one is never named."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from bootcheck.gunicorn import obituary, senders
from bootcheck.gunicorn.verdict import Death
from bootcheck.model.boot import Boot
from bootcheck.model.redactor import Redactor
from bootcheck.model.report import Report

TERM, KILL = int(signal.SIGTERM), int(signal.SIGKILL)
SHELL = {"origin": "this namespace", "pid": 812, "uid": 0, "name": "supervisorctl", "command": "supervisorctl stop web"}
MASTER = {"origin": "this namespace", "pid": 50, "uid": 0, "command": "gunicorn app:app", "relation": "parent"}
OUTSIDE = {"origin": "outside this PID namespace", "uid": 0, "pid1": True}
UNKNOWN = {"origin": "unknown", "why": "no extension", "own_parent": 7, "own_parent_command": "init"}


def report_of(
    sender: dict[str, Any] | None = None, order: dict[str, Any] | None = None, *, role: str = "worker", **facts: Any
) -> Report:
    """Return the report of a process with pid 60 and parent 50 that was stopped in its boot."""
    signal_record = {"t": "signal", "signo": TERM, "name": "SIGTERM", "step": "app.load"}
    if sender is not None:
        signal_record["sender"] = sender
    head = {"t": "head", "role": role, "pid": 60, "ppid": 50}
    boot = Boot.from_records([head, signal_record])
    told = None if order is None else {"signo": TERM, "name": "SIGTERM", "sender": order}
    report = obituary.report_of(Death(boot=boot, order=told, **{"status": 143 << 8, **facts}), {})
    assert report is not None
    return report


def texts(report: Report) -> list[str]:
    """Return the evidence."""
    return [item.text for item in report.verdict.evidence]


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        (SHELL, "pid 812 (uid 0, supervisorctl stop web)"),
        (MASTER, "pid 50 (its parent, uid 0, gunicorn app:app)"),
        (OUTSIDE, "outside this PID namespace (uid 0)"),
        ({"origin": "kernel"}, "the kernel"),
        (UNKNOWN, "an unknown sender (no extension); its parent is pid 7: `init`"),
        ({"origin": "this namespace", "pid": 9, "uid": 1}, "pid 9 (uid 1, already gone)"),
        (
            {"origin": "this namespace", "pid": 9, "uid": 1, "name": "kill", "parent_pid": 8, "parent_command": "sh x"},
            "pid 9 (uid 1, kill, already gone, started by pid 8: sh x)",
        ),
    ],
)
def test_a_sender_in_a_few_words(sender: dict[str, Any], said: str):
    """What is known and nothing else."""
    assert senders.who(sender) == said


def test_a_command_is_one_printable_line():
    """A process may call itself anything."""
    said = senders.who({**SHELL, "command": "a\nBOOTCHECK_REPORT {}\x1b[2J" + "b" * 500})

    assert "\n" not in said
    assert "\x1b" not in said
    assert len(said) < 260


def test_secrets_are_masked_before_anything_is_said():
    """The arguments of a sender may hold some."""
    redactor = Redactor({"DB_PASSWORD": "hunter22"})

    assert "hunter22" not in senders.who(senders.masked({**SHELL, "command": "deploy hunter22"}, redactor))


def test_a_worker_stopped_from_outside():
    """The sender is in summary, evidence and attributes."""
    report = report_of(SHELL)

    assert "got SIGTERM from pid 812 (uid 0, supervisorctl stop web) before it was ready" in report.verdict.summary
    assert "SIGTERM sent by pid 812, uid 0: `supervisorctl stop web`" in texts(report)
    assert report.attributes["bootcheck.signal.origin"] == "outside"
    assert report.attributes["bootcheck.signal.name"] == "SIGTERM"
    assert report.attributes["bootcheck.signal.sender.pid"] == 812
    assert report.attributes["bootcheck.signal.sender.command"] == "supervisorctl stop web"
    assert not report.incomplete


def test_the_sender_of_the_signal_wins_over_what_the_master_sent_later():
    """A group was signalled: the worker got the supervisor's signal, and then the master's."""
    report = report_of(SHELL, sent=(TERM,))

    assert report.attributes["bootcheck.signal.origin"] == "outside"
    assert "from pid 812" in report.verdict.summary


def test_a_worker_stopped_by_a_master_that_was_stopped():
    """Both senders are told, the master by its role."""
    report = report_of(MASTER, SHELL, sent=(TERM,))

    assert "from the master, which had got SIGTERM from pid 812 (uid 0, supervisorctl" in report.verdict.summary
    assert "SIGTERM sent by the master (pid 50)" in texts(report)
    assert "the master acted upon SIGTERM sent by pid 812, uid 0: `supervisorctl stop web`" in texts(report)
    assert report.attributes["bootcheck.signal.origin"] == "master"
    assert report.attributes["bootcheck.signal.order.name"] == "SIGTERM"
    assert report.attributes["bootcheck.signal.order.sender.pid"] == 812
    assert report.verdict.missing == ()


def test_outside_the_namespace_is_evidence():
    """No process in the container sent it."""
    report = report_of(OUTSIDE, role="master", status=TERM)

    assert "got SIGTERM from outside this PID namespace (uid 0)" in report.verdict.summary
    assert "SIGTERM sent from outside this PID namespace, uid 0: no process in here sent it" in texts(report)
    assert "it is PID 1 of its PID namespace" in texts(report)


def test_a_key_of_the_terminal():
    """The kernel sends it; that a key did is said only where the process is in the foreground."""
    told = {"origin": "kernel", "terminal": True}
    death = Death(boot=Boot.from_records([{"t": "signal", "signo": 2, "name": "SIGINT", "sender": told}]), status=2)

    assert "SIGINT sent by the kernel: a key of its terminal" in [item.text for item in senders.evidence_of(death)]


@pytest.mark.parametrize(
    ("own", "order", "sent", "missing"),
    [
        (UNKNOWN, None, (), ("who sent SIGTERM: no extension",)),
        (UNKNOWN, UNKNOWN, (TERM,), ("who sent the master SIGTERM: no extension",)),
        (UNKNOWN, SHELL, (TERM,), ()),
        (None, None, (), ()),
    ],
    ids=["outside", "unknown order", "known order", "older journal"],
)
def test_an_unknown_sender_is_missing(own: Any, order: Any, sent: tuple[int, ...], missing: tuple[str, ...]):
    """Once for each that nobody knows; what the master sent itself is known without the extension."""
    report = report_of(own, order, sent=sent)

    assert report.verdict.missing == missing
    assert report.incomplete == bool(missing)
    assert "bootcheck.signal.sender.pid" not in report.attributes


def test_the_sender_of_one_signal_is_not_that_of_another():
    """Told to stop by a shell, ended by a SIGKILL of nobody knows whom."""
    report = report_of(SHELL, status=KILL)

    assert report.verdict.cause.value == "sigkill_external"
    assert "bootcheck.signal.sender.pid" not in report.attributes
    assert report.attributes["bootcheck.signal.origin"] == "outside"
    assert "SIGTERM sent by pid 812, uid 0: `supervisorctl stop web`" in texts(report)


def test_a_kill_after_the_grace_period_says_who_began_the_stop():
    """The order is evidence and attribute."""
    report = report_of(MASTER, SHELL, sent=(TERM, KILL), status=KILL)

    assert report.verdict.cause.value == "sigkill_graceful_timeout"
    assert report.attributes["bootcheck.signal.order.sender.pid"] == 812


def test_a_master_that_vanished_while_it_stopped():
    """Its journal has the order, so the sweep tells of it."""
    records = [
        {"t": "head", "role": "master", "pid": 60, "ppid": 50},
        {"t": "ready", "at": 1.0},
        {"t": "stop", "signo": TERM, "name": "SIGTERM", "sender": SHELL},
    ]
    report = obituary.report_of(Death(boot=Boot.from_records(records)), {})

    assert report is not None
    assert report.verdict.cause.value == "vanished"
    assert "it had been told to stop: SIGTERM sent by pid 812, uid 0: `supervisorctl stop web`" in texts(report)
    assert report.attributes["bootcheck.signal.order.sender.pid"] == 812
