"""The kernel's count of memory kills below the parent, and which of them are recent enough to explain a death."""

from __future__ import annotations

import time
from collections.abc import Callable

from bootcheck.probes.cgroup import MemoryGroup, memory_group

RECENT = 2.0
"""Seconds: the kernel counts a kill before its victim is gone, and a large one needs a moment to go."""


class MemoryKills:
    """Looks at the counter of this process's control group."""

    def __init__(self, group: MemoryGroup | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._group = memory_group() if group is None else group
        self._clock = clock
        self._last = self._count()
        self._rises: list[tuple[float, int]] = []

    @property
    def limit_bytes(self) -> int | None:
        """The limit, None where there is none or it cannot be read."""
        return None if self._group is None else self._group.limit_bytes()

    def look(self) -> int:
        """Return by how much the counter rose since the last look."""
        now = self._count()
        before, self._last = self._last, now
        rise = 0 if now is None or before is None else now - before
        if rise > 0:
            self._rises.append((self._clock(), rise))
        return max(0, rise)

    def recent(self) -> int | None:
        """Return how many kills the last two seconds saw, None where the counter cannot be read."""
        self.look()
        since = self._clock() - RECENT
        self._rises = [(at, rise) for at, rise in self._rises if at >= since]
        return None if self._last is None else sum(rise for _, rise in self._rises)

    def _count(self) -> int | None:
        return None if self._group is None else self._group.oom_kills()
