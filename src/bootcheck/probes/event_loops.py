"""Event loops of asyncio that are open in this process: each holds a descriptor that a fork shares."""

from __future__ import annotations

import sys
from typing import Any

from bootcheck.marks import is_marked
from bootcheck.probes.objects import attributes, class_of, names_of, type_name

POLICY = "asyncio's policy"
"""The holder of the loop that `asyncio.get_event_loop()` returns."""


def kind() -> type | None:
    """Return the class of all event loops, None where asyncio is not loaded."""
    return class_of("asyncio.events", "AbstractEventLoop")


def still_open(loops: list[Any]) -> list[dict[str, Any]]:
    """Return {type, holder, thread} of each open loop: who holds it, which thread runs it, None where not known."""
    opened = [loop for loop in loops if not _closed(loop) and not is_marked(loop)]
    names, current = names_of(opened), _of_policy()
    return [
        {
            "type": type_name(loop),
            "holder": names.get(id(loop)) or (POLICY if loop is current else None),
            "thread": (attributes(loop) or {}).get("_thread_id"),
        }
        for loop in opened
    ]


def _closed(loop: Any) -> bool:
    own = attributes(loop)
    if own is not None and "_closed" in own:
        return own["_closed"] is not False
    # uvloop's is written in C; of any other loop nothing is known without running its code.
    if type_name(loop).startswith("uvloop."):
        return bool(loop.is_closed())
    return True


def _of_policy() -> Any:
    events = attributes(sys.modules.get("asyncio.events")) or {}
    local = (attributes(events.get("_event_loop_policy")) or {}).get("_local")
    # A `threading.local` of asyncio's own: its attributes are this thread's.
    return getattr(local, "_loop", None)
