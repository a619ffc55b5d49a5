"""Identifiers differ in every process."""

from __future__ import annotations

import random
import uuid

from bootcheck.model.identity import new_id
from tests.unit.children import forked


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
