"""What a process keeps of its journal beside the disk, where its parent can read it after any death.

That is an anonymous file, made before the fork; and, for a process whose files may not grow
(RLIMIT_FSIZE counts for anonymous files too), room in the memory it shares with its parent.
"""

from __future__ import annotations

import os
from typing import Any

from bootcheck.model.journal import MAX_JOURNAL
from bootcheck.sinks.descriptors import identity_of, unnamed

_RESERVED = 4 << 10
"""Bytes of the memory that are kept for the lines that the parent counts on."""


def make_spare() -> int:
    """Return a descriptor of a file without a name, for a journal that outlives its process; -1 where there is none."""
    return unnamed("bootcheck-journal")


class Spare:
    """The writing half, in the process that owns the journal."""

    def __init__(self, fd: int = -1, memory: Any = None, base: int = 0) -> None:
        """Use this descriptor, and this memory from `base` to its end; either may be missing."""
        self._fd = fd
        self._identity = identity_of(fd)
        self._memory = memory
        self._base = base
        self._room = 0 if memory is None else len(memory) - base
        self._used = 0

    def write(self, lines: bytes, *, essential: bool) -> None:
        """Keep whole lines, in memory where the file takes no more; never raises."""
        if self._fd >= 0 and identity_of(self._fd) == self._identity:
            try:
                if os.write(self._fd, lines) == len(lines):
                    return
            except OSError:
                pass
            # What was cut is written again as a whole: a line that is broken costs itself only.
        room = self._room - (0 if essential else _RESERVED) - self._used
        if len(lines) > room:
            return
        at = self._base + self._used
        self._memory[at : at + len(lines)] = lines
        self._used += len(lines)


def contents(fd: int, memory: Any = None, base: int = 0) -> bytes:
    """Return what a process has written into its spare, empty without one."""
    told = b""
    if fd >= 0:
        try:
            told = os.pread(fd, MAX_JOURNAL, 0)
        except OSError:
            pass
    if memory is None or not memory[base]:
        return told
    kept = bytes(memory[base:]).split(b"\0", 1)[0]
    # The file may end in half a line.
    return told + b"\n" + kept if told else kept
