"""The pass over the heap and the reading of attributes: what is there is found, and nobody's code runs."""

from __future__ import annotations

import types

import pytest

from bootcheck.probes import objects

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


def test_attributes_are_read_without_properties():
    """Of instances, modules and classes without slots; a `__dict__` of somebody's own making is left alone."""
    plain = Wanted()
    plain.name = 1  # type: ignore[attr-defined]

    assert objects.attributes(plain) == {"name": 1}
    assert objects.attributes(types.ModuleType("m"))["__name__"] == "m"  # type: ignore[index]
    assert objects.attributes(Lazy()) is None
    assert objects.attributes(object()) is None
    assert objects.attributes(1) is None


def test_a_class_is_looked_up_in_loaded_modules_only():
    """Nothing is imported, and what is no class is none."""
    assert objects.class_of("threading", "Thread").__name__ == "Thread"  # type: ignore[union-attr]
    assert objects.class_of("threading", "enumerate") is None
    assert objects.class_of("not.loaded", "Thread") is None


def test_names_of_things_that_modules_hold(monkeypatch):
    """`module.attribute` of the app's; of the standard library's nothing."""
    module = types.ModuleType("shop.rates")
    thing = module.RATES = Wanted()  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "shop.rates", module)

    assert objects.names_of([thing, Wanted()]) == {id(thing): "shop.rates.RATES"}
    assert objects.names_of([]) == {}
    assert not objects.standard("shop.rates")
    assert objects.standard("logging.handlers")
    assert objects.standard("gunicorn.ctl.server")


@pytest.mark.parametrize(("thing", "name"), [(Wanted(), f"{__name__}.Wanted"), ([], "builtins.list")])
def test_the_name_of_a_type(thing, name):
    """With its module."""
    assert objects.type_name(thing) == name
