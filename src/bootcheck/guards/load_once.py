"""Several callers loaded the same thing at once.

What it means
BC306: a loader that is watched by `load_once(detect_only=True)` was inside two callers at the same time: the
second one began to load what the first had not finished. It costs the time and the memory twice, and many
libraries break when two threads load with them at once.

How it looks
    bootcheck: warning: model was loaded by 2 callers at once: 4.1 s of work for nothing. [BC306 loaded-by-several-at-once]
Without the watch: one request of the first seconds gets a 500 (`Cannot copy out of meta tensor`), and
everything works afterwards.

Why it happens
A lazy loader asks `if model is None` and loads for seconds. Every thread, greenlet or task that asks meanwhile
gets the same answer. Nothing is wrong with one caller at a time, so no test shows it.

What to do
Take `detect_only=True` away: `load_once` then lets the first caller load, and the others wait for its result.
Better still, load it before the worker is ready: `@bootcheck.warmup(name="model")`.

How to know it is fixed
The warning does not come back, and the journal has one step `load.<name>` per process.
"""  # noqa: E501 - a line of a log is as long as it is

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from _thread import get_native_id
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, overload

from bootcheck.model.errors import LoadReentered
from bootcheck.probes.process import Rss
from bootcheck.recorder import Step, current

RULES: tuple[str, ...] = ("BC306",)
P = ParamSpec("P")
T = TypeVar("T")
_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.05

_waiting: dict[Hashable, Load] = {}
"""What each caller that waits is waiting for."""
_within: ContextVar[tuple[Load, ...]] = ContextVar("bootcheck_load_once", default=())
"""The loads that this task, or the one that started it, is inside."""


@overload
def load_once(loader: Callable[P, T], *, name: str | None = None, detect_only: bool = False) -> Callable[P, T]: ...


@overload
def load_once(*, name: str | None = None, detect_only: bool = False) -> Callable[[Callable[P, T]], Callable[P, T]]: ...


def load_once(loader: Callable[..., Any] | None = None, *, name: str | None = None, detect_only: bool = False) -> Any:
    """Let the first caller of a lazy loader load, and all others wait for its result and get the same.

    Of threads, of greenlets (whether gevent patched anything or not) and, for an `async def` loader, of
    asyncio tasks. Per process: a worker has what was loaded in the master before its fork, and starts anew
    where the master was still loading. With arguments (hashable ones) there is one result for each.

    A load that fails raises in its caller and in those that waited for it; the next call tries again. One
    that is cancelled or stopped is taken over by one of those that wait. A loader that calls itself, or two
    that wait for each other, raise LoadReentered.

    Args:
        loader: The function that loads.
        name: What it is called in steps (`load.<name>`) and findings; by default the function's name.
        detect_only: Change nothing, only find out: every call goes through, and callers that are inside at
            once are reported with their stacks and what that cost (BC306).
    """
    if loader is None:
        return functools.partial(load_once, name=name, detect_only=detect_only)
    name = name or str(getattr(loader, "__qualname__", None) or type(loader).__name__)
    from inspect import iscoroutinefunction

    in_tasks = iscoroutinefunction(loader) or iscoroutinefunction(getattr(loader, "__call__", None))  # noqa: B004
    if detect_only:
        from bootcheck.guards.load_watch import LoadWatch

        watch = LoadWatch(name)
        wrapped = watch.around_async(loader) if in_tasks else watch.around(loader)
    else:
        loads = _Loads(loader, name)
        wrapped = loads.in_tasks() if in_tasks else loads.in_threads()
        wrapped.reset = loads.forget  # type: ignore[attr-defined]
    return functools.update_wrapper(wrapped, loader)


class Load:
    """One attempt to load."""

    __slots__ = ("ended", "error", "event", "listeners", "value", "waited", "who")

    def __init__(self, who: Hashable) -> None:
        self.who = who
        self.value: tuple[Any] | None = None
        self.error: Exception | None = None
        self.ended = False
        self.waited = 0
        # Where there are greenlets an event of theirs is useless to other threads, and the reverse.
        self.event = None if _has_greenlets() else threading.Event()
        self.listeners: list[tuple[Any, Any]] = []
        """Loops and futures of the tasks that wait."""

    def end(self) -> None:
        """Wake everybody who waits."""
        self.ended = True
        if self.event is not None:
            self.event.set()
        for loop, future in tuple(self.listeners):
            try:
                loop.call_soon_threadsafe(_wake, future)
            except RuntimeError:
                # That loop has ended, and nobody in it waits any more.
                continue

    def outcome(self) -> tuple[Any] | None:
        """Return the value of a load that ended; raises what it raised; None where it was given up."""
        if self.error is not None:
            raise self.error
        return self.value


class _Loads:
    """What one loader has loaded, and is loading, in this process.

    Without a lock: `dict.setdefault` decides who is first, and a fork in the middle leaves nothing locked.
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name
        self._done: dict[Hashable, tuple[Any]] = {}
        self._loading: dict[Hashable, Load] = {}
        """By pid as well: what the parent was loading, nobody in its child will finish."""

    def forget(self) -> None:
        """Load again at the next call."""
        self._done.clear()

    def in_threads(self) -> Callable[..., Any]:
        """Return the function that stands for the loader."""
        done = self._done

        def once(*args: Any, **kwargs: Any) -> Any:
            key = (args, tuple(sorted(kwargs.items()))) if args or kwargs else ()
            found = done.get(key)
            while found is None:
                mine, load = self._claim(key, _caller())
                found = self._run(key, mine, args, kwargs) if load is mine else _follow(load, mine, self._name)
            return found[0]

        return once

    def in_tasks(self) -> Callable[..., Any]:
        """Return the coroutine function that stands for the loader."""
        done = self._done

        async def once(*args: Any, **kwargs: Any) -> Any:
            from asyncio import current_task

            key = (args, tuple(sorted(kwargs.items()))) if args or kwargs else ()
            found = done.get(key)
            while found is None:
                mine, load = self._claim(key, id(current_task()))
                if load is mine:
                    found = await self._run_async(key, mine, args, kwargs)
                else:
                    found = await _follow_async(load, mine, self._name)
            return found[0]

        return once

    def _claim(self, key: Hashable, who: Hashable) -> tuple[Load, Load]:
        mine = Load(who)
        return mine, self._loading.setdefault((os.getpid(), key), mine)

    def _run(self, key: Hashable, mine: Load, args: Any, kwargs: Any) -> tuple[Any]:
        attempt = _Attempt(self, key, mine)
        with attempt:
            if mine.value is None:
                attempt.loaded(self._function(*args, **kwargs))
        assert mine.value is not None  # noqa: S101 - for the type checker: it was loaded, or it raised
        return mine.value

    async def _run_async(self, key: Hashable, mine: Load, args: Any, kwargs: Any) -> tuple[Any]:
        before = _within.get()
        _within.set((*before, mine))
        attempt = _Attempt(self, key, mine)
        try:
            with attempt:
                if mine.value is None:
                    attempt.loaded(await self._function(*args, **kwargs))
        finally:
            _within.set(before)
        assert mine.value is not None  # noqa: S101 - as above
        return mine.value


class _Attempt:
    """The step of a load: what comes of it is told to everybody who waits."""

    def __init__(self, loads: _Loads, key: Hashable, mine: Load) -> None:
        self._loads = loads
        self._key = key
        self._place = (os.getpid(), key)
        self._mine = mine
        self._step: Step | None = None

    def __enter__(self) -> None:
        # Another caller may have finished between our two looks.
        self._mine.value = self._loads._done.get(self._key)  # noqa: SLF001
        if self._mine.value is None:
            self._before = _rss()
            self._step = current().step(f"load.{self._loads._name}").__enter__()  # noqa: SLF001

    def loaded(self, value: Any) -> None:
        self._mine.value = self._loads._done[self._key] = (value,)  # noqa: SLF001

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        mine = self._mine
        mine.error = exc if isinstance(exc, Exception) else None
        self._loads._loading.pop(self._place, None)  # noqa: SLF001
        mine.end()
        if self._step is not None:
            self._step.detail(waited=mine.waited, rss_before_bytes=self._before, rss_after_bytes=_rss())
            self._step.__exit__(kind, exc, trace)


def _follow(load: Load, mine: Load, name: str) -> tuple[Any] | None:
    """Wait for somebody else's load and return its value; None where it was given up."""
    _waiting[mine.who] = load
    try:
        if _waits_for(mine.who, load):
            raise LoadReentered(name)
        load.waited += 1
        sleep = _sleep_of(load, mine, name)
        if sleep is None:
            assert load.event is not None  # noqa: S101 - only where there are greenlets is there none
            load.event.wait()
        else:
            pause = _FIRST_PAUSE
            while not load.ended:
                sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)
    finally:
        _waiting.pop(mine.who, None)
    return load.outcome()


async def _follow_async(load: Load, mine: Load, name: str) -> tuple[Any] | None:
    from asyncio import get_running_loop

    _waiting[mine.who] = load
    try:
        # A task that the loader started and waits for is the loader itself.
        if load in _within.get() or _waits_for(mine.who, load):
            raise LoadReentered(name)
        load.waited += 1
        loop = get_running_loop()
        future = loop.create_future()
        load.listeners.append((loop, future))
        if not load.ended:
            await future
    finally:
        _waiting.pop(mine.who, None)
    return load.outcome()


def _waits_for(who: Hashable, load: Load | None) -> bool:
    """Tell whether whoever loads waits, over whatever others, for this caller."""
    for _ in range(100):
        if load is None or load.ended:
            return False
        if load.who == who:
            return True
        load = _waiting.get(load.who)
    return False


def _wake(future: Any) -> None:
    if not future.done():
        future.set_result(None)


def _caller() -> Hashable:
    """Return who runs: the thread, and in it the greenlet."""
    getcurrent = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    return get_native_id(), 0 if getcurrent is None else id(getcurrent())


def _has_greenlets() -> bool:
    return "gevent" in sys.modules or "eventlet" in sys.modules


def _sleep_of(load: Load, mine: Load, name: str) -> Callable[[float], object] | None:
    """Return how this caller waits without keeping the one that loads from running; None: for the event."""
    if "eventlet" in sys.modules:
        return time.sleep
    gevent = sys.modules.get("gevent")
    if gevent is not None:
        has_hub = getattr(sys.modules.get("gevent._hub_local"), "get_hub_if_exists", lambda: True)
        if has_hub():
            return gevent.sleep  # type: ignore[no-any-return]
        from gevent.monkey import get_original

        # A thread without a hub has no greenlets, and need not get one for this.
        return get_original("time", "sleep")  # type: ignore[no-any-return]
    if isinstance(load.who, tuple) and isinstance(mine.who, tuple) and load.who[0] == mine.who[0]:
        # Greenlets of this very thread without a loop that we know: waiting would stop the one we wait for.
        raise LoadReentered(name)
    return time.sleep if load.event is None else None


_rss = Rss()
