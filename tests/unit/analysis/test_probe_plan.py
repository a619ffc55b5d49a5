"""Probe settings that follow from measured boots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis.boot_times import BootTimes
from bootcheck.analysis.probe_plan import needed_for, plan


@given(
    st.lists(st.floats(0.01, 5000), min_size=1, max_size=40),
    st.lists(st.floats(0.01, 5000), max_size=3),
    st.sampled_from((0.0, 3.0, 30.0, 120.0)),
)
def test_a_plan_gives_every_measured_boot_its_time(seconds: list[float], cut: list[float], timeout: float):
    """Half as long again as the longest; the liveness probe waits for Gunicorn's own timeout."""
    times = BootTimes(seconds=tuple(sorted(seconds)), cut_off=tuple(sorted(cut)), timeout=timeout)
    made = plan(times, "8000")
    assert made.startup.patience >= max(1.5 * max(seconds), 10)
    assert made.startup.patience - made.startup.period < needed_for(times)
    assert not cut or made.startup.patience >= max(cut)
    assert made.liveness.patience > timeout
    assert made.grace > times.graceful_timeout
    for asking in (made.startup, made.readiness, made.liveness):
        assert 1 <= asking.timeout <= asking.period <= 10


def test_what_the_numbers_rest_on_is_said():
    """Few boots, starts that were cut off, a Gunicorn without a timeout."""
    notes = plan(BootTimes(seconds=(5.0,), cut_off=(40.0,), timeout=0.0), "8000").notes
    assert len(notes) == 3
    assert plan(BootTimes(seconds=(5.0,) * 5), "8000").notes == ()


def test_a_shell_script_of_two_seconds_is_given_ten():
    """A busy node makes short boots longer than any factor does; a quick start is asked often."""
    made = plan(BootTimes(seconds=(0.4, 0.5)), "8000")
    assert made.start_limit == 10
    assert made.startup.period == 1
