"""What the app means its workers to inherit: `bootcheck.fork_safe(thing)`.

A mark is a note in this process and changes nothing. It is kept by identity: no method of the
marked thing is called. Workers inherit the marks.
"""

from __future__ import annotations

import weakref
from typing import Any, TypeVar

T = TypeVar("T")

_marks: dict[int, Any] = {}
"""By the thing's id: a weak reference to it, or the thing itself where there can be none."""


def fork_safe(thing: T) -> T:
    """Mark a thread, socket, connection, executor, lock or loop as meant to be inherited; return it.

    The audit under `--preload` says nothing about what is marked. It works before bootcheck is
    armed, with `BOOTCHECK_DISABLE=1`, and under any server.
    """
    key = id(thing)
    try:
        # The number may be another thing's once this one is gone.
        _marks[key] = weakref.ref(thing, lambda gone: _forget(key, gone))
    except TypeError:
        _marks[key] = thing
    return thing


def is_marked(thing: Any) -> bool:
    """Tell whether `fork_safe` was called with this very thing."""
    mark = _marks.get(id(thing))
    return mark is not None and (mark is thing or (type(mark) is weakref.ref and mark() is thing))


def marked() -> list[Any]:
    """Return what is marked and still there."""
    things = [mark() if type(mark) is weakref.ref else mark for mark in list(_marks.values())]
    return [thing for thing in things if thing is not None]


def _forget(key: int, gone: Any) -> None:
    if _marks.get(key) is gone:
        del _marks[key]
