"""A warm-up that the boot can do without failed.

What it means
BC305: something that was to be loaded before the worker is ready could not be. It was not declared as required,
so the worker serves, and the first request that needs it will try again, and wait or fail.

How it looks
    bootcheck: warning: The warm-up embeddings failed after 2.1 s: OSError: no such file. [BC305 warm-up-failed]

Why it happens
What any load may meet: a file or a download that is missing, memory that does not suffice, a service that does
not answer. Or it took longer than its `deadline_s`, and was interrupted: the evidence is where it was then.

What to do
Read the traceback in the evidence. Say `required=True` where a worker without it must not serve: its failure then
ends the boot. Raise `deadline_s` where the load is right and slow.

How to know it is fixed
The boot report has the step `warmup.<name>` as passed, with its seconds and the memory before and after.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, overload

from bootcheck.model.encode import shorten
from bootcheck.model.errors import BootcheckError, CheckOptionError
from bootcheck.model.outcome import Phase
from bootcheck.probes.process import Rss
from bootcheck.recorder import Recorder, Step, type_name

RULES: tuple[str, ...] = ("BC305",)
GRACE = 10.0
"""Seconds that an optional warm-up has, once interrupted, to come back; then it is ended with its worker."""
MAX_TRACEBACK = 4_000
F = TypeVar("F", bound=Callable[..., Any])
_rss = Rss()


class WarmupOverdue(BootcheckError, TimeoutError):  # noqa: N818 - it tells what the warm-up is
    """Raised inside a warm-up that takes longer than it may."""

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"the warm-up {name} was not over within {seconds:g} s")


class Warmup:
    """Something to load before a worker is ready."""

    def __init__(
        self,
        name: Any,
        load: Any,
        *,
        required: bool = False,
        deadline_s: Any = None,
        in_master: bool = False,
    ) -> None:
        """Take what `warmup()` describes; raises CheckOptionError for what can be neither called nor imported."""
        if not isinstance(name, str) or not name:
            msg = f"a warm-up is called {name!r}. Give it a name: warmup('model', load)."
            raise CheckOptionError(msg)
        if not callable(load) and not (isinstance(load, str) and all(load.partition(":"))):
            msg = f"the warm-up {name} has {load!r} to call. Give a function, or its path: 'myapp.models:load'."
            raise CheckOptionError(msg)
        number = isinstance(deadline_s, (int, float)) and not isinstance(deadline_s, bool)
        if deadline_s is not None and not (number and 0 < deadline_s < float("inf")):
            msg = f"the warm-up {name} has deadline_s={deadline_s!r}. Give seconds, for example deadline_s=60."
            raise CheckOptionError(msg)
        self.name: str = name
        self.load: Callable[[], Any] | str = load
        self.required = required
        self.deadline_s: float | None = deadline_s
        self.in_master = in_master
        self.ran = False
        """Done, in this process or in the master before it forked this one."""

    @property
    def step(self) -> str:
        """The name of its step."""
        return f"warmup.{self.name}"

    def function(self) -> Callable[[], Any]:
        """Return what to call, imported now where it was given as a path."""
        if not isinstance(self.load, str):
            return self.load
        from importlib import import_module

        module, _, path = self.load.partition(":")
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        return found  # type: ignore[no-any-return]

    @property
    def in_loop(self) -> bool:
        """True for an `async def` function."""
        from inspect import iscoroutinefunction

        return not isinstance(self.load, str) and iscoroutinefunction(self.load)


registered: dict[str, Warmup] = {}
"""Those that the app declared with the decorator, by name."""


@overload
def warmup(
    name: str,
    load: Callable[[], Any] | str,
    *,
    required: bool = False,
    deadline_s: float | None = None,
    in_master: bool = False,
) -> Warmup: ...


@overload
def warmup(
    *, name: str | None = None, required: bool = False, deadline_s: float | None = None, in_master: bool = False
) -> Callable[[F], F]: ...


@overload
def warmup(name: F) -> F: ...


def warmup(
    name: Any = None,
    load: Callable[[], Any] | str | None = None,
    *,
    required: bool = False,
    deadline_s: float | None = None,
    in_master: bool = False,
) -> Any:
    """Load something before a worker is ready.

    In the configuration, with a function or the path of one: `arm(globals(), warmups=[warmup("model",
    "myapp.models:load", required=True)])`. In the app, as a decorator: `@bootcheck.warmup(name="model")`.
    It is called without arguments, after the app is loaded and before the worker accepts requests, as the
    step `warmup.<name>`; an `async def` function runs in the loop of an ASGI worker, after the lifespan has
    started.

    Args:
        name: What it is called; by default, of a decorated function, its own name.
        load: What to call; in the decorator, the function itself.
        required: A failure ends the boot. Otherwise it is a warning (BC305), and the others go on.
        deadline_s: Seconds after which a required one ends its worker, with its stack in the report, and one
            that is not required is interrupted.
        in_master: With `--preload`, load it once in the master, for all workers to share. Only for what
            survives a fork: no threads, connections or GPU contexts.
    """
    options: dict[str, Any] = {"required": required, "deadline_s": deadline_s, "in_master": in_master}
    if load is not None:
        return Warmup(name, load, **options)
    if isinstance(name, str) or name is None:
        return lambda function: _register(function, name, options)
    return _register(name, None, options)


def _register(function: F, name: str | None, options: dict[str, Any]) -> F:
    item = Warmup(name or getattr(function, "__name__", None), function, **options)
    registered[item.name] = item
    return function


def run(warmups: Iterable[Warmup], recorder: Recorder) -> None:
    """Run them in order; raises what a required one raises, and records what others raise."""
    for item in warmups:
        with _attempt(item, recorder) as failing, failing:
            with interrupted(item, always=recorder.watch is None):
                found = item.function()()
            if hasattr(found, "__await__"):
                import asyncio

                asyncio.run(_awaited(found, item))
            item.ran = True


async def run_in_loop(warmups: Iterable[Warmup], recorder: Recorder) -> None:
    """Run `async def` ones in the loop that will serve."""
    for item in warmups:
        with _attempt(item, recorder) as failing, failing:
            await _awaited(item.function()(), item)
            item.ran = True


async def _awaited(found: Any, item: Warmup) -> Any:
    if item.deadline_s is None or item.required:
        return await found
    import asyncio

    try:
        return await asyncio.wait_for(found, item.deadline_s)
    except (TimeoutError, asyncio.TimeoutError) as exc:
        raise WarmupOverdue(item.name, item.deadline_s) from exc


@contextmanager
def _attempt(item: Warmup, recorder: Recorder) -> Iterator[_Failing]:
    detail: dict[str, object] = {"required": item.required, "rss_before_bytes": _rss()}
    if item.deadline_s is not None:
        # The watchdog ends a process; what is not required is interrupted first.
        detail["deadline_s"] = item.deadline_s + (0.0 if item.required else GRACE)
    with recorder.step(item.step, Phase.APP, **detail) as step:
        yield _Failing(item, recorder, step)


class _Failing:
    """Turns the failure of a warm-up that is not required into a warning."""

    def __init__(self, item: Warmup, recorder: Recorder, step: Step) -> None:
        self._item = item
        self._recorder = recorder
        self._step = step
        self._began = time.monotonic()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> bool:
        self._step.detail(rss_after_bytes=_rss())
        if not isinstance(exc, Exception) or self._item.required:
            return False
        message = self._recorder.redactor.mask(shorten(str(exc).partition("\n")[0], 300))
        self._step.fail(error=type_name(exc), message=message)
        self._warn(exc, message)
        return True

    def _warn(self, exc: Exception, message: str) -> None:
        from bootcheck.model.finding import Evidence, Finding, Severity

        item, mask = self._item, self._recorder.redactor.mask
        text = mask("".join(traceback.format_exception(type(exc), exc, exc.__traceback__)))
        if len(text) > MAX_TRACEBACK:
            # The end names the fault.
            text = "[…]\n" + text[-MAX_TRACEBACK:]
        took = time.monotonic() - self._began
        self._recorder.finding(
            Finding(
                code="BC305",
                severity=Severity.WARNING,
                summary=mask(f"The warm-up {item.name} failed after {took:.1f} s: {type_name(exc)}: {message}"),
                action=(
                    "Read where it failed; the first request that needs it will try again.",
                    "Say required=True where a worker without it must not serve.",
                ),
                evidence=(Evidence(source=item.step, text=text),),
                step=item.step,
            )
        )


@contextmanager
def interrupted(item: Warmup, *, always: bool = False) -> Iterator[None]:
    """Raise WarmupOverdue inside the block where it takes too long; a required one is the watchdog's.

    `always` where there is no watchdog: in the master, which must have neither thread nor C clock.
    """
    seconds = item.deadline_s
    if seconds is None or (item.required and not always):
        yield
        return
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("time"):
        from gevent import Timeout

        with Timeout(seconds, WarmupOverdue(item.name, seconds)):
            yield
        return
    import signal

    free = signal.getsignal(signal.SIGALRM) is signal.SIG_DFL and signal.getitimer(signal.ITIMER_REAL)[0] == 0
    if not free or threading.current_thread() is not threading.main_thread():
        # The clock is the app's own.
        yield
        return

    def ring(signo: int, frame: object) -> None:  # noqa: ARG001 - as signal.signal wants it
        raise WarmupOverdue(item.name, seconds)

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
