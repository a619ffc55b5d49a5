"""The boot deadline, of the whole and of single steps: a worker over it leaves its stack and ends.

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
_LONGEST = 1e6
"""Seconds: what the watchdog takes without an overflow, and longer than any boot."""
_BOOT = 0
"""No checkpoint has this `seq`."""


class BootDeadline:
    """Ends this process with status 1 and a dump of all stacks unless `disarm` comes first."""

    def __init__(self, seconds: float, fd: int) -> None:
        """`seconds` are for the whole boot, 0 for no limit; `fd` takes the dump and stays open."""
        self._ends = {_BOOT: time.monotonic() + seconds} if seconds else {}
        self._fd = fd
        self._owner = os.getpid()
        self._armed = False

    def arm(self) -> None:
        """Start the clock, kept out of every child that this process forks."""
        self._armed = True
        # A fork while the watchdog runs leaves the child to hang in its exit, for ever.
        os.register_at_fork(before=self._pause, after_in_parent=self._go_on)
        self._go_on()

    def limit(self, step: int, seconds: float | None) -> None:
        """Give a step, by the `seq` that opened it, so long from now; None takes its limit away."""
        if seconds is None:
            self._ends.pop(step, None)
        else:
            self._ends[step] = time.monotonic() + seconds
        self._pause()
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
        if self._armed and self._ends and self._owner == os.getpid():
            # One watchdog: it stands at whatever ends first.
            left = min(max(0.01, min(self._ends.values()) - time.monotonic()), _LONGEST)
            faulthandler.dump_traceback_later(left, exit=True, file=self._fd)
