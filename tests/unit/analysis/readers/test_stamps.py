"""The times of reports are what every other reader takes them for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bootcheck.analysis.readers.prefixes import epoch
from bootcheck.analysis.readers.stamps import Stamps

TWO = st.integers(0, 99).map("{:02}".format)
ALIKE = st.builds(
    "{}-{}-{}T{}:{}:{}.{:03}Z".format,
    st.sampled_from(("2026", "1969", "1970", "2027")),
    *[TWO] * 5,
    st.integers(0, 999),
)
ODD = st.builds(
    lambda stamp, at, other: stamp[:at] + other + stamp[at + 1 :],
    st.just("2026-11-27T09:26:00.123Z"),
    st.integers(0, 23),
    st.sampled_from(("", "x", " ", ":", "-", "+", "1", "\u0661", "T", ".")),
)


@given(st.lists(st.one_of(ALIKE, ODD), min_size=1, max_size=20))
@example(["2026-11-27T09:26:00.123Z", "2026-11-27T09:60:00.123Z", "2026-11-27T09:26:61.999Z"])
@example(["11/27/2026, 09:26:00.123", "2026-11-27T24:26:00.123Z"])
def test_a_time_is_the_same_to_the_last_bit(stamps: list[str]):
    """Whichever of its hour came first, and however odd it is."""
    quick = Stamps()
    for stamp in stamps * 2:
        assert quick.epoch(stamp) == epoch(stamp.replace("T", " "))


@pytest.mark.parametrize("value", [None, 5, [], {}, "", True, ["2026-11-27T09:26:00.123Z"]])
def test_what_is_no_time(value: Any):
    """Other values are no time, or read as their text is."""
    assert Stamps().epoch(value) == epoch(str(value).replace("T", " "))
