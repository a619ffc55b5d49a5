"""Time as text, and identifiers that differ in every process."""

from __future__ import annotations

import random
import uuid

from hypothesis import given

from bootcheck.model.stamps import compact, new_id, rfc3339
from tests.strategies import moments
from tests.unit.children import forked


def test_both_forms_are_utc_with_milliseconds():
    """Whatever the machine's time zone."""
    assert rfc3339(1_795_769_099.123) == "2026-11-27T08:44:59.123Z"
    assert compact(1_795_769_099.123) == "20261127T084459123Z"


@given(moments, moments)
def test_file_names_sort_by_time(one: float, other: float):
    """Pruning goes by names alone."""
    early, late = sorted((one, other))

    assert compact(early) <= compact(late)
    assert len(compact(early)) == len("20261127T084459123Z")


def test_an_id_is_a_random_uuid():
    """Version 4, as the standard library reads it."""
    made = uuid.UUID(new_id())

    assert made.version == 4
    assert made.variant == uuid.RFC_4122


def test_forked_processes_draw_different_ids():
    """The state of `random` is the same in all of them; ours does not come from there."""
    random.seed(1)
    one, _ = forked(new_id)
    random.seed(1)
    other, _ = forked(new_id)

    assert len({one, other, new_id()}) == 3
