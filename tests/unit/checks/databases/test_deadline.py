"""Limits on calls that have none of their own."""

from __future__ import annotations

import threading
import time

import pytest

from bootcheck.checks.databases.deadline import Deadline, Lane, TimedOut


def test_a_lane_returns_and_raises_what_the_call_does():
    """As if it had been called here."""
    lane = Lane()

    assert lane.call(lambda: 5, 10) == 5
    with pytest.raises(LookupError, match="gone"):
        lane.call(lambda: {}["gone"], 10)
    lane.close()


def test_all_calls_of_a_lane_run_on_one_thread():
    """Some drivers refuse a second one."""
    lane = Lane()
    threads = {lane.call(threading.get_ident, 10) for _ in range(5)}
    lane.close()

    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_call_that_hangs_is_left_behind():
    """It costs its limit, and later calls nothing at all."""
    lane, release = Lane(), threading.Event()
    started = time.monotonic()
    with pytest.raises(TimedOut):
        lane.call(release.wait, 0.1)
    with pytest.raises(TimedOut):
        lane.call(lambda: 1, 60)
    lane.close()

    assert time.monotonic() - started < 30
    release.set()


def test_a_deadline_never_goes_below_zero():
    """What is left of it can be handed on as a timeout."""
    deadline = Deadline(0)
    time.sleep(0.01)

    assert deadline.left == 0
    assert 0 < Deadline(60).left <= 60
