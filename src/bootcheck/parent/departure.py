"""Ending as the server ended, so that whoever started this process sees no parent in between."""

from __future__ import annotations

import os
import signal
import sys

from bootcheck.parent import kernel


def end_as(status: int) -> int:
    """Return the exit status for a wait status; die by the same signal where a signal ended the server.

    PID 1 cannot be ended by a signal of its own: there it is 128 + n, as a shell says it.
    """
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    signo = os.WTERMSIG(status)
    if os.getpid() != 1:
        _die_by(signo)
    return 128 + signo


def _die_by(signo: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
    kernel.leave_no_core()
    if signo not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(signo, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signo})
    os.kill(os.getpid(), signo)
