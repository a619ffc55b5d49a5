"""Objects of given classes, found by their types alone."""

from __future__ import annotations

import abc
import gc

from bootcheck.probes import heap
from bootcheck.probes.heap import collect, own
from bootcheck.probes.objects import class_of


class Base:
    """What is looked for."""


class Derived(Base):
    """Found as well."""


class Pretender:
    """Says that it is a Base, if it is asked."""

    @property
    def __class__(self) -> type:  # type: ignore[override]
        """Raise: nobody may ask."""
        msg = "a scan of the heap ran user code"
        raise AssertionError(msg)

    def __getattr__(self, name: str) -> object:
        """Raise: nobody may ask."""
        raise AssertionError(name)


class Abstract(abc.ABC):  # noqa: B024 - its metaclass is what matters
    """A class whose hook must not run."""

    @classmethod
    def __subclasshook__(cls, other: type) -> bool:
        """Raise: nobody may ask."""
        raise AssertionError(other)


class Property:
    """An object whose attributes are code."""

    def __init__(self) -> None:
        self.plain = 1

    @property
    def made(self) -> int:
        """Raise: nobody may ask."""
        raise AssertionError


class Further(Derived, Pretender):
    """An heir of an heir."""


def test_where_a_class_and_its_heir_are_asked_for_each_has_its_own():
    """The nearest one, in Python's order: nobody is found twice."""
    held = [Base(), Derived(), Further()]
    found = collect([(__name__, "Base"), (__name__, "Derived")])

    assert [thing for thing in found[__name__, "Base"] if any(thing is one for one in held)] == [held[0]]
    assert {id(thing) for thing in found[__name__, "Derived"]} >= {id(held[1]), id(held[2])}


def test_instances_and_those_of_subclasses_are_found():
    """Each under the class that was asked for, and nobody's code runs."""
    held = [Base(), Derived(), Pretender()]
    found = collect([(__name__, "Base"), (__name__, "Abstract"), ("not.loaded", "Thing")])

    assert {id(thing) for thing in held[:2]} <= {id(thing) for thing in found[__name__, "Base"]}
    assert all(type(thing) is not Pretender for thing in found[__name__, "Base"])
    assert found[__name__, "Abstract"] == []
    assert found["not.loaded", "Thing"] == []


def test_an_objects_own_attribute_is_read_without_code():
    """No property runs; what is not there is the default."""
    thing = Property()

    assert own(thing, "plain") == 1
    assert own(thing, "made") is None
    assert own(object(), "plain", 5) == 5
    assert class_of(__name__, "test_an_objects_own_attribute_is_read_without_code") is None


def test_objects_of_a_class_and_its_subclasses_are_found_without_waking_lazy_ones():
    """By their type alone."""

    class Sub(Base):
        pass

    mine, lazy = [Base(), Sub()], Pretender()
    found, count = heap.of_kinds({"wanted": Base})

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
        assert gc.get_freeze_count() > frozen // 2
    finally:
        gc.unfreeze()
    assert not heap.frozen()


def test_pages_grow_with_the_heap():
    """A hundred thousand objects stand on some megabytes."""
    # What other tests have left is so much that a sample of it varies by as many.
    gc.collect()
    gc.freeze()
    try:
        before = heap.pages()
        kept = [[n] for n in range(100_000)]
        assert heap.pages() - before > (2 << 20)
        assert kept
    finally:
        gc.unfreeze()
