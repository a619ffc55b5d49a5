"""The line that an exception is blamed on."""

from __future__ import annotations

import json

from bootcheck.checks.blame import blame


def test_the_innermost_line_outside_of_python_itself():
    """An error raised inside a standard module is blamed on the line that called it."""
    try:
        json.loads("{")
    except ValueError as exc:
        place = blame(exc.__traceback__)

    assert place is not None
    assert place[0] == __file__
    assert place[1] == 13


def test_nothing_to_blame():
    """Without a traceback there is no place."""
    assert blame(None) is None
