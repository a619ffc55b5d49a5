"""Geometry: shares of a width, never outside of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis.spans import Span, Step
from bootcheck.render import charts

times = st.none() | st.floats(1.7e9, 1.9e9)
spans = st.builds(
    lambda **values: Span(role="worker", pid=1, source="x", **values),
    started=times,
    ready=times,
    ended=times,
    cause=st.none() | st.just("sigterm"),
    memory=st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 1 << 40)), max_size=4).map(tuple),
    steps=st.lists(
        st.builds(Step, name=st.just("a"), duration_ms=st.none() | st.floats(0, 1e7), outcome=st.just("entered"),
                  at=st.none() | st.floats(0, 1e4)),
        max_size=3,
    ).map(tuple),
)  # fmt: skip


@given(st.lists(spans, max_size=60))
def test_no_bar_leaves_its_chart(found: list[Span]):
    """Whatever times a file holds, also ends before their starts."""
    for chart in (charts.lives(found), charts.uptimes(found), charts.steps(found)):
        assert len(chart.rows) <= charts.MAX_ROWS
        for bar in (bar for row in chart.rows for bar in row.bars):
            assert 0 <= bar.x <= 100
            assert bar.width >= 0
            assert bar.x + bar.width <= 100.01
    for line in charts.memory(found).lines:
        for point in line.points.split():
            assert all(-0.01 <= float(value) <= 100.01 for value in point.split(","))


def test_the_dead_are_kept_before_the_living():
    """There is room for forty."""
    living = [Span(role="worker", pid=pid, source="x", ready=1e9 + pid) for pid in range(60)]
    dead = Span(role="worker", pid=999, source="x", started=1e9, ended=1e9 + 5, cause="oom")
    chart = charts.lives([*living, dead])

    assert len(chart.rows) == charts.MAX_ROWS
    assert chart.left_out == 21
    assert any("999" in row.label and row.note == "died after 5.0 s: oom" for row in chart.rows)


def test_who_lived_long_before_does_not_press_the_deaths_to_the_edge():
    """The axis begins near the first one that died."""
    old = Span(role="worker", pid=1, source="x", started=1e9, ready=1e9 + 1)
    dead = Span(role="worker", pid=2, source="x", started=1e9 + 90_000, ended=1e9 + 90_060, cause="sigterm")
    bars = charts.lives([old, dead]).rows[1].bars

    assert bars[0].width > 40


def test_the_histogram_counts_every_death_once():
    """Also the longest, which lies on the edge of the last bin."""
    found = [
        Span(role="worker", pid=pid, source="x", started=1e9, ended=1e9 + pid, cause="oom") for pid in range(1, 30)
    ]

    assert sum(int(row.note) for row in charts.uptimes(found).rows) == 29
