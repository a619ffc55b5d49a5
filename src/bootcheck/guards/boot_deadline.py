"""The boot deadline: a worker that is not ready in time leaves its stack and ends.

Gunicorn's `timeout` does not apply to a boot since 22.0: a worker that hangs in its import hangs
for ever. faulthandler's watchdog needs no Python thread and no GIL, so the stack is written also
while C code holds the GIL.
"""

from __future__ import annotations

import faulthandler
import os
import time

MARK = "Timeout ("
"""How the dump of faulthandler's watchdog begins."""


class BootDeadline:
    """Ends this process with status 1 and a dump of all stacks unless `disarm` comes first."""

    def __init__(self, seconds: float, fd: int) -> None:
        """`fd` takes the dump and stays open."""
        self._ends = time.monotonic() + seconds
        self._fd = fd
        self._owner = os.getpid()
        self._armed = False

    def arm(self) -> None:
        """Start the clock, kept out of every child that this process forks."""
        self._armed = True
        # A fork while the watchdog runs leaves the child to hang in its exit, for ever.
        os.register_at_fork(before=self._pause, after_in_parent=self._go_on)
        self._go_on()

    def disarm(self) -> None:
        """Stop the clock: the worker is ready."""
        if self._armed:
            self._armed = False
            faulthandler.cancel_dump_traceback_later()

    def _pause(self) -> None:
        if self._armed and self._owner == os.getpid():
            faulthandler.cancel_dump_traceback_later()

    def _go_on(self) -> None:
        if self._armed and self._owner == os.getpid():
            left = max(0.01, self._ends - time.monotonic())
            faulthandler.dump_traceback_later(left, exit=True, file=self._fd)
