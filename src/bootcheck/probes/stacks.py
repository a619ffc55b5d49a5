"""Python stacks as plain values: of a traceback, of every thread, of greenlets, of a fault file."""

from __future__ import annotations

import re
import sys
import threading
from types import FrameType, TracebackType
from typing import Any

MAX_FRAMES = 60
MAX_THREADS = 50

Frame = dict[str, Any]
Stack = dict[str, Any]


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


_FAULT_THREAD = re.compile(
    r"^(?:Current thread|Thread) 0x[0-9a-f]+(?: \[[^\]]*\])?(?P<current> \(most recent call first\))?", re.IGNORECASE
)
_FAULT_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+|\?\?\?) in (?P<function>.+)$')
_FAULT_HEAD = re.compile(r"^(?:Fatal Python error: |Timeout )(?P<what>.*)$")


def of_fault_text(text: str) -> list[Stack]:
    """Read what faulthandler wrote; the last dump of each thread counts, the faulting one first."""
    dumps: list[list[Stack]] = [[]]
    for line in text.splitlines():
        frame = _FAULT_FRAME.match(line)
        if _FAULT_HEAD.match(line):
            if dumps[-1]:
                dumps.append([])
        elif _FAULT_THREAD.match(line):
            current = line.startswith("Current thread")
            if current and any(stack["current"] for stack in dumps[-1]):
                dumps.append([])
            dumps[-1].append({"thread": line.partition(" (")[0], "current": current, "frames": []})
        elif line.startswith("Stack (most recent call first)"):
            if dumps[-1]:
                dumps.append([])
            dumps[-1].append({"thread": "main", "current": True, "frames": []})
        elif frame is not None and dumps[-1] and len(dumps[-1][-1]["frames"]) < MAX_FRAMES:
            number = frame["line"]
            dumps[-1][-1]["frames"].append(
                {
                    "function": frame["function"],
                    "file": frame["file"],
                    "line": int(number) if number.isdigit() else None,
                }
            )
    last = next((dump for dump in reversed(dumps) if dump), [])
    ordered = sorted(last, key=lambda stack: not stack["current"])
    return [{"thread": stack["thread"], "frames": stack["frames"]} for stack in ordered[:MAX_THREADS]]


def fault_headline(text: str) -> str | None:
    """Return what faulthandler called the fault, for example `Segmentation fault`."""
    for line in text.splitlines():
        match = _FAULT_HEAD.match(line)
        if match is not None:
            return match["what"]
    return None


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
