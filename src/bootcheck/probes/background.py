"""The Python threads of this process that a fork leaves behind, and what each of them works for.

Read without calling anything of theirs: a thread's owner may be an object of any kind.
"""

from __future__ import annotations

import _thread
import functools
import os
import sys
import threading
import types
import weakref
from collections.abc import Iterator
from typing import Any

from bootcheck.marks import is_marked
from bootcheck.probes.objects import attributes, bases, class_of, defined_by, module_of, standard, type_name

Seen = dict[str, Any]


def survive() -> bool:
    """Tell whether threads are greenlets (gevent, eventlet): those are memory, and a fork copies them."""
    return type(_thread.start_new_thread) is not types.BuiltinFunctionType


def idents() -> frozenset[int]:
    """Return the numbers of all threads that run Python code; a few microseconds."""
    return frozenset(sys._current_frames())  # noqa: SLF001


def native_ids() -> set[int]:
    """Return the kernel's numbers of the threads that Python started; native ones that call Python are none."""
    active = list(threading._active.values())  # type: ignore[attr-defined]  # noqa: SLF001
    started = [thread for thread in active if not issubclass(type(thread), threading._DummyThread)]  # noqa: SLF001
    numbers = [(attributes(thread) or {}).get("_native_id") for thread in started]
    return {number for number in numbers if type(number) is int}


def threads() -> list[Seen]:
    """Return every Python thread but the caller's and those that are marked as safe.

    `known` is False for one that was started without `threading`; `kind` is thread, executor,
    pool, listener or scheduler; `revived` tells that its owner looks
    after forks: it remembers the pid, or has a method for them.
    """
    if survive():
        return []
    me, frames = threading.get_ident(), sys._current_frames()  # noqa: SLF001
    active = dict(threading._active)  # type: ignore[attr-defined]  # noqa: SLF001
    found = [_of_thread(ident, thread) for ident, thread in active.items() if ident != me and ident in frames]
    for ident, frame in frames.items():
        if ident not in active and ident != me:
            found.append(_of_frame(ident, frame))
    return [seen for seen in found if seen is not None]


def _of_frame(ident: int, frame: Any) -> Seen:
    """Return what is known of a thread that was started without `threading`."""
    while frame.f_back is not None:
        frame = frame.f_back
    code = frame.f_code
    module = str(frame.f_globals.get("__name__", ""))
    return {**_seen(ident, "", module, code, owner=None), "known": False}


def _of_thread(ident: int, thread: Any) -> Seen | None:
    own = attributes(thread) or {}
    if issubclass(type(thread), threading._DummyThread) or is_marked(thread):  # noqa: SLF001
        return None
    owners, function = _target(thread, own)
    if any(is_marked(owner) for owner in owners) or is_marked(function):
        return None
    code = getattr(function, "__code__", None) if type(function) is types.FunctionType else None
    module = str(getattr(function, "__module__", None) or type(thread).__module__)
    seen = _seen(ident, str(own.get("_name", "")), module, code, owner=owners[0] if owners else None)
    seen["kind"] = _kind(owners, module, code)
    seen["revived"] = any(_looks_after_forks(owner) for owner in owners) or module == "multiprocessing.queues"
    return seen


def _seen(ident: int, name: str, module: str, code: types.CodeType | None, owner: Any) -> Seen:
    return {
        "ident": ident,
        "kind": "thread",
        "name": name,
        "module": module,
        "function": "" if code is None else str(getattr(code, "co_qualname", code.co_name)),
        "file": None if code is None else code.co_filename,
        "line": None if code is None else code.co_firstlineno,
        "owner": None if owner is None else type_name(owner),
        "known": True,
        "revived": False,
    }


def _target(thread: Any, own: dict[str, Any]) -> tuple[list[Any], Any]:
    """Return the objects that a thread works for, the likeliest first, and the function that it runs."""
    function = own.get("_target")
    owners: list[Any] = []
    while type(function) is functools.partial:
        owners += function.args
        function = function.func
    if function is None and issubclass(type(thread), threading.Timer):
        function = own.get("function")
    elif function is None:
        function = next((names["run"] for names in map(defined_by, bases(type(thread))) if "run" in names), None)
        owners.append(thread)
    if type(function) is types.MethodType:
        owners.insert(0, function.__self__)
        function = function.__func__
    owners += _in_closure(function)
    arguments = own.get("_args")
    for value in arguments if type(arguments) is tuple else ():
        inner = value() if type(value) is weakref.ref else value
        if inner is not None:
            owners.append(inner)
    return owners, function


def _in_closure(function: Any) -> Iterator[Any]:
    for cell in (function.__closure__ or ()) if type(function) is types.FunctionType else ():
        try:
            yield cell.cell_contents
        except ValueError:
            continue


def _kind(owners: list[Any], module: str, code: types.CodeType | None) -> str:
    if module == "concurrent.futures.thread" and code is not None and code.co_name == "_worker":
        return "executor"
    if module in ("concurrent.futures.process", "multiprocessing.pool"):
        return "pool"
    listener = class_of("logging.handlers", "QueueListener")
    for owner in owners:
        if listener is not None and issubclass(type(owner), listener):
            return "listener"
        if any(module_of(base).startswith("apscheduler.") for base in bases(type(owner))):
            return "scheduler"
    return "thread"


def _looks_after_forks(owner: Any) -> bool:
    own = attributes(owner)
    # An Event or a Lock has methods for forks, too, and starts no thread again.
    kinds = [kind for kind in bases(type(owner)) if not standard(module_of(kind))]
    if own is None or not kinds:
        return False
    here = os.getpid()
    if any(type(value) is int and value == here and "pid" in str(name) for name, value in list(own.items())):
        return True
    return any("fork" in name for kind in kinds for name in defined_by(kind))
