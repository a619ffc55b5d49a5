"""Finds the Flask app behind a WSGI or ASGI callable that middleware has wrapped, without calling user code."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from itertools import islice
from types import CellType, FunctionType, MethodType
from typing import Any

_MOST = 500
_DEEPEST = 8
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type)


def find_flask_app(outermost: Any) -> Any:
    """Return the Flask app that a callable is or wraps, the nearest one, or None."""
    kind = getattr(sys.modules.get("flask"), "Flask", None)
    if kind is None:
        return None
    waiting: deque[tuple[Any, int]] = deque([(outermost, 0)])
    seen: set[int] = set()
    while waiting and len(seen) < _MOST:
        found, depth = waiting.popleft()
        if id(found) in seen:
            continue
        seen.add(id(found))
        # `type(o)`, not `isinstance`: the latter asks the object, and lazy objects run user code then.
        if issubclass(type(found), kind):
            return found
        if depth < _DEEPEST:
            waiting.extend((inner, depth + 1) for inner in _inside(found) if not issubclass(type(inner), _PLAIN))
    return None


def _inside(found: Any) -> Iterator[Any]:
    """Yield what an object holds, read past every property and `__getattr__` of its class."""
    if type(found) is MethodType:
        yield found.__self__
    elif type(found) is FunctionType:
        yield from (_content(cell) for cell in found.__closure__ or ())
        yield from vars(found).values()
    elif issubclass(type(found), dict):
        yield from islice(dict.values(found), 50)
    elif issubclass(type(found), (list, tuple)):
        yield from islice(found, 50)
    else:
        yield from _attributes(found)


def _attributes(found: Any) -> Iterator[Any]:
    try:
        held = object.__getattribute__(found, "__dict__")
    except AttributeError:
        held = {}
    if type(held) is dict:
        # What middleware calls the app it wraps comes before the rest of its attributes.
        yield from sorted(held.values(), key=lambda value: not callable(value))
    for kind in type(found).__mro__:
        for name in _slots(kind):
            try:
                yield object.__getattribute__(found, name)
            except AttributeError:
                continue


def _slots(kind: type) -> tuple[str, ...]:
    names = vars(kind).get("__slots__", ())
    return (names,) if isinstance(names, str) else tuple(name for name in names if isinstance(name, str))


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
