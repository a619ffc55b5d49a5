"""Sources of random numbers that a fork copies."""

from __future__ import annotations

import random
import sys
import types

import pytest

from bootcheck.marks import fork_safe
from bootcheck.probes import heap, random_state


def seen() -> dict[str, dict[str, object]]:
    """Return the sources by name."""
    things, _ = heap.of_kinds(random_state.kinds())
    return {source["name"]: source for source in random_state.shared(things)}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module of an app."""
    module = types.ModuleType("shop.prices")
    monkeypatch.setitem(sys.modules, "shop.prices", module)
    return module


def test_generators_that_modules_keep_are_found_and_pythons_own_is_not(shop):
    """`random` seeds itself after a fork, SystemRandom has no state; a marked one is meant."""
    shop.JITTER, shop.SYSTEM, shop.MARKED = random.Random(1), random.SystemRandom(), fork_safe(random.Random(1))
    found = {name for name in seen() if name.startswith(("shop.", "random."))}

    assert found == {"shop.prices.JITTER"}
    assert seen()["shop.prices.JITTER"]["used"] is None


def test_numpys_global_generator_is_believed_to_be_used_when_it_was(shop):
    """Fresh: not known. Drawn from, or seeded: used. A kept Generator: used."""
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    state = numpy.random.get_state()
    try:
        bits = numpy.random.mtrand._rand._bit_generator
        bits.state = numpy.random.MT19937().state
        drawn_before = getattr(bits, "_seed_seq", None) is None
        assert drawn_before or seen()["numpy.random"]["used"] is None
        numpy.random.random()
        assert "drawn" in str(seen()["numpy.random"]["used"])
        numpy.random.seed(7)
        assert "seeded" in str(seen()["numpy.random"]["used"])
    finally:
        numpy.random.set_state(state)
    shop.RNG, shop.OLD = numpy.random.default_rng(7), numpy.random.RandomState(7)

    assert seen()["shop.prices.RNG"]["used"]
    assert seen()["shop.prices.OLD"]["used"]


def test_a_fresh_numpy_is_not_known_to_be_used():
    """An app that merely imports it is no alarm."""
    pytest.importorskip("numpy", reason="numpy is not installed")
    from tests.unit.children import interpreter

    done = interpreter(
        "import numpy.random\nfrom bootcheck.probes import heap, random_state\n"
        "print([source['used'] for source in random_state.shared(heap.of_kinds(random_state.kinds())[0])])"
    )

    assert done.stdout == "[None]\n", done.stderr
