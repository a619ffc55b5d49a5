"""The lengths of time that decide."""

from __future__ import annotations

from bootcheck.analysis.history import Moment
from bootcheck.analysis.incidents import Incident
from bootcheck.analysis.intervals import intervals
from bootcheck.analysis.pattern import Pattern
from bootcheck.analysis.spans import Span, Step


def found(incident: Incident | None, spans: list[Span], moments: list[Moment] | None = None) -> dict[str, str]:
    """Return the intervals by name."""
    incidents = [] if incident is None else [incident]
    return {one.name: one.told for one in intervals(incidents, spans, moments or [])}


def span(pid: int, started: float, ready: float | None, ended: float | None, **more: object) -> Span:
    """Return a worker's life."""
    return Span(role="worker", pid=pid, source="x", started=started, ready=ready, ended=ended, **more)


def test_the_time_without_a_ready_worker():
    """From the end of the last one to the next that is ready; overlaps are none."""
    spans = [span(1, 0, 2, 100), span(2, 0, 3, 50), span(3, 100, 130, None)]

    told = found(None, spans)
    assert told["No worker ready"] == "30.0 s"
    assert told["Start to ready, worker"] == "3.0 s"


def test_workers_that_are_never_all_away():
    """No such interval."""
    assert "No worker ready" not in found(None, [span(1, 0, 2, 100), span(2, 50, 60, None)])


def test_how_long_a_step_was_stood_in():
    """Unfinished at the end, or unwound by the signal; a step that passed is none."""
    steps = (
        Step(name="app.load", duration_ms=2000.0, outcome="passed", at=0.0),
        Step(name="db.init", duration_ms=None, outcome="entered", at=6.0),
        Step(name="worker.boot", duration_ms=55_000.0, outcome="failed", at=0.0),
    )
    incident = Incident(
        id="x",
        code="BC505",
        cause="sigterm",
        cause_class="external-stop",
        summary="",
        pattern=Pattern(count=1, times=(56.0,), lives=(56.0,), processes=frozenset({("", 9)})),
    )
    told = found(incident, [span(9, 0, None, 56, cause="sigterm", steps=steps)])

    assert told["BC505: in step db.init until death"] == "50.0 s"
    assert told["BC505: in step worker.boot until death"] == "55.0 s"
    assert not any("app.load" in name for name in told)


def test_from_the_order_to_the_last_end():
    """What a graceful stop took."""
    order = Moment(at=100.0, text="Handling signal: term", source="g.log", line=3)

    assert found(None, [span(1, 0, 1, 112.5)], [order])["term to the last end"] == "12.5 s"
