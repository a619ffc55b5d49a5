"""Finds callers that are inside one loader at once, and changes nothing for them."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from bootcheck.model.encode import shorten
from bootcheck.probes.process import Rss
from bootcheck.probes.stacks import of_frame
from bootcheck.recorder import current, type_name

LEAST = 0.05
"""Seconds: who is inside for less does not load, but finds what is loaded."""
MANY = 50
"""Callers after which a burst is told although somebody is still inside."""
MAX_TOLD = 20
"""Bursts that one process tells of each loader."""
MAX_CALLERS = 8
MAX_FRAMES = 15
_BURST = "burst"
_rss = Rss()


class Entry:
    """One call of the loader, while it is inside."""

    __slots__ = ("_watch", "began", "met", "raised", "rss", "stack", "took", "where")

    def __init__(self, watch: LoadWatch, caller: FrameType) -> None:
        self._watch = watch
        self.began = time.perf_counter()
        self.took = 0.0
        self.rss = _rss()
        # Now, not when two have met: the frames of a greenlet or task that waits tell nothing of its callers.
        self.stack = of_frame(caller)[:MAX_FRAMES]
        self.where = threading.current_thread().name
        self.raised: str | None = None
        self.met = False
        """Another one was inside at the same time."""

    def __enter__(self) -> None:
        self._watch.entered(self)

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        self.raised = None if exc is None else type_name(exc)
        self._watch.left(self)

    @property
    def told(self) -> str:
        """How long it was inside, and how it left."""
        return f"inside for {self.took:.1f} s" + (f", raised {self.raised}" if self.raised else "")


class LoadWatch:
    """The calls of one loader."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._inside: dict[int, Entry] = {}
        self._bursts: dict[str, list[Entry]] = {}
        """At most one, taken away whole: no lock, which a fork in the middle could leave held."""
        self._left = MAX_TOLD

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the loader, watched."""

        def watched(*args: Any, **kwargs: Any) -> Any:
            with Entry(self, sys._getframe(1)):  # noqa: SLF001
                return function(*args, **kwargs)

        return watched

    def around_async(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return an `async def` loader, watched."""

        async def watched(*args: Any, **kwargs: Any) -> Any:
            with Entry(self, sys._getframe(1)):  # noqa: SLF001
                return await function(*args, **kwargs)

        return watched

    def entered(self, entry: Entry) -> None:
        """Take a caller in; whoever is inside has met it."""
        for other in tuple(self._inside.values()):
            other.met = entry.met = True
        self._inside[id(entry)] = entry

    def left(self, entry: Entry) -> None:
        """Let a caller go; the last of those who met tells of them."""
        entry.took = time.perf_counter() - entry.began
        burst = self._bursts.get(_BURST, ())
        if entry.met and (entry.took >= LEAST or entry.raised is not None):
            burst = self._bursts.setdefault(_BURST, [])
            burst.append(entry)
        # Only now: whoever finds nobody inside has all of them.
        self._inside.pop(id(entry), None)
        if burst and (not self._inside or len(burst) >= MANY):
            self._over(self._bursts.pop(_BURST, []))

    def _over(self, burst: list[Entry]) -> None:
        try:
            if len(burst) > 1:
                self._tell(sorted(burst, key=lambda item: item.began))
        except Exception:  # noqa: BLE001, S110 - a guest never breaks the house
            pass

    def _tell(self, burst: Sequence[Entry]) -> None:
        self._left -= 1
        if self._left < 0:
            return
        from bootcheck.model.finding import Evidence, Finding, Severity

        recorder = current()
        mask = recorder.redactor.mask
        took = [entry.took for entry in burst]
        first = burst[0].rss
        now = _rss()
        grew = 0 if first is None or now is None else max(0, now - first)
        callers = tuple(
            Evidence(
                source=mask(entry.where),
                text=mask(shorten(f"{entry.told}, called from\n{_told(entry.stack)}", 1_500)),
            )
            for entry in burst[:MAX_CALLERS]
        )
        memory = Evidence(source="memory of the process", text=f"{grew >> 20} MB more than before the first of them")
        waste = sum(took) - max(took)
        failed = [entry.raised for entry in burst if entry.raised is not None]
        recorder.finding(
            Finding(
                code="BC306",
                severity=Severity.WARNING,
                summary=mask(
                    f"{self._name} was loaded by {len(burst)} callers at once: {waste:.1f} s of work for nothing, "
                    f"and the memory grew by {grew >> 20} MB"
                    f"{f'; {len(failed)} of them failed with {failed[0]}' if failed else ''}."
                ),
                action=(
                    "Take detect_only=True away: then the first caller loads, and the others wait for its result.",
                    "Load it before the worker is ready: @bootcheck.warmup(name=...).",
                ),
                evidence=(*callers, memory),
            )
        )


def _told(stack: Sequence[dict[str, Any]]) -> str:
    return "\n".join(f"{frame['file']}:{frame['line']} in {frame['function']}" for frame in stack)
