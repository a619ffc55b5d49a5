"""Several processes for one long reading: each takes every n-th part, and the results come in order.

Made of fork and pipes alone: a process that is ahead waits in its write, so that nothing piles up,
and all of them end with the reading, also when it is broken off.
"""

from __future__ import annotations

import marshal
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

Task = TypeVar("Task")
MAX_JOBS = 4
_PIPE = 1 << 20
_SIZE = 8


def usable(wanted: int | None = None) -> int:
    """Return how many processes to read with: as many as processors, 1 where forking would not be safe or possible."""
    if not hasattr(os, "fork") or not hasattr(os, "sched_getaffinity"):
        return 1
    if wanted is not None:
        return max(1, wanted)
    # A thread may hold a lock at the fork: then nobody would let it go in the child.
    alone = threading.active_count() == 1
    return min(MAX_JOBS, len(os.sched_getaffinity(0))) if alone else 1


def spread(tasks: Sequence[Task], work: Callable[[Task], Any], jobs: int) -> Generator[Any, None, None]:
    """Yield `work(task)` for each task, in order; close the iterator where not all of them are wanted.

    What `work` returns is made of plain values (`marshal`). With one job, and where a process cannot
    be made, ends too early or fails, its tasks are done here, and raise here what they raise.
    """
    crew: list[tuple[int, int]] = []
    try:
        for index in range(jobs if jobs > 1 else 0):
            member = _forked(tasks[index::jobs], work, [fd for _, fd in crew])
            if member is None:
                break
            crew.append(member)
        open_fds = {index: fd for index, (_, fd) in enumerate(crew) if len(crew) == jobs}
        for number, task in enumerate(tasks):
            fd = open_fds.get(number % jobs)
            data = None if fd is None else _received(fd)
            if data is None:
                open_fds.pop(number % jobs, None)
                yield work(task)
            else:
                yield marshal.loads(data)  # noqa: S302 - from a child of this process
    finally:
        for pid, fd in crew:
            os.close(fd)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _forked(tasks: Sequence[Task], work: Callable[[Task], Any], others: list[int]) -> tuple[int, int] | None:
    read_end, write_end = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(read_end)
        os.close(write_end)
        return None
    if pid:
        os.close(write_end)
        return pid, read_end
    try:
        # Ctrl-C goes to all: the one that prints the result ends the others.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for fd in (read_end, *others):
            os.close(fd)
        _enlarge(write_end)
        for task in tasks:
            # In the second version nothing is looked for that might be in there twice.
            _send(write_end, marshal.dumps(work(task), 2))
    except BaseException:  # noqa: BLE001 - the parent sees the end of the pipe, and does the rest itself
        os._exit(1)
    os._exit(0)


def _enlarge(fd: int) -> None:
    try:
        import fcntl

        fcntl.fcntl(fd, getattr(fcntl, "F_SETPIPE_SZ", 1031), _PIPE)
    except (ImportError, OSError):
        return


def _send(fd: int, data: bytes) -> None:
    view = memoryview(len(data).to_bytes(_SIZE, "little") + data)
    while view:
        view = view[os.write(fd, view) :]


def _received(fd: int) -> bytes | None:
    size = _exactly(fd, _SIZE)
    return None if size is None else _exactly(fd, int.from_bytes(size, "little"))


def _exactly(fd: int, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size > 0:
        part = os.read(fd, min(size, _PIPE))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
