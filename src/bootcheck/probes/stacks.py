"""Python stacks as plain values: of a traceback, of every thread, of greenlets."""

from __future__ import annotations

import os
import sys
import threading
from types import CoroutineType, FrameType, GeneratorType, TracebackType
from typing import Any

MAX_FRAMES = 60
MAX_THREADS = 50
_SUSPENDED: dict[type, tuple[str, str]] = {
    CoroutineType: ("cr_frame", "cr_await"),
    GeneratorType: ("gi_frame", "gi_yieldfrom"),
}
"""Where each kind keeps its frame and what it waits for; of other kinds nothing is asked: that could run user code."""

_STANDARD = os.path.dirname(os.__file__) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

Frame = dict[str, Any]
Stack = dict[str, Any]


def is_installed(file: str) -> bool:
    """Tell whether a frame's file is of an installed package."""
    return any(part in file for part in _INSTALLED)


def is_pythons(file: str) -> bool:
    """Tell whether a frame's file is of Python itself: its own library, frozen, or code without a file."""
    return file.startswith("<") or (file.startswith(_STANDARD) and not is_installed(file))


def of_traceback(trace: TracebackType | None) -> list[Frame]:
    """Return the frames of a traceback, innermost first."""
    frames: list[Frame] = []
    while trace is not None:
        frames.append(_entry(trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return frames[::-1][:MAX_FRAMES]


def of_frame(frame: FrameType | None) -> list[Frame]:
    """Return the frames from this one outwards, innermost first."""
    frames: list[Frame] = []
    while frame is not None and len(frames) < MAX_FRAMES:
        frames.append(_entry(frame, frame.f_lineno))
        frame = frame.f_back
    return frames


def of_all_threads(interrupted: FrameType | None = None) -> list[Stack]:
    """Return the stack of every thread, the interrupted (else the calling) one first.

    `interrupted` is the frame that a signal handler was given: the stack without the handler.
    """
    # gevent replaces get_ident: the calling thread is the one whose frame is this one.
    me = sys._getframe()  # noqa: SLF001
    names = {thread.ident: thread.name for thread in list(threading._active.values())}  # type: ignore[attr-defined]  # noqa: SLF001
    stacks: list[Stack] = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001
        here = frame is me
        start = interrupted if here and interrupted is not None else frame
        stack = {"thread": names.get(ident, f"thread {ident}"), "frames": of_frame(start)}
        if here:
            stacks.insert(0, stack)
        else:
            stacks.append(stack)
    return stacks[:MAX_THREADS] + of_greenlets()


def of_greenlets() -> list[Stack]:
    """Return the stacks of switched-out greenlets, where gevent or greenlet is loaded."""
    greenlet = sys.modules.get("greenlet")
    kind = getattr(greenlet, "greenlet", None)
    if kind is None:
        return []
    import gc

    stacks: list[Stack] = []
    # `type(o)`, not `isinstance`: the latter asks the object, and lazy objects run user code then.
    for found in gc.get_objects():
        if issubclass(type(found), kind):
            frame = getattr(found, "gr_frame", None)
            if frame is not None and not _is_hub(frame):
                stacks.append({"thread": f"greenlet {id(found):#x}", "frames": of_frame(frame)})
            if len(stacks) >= MAX_THREADS:
                break
    return stacks


def of_tasks() -> list[Stack]:
    """Return where each waiting task of this thread's running asyncio loop stands."""
    asyncio = sys.modules.get("asyncio")
    # The public one raises where there is no loop; and the module may be half imported by another thread.
    running = getattr(asyncio, "_get_running_loop", None)
    loop = None if running is None else running()
    if asyncio is None or loop is None:
        return []
    # The current one is on the thread's own stack.
    now = asyncio.current_task(loop)
    waiting = [task for task in asyncio.all_tasks(loop) if task is not now]
    return [
        {"thread": f"task {task.get_name()}", "frames": _awaiting(task.get_coro())} for task in waiting[:MAX_THREADS]
    ]


def _awaiting(coroutine: Any) -> list[Frame]:
    """Return the frames of a suspended coroutine and of what it awaits, innermost first."""
    frames: list[Frame] = []
    while type(coroutine) in _SUSPENDED and len(frames) < MAX_FRAMES:
        prefix, awaited = _SUSPENDED[type(coroutine)]
        frame = getattr(coroutine, prefix)
        if frame is not None:
            frames.append(_entry(frame, frame.f_lineno))
        coroutine = getattr(coroutine, awaited)
    return frames[::-1]


def _is_hub(frame: FrameType) -> bool:
    """Tell whether a greenlet is gevent's loop; one that sleeps has its innermost frame in the same file."""
    link: FrameType | None = frame
    while link is not None:
        if link.f_code.co_name == "run" and link.f_code.co_filename.endswith("gevent/hub.py"):
            return True
        link = link.f_back
    return False


def _entry(frame: FrameType, line: int | None) -> Frame:
    code = frame.f_code
    return {"function": getattr(code, "co_qualname", code.co_name), "file": code.co_filename, "line": line}
