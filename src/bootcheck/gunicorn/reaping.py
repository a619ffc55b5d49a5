"""Taking a child's status so that none is lost on the way."""

from __future__ import annotations

import contextlib
import os
import signal
import types
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def deaths_held() -> Iterator[None]:
    """Hold SIGCHLD back; at the end its handlers run, and what they raise comes out of there."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCHLD,))
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def wait(pid: int, options: int) -> tuple[int, int, Any]:
    """Reap a child: pid, wait status, and resource usage where it can be had.

    Where gevent patched the master (`monkey.patch_all()` in a configuration file), its loop has
    reaped the child already and only its own `waitpid` knows the status.
    """
    if type(os.waitpid) is types.BuiltinFunctionType:
        return os.wait4(pid, options)
    return (*os.waitpid(pid, options), None)
