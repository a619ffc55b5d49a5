"""Objects of given classes in this process, found without running anybody's code.

A pass asks each object for its type, and a type for its bases and heirs; never `isinstance`, which runs lazy
objects, nor `issubclass`, which runs the hooks of abstract classes. Nothing is imported: a class whose
module is not loaded has no instance.
"""

from __future__ import annotations

import gc
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import compress
from typing import Any, TypeVar

from bootcheck.probes.objects import attributes, bases, class_of

Name = tuple[str, str]
"""Module and class."""
Key = TypeVar("Key", bound=Hashable)
_PYTHONS_OWN = 2_000
"""Python 3.12 itself freezes some hundreds of objects when it starts."""
_PAGE = 4096
_heirs: Any = type.__dict__["__subclasses__"]
_ENOUGH = 200_000
"""Objects whose places in memory stand for all."""


def collect(wanted: Iterable[Name]) -> dict[Name, list[Any]]:
    """Return the instances of each class, subclasses included; 10 to 60 ms, and it touches every object's count."""
    found: dict[Name, list[Any]] = {name: [] for name in wanted}
    kinds = {name: kind for name in found if (kind := class_of(*name)) is not None}
    return found | (_among(objects(), kinds) if kinds else {})


def of_kinds(kinds: Mapping[str, type]) -> tuple[dict[str, list[Any]], int]:
    """Return the tracked objects of each class and its subclasses, by name, and how many objects there are.

    Objects that the app has frozen (`gc.freeze`) are counted and not looked at.
    """
    things = gc.get_objects()
    return _among(things, kinds), len(things) + gc.get_freeze_count()


def _among(things: list[Any], kinds: Mapping[Key, type]) -> dict[Key, list[Any]]:
    found: dict[Key, list[Any]] = {name: [] for name in kinds}
    by_type: dict[type, list[Any]] = {}
    for name, kind in kinds.items():
        by_type.update((one, found[name]) for one in _with_heirs(kind) if _nearest(one, kinds) is kind)
    # Without a step of Python's own for each of a hundred thousand objects.
    for thing in compress(things, map(by_type.__contains__, map(type, things))) if by_type else ():
        by_type[type(thing)].append(thing)
    return found


def _with_heirs(kind: type) -> set[type]:
    """Return a class and all that inherit from it."""
    found, waiting = {kind}, [kind]
    while waiting:
        more = [heir for heir in _heirs(waiting.pop()) if heir not in found]
        found.update(more)
        waiting += more
    return found


def _nearest(kind: type, among: Mapping[Key, type]) -> type | None:
    """Return the first of these classes that a class is or inherits from, in Python's order."""
    return next((base for base in bases(kind) if any(base is one for one in among.values())), None)


def own(thing: Any, name: str, default: Any = None) -> Any:
    """Return what stands under a name in an object's own dictionary: no property and no `__getattr__` runs."""
    return (attributes(thing) or {}).get(name, default)


def pages() -> int:
    """Return about how many bytes of memory pages a collection of all unfrozen objects writes to."""
    things = gc.get_objects()
    looked_at = things[:_ENOUGH]
    found = len({id(thing) // _PAGE for thing in looked_at})
    return found * _PAGE * len(things) // max(1, len(looked_at))


def frozen() -> bool:
    """Tell whether the app has frozen its heap."""
    return gc.get_freeze_count() > _PYTHONS_OWN


def objects() -> list[Any]:
    """Return all tracked objects, also those that the app has frozen."""
    with thawed():
        return gc.get_objects()


@contextmanager
def thawed() -> Iterator[None]:
    """Let the collector's lists hold what the app has frozen, and collect nothing meanwhile."""
    before, again = gc.get_freeze_count(), frozen()
    collecting = gc.isenabled()
    gc.disable()
    try:
        if before:
            gc.unfreeze()
        yield
    finally:
        # Python's own are no reason to freeze the app's whole heap.
        if again:
            gc.freeze()
        if collecting:
            gc.enable()
