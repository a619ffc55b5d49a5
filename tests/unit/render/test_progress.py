"""Progress: for a person who waits, and gone when it is over."""

from __future__ import annotations

import io

from bootcheck.render import progress
from tests.unit.render.test_terminal import _Terminal


def test_a_long_reading_is_shown_and_wiped_away():
    """Nothing in the first second; then a line that is replaced, of fixed width."""
    now = [0.0]
    err = _Terminal()
    with progress.shown(err, lambda: now[0]) as tell:
        tell("quick.log", 0)
        assert err.getvalue() == ""
        now[0] = 5.0
        tell("slow\x1b[2J.log", 0)
        tell("too soon.log", 0)
        now[0] = 9.0
        tell("large.log", 120_000)

    assert "reading file 2: slow[2J.log" in err.getvalue()
    assert "reading file 3, line 120,000: large.log" in err.getvalue()
    assert "too soon" not in err.getvalue()
    assert err.getvalue().endswith(" \r")
    assert "\n" not in err.getvalue()


def test_a_pipe_sees_nothing():
    """However long it takes."""
    err = io.StringIO()
    with progress.shown(err, lambda: 100.0) as tell:
        tell("x", 0)

    assert err.getvalue() == ""
