"""Time limits on calls that cannot be limited: a resolver, a driver written in C, a server that says nothing."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class TimedOut(Exception):  # noqa: N818 - it is an event, and the caller says whether it is an error
    """The call did not return in time; its thread is left behind."""


class Deadline:
    """A moment until which something must be done."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that remain, never negative."""
        return max(0.0, self._until - time.monotonic())


class Lane:
    """One thread for all calls to one driver's connection: some drivers refuse a second thread.

    A call that runs out of time leaves the lane behind for good. The thread is a daemon: it never
    holds up the end of the process.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._stuck = False
        self._thread: threading.Thread | None = None

    def call(self, function: Callable[[], T], seconds: float) -> T:
        """Return what the function returns, or raise what it raises; raises TimedOut after `seconds`."""
        if self._stuck:
            raise TimedOut
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="bootcheck-database", daemon=True)
            self._thread.start()
        done, abandoned = threading.Event(), threading.Event()
        outcome: dict[str, Any] = {}

        def answer() -> None:
            try:
                outcome["value"] = function()
            except BaseException as exc:  # noqa: BLE001 - raised again in the thread that asked
                outcome["error"] = exc
            done.set()
            if abandoned.is_set():
                # A connection that comes too late is nobody's.
                _close(outcome.pop("value", None))

        self._calls.put(answer)
        if not done.wait(seconds):
            self._stuck = True
            abandoned.set()
            raise TimedOut
        if "error" in outcome:
            raise outcome["error"]
        return cast("T", outcome["value"])

    def close(self, last: Callable[[], object] | None = None) -> None:
        """Let the thread do one last thing, and end; waits for it only if it is idle."""
        if last is not None:
            self._calls.put(lambda: _quietly(last))
        self._calls.put(None)
        if self._thread is not None and not self._stuck:
            self._thread.join(1.0)

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            if call is None:
                return
            call()


def _close(value: object) -> None:
    close = getattr(value, "close", None)
    if callable(close):
        _quietly(close)


def _quietly(function: Callable[[], object]) -> None:
    try:
        function()
    except Exception:  # noqa: BLE001, S110 - what it would have closed is closed, or lost, already
        pass
