"""What else a server needs to be ready: the app's own questions, asked seldom and never for long."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from bootcheck.model.errors import SettingError
from bootcheck.recorder import current, type_name

Question = Callable[[], Any]
"""Returns anything but False, or raises: then the dependency is not available."""
MAX_TEXT = 300


class Dependencies:
    """Named questions with a limit each, whose answers are kept for a while."""

    def __init__(
        self, questions: Mapping[str, Question], *, optional: Sequence[str] = (), timeout: float, keep: float
    ) -> None:
        """An `optional` one is told, and makes nothing unready."""
        unknown = [name for name in optional if name not in questions]
        if unknown:
            msg = (
                f"optional names {unknown[0]!r}, which is not among the dependencies {', '.join(questions) or '(none)'}"
            )
            raise SettingError(msg)
        for name, question in questions.items():
            if not callable(question):
                msg = f"dependencies[{name!r}] is {question!r}, which cannot be called. Give a function that asks."
                raise SettingError(msg)
        self._questions = dict(questions)
        self._optional = frozenset(optional)
        self._timeout = timeout
        self._keep = keep
        self._reset()

    def _reset(self) -> None:
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._told: list[dict[str, Any]] | None = None
        self._told_at = 0.0
        self._asking: dict[str, _Asked] = {}

    def __bool__(self) -> bool:
        return bool(self._questions)

    def known(self) -> list[dict[str, Any]] | None:
        """Return the answers that are still fresh, or None."""
        if self._owner != os.getpid():
            # Made before a fork: the lock may have been held there, and no thread came along.
            self._reset()
        fresh = self._told is not None and time.monotonic() - self._told_at < self._keep
        return self._told if fresh else None

    def ask(self) -> list[dict[str, Any]]:
        """Return the answers, asked now unless they are fresh; waits for the limit at most, all at once."""
        told = self.known()
        if told is not None:
            return told
        with self._lock:
            told = self.known()
            return self._keep_answers(self._ask_all()) if told is None else told

    async def ask_async(self) -> list[dict[str, Any]]:
        """Do the same on an event loop, which goes on meanwhile; questions may be coroutine functions there."""
        told = self.known()
        if told is not None:
            return told
        names = [name for name in self._questions if _is_async(self._questions[name])]
        waiting = [asyncio.ensure_future(self._ask_one(name)) for name in names]
        loop = asyncio.get_running_loop()
        plain = await loop.run_in_executor(None, self._ask_all)
        return self._keep_answers([*plain, *[await one for one in waiting]])

    def required(self, told: Sequence[Mapping[str, Any]]) -> bool:
        """Tell whether everything that must be there is."""
        return all(one["ok"] or one["name"] in self._optional for one in told)

    def _keep_answers(self, told: list[dict[str, Any]]) -> list[dict[str, Any]]:
        order = list(self._questions)
        self._told = sorted(told, key=lambda one: order.index(one["name"]))
        self._told_at = time.monotonic()
        return self._told

    def _ask_all(self) -> list[dict[str, Any]]:
        """Ask every plain question in a thread of its own: one that hangs must not hang the worker."""
        deadline = time.monotonic() + self._timeout
        asked: list[tuple[str, _Asked]] = []
        for name, question in self._questions.items():
            if _is_async(question):
                continue
            earlier = self._asking.get(name)
            if earlier is None or earlier.done.is_set():
                # One that still hangs is not asked a second time.
                earlier = self._asking[name] = _Asked(question)
                earlier.start()
            asked.append((name, earlier))
        for _, one in asked:
            one.done.wait(max(0.0, deadline - time.monotonic()))
        return [self._answer(name, one.error, one.took, done=one.done.is_set()) for name, one in asked]

    async def _ask_one(self, name: str) -> dict[str, Any]:
        begun = time.monotonic()
        error: str | None = None
        done = True
        try:
            found: Awaitable[Any] = self._questions[name]()
            error = _judged(await asyncio.wait_for(found, self._timeout))
        except (TimeoutError, asyncio.TimeoutError):
            done = False
        except Exception as exc:  # noqa: BLE001 - the app's own question
            error = _told(exc)
        return self._answer(name, error, time.monotonic() - begun, done=done)

    def _answer(self, name: str, error: str | None, took: float, *, done: bool) -> dict[str, Any]:
        if not done:
            error = f"no answer within {self._timeout:g} s"
        told: dict[str, Any] = {"name": name, "ok": error is None, "required": name not in self._optional}
        if done:
            told["took_ms"] = round(took * 1000, 1)
        return told if error is None else {**told, "error": error}


class _Asked(threading.Thread):
    """One question that is being asked."""

    def __init__(self, question: Question) -> None:
        super().__init__(name="bootcheck-dependency", daemon=True)
        self._question = question
        self.done = threading.Event()
        self.error: str | None = None
        self.took = 0.0

    def run(self) -> None:
        """Ask it."""
        begun = time.monotonic()
        try:
            self.error = _judged(self._question())
        except BaseException as exc:  # noqa: BLE001 - a thread of ours must not print a traceback, nor end more than itself
            self.error = _told(exc)
        self.took = time.monotonic() - begun
        self.done.set()


def _judged(found: object) -> str | None:
    return "it said False" if found is False else None


def _told(exc: BaseException) -> str:
    """Return what was raised, in a line without secrets."""
    redactor = current().redactor
    redactor.catch_up(os.environ)
    text = redactor.mask(f"{type_name(exc)}: {exc}".strip().rstrip(":"))
    return " ".join(text.split())[:MAX_TEXT]


def _is_async(question: Question) -> bool:
    return inspect.iscoroutinefunction(question) or inspect.iscoroutinefunction(getattr(question, "__call__", None))  # noqa: B004
