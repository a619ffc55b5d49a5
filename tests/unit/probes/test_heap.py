"""The pass over the heap and the reading of attributes: what is there is found, and nobody's code runs."""

from __future__ import annotations

import gc
import types

import pytest

from bootcheck.probes import heap

PLACE = __name__


class Wanted:
    """What the tests look for."""


class Lazy:
    """As lazy objects are: they pretend another class, and to look at them is to load them."""

    @property
    def __class__(self) -> type:
        raise AssertionError

    @property
    def __dict__(self) -> dict[str, object]:
        raise AssertionError

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


def test_objects_of_a_class_and_its_subclasses_are_found_without_waking_lazy_ones():
    """By their type alone."""

    class Sub(Wanted):
        pass

    mine, lazy = [Wanted(), Sub()], Lazy()
    found, count = heap.of_kinds({"wanted": Wanted})

    assert {id(one) for one in mine} <= {id(one) for one in found["wanted"]}
    assert count > len(found["wanted"])
    assert lazy is not None


def test_frozen_objects_are_counted_and_left_frozen():
    """An audit changes nothing."""
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        _, count = heap.of_kinds({})
        assert heap.frozen()
        assert count >= frozen
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()
    assert not heap.frozen()


def test_attributes_are_read_without_properties():
    """Of instances, modules and classes without slots; a `__dict__` of somebody's own making is left alone."""
    plain = Wanted()
    plain.name = 1  # type: ignore[attr-defined]

    assert heap.attributes(plain) == {"name": 1}
    assert heap.attributes(types.ModuleType("m"))["__name__"] == "m"  # type: ignore[index]
    assert heap.attributes(Lazy()) is None
    assert heap.attributes(object()) is None
    assert heap.attributes(1) is None


def test_a_class_is_looked_up_in_loaded_modules_only():
    """Nothing is imported, and what is no class is none."""
    assert heap.class_of("threading", "Thread").__name__ == "Thread"  # type: ignore[union-attr]
    assert heap.class_of("threading", "enumerate") is None
    assert heap.class_of("not.loaded", "Thread") is None


def test_names_of_things_that_modules_hold(monkeypatch):
    """`module.attribute` of the app's; of the standard library's nothing."""
    module = types.ModuleType("shop.rates")
    thing = module.RATES = Wanted()  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "shop.rates", module)

    assert heap.names_of([thing, Wanted()]) == {id(thing): "shop.rates.RATES"}
    assert heap.names_of([]) == {}
    assert not heap.standard("shop.rates")
    assert heap.standard("logging.handlers")
    assert heap.standard("gunicorn.ctl.server")


def test_pages_grow_with_the_heap():
    """A hundred thousand objects stand on some megabytes."""
    before = heap.pages()
    kept = [[n] for n in range(100_000)]

    assert heap.pages() - before > (2 << 20)
    assert kept


@pytest.mark.parametrize(("thing", "name"), [(Wanted(), f"{__name__}.Wanted"), ([], "builtins.list")])
def test_the_name_of_a_type(thing, name):
    """With its module."""
    assert heap.type_name(thing) == name
