"""The Python objects of this process, read one by one: an object's own attributes, the globals of modules.

Nothing here runs code of the app: an object is asked for its type only, and its attributes are read
where no property, proxy or lazy object can stand in between.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import GetSetDescriptorType, MemberDescriptorType
from typing import Any

_mro: Any = type.__dict__["__mro__"].__get__
_namespace: Any = type.__dict__["__dict__"].__get__
_module: Any = type.__dict__["__module__"].__get__
_name: Any = type.__dict__["__name__"].__get__
_NOT_THE_APPS = frozenset({*sys.stdlib_module_names, "gunicorn", "bootcheck"}) - {"__main__"}


def class_of(module: str, name: str) -> type | None:
    """Return a class of a module that is loaded, else None: nothing is imported."""
    found = (attributes(sys.modules.get(module)) or {}).get(name)
    return found if found is not None and type in bases(type(found)) else None


def attributes(thing: Any) -> dict[str, Any] | None:
    """Return an object's own attributes; None where it has none that can be read without its help."""
    for kind in _mro(type(thing)):
        slot = _namespace(kind).get("__dict__")
        if slot is not None:
            if type(slot) not in (GetSetDescriptorType, MemberDescriptorType):
                return None
            found = object.__getattribute__(thing, "__dict__")
            return found if type(found) is dict else None
    return None


def bases(kind: type) -> tuple[type, ...]:
    """Return a class and the classes that it inherits from, in Python's order."""
    found: tuple[type, ...] = _mro(kind)
    return found


def defined_by(kind: type) -> dict[str, Any]:
    """Return what a class itself defines; a copy, for another thread may add to it."""
    return dict(_namespace(kind))


def module_of(kind: type) -> str:
    """Return the name of the module that a class is of; `builtins` where it does not say."""
    found = _module(kind)
    return found if type(found) is str else "builtins"


def standard(module: str) -> bool:
    """Tell whether a module is the standard library's, Gunicorn's or ours."""
    return module.partition(".")[0] in _NOT_THE_APPS


def module_globals() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and globals of each loaded module that is neither the standard library's, Gunicorn's nor ours."""
    for name, module in list(sys.modules.items()):
        if type(name) is str and not standard(name):
            found = attributes(module)
            if found is not None:
                yield name, found


def names_of(things: Iterable[Any]) -> dict[int, str]:
    """Return, by id, the `module.attribute` that holds each thing; for those that a module's global holds."""
    wanted = {id(thing) for thing in things}
    found: dict[int, str] = {}
    for module, names in module_globals() if wanted else ():
        for name, value in list(names.items()):
            if id(value) in wanted:
                found.setdefault(id(value), f"{module}.{name}")
    return found


def type_name(thing: Any) -> str:
    """Return `module.Class` of an object."""
    kind = type(thing)
    return f"{module_of(kind)}.{_name(kind)}"
