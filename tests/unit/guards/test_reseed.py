"""Random numbers of its own for each worker, where the user asked for them."""

from __future__ import annotations

import random

import pytest

from bootcheck.guards import reseed
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory


def seed(*things: object) -> list[dict[str, object]]:
    """Seed these and return what was recorded."""
    memory = Memory()
    reseed.in_child([{"name": str(number), "thing": thing} for number, thing in enumerate(things)], Recorder([memory]))
    return [dict(record) for record in memory.records]


def test_pythons_generator_goes_another_way():
    """And the guard says which source it was."""
    mine, twin = random.Random(7), random.Random(7)
    (record,) = seed(mine)

    assert mine.random() != twin.random()
    assert {"name": "reseed", "action": "seeded", "source": "0"}.items() <= record.items()


@pytest.mark.parametrize("make", ["default_rng", "RandomState"])
def test_numpys_generators_go_another_way(make):
    """In place: who holds it goes on holding it."""
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    mine, twin = getattr(numpy.random, make)(7), getattr(numpy.random, make)(7)
    seed(mine)

    assert mine.random() != twin.random()


def test_one_that_cannot_be_seeded_is_told_and_the_others_are_seeded():
    """A worker's boot never fails for it."""
    mine, twin = random.Random(7), random.Random(7)
    failed, done = seed(object(), mine)

    assert (failed["action"], failed["reason"]) == ("failed", "AttributeError")
    assert done["action"] == "seeded"
    assert mine.random() != twin.random()
