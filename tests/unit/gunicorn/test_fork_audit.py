"""The look around before a fork: whole once per configuration, cheap where nothing has changed, never a failure."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from bootcheck.gunicorn import fork_audit
from bootcheck.gunicorn.fork_audit import ForkAudit
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory


@pytest.fixture
def memory() -> Memory:
    """What was recorded."""
    return Memory()


@pytest.fixture
def audit(memory: Memory) -> ForkAudit:
    """The audit of a master."""
    return ForkAudit(SimpleNamespace(recorder=Recorder([memory]), reseed=False))  # type: ignore[arg-type]


def codes(memory: Memory) -> list[str]:
    """Return the codes that were told so far."""
    return [record["finding"]["code"] for record in memory.records if record["t"] == "finding"]


def audits(memory: Memory) -> list[dict[str, Any]]:
    """Return the checkpoints of whole looks."""
    return [dict(record["detail"]) for record in memory.records if record.get("name") == "fork.audit"]


def test_the_whole_look_is_taken_once_and_again_for_new_code(audit, memory, monkeypatch):
    """A reload brings another configuration; what was told is not told again."""
    monkeypatch.setattr(fork_audit.cuda, "initialised", lambda: "torch.cuda is initialised")
    first, second = object(), object()
    for cfg in (first, first, first, second):
        audit.before_fork(cfg, 2)

    assert len(audits(memory)) == 2
    assert codes(memory).count("BC228") == 1


def test_a_later_fork_looks_at_threads_only_where_they_have_changed(audit, memory, monkeypatch):
    """And tells a new one."""
    cfg, event = object(), threading.Event()
    audit.before_fork(cfg, 2)
    looked = []
    real = fork_audit.background.threads
    monkeypatch.setattr(fork_audit.background, "threads", lambda: looked.append(1) or real())
    monkeypatch.setattr(fork_audit.heap, "of_kinds", lambda kinds: pytest.fail("no pass over the heap"))
    for _ in range(50):
        # A thread that an earlier test left behind may end just then: that is a change.
        looked.clear()
        audit.before_fork(cfg, 2)
        if not looked:
            break
    assert not looked
    before = codes(memory).count("BC205")
    thread = threading.Thread(target=event.wait, args=(60,), daemon=True)
    thread.start()
    try:
        audit.before_fork(cfg, 2)
    finally:
        event.set()
        thread.join()

    assert looked
    assert codes(memory).count("BC205") == before + 1


def test_a_probe_that_fails_does_not_keep_the_others_from_looking(audit, memory, monkeypatch):
    """The checkpoint says why it could not."""
    monkeypatch.setattr(fork_audit.temporary, "kept", lambda closers: 1 / 0)
    monkeypatch.setattr(fork_audit.cuda, "initialised", lambda: "torch.cuda is initialised")
    audit.before_fork(object(), 2)

    assert "BC228" in codes(memory)
    assert audits(memory)[0]["failed"] == ["ZeroDivisionError: division by zero"]


def test_where_threads_are_greenlets_none_is_lost(audit, memory, monkeypatch):
    """A fork copies them."""
    monkeypatch.setattr(fork_audit.background, "survive", lambda: True)
    audit.before_fork(object(), 2)

    assert not {"BC205", "BC206", "BC207", "BC208"} & set(codes(memory))
