"""What only the C library offers: subreaper, a signal at the parent's death, no core file, a signal descriptor."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_SIGSET_BYTES = 128

try:
    _libc: ctypes.CDLL | None = ctypes.CDLL(None, use_errno=True)
except OSError:
    # A static Python has no library to ask; what needs it is then left out.
    _libc = None


def adopt_orphans() -> bool:
    """Let the orphans of every descendant come to this process, as they come to PID 1."""
    return _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(signo: int) -> bool:
    """Let this process get a signal when its parent ends, also by SIGKILL."""
    return _prctl(_PR_SET_PDEATHSIG, signo)


def leave_no_core() -> bool:
    """Let this process die without a core file: the one of the server is the one that counts."""
    return _prctl(_PR_SET_DUMPABLE, 0)


def signal_descriptor(signals: Iterable[int]) -> int:
    """Return a descriptor that is readable while one of these blocked signals is pending, or -1."""
    if _libc is None:
        return -1
    chosen = ctypes.create_string_buffer(_SIGSET_BYTES)
    _libc.sigemptyset(chosen)
    for signo in signals:
        _libc.sigaddset(chosen, int(signo))
    return int(_libc.signalfd(-1, chosen, os.O_CLOEXEC | os.O_NONBLOCK))


def _prctl(option: int, value: int) -> bool:
    if _libc is None:
        return False
    rest = (ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0))
    return int(_libc.prctl(option, ctypes.c_ulong(value), *rest)) == 0
