"""Work that one process does for all of them: who does it, and what came of it, stands in a ledger that they share.

The lock dies with its holder: when a worker is killed in the middle, the next one takes over. What came
of the work (a JSON value, or the error) stands in the ledger, so the others need not do it again.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from bootcheck.model.encode import plain, shorten
from bootcheck.model.errors import BootcheckError, OnceFailed, OnceHeld
from bootcheck.probes.process import start_ticks

_FIRST_PAUSE = 0.005
_MAX_ERROR = 4_000

_born = {"pid": os.getpid(), "at": float("-inf")}


def _note_birth() -> None:
    _born.update(pid=os.getpid(), at=time.monotonic())


if hasattr(os, "register_at_fork"):
    # The clock is the machine's: a worker can tell whether a failure is older than itself.
    os.register_at_fork(after_in_child=_note_birth)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What the file says about one name."""

    status: str
    """`new`, `running`, `done`, `failed` or `abandoned`."""
    pid: int | None = None
    host: str = ""
    """Empty where all processes are on this machine."""
    at: float = 0.0
    """Seconds of the ledger's clock."""
    began: str = ""
    """The time of `at`, for people, where the ledger has a clock for them."""
    value: Any = None
    error: str = ""
    """Why it failed; of what is done, why its value is not there."""

    @property
    def is_own(self) -> bool:
        """True where this process said so."""
        return self.pid == os.getpid() and self.host in ("", os.uname().nodename)

    @property
    def holder(self) -> str:
        """Who has the work, as a clause."""
        if self.status != "running":
            return "another process holds its lock and has not said who it is"
        where = f" on {self.host}" if self.host else ""
        return f"process {self.pid}{where} has had it{f' since {self.began}' if self.began else ''}"


class Ledger(Protocol):
    """Where the processes of one server, or of many, keep who does what and what came of it."""

    strict: bool
    """True where work must not begin unless it can be noted that it did."""
    longest_pause: float
    """Seconds between two looks of one that waits."""

    def usable(self) -> bool:
        """Tell whether it can be reached at all; otherwise each process is on its own."""

    def since(self) -> float:
        """Return when this process began, by the ledger's clock: older failures are not held against it."""

    def generation(self) -> int:
        """Return a number that changes when all results are forgotten."""

    def lock(self, name: str) -> bool:
        """Take the lock of a name without waiting; it is freed by the holder's end, however that comes."""

    def unlock(self, name: str) -> None:
        """Give it back; never raises."""

    def state(self, name: str, generation: int) -> State:
        """Return what is known of a name."""

    def say(self, name: str, generation: int, status: str, *, value: Any = None, error: str = "") -> None:
        """Note something about a name whose lock is held; raises OSError where that cannot be."""


class Once:
    """Runs a function once among all processes that share a ledger."""

    def __init__(self, ledger: Ledger | None = None, inside: dict[tuple[int, str], int] | None = None) -> None:
        """Without a ledger: among all processes forked after this was made.

        `inside` is shared by all that use the same ledger through objects of their own.
        """
        if ledger is None:
            from bootcheck.guards.once_file import SharedFile

            ledger = SharedFile()
        self.ledger = ledger
        self._inside: dict[tuple[int, str], int] = {} if inside is None else inside

    def run(self, name: str, function: Callable[[], Any], *, timeout_s: float | None = None) -> tuple[bool, Any]:
        """Run `function` here unless another process did or does; return (did it here, its JSON value).

        Waits while another one runs it, for `timeout_s` at most: then OnceHeld says who has it. Raises
        what the function raises, or OnceFailed in those that waited for it. A failure from before this
        process was forked is not held against it, nor is its own: it tries again.
        """
        ledger = self.ledger
        entry = (os.getpid(), name)
        if self._inside.get(entry) == threading.get_ident():
            msg = f"{name!r} was started from inside itself and would wait for itself for ever. Rename the inner one."
            raise BootcheckError(msg)
        if not ledger.usable():
            # Somebody closed every descriptor: without the file each process is on its own.
            return True, _as_json(function())
        since = ledger.since()
        generation = ledger.generation()
        until = None if timeout_s is None else time.monotonic() + timeout_s
        for pause in _pauses(ledger.longest_pause):
            if self._enter(entry):
                try:
                    settled = self._settled(name, generation, since)
                    if settled is not None:
                        return False, settled.value
                    if ledger.lock(name):
                        try:
                            return self._locked(name, function, generation, since)
                        finally:
                            ledger.unlock(name)
                finally:
                    self._inside.pop(entry, None)
            if until is not None and time.monotonic() >= until:
                raise OnceHeld(name, ledger.state(name, generation).holder, timeout_s or 0.0)
            time.sleep(pause)
        raise AssertionError  # pragma: no cover - the pauses do not end

    def state(self, name: str) -> State:
        """Return what is known of a name, for those who want to say whom they wait for."""
        return self.ledger.state(name, self.ledger.generation()) if self.ledger.usable() else State(status="new")

    def reset(self) -> None:
        """Forget all results: after a reload the work is to be done again."""
        forget = getattr(self.ledger, "forget", None)
        if forget is not None and self.ledger.usable():
            forget()

    def close(self) -> None:
        """Give the ledger back; only for tests and for a master that starts over."""
        close = getattr(self.ledger, "close", None)
        if close is not None:
            close()

    def _locked(self, name: str, function: Callable[[], Any], generation: int, since: float) -> tuple[bool, Any]:
        settled = self._settled(name, generation, since)
        if settled is not None:
            return False, settled.value
        self._begin(name, generation)
        try:
            value = _as_json(function())
        except Exception as exc:
            self._say(name, generation, "failed", error=_describe(exc))
            raise
        except BaseException:
            # A stop signal or a greenlet's end says nothing about the work: the next one does it.
            self._say(name, generation, "abandoned")
            raise
        self._say(name, generation, "done", value=value)
        return True, value

    def _settled(self, name: str, generation: int, since: float) -> State | None:
        """Return the finished state; raises OnceFailed for a failure that this process waited for."""
        state = self.ledger.state(name, generation)
        lost = state.status == "done" and state.error
        if lost or (state.status == "failed" and state.at >= since and not state.is_own):
            raise OnceFailed(name, state.pid or 0, state.error)
        return state if state.status == "done" else None

    def _begin(self, name: str, generation: int) -> None:
        try:
            self.ledger.say(name, generation, "running")
        except OSError as exc:
            if self.ledger.strict:
                msg = (
                    f"{name} was not begun: {exc.strerror or exc} where it would be noted that it is done, so another "
                    f"process would do it again. Free space there, or name another place with lock=."
                )
                raise BootcheckError(msg) from exc

    def _enter(self, entry: tuple[int, str]) -> bool:
        """Keep the threads and greenlets of one process apart: locks of files are the process's."""
        return self._inside.setdefault(entry, threading.get_ident()) == threading.get_ident()

    def _say(self, name: str, generation: int, status: str, **more: Any) -> None:
        try:
            self.ledger.say(name, generation, status, **more)
        except OSError:
            pass


def age() -> float:
    """Return for how many seconds this process has been itself: since its fork, as far as Python saw that."""
    if _born["pid"] != os.getpid():
        return 0.0
    if _born["at"] > float("-inf"):
        return time.monotonic() - _born["at"]
    ticks = start_ticks()
    if not ticks:
        return 0.0
    # Rounded down: a worker that replaces a failed one must not seem older than the failure.
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - (ticks + 1) / os.sysconf("SC_CLK_TCK"))


def _pauses(longest: float) -> Iterator[float]:
    # Polling instead of a blocking lock: a gevent worker goes on switching, and a signal
    # handler that raises ends the wait at once.
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.5, longest)


def _as_json(value: object) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError):
        # The work is done: a value that is no JSON must not turn it into a failure.
        return json.loads(json.dumps(plain(value)))


def _describe(exc: BaseException) -> str:
    kind = type(exc)
    try:
        text = str(exc)
    except Exception:  # noqa: BLE001 - a user's __str__ may raise anything
        text = "<message that could not be read>"
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return shorten(f"{name}: {text}", _MAX_ERROR)
