"""Time as text."""

from __future__ import annotations

from hypothesis import given

from bootcheck.model.clock import compact, rfc3339
from tests.strategies import moments, steady


def test_both_forms_are_utc_with_milliseconds():
    """Whatever the machine's time zone."""
    assert rfc3339(1_795_769_099.123) == "2026-11-27T08:44:59.123Z"
    assert compact(1_795_769_099.123) == "20261127T084459123Z"


@steady
@given(moments, moments)
def test_file_names_sort_by_time(one: float, other: float):
    """Pruning goes by names alone."""
    early, late = sorted((one, other))

    assert compact(early) <= compact(late)
    assert len(compact(early)) == len("20261127T084459123Z")
