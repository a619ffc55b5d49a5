"""So many workers of a server may warm up at the same time; the others wait for their turn.

A slot is a record lock on a file without a name, made in the master before it forks: it is freed by
the end of its process, however that comes.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bootcheck.model.outcome import Phase
from bootcheck.recorder import Recorder
from bootcheck.sinks.descriptors import identity_of, unnamed

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.2
_LOCK = "hhqqi4x"
"""`struct flock`: type, whence, start, length, pid."""


class WarmSlots:
    """The slots of one server."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._fd = unnamed("bootcheck-warm")
        self._identity = identity_of(self._fd)

    @contextmanager
    def turn(self, recorder: Recorder) -> Iterator[None]:
        """Hold a slot for the length of a block; waiting for one is the step `warmup.turn`."""
        slot = self.take()
        if slot is None:
            with recorder.step("warmup.turn", Phase.APP, at_once=self.count, waits_for=self.holders()):
                pause = _FIRST_PAUSE
                while (slot := self.take()) is None:
                    # Looked for again and again, not waited for: a stop signal ends the wait, and greenlets go on.
                    time.sleep(pause)
                    pause = min(pause * 1.5, _LONGEST_PAUSE)
        try:
            yield
        finally:
            self.give_back(slot)

    def take(self) -> int | None:
        """Take a free slot; None where there is none, -1 where the file is gone and nobody is limited."""
        if not self._usable():
            return -1
        for slot in range(self.count):
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
            except OSError:
                continue
            return slot
        return None

    def give_back(self, slot: int) -> None:
        """Let the next one have it."""
        if slot >= 0 and self._usable():
            fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, slot)

    def holders(self) -> list[int]:
        """Return the pids of the workers that warm up now."""
        found: list[int] = []
        for slot in range(self.count if self._usable() else 0):
            asked = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, slot, 1, 0)
            kind, _, _, _, pid = struct.unpack(_LOCK, fcntl.fcntl(self._fd, fcntl.F_GETLK, asked))
            if kind != fcntl.F_UNLCK:
                found.append(pid)
        return found

    def close(self) -> None:
        """Give the file back: for a configuration that has another number."""
        if self._usable():
            os.close(self._fd)
        self._fd = -1

    def _usable(self) -> bool:
        """Tell whether the descriptor is still ours: an app may have closed everything it did not know."""
        return self._fd >= 0 and identity_of(self._fd) == self._identity
