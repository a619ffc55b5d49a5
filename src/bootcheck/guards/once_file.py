"""Ledgers in files: without a name for the processes of one server, or with one in a directory.

Record locks, and not flock: they are freed by the end of their process alone, whatever it has forked.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from collections.abc import Iterator
from typing import Any

from bootcheck.guards.once import State, age
from bootcheck.model.errors import BootcheckError
from bootcheck.model.stamps import rfc3339
from bootcheck.recorder import current
from bootcheck.sinks.descriptors import identity_of, unnamed

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: `import bootcheck` works, the live half does not
    fcntl = None  # type: ignore[assignment]

_LOCKS_FROM = 1 << 40
"""Record locks live far beyond any byte of the file: they guard numbers, not content."""
_PRESENT = _LOCKS_FROM - 1
"""Everybody who uses a file holds this byte, shared, until its end."""
RESERVED = 1 << 16
"""Bytes set aside before the work, so that its result can be noted on a disk that is full by then."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class SharedFile:
    """A file that only this process and those forked from it have."""

    strict = False
    longest_pause = 0.1

    def __init__(self) -> None:
        if fcntl is None:  # pragma: no cover - Windows
            msg = "guards.Once needs POSIX record locks, which this system does not have. Run the server on Linux."
            raise BootcheckError(msg)
        self._fd = self._open()
        self._identity = identity_of(self._fd)

    def _open(self) -> int:
        fd = unnamed("bootcheck-once")
        if fd >= 0:
            # Every process appends through the one description that the forks share.
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)
        return fd

    def usable(self) -> bool:
        """Tell whether the descriptor is still ours: a number may be closed and given to another file."""
        return self._fd >= 0 and identity_of(self._fd) == self._identity

    def since(self) -> float:
        """Return when this process was forked."""
        return self._now() - age()

    def generation(self) -> int:
        """Return how often the results were forgotten."""
        return max((record["generation"] for record in self._records() if "generation" in record), default=0)

    def forget(self) -> None:
        """Begin a new generation."""
        self._append({"generation": self.generation() + 1})

    def lock(self, name: str) -> bool:
        """Take the lock of a name, if it is free."""
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(name))
        except OSError:
            return False
        return True

    def unlock(self, name: str) -> None:
        """Give it back."""
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _place(name))
        except OSError:
            pass

    def state(self, name: str, generation: int) -> State:
        """Return what the last record about a name says."""
        found = State(status="new")
        for record in self._records():
            if record.get("name") == name and record.get("in") == generation:
                found = State(
                    status=record["status"],
                    pid=record["pid"],
                    host=record.get("host", ""),
                    at=record["at"],
                    began=self._told(record["at"]),
                    value=record.get("value"),
                    error=record.get("error", ""),
                )
        return found

    def say(self, name: str, generation: int, status: str, *, value: Any = None, error: str = "") -> None:
        """Add a record."""
        record = {"name": name, "in": generation, "status": status, "pid": os.getpid(), "at": self._now()}
        self._append(
            {**record, **({"value": value} if status == "done" else {}), **({"error": error} if error else {})}
        )

    def close(self) -> None:
        """Give the file back."""
        if self.usable():
            os.close(self._fd)
        self._fd = -1

    def _now(self) -> float:
        # The clock is the machine's: a worker can tell whether a failure is older than itself.
        return time.monotonic()

    def _told(self, at: float) -> str:  # noqa: ARG002
        return ""

    def _append(self, record: dict[str, object]) -> None:
        # A line that a kill cut short is ended by the newline that the next one begins with.
        os.write(self._fd, _line(record))

    def _records(self) -> Iterator[dict[str, Any]]:
        size = os.fstat(self._fd).st_size
        for line in os.pread(self._fd, size, 0).rstrip(b"\0").splitlines():
            try:
                record = json.loads(line) if line else None
            except ValueError:
                continue
            if isinstance(record, dict):
                yield record


class NamedFile(SharedFile):
    """A file that every process finds by its path; for one name, so that only its lock's holder writes."""

    strict = True

    def __init__(self, path: str, *, fresh: bool = False) -> None:
        """`fresh`: what it says counts only while somebody who uses it lives. Raises OSError where it cannot be had."""
        self._path = path
        self._fresh = fresh
        super().__init__()

    def _open(self) -> int:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        if self._fresh and _alone(fd):
            os.ftruncate(fd, 0)
        fcntl.lockf(fd, fcntl.LOCK_SH, 1, _PRESENT)
        return fd

    def say(self, name: str, generation: int, status: str, *, value: Any = None, error: str = "") -> None:
        """Add a record; before the work begins, with room for what will come of it."""
        record: dict[str, object] = {"name": name, "in": generation, "status": status, "pid": os.getpid()}
        record |= {"host": os.uname().nodename, "at": self._now()}
        if error:
            # Others may read this file: people, backups.
            record["error"] = current().redactor.mask(error)
        if status != "done":
            self._put(record, self._end(), reserve=status == "running")
            return
        end = self._end()
        try:
            self._put({**record, "value": value}, end, reserve=False)
        except OSError as exc:
            # There is room for this: it is done, and nobody may do it again for the sake of its result.
            os.ftruncate(self._fd, end)
            self._put({**record, "error": f"it was done, but its result could not be noted: {exc.strerror}"}, end)

    def _end(self) -> int:
        return len(os.pread(self._fd, os.fstat(self._fd).st_size, 0).rstrip(b"\0"))

    def _put(self, record: dict[str, object], end: int, *, reserve: bool = False) -> None:
        line = _line(record)
        if reserve and hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._fd, 0, end + len(line) + RESERVED)
            except OSError as exc:
                # Some file systems cannot set anything aside; they may be full later.
                if exc.errno in _FULL:
                    raise
        while line:
            written = os.pwrite(self._fd, line, end)
            line, end = line[written:], end + written

    def _now(self) -> float:
        return time.time()

    def _told(self, at: float) -> str:
        return rfc3339(at)


def in_use(path: str) -> bool:
    """Tell whether somebody who uses this file lives, in whatever PID namespace; never ask for one's own."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return True
    try:
        return not _alone(fd)
    finally:
        os.close(fd)


def _alone(fd: int) -> bool:
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _PRESENT)
    except OSError:
        return False
    return True


def _place(name: str) -> int:
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=7).digest()
    return _LOCKS_FROM + int.from_bytes(digest, "big")


def _line(record: dict[str, object]) -> bytes:
    return b"\n" + json.dumps(record, separators=(",", ":")).encode("ascii") + b"\n"
