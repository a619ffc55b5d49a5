"""Objects of given classes in this process, found without running anybody's code.

A pass asks each object for its type, and a type for its bases; never `isinstance`, which runs lazy
objects, nor `issubclass`, which runs the hooks of abstract classes. Nothing is imported: a class whose
module is not loaded has no instance.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

mro: Any = type.__dict__["__mro__"].__get__
"""The bases of a type, whatever its metaclass would say."""
Name = tuple[str, str]
"""Module and class."""
_PYTHONS_OWN = 1_000
"""Python 3.12 freezes a few hundred objects when it starts: no reason to freeze the app's whole heap again."""


def collect(wanted: Iterable[Name]) -> dict[Name, list[Any]]:
    """Return the instances of each class, subclasses included; 10 to 60 ms, and it touches every object's count."""
    found: dict[Name, list[Any]] = {name: [] for name in wanted}
    places = {id(kind): found[name] for name in found if (kind := class_of(*name)) is not None}
    if not places:
        return found
    heap = objects()
    # By type first: of a hundred thousand objects' few thousand types, a handful is wanted.
    by_type: dict[type, list[Any]] = {}
    for kind in set(map(type, heap)):
        place = next((places[id(base)] for base in mro(kind) if id(base) in places), None)
        if place is not None:
            by_type[kind] = place
    for thing in [thing for thing in heap if type(thing) in by_type] if by_type else ():
        by_type[type(thing)].append(thing)
    return found


def class_of(module: str, name: str) -> type | None:
    """Return a class if its module is loaded, else None."""
    found = own(sys.modules.get(module), name)
    return found if found is not None and type in mro(type(found)) else None


def own(thing: Any, name: str, default: Any = None) -> Any:
    """Return what stands under a name in an object's own dictionary: no property and no `__getattr__` runs."""
    try:
        namespace = object.__getattribute__(thing, "__dict__")
    except (AttributeError, TypeError):
        return default
    return namespace.get(name, default) if type(namespace) is dict else default


def objects() -> list[Any]:
    """Return all tracked objects, also those that the app has frozen."""
    with thawed():
        return gc.get_objects()


@contextmanager
def thawed() -> Iterator[None]:
    """Let the collector's lists hold what the app has frozen, and collect nothing meanwhile."""
    frozen = gc.get_freeze_count()
    collecting = gc.isenabled()
    gc.disable()
    try:
        if frozen:
            gc.unfreeze()
        yield
    finally:
        if frozen > _PYTHONS_OWN:
            gc.freeze()
        if collecting:
            gc.enable()
