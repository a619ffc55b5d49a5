"""Taking a child's status so that none is lost on the way.

Up to Gunicorn 23 the master reaps in its handler of SIGCHLD, which raises the halt of the server into
whatever it interrupted: also between a status that was just reaped and the note of it. Masks would not
do: in a process with threads another one takes the signal, and Python's handler runs here all the same.
"""

from __future__ import annotations

import contextlib
import os
import types
from collections.abc import Callable, Iterator
from typing import Any


class _Held:
    """Whether something is going on here that no reaping may interrupt, and which one wanted to."""

    depth = 0
    missed: Callable[[], Any] | None = None


def deferring(reap: Callable[[], Any]) -> Callable[[], Any]:
    """Return a way to reap that, inside `deaths_held`, is put off until its end."""

    def later() -> Any:
        if _Held.depth:
            _Held.missed = later
            return None
        return reap()

    return later


@contextlib.contextmanager
def deaths_held() -> Iterator[None]:
    """Put reaping off; what was missed is done at the end, and what it raises comes out of there."""
    _Held.depth += 1
    try:
        yield
    finally:
        _Held.depth -= 1
        missed = _Held.missed
        if missed is not None and not _Held.depth:
            _Held.missed = None
            missed()


def wait(pid: int, options: int) -> tuple[int, int, Any]:
    """Reap a child: pid, wait status, and resource usage where it can be had.

    Where gevent patched the master (`monkey.patch_all()` in a configuration file), its loop has
    reaped the child already and only its own `waitpid` knows the status.
    """
    if type(os.waitpid) is types.BuiltinFunctionType:
        return os.wait4(pid, options)
    return (*os.waitpid(pid, options), None)
