"""SQLAlchemy's engines and open connections in this process, found without a registry: it has none.

Nothing is imported: a process that has not loaded SQLAlchemy has no engine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from bootcheck.model.redact import mask
from bootcheck.probes.heap import collect
from bootcheck.probes.objects import class_of

_STEPS = ("driver_connection", "_connection", "_sock", "_usock", "_socket", "sock", "_transport", "_writer")
"""Attributes that lead from a DBAPI connection to its socket, in the drivers known."""


def loaded() -> bool:
    """Tell whether the process has loaded SQLAlchemy."""
    return "sqlalchemy.engine.base" in sys.modules


def module(name: str) -> Any:
    """Return a module if it is loaded, else None: nothing is imported."""
    return sys.modules.get(name)


ENGINE = ("sqlalchemy.engine.base", "Engine")
CONNECTION = ("sqlalchemy.engine.base", "Connection")
RECORD = ("sqlalchemy.pool.base", "_ConnectionRecord")


def on_heap() -> list[Any]:
    """Return the engines of this process, wherever they are held; 10 to 60 ms, and it touches every object's count."""
    return collect((ENGINE,))[ENGINE]


def in_sight(app: Any = None) -> list[Any]:
    """Return the engines in the globals of loaded modules and in an app's own attributes.

    Also those behind an async engine, a session factory or a Flask extension. Costs a few
    milliseconds and leaves the shared pages of a preloaded app alone.
    """
    kind = class_of(*ENGINE)
    if kind is None:
        return []
    found: dict[int, Any] = {}
    namespaces = [getattr(loaded_module, "__dict__", None) for loaded_module in list(sys.modules.values())]
    for namespace in (*namespaces, *_of_app(app)):
        for value in list(namespace.values()) if isinstance(namespace, dict) else ():
            for engine in _engines_of(value, kind):
                found[id(engine)] = engine
    return list(found.values())


def pool_of(record: Any) -> Any:
    """Return the pool that a record belongs to, or None."""
    return getattr(record, "_ConnectionRecord__pool", None)


def dbapi_of(record: Any) -> Any:
    """Return the DBAPI connection of a record, or None; older SQLAlchemy calls it `connection`."""
    found = getattr(record, "dbapi_connection", None)
    return record.__dict__.get("connection") if found is None else found


def checked_out(record: Any) -> bool:
    """Tell whether somebody holds the record's connection."""
    reference = getattr(record, "fairy_ref", None)
    return reference is not None and reference() is not None


def fileno_of(connection: Any, depth: int = 4) -> int | None:
    """Return the socket's descriptor of a DBAPI connection, None where the driver does not tell."""
    number = _fileno(connection)
    if number is not None or depth == 0 or connection is None:
        return number
    for step in _STEPS:
        inner = _attribute(connection, step)
        if inner is not None and inner is not connection:
            number = fileno_of(inner, depth - 1)
            if number is not None:
                return number
    return None


def label(engine: Any) -> str:
    """Return an engine's URL without its secrets."""
    try:
        url = engine.url
        render = getattr(url, "render_as_string", None)
        return mask(str(render(hide_password=True) if render else repr(url)))
    except Exception:  # noqa: BLE001 - a creator's URL may be anything
        return "an engine"


def in_memory(engine: Any) -> bool:
    """Tell whether the engine's data live in its connection: to dispose of it would lose them."""
    if getattr(engine.dialect, "name", "") != "sqlite":
        return False
    name = str(engine.url.database or "")
    if getattr(engine.url, "query", {}).get("mode") == "memory":
        return True
    return name in ("", ":memory:") or "mode=memory" in name or ":memory:" in name or "memdb" in name


def _of_app(app: Any) -> list[Any]:
    """Return the namespaces of an app object: its attributes, Flask's extensions, Starlette's state."""
    own = _attribute(app, "__dict__")
    state = _attribute(_attribute(app, "state"), "_state")
    return [own, _attribute(app, "extensions"), state] if type(own) is dict else []


def _engines_of(value: Any, kind: type) -> Iterator[Any]:
    of = type(value)
    if issubclass(of, kind):
        yield value
        return
    home, name = str(of.__module__), of.__name__
    if name == "AsyncEngine" and home.startswith("sqlalchemy."):
        yield value.sync_engine
    elif name in ("sessionmaker", "async_sessionmaker") and home.startswith("sqlalchemy."):
        yield from _engines_of(value.kw.get("bind"), kind)
    elif name == "scoped_session" and home.startswith("sqlalchemy."):
        yield from _engines_of(value.session_factory, kind)
    elif home.startswith("flask_sqlalchemy"):
        # A WeakKeyDictionary of app to {bind key: engine}; its public face needs an app context.
        for engines in list(getattr(value, "_app_engines", {}).values()):
            yield from (engine for engine in engines.values() if issubclass(type(engine), kind))


def _fileno(thing: Any) -> int | None:
    method = _attribute(thing, "fileno")
    if not callable(method):
        get = _attribute(thing, "get_extra_info")
        thing = get("socket") if callable(get) else None
        method = _attribute(thing, "fileno")
    try:
        number = method() if callable(method) else None
    except Exception:  # noqa: BLE001 - a closed connection, each driver with its own error
        return None
    return number if type(number) is int and number >= 0 else None


def _attribute(thing: Any, name: str) -> Any:
    try:
        return getattr(thing, name, None)
    except Exception:  # noqa: BLE001 - a property of a closed connection
        return None
