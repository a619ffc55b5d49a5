"""Folding records into a boot: which step it was in, what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.gunicorn.absorption import Absorption
from bootcheck.model import journal
from bootcheck.model.boot import Boot
from bootcheck.model.checkpoint import Phase
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory


def told(act: Callable[[Recorder], Any]) -> Boot:
    """Return the boot of a process that did this."""
    memory = Memory()
    recorder = Recorder([memory], clock=lambda: 5.0, rss=lambda: 1)
    recorder.fact(journal.HEAD, role="worker", pid=31)
    act(recorder)
    return Boot.from_records(memory.records)


def nested(recorder: Recorder) -> None:
    """Open two steps, finish one inside them, and stop there."""
    recorder.step("worker.boot", Phase.WORKER).__enter__()
    recorder.step("app.load", Phase.APP).__enter__()
    with recorder.step("load model"):
        pass


def test_the_innermost_unfinished_step_is_the_step():
    """A finished step inside it does not hide it."""
    boot = told(nested)

    assert (boot.step, boot.open_step) == ("app.load", "app.load")
    assert [span.name for span in boot.open_spans] == ["worker.boot", "app.load"]


def test_where_every_step_passed_there_is_none():
    """Null in the report of a process that was ready."""

    def act(recorder: Recorder) -> None:
        with recorder.step("worker.boot"):
            recorder.passed("x", Phase.APP)

    boot = told(act)

    assert (boot.step, boot.open_span, boot.open_spans) == (None, None, ())


def test_a_failed_step_is_named_where_none_is_open():
    """The last failure of a boot whose steps have all been left."""

    def act(recorder: Recorder) -> None:
        recorder.failed("env.A", Phase.ENVIRONMENT)
        recorder.failed("env.B", Phase.ENVIRONMENT)
        recorder.passed("env.C", Phase.ENVIRONMENT)

    assert told(act).step == "env.B"


def test_an_unfinished_step_comes_before_a_failed_one():
    """A check that failed and went by is not where the process died."""

    def act(recorder: Recorder) -> None:
        recorder.step("worker.boot", Phase.WORKER).__enter__()
        recorder.failed("env.A", Phase.ENVIRONMENT)

    assert told(act).step == "worker.boot"


def test_after_ready_a_failure_of_the_boot_is_no_step():
    """A warning of the boot does not name the place of a death next week."""

    def act(recorder: Recorder) -> None:
        recorder.failed("disk.space", Phase.ENVIRONMENT)
        recorder.fact(journal.READY)

    boot = told(act)

    assert boot.step is None
    assert boot.ready_at == 5.0


def test_the_exception_names_its_own_step():
    """When it is journaled the steps it passed through are closed, so it says where it was."""

    def act(recorder: Recorder) -> None:
        recorder.step("worker.boot", Phase.WORKER).__enter__()
        with pytest.raises(ZeroDivisionError) as caught, recorder.step("app.load"), recorder.step("load model"):
            raise ZeroDivisionError
        recorder.exception(caught.value, "exception")

    boot = told(act)

    assert boot.step == "load model"
    assert boot.open_step == "worker.boot"
    assert boot.exception is not None
    assert boot.exception["kind"] == "exception"


def test_the_last_exception_and_the_first_signal_count():
    """A second signal while it unwinds does not change who stopped it."""

    def act(recorder: Recorder) -> None:
        recorder.fact(journal.EXCEPTION, kind="exception", step="a")
        recorder.fact(journal.EXCEPTION, kind="sys_exit", step="b")
        recorder.fact(journal.SIGNAL, signo=15, name="SIGTERM", step="c")
        recorder.fact(journal.SIGNAL, signo=2, name="SIGINT", step="d")

    boot = told(act)

    assert boot.exception is not None
    assert boot.signal is not None
    assert (boot.exception["kind"], boot.signal["name"]) == ("sys_exit", "SIGTERM")


def test_the_signal_names_its_step():
    """The step at the moment of the signal, not what `finally` blocks opened afterwards."""

    def act(recorder: Recorder) -> None:
        recorder.fact(journal.SIGNAL, signo=15, name="SIGTERM", step="app.load")
        recorder.step("clean up").__enter__()

    assert told(act).step == "app.load"


def test_every_kind_of_record_finds_its_place():
    """What one process wrote of itself, put together."""

    def act(recorder: Recorder) -> None:
        recorder.fact(journal.GUARD, name="fresh_pools", pools=2)
        recorder.annotate("release", "42")
        recorder.annotate("release", "43")
        recorder.fact(journal.IMPORTS, imports=[{"module": "pandas", "ms": 900}])
        recorder.fact(journal.STACKS, stacks=[{"thread": "MainThread", "frames": []}])
        recorder.fact("from the future", x=1)
        recorder.fact(journal.END, status=0)

    boot = told(act)

    assert (boot.role, boot.pid) == ("worker", 31)
    assert boot.guards == ({"at": 5.0, "name": "fresh_pools", "pools": 2},)
    assert boot.annotations == {"release": "43"}
    assert boot.imports == ({"module": "pandas", "ms": 900},)
    assert boot.stacks == ({"thread": "MainThread", "frames": []},)
    assert boot.end is not None
    assert boot.end["status"] == 0
    assert (boot.last_at, boot.broken_lines) == (5.0, 0)


@pytest.mark.parametrize(
    "record",
    [
        {"t": "checkpoint"},
        {"t": "checkpoint", "seq": 1, "name": "x", "phase": "?", "outcome": "passed", "at": 1},
        {"t": "finding", "finding": {"code": "BC999", "summary": "x"}},
        {"t": "finding", "finding": 3},
        {"t": "stacks", "stacks": 3},
        {"t": "annotation"},
        {"t": "ready", "at": "soon"},
    ],
)
def test_a_record_that_does_not_fit_is_counted(record: dict[str, Any]):
    """Never raised: it is somebody's last journal."""
    assert Boot.from_records([record]).broken_lines == 1


def test_of_nothing_at_all_little_is_known():
    """A journal without a head still folds."""
    boot = Boot.from_records([], 3)

    assert (boot.role, boot.pid, boot.step, boot.broken_lines) == ("worker", 0, None, 3)
    assert Boot.from_records([{"t": "head", "pid": "x"}]).pid == 0


_words = st.sampled_from(["t", "seq", "name", "phase", "outcome", "at", "of", "finding", "stacks", "imports", "value"])
_kinds = st.sampled_from(["head", "checkpoint", "finding", "exception", "signal", "stacks", "ready", "guard", "end"])


@given(
    st.lists(st.tuples(_kinds, st.dictionaries(_words, st.none() | st.integers() | st.text() | st.lists(st.none()))))
)
def test_no_record_whatever_makes_the_fold_raise(rows: list[tuple[str, dict[str, Any]]]):
    """Also one whose values are all of the wrong kind."""
    boot = Boot.from_records([{**values, "t": kind} for kind, values in rows])

    assert boot.broken_lines <= len(rows)
    assert boot.step is None or isinstance(boot.step, str)


def test_records_absorbed_from_the_preflight_are_renumbered():
    """Their outcomes close their own steps, not ours that have the same numbers."""
    theirs = Memory()
    child = Recorder([theirs])
    with child.step("check.database", Phase.DATABASE):
        child.step("database.tcp", Phase.DATABASE).__enter__()

    def act(recorder: Recorder) -> None:
        recorder.step("server.boot", Phase.SERVER).__enter__()
        recorder.passed("env.A", Phase.ENVIRONMENT)
        absorption = Absorption(recorder)
        for record in theirs.records:
            absorption.absorb(record)

    boot = told(act)

    assert [checkpoint.seq for checkpoint in boot.checkpoints] == [1, 2, 3, 4, 5]
    assert [span.name for span in boot.open_spans] == ["server.boot", "database.tcp"]
