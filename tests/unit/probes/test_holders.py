"""The names under which an object is held, found without running anybody's code."""

from __future__ import annotations

import json
import sys
import types
from types import SimpleNamespace

import pytest

from bootcheck.probes.holders import holders_of, near
from tests.unit.children import interpreter


class Thing:
    """Something that can be held and hold."""


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("db",)


class Lazy:
    """An object that must not be touched."""

    def __getattr__(self, name: str) -> object:
        """Raise, as an object that resolves itself would run code."""
        raise AssertionError(name)


@pytest.fixture
def module():
    """A module of an app's."""
    made = types.ModuleType("its_app")
    sys.modules["its_app"] = made
    yield made
    del sys.modules["its_app"]


def by_attribute(module, thing):
    """Hold it in an object's own attributes."""
    module.REPOSITORY = Thing()
    module.REPOSITORY.db = thing


def by_slot(module, thing):
    """Hold it in an object with slots."""
    module.REPOSITORY = Slotted()
    module.REPOSITORY.db = thing


def by_class(module, thing):
    """Hold it in a class."""
    module.Model = type("Model", (Thing,), {"db": thing})


def by_closure(module, thing):
    """Hold it in what a function closes over."""
    module.handler = lambda: thing


def deep(module, thing):
    """Hold it far below."""
    module.STATE = {"pools": [Thing()]}
    module.STATE["pools"][0].members = (thing,)


@pytest.mark.parametrize(
    ("hold", "name"),
    [
        (lambda module, thing: setattr(module, "conn", thing), "its_app.conn"),
        (lambda module, thing: setattr(module, "CACHE", {"pg": thing}), "its_app.CACHE['pg']"),
        (lambda module, thing: setattr(module, "CACHE", {("pg", 1): thing}), "its_app.CACHE[…]"),
        (lambda module, thing: setattr(module, "LIST", [None, thing]), "its_app.LIST[1]"),
        (by_slot, "its_app.REPOSITORY.db"),
        (by_class, "its_app.Model.db"),
        (by_closure, "its_app.handler"),
        (deep, "its_app.STATE['pools'][0].members[0]"),
    ],
)
def test_the_way_from_a_module_is_named(module, hold, name):
    """As it would be written."""
    thing = Thing()
    hold(module, thing)
    module.lazy = Lazy()

    assert holders_of([thing]) == {id(thing): name}


@pytest.mark.parametrize(
    ("hold", "name"),
    [
        (lambda module, thing: setattr(module, "conn", thing), "its_app.conn"),
        (lambda module, thing: setattr(module, "CACHE", {"pg": thing}), "its_app.CACHE['pg']"),
        (lambda module, thing: setattr(module, "PAIR", (None, thing)), "its_app.PAIR[1]"),
        (lambda module, thing: setattr(module, "STATE", SimpleNamespace(db=thing)), "its_app.STATE.db"),
        (by_attribute, "its_app.REPOSITORY.db"),
        (deep, None),
        (lambda module, thing: setattr(module, "MANY", [thing] * 2_000), None),
    ],
)
def test_a_glance_finds_what_a_module_or_one_of_its_things_holds(module, hold, name):
    """And leaves out what lies deeper, or among many."""
    thing = Thing()
    hold(module, thing)
    module.lazy = Lazy()

    assert near([thing]) == ({} if name is None else {id(thing): name})


def test_several_are_found_in_one_walk(module):
    """Also where one holder leads to more than one of them."""
    things = [Thing() for _ in range(3)]
    module.PAIR = {"a": things[0], "b": things[1]}
    module.alone = things[2]

    found = holders_of(things)

    assert [found[id(thing)] for thing in things] == ["its_app.PAIR['a']", "its_app.PAIR['b']", "its_app.alone"]


def test_what_no_module_leads_to_has_no_name():
    """A local variable is nobody's global."""
    assert holders_of([Thing()]) == {}


def test_what_the_app_has_frozen_is_found_and_stays_frozen():
    """gc.freeze() hides the heap from the collector, not from the walk."""
    done = interpreter(
        """
import gc, json, types, sys
from bootcheck.probes.holders import holders_of

class Thing:
    pass

def main():
    module = sys.modules["its_app"] = types.ModuleType("its_app")
    thing = Thing()
    module.REPOSITORY = Thing()
    module.REPOSITORY.db = thing
    gc.freeze()
    before = gc.get_freeze_count()
    print(json.dumps([list(holders_of([thing]).values()), gc.get_freeze_count() >= before]))

main()
"""
    )

    assert json.loads(done.stdout) == [["its_app.REPOSITORY.db"], True], done.stderr
