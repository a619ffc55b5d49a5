"""Finds the Flask app behind a WSGI or ASGI callable that middleware has wrapped, without calling user code."""

from __future__ import annotations

import gc
import sys
from collections import deque
from types import FrameType, FunctionType, ModuleType
from typing import Any

_MOST = 2000
_WIDEST = 200
_DEEPEST = 16
"""An attribute may be two steps away: the object, its `__dict__`, the value."""
_PLAIN = (str, bytes, int, float, complex, type(None), type, ModuleType, FrameType)


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
            waiting.extend((inner, depth + 1) for inner in _inside(found))
    return None


def _inside(found: Any) -> list[Any]:
    """Return what an object holds, as the collector sees it: no property and no `__getattr__` runs."""
    if type(found) is FunctionType:
        # Not its globals: every app of the module would count as wrapped.
        held = [*(found.__closure__ or ()), *vars(found).values()]
    else:
        held = gc.get_referents(found)[:_WIDEST]
    return [inner for inner in held if not issubclass(type(inner), _PLAIN)]
