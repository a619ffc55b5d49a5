"""Work that one worker does for all of them, on a file that only this server's processes share.

The file is anonymous and made in the master before it forks. A POSIX record lock dies with its
holder: when a worker is killed in the middle, the next one takes over. What came of the work
(a JSON value, or the error) stands in the file, so the others need not do it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bootcheck.model.encode import plain, shorten
from bootcheck.model.errors import BootcheckError, OnceFailed
from bootcheck.sinks.directory import identity_of, unnamed

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: `import bootcheck` works, the live half does not
    fcntl = None  # type: ignore[assignment]

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.1
_LOCKS_FROM = 1 << 40
"""Record locks live far beyond any byte of the file: they guard numbers, not content."""
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
    at: float = 0.0
    """Monotonic seconds."""
    value: Any = None
    error: str = ""


class Once:
    """Runs a function once among all processes forked after it was made."""

    def __init__(self) -> None:
        if fcntl is None:  # pragma: no cover - Windows
            msg = "guards.Once needs POSIX record locks, which this system does not have. Run the server on Linux."
            raise BootcheckError(msg)
        self._fd = _shared_file()
        self._identity = identity_of(self._fd)
        self._inside: dict[tuple[int, str], int] = {}

    def run(self, name: str, function: Callable[[], Any]) -> tuple[bool, Any]:
        """Run `function` here unless another process did or does; return (did it here, its JSON value).

        Waits while another one runs it. Raises what the function raises, or OnceFailed in those
        that waited for it. A failure from before this process was forked is not held against it,
        nor is its own: it tries again.
        """
        entry = (os.getpid(), name)
        if self._inside.get(entry) == threading.get_ident():
            msg = f"{name!r} was started from inside itself and would wait for itself for ever. Rename the inner one."
            raise BootcheckError(msg)
        if not self._usable():
            # Somebody closed every descriptor: without the file each process is on its own.
            return True, _as_json(function())
        since = min(_birth(), time.monotonic())
        generation = self._generation()
        for pause in _pauses():
            if self._enter(entry):
                try:
                    settled = self._settled(name, generation, since)
                    if settled is not None:
                        return False, settled.value
                    if self._lock(name):
                        try:
                            return self._locked(name, function, generation, since)
                        finally:
                            self._unlock(name)
                finally:
                    self._inside.pop(entry, None)
            time.sleep(pause)
        raise AssertionError  # pragma: no cover - the pauses do not end

    def state(self, name: str) -> State:
        """Return what is known of a name, for those who want to say whom they wait for."""
        return self._state(name, self._generation()) if self._usable() else State(status="new")

    def reset(self) -> None:
        """Forget all results: after a reload the work is to be done again."""
        if self._usable():
            self._append({"generation": self._generation() + 1})

    def close(self) -> None:
        """Give the file back; only for tests and for a master that starts over."""
        if self._usable():
            os.close(self._fd)
        self._fd = -1

    def _locked(self, name: str, function: Callable[[], Any], generation: int, since: float) -> tuple[bool, Any]:
        settled = self._settled(name, generation, since)
        if settled is not None:
            return False, settled.value
        self._say(name, generation, "running")
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
        state = self._state(name, generation)
        if state.status == "failed" and state.at >= since and state.pid != os.getpid():
            raise OnceFailed(name, state.pid or 0, state.error)
        return state if state.status == "done" else None

    def _enter(self, entry: tuple[int, str]) -> bool:
        """Keep the threads and greenlets of one process apart: record locks are the process's."""
        return self._inside.setdefault(entry, threading.get_ident()) == threading.get_ident()

    def _usable(self) -> bool:
        """Tell whether the descriptor is still ours: a number may be closed and given to another file."""
        return self._fd >= 0 and identity_of(self._fd) == self._identity

    def _lock(self, name: str) -> bool:
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._place(name))
        except OSError:
            return False
        return True

    def _unlock(self, name: str) -> None:
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, self._place(name))
        except OSError:
            pass

    def _place(self, name: str) -> int:
        digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=7).digest()
        return _LOCKS_FROM + int.from_bytes(digest, "big")

    def _say(self, name: str, generation: int, status: str, **more: object) -> None:
        record = {"name": name, "in": generation, "status": status, "pid": os.getpid(), "at": time.monotonic(), **more}
        try:
            self._append(record)
        except OSError:
            pass

    def _append(self, record: dict[str, object]) -> None:
        # A line that a kill cut short is ended by the newline that the next one begins with.
        os.write(self._fd, b"\n" + json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n")

    def _records(self) -> Iterator[dict[str, Any]]:
        size = os.fstat(self._fd).st_size
        for line in os.pread(self._fd, size, 0).splitlines():
            try:
                record = json.loads(line) if line else None
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record

    def _generation(self) -> int:
        return max((record["generation"] for record in self._records() if "generation" in record), default=0)

    def _state(self, name: str, generation: int) -> State:
        state = State(status="new")
        for record in self._records():
            if record.get("name") == name and record.get("in") == generation:
                state = State(
                    status=record["status"],
                    pid=record["pid"],
                    at=record["at"],
                    value=record.get("value"),
                    error=record.get("error", ""),
                )
        return state


def _shared_file() -> int:
    fd = unnamed("bootcheck-once")
    if fd < 0:
        return fd
    # Every process appends through the one description that the forks share.
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
    return fd


def _birth() -> float:
    """Return when this process was forked, as far as Python saw it."""
    return float(_born["at"]) if _born["pid"] == os.getpid() else time.monotonic()


def _pauses() -> Iterator[float]:
    # Polling instead of a blocking lock: a gevent worker goes on switching, and a signal
    # handler that raises ends the wait at once.
    pause = _FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 1.5, _LONGEST_PAUSE)


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
