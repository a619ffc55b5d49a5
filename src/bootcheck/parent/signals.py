"""The signals of the parent: blocked, and taken one by one together with who sent them."""

from __future__ import annotations

import signal
from typing import Any

STOP = frozenset({int(signal.SIGTERM), int(signal.SIGINT), int(signal.SIGQUIT)})
"""Orders to end."""
JOB_CONTROL = frozenset({int(signal.SIGTSTP), int(signal.SIGTTIN), int(signal.SIGTTOU)})
"""What a terminal stops a process with."""
_OWN = frozenset(
    int(getattr(signal, name))
    for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS", "SIGKILL", "SIGSTOP")
    if hasattr(signal, name)
) | {int(signal.SIGPIPE)}
"""Faults of the parent itself, and what cannot be blocked."""


class Signals:
    """Every signal that can be passed on, held back in this process and restored in its child."""

    def __init__(self) -> None:
        self.all = frozenset(int(signo) for signo in signal.valid_signals()) - _OWN
        self._child_action: Any = None
        self._before: set[int | signal.Signals] = set()

    def block(self) -> None:
        """Hold all of them back from here on."""
        # Where SIGCHLD is ignored the kernel reaps by itself, and nobody learns a status.
        self._child_action = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self.all)

    def restore(self) -> None:
        """Give the child what this process was started with; Python ignores two signals by itself."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if self._child_action is None else self._child_action)
        for name in ("SIGPIPE", "SIGXFSZ"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)

    def wait(self, seconds: float) -> signal.struct_siginfo | None:
        """Return the next signal, or None after so many seconds."""
        return signal.sigtimedwait(self.all, seconds)
