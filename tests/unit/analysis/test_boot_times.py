"""Boot times from boot reports, and the probe settings that follow from them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis.boot_times import BootTimes, measure, percentile
from bootcheck.analysis.probe_plan import needed_for, plan
from bootcheck.model.cause import Cause
from bootcheck.model.checkpoint import Checkpoint, Outcome, Phase
from bootcheck.model.report import Report, Verdict
from tests.unit.analysis.making import AT, report, stored


def boot(seconds: float, *, role: str = "worker", server: str = "s1", number: int = 0, **more: Any) -> Report:
    """Return the report of a process that became ready after so long."""
    return Report(
        kind="boot",
        role=role,
        pid=30 + number,
        at=AT + number,
        verdict=Verdict(cause=Cause.NONE, summary="The worker is ready."),
        checkpoints=(
            Checkpoint(
                seq=2, name="app.load", phase=Phase.APP, outcome=Outcome.PASSED, at=AT, of=1, duration_ms=seconds * 900
            ),
        ),
        attributes={
            "process.pid": 30 + number,
            "host.name": "web-1",
            "bootcheck.server.id": server,
            "bootcheck.boot.duration_s": seconds,
            "bootcheck.gunicorn.timeout": 45,
            "bootcheck.gunicorn.graceful_timeout": 20,
            **more,
        },
    )


def times_of(folder: Path, *reports: Report) -> BootTimes:
    """Return what these reports tell."""
    stored(folder, *reports)
    return measure([str(folder)], io.BytesIO())


def test_a_start_is_the_master_s_part_and_the_worker_s(tmp_path: Path):
    """The preflight, or the import under preload, comes first; a later worker is counted as in a start of its own."""
    times = times_of(
        tmp_path,
        boot(60.0, role="master", server="a"),
        boot(1.0, server="a", number=1),
        boot(2.0, server="a", number=2),
        boot(5.0, server="b", number=3),
    )
    assert times.seconds == (5.0, 61.0, 62.0)
    assert (times.p50, times.p95, times.longest) == (61.0, 62.0, 62.0)
    assert (times.timeout, times.graceful_timeout) == (45.0, 20.0)
    assert times.steps == (("app.load", 54.0),)


def test_starts_that_were_ended_are_kept_apart(tmp_path: Path):
    """They say only that a boot takes longer than that; one that failed by itself says nothing."""
    times = times_of(
        tmp_path,
        boot(5.0),
        report(Cause.SIGTERM, signal="SIGTERM", ready=False, uptime=40.0, server="x"),
        report(Cause.EXCEPTION, ready=False, uptime=70.0, server="y", pid=5),
        report(Cause.SIGTERM, ready=True, uptime=900.0, server="z", pid=6),
    )
    assert times.seconds == (5.0,)
    assert times.cut_off == (40.0,)
    assert needed_for(times) == 80.0
    assert any("40 s" in note for note in plan(times, "8000").notes)


def test_a_report_is_counted_once(tmp_path: Path):
    """Its directory and the file beside it are named."""
    (path,) = stored(tmp_path, boot(5.0))
    assert measure([str(path), str(tmp_path)], io.BytesIO()).seconds == (5.0,)
    assert measure([], io.BytesIO()).seconds == ()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.integers(1, 100))
def test_a_percentile_was_measured(values: list[float], percent: int):
    """And no more than so many of a hundred are above it."""
    ordered = sorted(values)
    value = percentile(ordered, percent)
    assert value in ordered
    assert sum(one > value for one in ordered) <= len(ordered) * (100 - percent) / 100
