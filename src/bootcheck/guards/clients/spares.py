"""Spare pools for SQLAlchemy's engines: made in the master, put in their place in each worker.

SQLAlchemy's own way, `engine.dispose(close=False)`, makes every pool anew in every worker. A spare is what
`recreate()` returns, made once: it has no connection and its locks were never held. It is kept on the pool that
it stands for and lives no longer; where that pool was changed since, it is made anew. Only pools of SQLAlchemy's
own classes have one: the code of others may connect.
"""

from __future__ import annotations

from operator import is_
from typing import Any

from bootcheck.probes import engines
from bootcheck.probes.objects import attributes, module_of

NAME = "_bootcheck_spare"
Stamp = tuple[int, int, object]
_ABSENT = object()
_READ = (
    *("_creator_arg", "_creator", "_max_overflow", "_timeout", "_recycle", "_pre_ping", "_reset_on_return", "echo"),
    "size",
)
"""What an app may have set on a pool that is read when the pool is made anew (SQLAlchemy 1.4 to 2.1)."""


class Spare:
    """The pool that will take another one's place, and what that one was like when it was made."""

    __slots__ = ("__weakref__", "_listeners", "_old", "_setup", "pool")

    def __init__(self, old: Any, inside: dict[str, Any]) -> None:
        """Make the spare of a pool; raises what SQLAlchemy raises."""
        self._old = id(old)
        self._setup = [inside.get(name, _ABSENT) for name in _READ]
        self._listeners = _listeners(inside)
        self.pool = old.recreate()

    def fits(self, pool: Any, *, as_then: bool = False) -> bool:
        """Tell whether this is the pool that it stands for, set up as it was, with the same listeners.

        By identity: to ask values whether they are equal would run their code. `as_then`: nothing of the app's has
        run since somebody looked.
        """
        if id(pool) != self._old:
            return False
        if as_then:
            return True
        inside = attributes(pool) or {}
        for number, name in enumerate(_READ):
            if inside.get(name, _ABSENT) is not self._setup[number]:
                return False
        listeners = _listeners(inside)
        if len(listeners) != len(self._listeners):
            return False
        return all(map(is_, listeners, self._listeners))


def make_ready(engine: Any, pool: Any) -> Spare | None:
    """Return the spare of an engine's pool, None where it can have none. Never raises."""
    inside = attributes(pool)
    if inside is None:
        return None
    spare: Spare | None = inside.get(NAME)
    try:
        if spare is None or not spare.fits(pool):
            if engines.in_memory(engine) or not module_of(type(pool)).startswith("sqlalchemy.pool"):
                return None
            spare = inside[NAME] = Spare(pool, inside)
    except Exception:  # noqa: BLE001 - a SQLAlchemy that looks unlike any known one makes its pools in the worker
        inside.pop(NAME, None)
        return None
    return spare


def stamp() -> Stamp | None:
    """Return what changes whenever a listener is added or removed; None where that cannot be known.

    SQLAlchemy has one register of all listeners (1.4 to 2.1), in the order in which they were added.
    """
    register = attributes(engines.module("sqlalchemy.event.registry")) or {}
    keys, collections = register.get("_key_to_collection"), register.get("_collection_to_key")
    if not isinstance(keys, dict) or not isinstance(collections, dict):
        return None
    return len(keys), len(collections), next(reversed(keys), None)


def _listeners(inside: dict[str, Any]) -> list[Any]:
    """Return events and listeners of this very pool, in order; those of all pools are every pool's."""
    dispatch = inside.get("dispatch")
    found: list[Any] = []
    # Where there is no such attribute nobody knows where they are kept: then there is no spare.
    for event in () if dispatch is None else dispatch._event_names:  # noqa: SLF001
        listeners = getattr(getattr(dispatch, event), "listeners", None)
        if listeners:
            found.append(event)
            found += listeners
    return found
