"""The terminal: the server is in the foreground of it, as if it had been started without a parent."""

from __future__ import annotations

import os
import signal

from bootcheck.parent.descendants import parent_of
from bootcheck.parent.signals import JOB_CONTROL


class Terminal:
    """The controlling terminal, where this process has one and is in its foreground; else nothing happens."""

    def __init__(self) -> None:
        self._own = os.getpgrp()
        self._fd = next((fd for fd in (0, 1, 2) if _foreground(fd) == self._own), -1)

    def __bool__(self) -> bool:
        return self._fd >= 0

    def give(self, group: int) -> None:
        """Put a process group into the foreground, if this one is in it: keys then signal that group alone."""
        if self and _foreground(self._fd) == self._own:
            _put_in_front(self._fd, group)

    def take(self) -> None:
        """Come back into the foreground once the server has ended or stopped."""
        if self:
            _put_in_front(self._fd, self._own)

    def stopped(self, group: int, signo: int) -> None:
        """Stop together with a server that the terminal stopped, so that its shell gets the prompt back."""
        if not self or signo not in JOB_CONTROL:
            return
        if _may_stop(self._own):
            self.take()
            # Whoever stands between the shell and us (sudo, time, a pipe's other end) stops as well.
            os.killpg(self._own, signal.SIGTSTP)
            os.kill(os.getpid(), signal.SIGSTOP)
        else:
            # Nobody could continue it: without a shell Ctrl-Z does nothing.
            os.killpg(group, signal.SIGCONT)


def _foreground(fd: int) -> int:
    try:
        return os.tcgetpgrp(fd)
    except OSError:
        return -1


def _put_in_front(fd: int, group: int) -> None:
    # SIGTTOU is blocked here, so that this does not stop a process that is in the background.
    try:
        os.tcsetpgrp(fd, group)
    except OSError:
        return


def _may_stop(group: int) -> bool:
    """Tell whether a shell with job control is there to continue this process group."""
    try:
        shell = parent_of(group) or os.getppid()
        return os.getpid() != 1 and os.getsid(shell) == os.getsid(0) and os.getpgid(shell) != group
    except OSError:
        return False
