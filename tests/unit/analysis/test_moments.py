"""Times as people type them."""

from __future__ import annotations

import pytest

from bootcheck.analysis.moments import moment
from bootcheck.model.errors import BootcheckError

NOW = 1_795_780_800.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-27T12:00:00Z", NOW),
        ("2026-11-27 12:00", NOW),
        ("2026-11-27T13:00:00+01:00", NOW),
        ("2026-11-27", NOW - 43_200),
        ("2h", NOW - 7_200),
        ("1.5d", NOW - 129_600),
        ("1795780800", NOW),
    ],
)
def test_times(text: str, expected: float):
    """Absolute, with or without zone, a day, an epoch, or ago."""
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "25", "2026-13-01", "-2h"])
def test_what_is_no_time(text: str):
    """The message shows how to write one."""
    with pytest.raises(BootcheckError, match="Write for example"):
        moment(text, NOW)
