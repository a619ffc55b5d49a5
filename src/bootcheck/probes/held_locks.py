"""Locks that are held, as far as they can be seen: in globals of modules, in classes, one step into objects.

An RLock names its holder; of a plain lock it is not known. What a thread holds for a moment is
looked for twice.
"""

from __future__ import annotations

import _thread
import re
import threading
import time
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from bootcheck.marks import is_marked
from bootcheck.probes.objects import attributes, bases, defined_by, module_globals, module_of, standard

_LOCK: Any = _thread.LockType
_RLOCK: type = type(threading.RLock())
_OWNER = re.compile(r"owner=(\d+) count=(\d+)")
_PAUSE = 0.005
_DULL = (str, int, float, bool, bytes, tuple, frozenset, type(None), FunctionType, BuiltinFunctionType, ModuleType)
"""Types of most globals: none of them has a lock in it."""


def held() -> list[dict[str, Any]]:
    """Return {name, kind, holder} of each lock that somebody else may hold; `holder` is a thread's number or None."""
    me = threading.get_ident()
    first = [(name, lock) for name, lock in _locks() if holder(lock) not in (0, me)]
    if not first:
        return []
    time.sleep(_PAUSE)
    found: list[dict[str, Any]] = []
    for name, lock in first:
        owner = holder(lock)
        if owner not in (0, me) and not is_marked(lock):
            kind = "Lock" if type(lock) is _LOCK else "RLock"
            found.append({"name": name, "kind": kind, "holder": owner})
    return found


def holder(lock: Any) -> int | None:
    """Return the thread that holds a lock, None for one that is not known, 0 where nobody does."""
    if type(lock) is _LOCK:
        return None if lock.locked() else 0
    match = _OWNER.search(repr(lock))
    return int(match[1]) if match and int(match[2]) else 0


def _locks() -> Iterator[tuple[str, Any]]:
    """Yield each lock once, with the first name under which it was met."""
    seen: set[int] = set()
    for name, value in _places():
        if type(value) in (_LOCK, _RLOCK) and id(value) not in seen:
            seen.add(id(value))
            yield name, value


def _places() -> Iterator[tuple[str, Any]]:
    opened: set[int] = set()
    for module, names in module_globals():
        for name, value in list(names.items()):
            if type(value) in _DULL or id(value) in opened:
                continue
            opened.add(id(value))
            yield f"{module}.{name}", value
            inner = _inside(value)
            for attribute, held_there in inner.items():
                yield f"{module}.{name}.{attribute}", held_there


def _inside(value: Any) -> dict[str, Any]:
    """Return what an object, or a class of the app's, holds itself; Conditions, Events and Queues hold theirs."""
    kind = type(value)
    if issubclass(kind, type):
        return {} if standard(module_of(value)) else defined_by(value)
    # A running thread's own lock is held as long as it runs; those of logging are renewed in the child.
    if issubclass(kind, threading.Thread) or any(module_of(base) == "logging" for base in bases(kind)):
        return {}
    own = attributes(value)
    return {} if own is None else {str(name): inner for name, inner in list(own.items())}
