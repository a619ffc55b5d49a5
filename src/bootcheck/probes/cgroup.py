"""Memory limit and out-of-memory kills of this process's control group, v1 and v2."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, MutableSequence
from typing import Any

from bootcheck.probes.process import contents

_ROOT = "/sys/fs/cgroup"
_UNLIMITED = 1 << 60
PATIENCE = 30.0
"""Seconds from a kill to the death that it explains: a large process needs a moment to go."""


class MemoryGroup:
    """The files of one memory control group."""

    def __init__(self, version: int, events: str, limit_file: str) -> None:
        """`events` is the file that counts `oom_kill`."""
        self.version = version
        self.events = events
        self.limit_file = limit_file

    def oom_kills(self) -> int | None:
        """Return how many processes the kernel has killed here for memory, or None if unreadable."""
        for line in _text(self.events).splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return None

    def limit_bytes(self) -> int | None:
        """Return the limit, or None where there is none or it cannot be read."""
        text = _text(self.limit_file).strip()
        return int(text) if text.isdigit() and int(text) < _UNLIMITED else None


class Kills:
    """The kernel's kills for memory in a group, each of which explains one death."""

    def __init__(
        self,
        group: MemoryGroup | None,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A kill that no death came of within `patience` seconds was that of another process."""
        self._group = group
        self._patience = patience
        self._clock = clock
        self.seen: MutableSequence[Any] = [self._count()]
        """One cell: the count up to which kills are explained. Shared where several processes receive deaths."""
        self._looked = self.seen[0]
        self._rises: list[tuple[float, int]] = []
        """When the count was first seen to be so high."""

    def limit_bytes(self) -> int | None:
        """Return the group's limit, or None where there is none or it cannot be read."""
        return None if self._group is None else self._group.limit_bytes()

    def look(self) -> int:
        """Return how many kills there were since the last look."""
        now = self._count()
        if now is None or self._looked is None:
            return 0
        fresh, self._looked = now - self._looked, now
        if fresh > 0:
            self._rises.append((self._clock(), now))
        while self._rises and self._clock() - self._rises[0][0] > self._patience:
            self.seen[0] = max(self.seen[0], self._rises.pop(0)[1])
        return int(max(0, fresh))

    def since(self, *, killed: bool) -> int | None:
        """Return the unexplained kills, None where they cannot be counted; `killed` is a foreign SIGKILL."""
        self.look()
        now, before = self._looked, self.seen[0]
        if now is None or before is None:
            return None
        # The kernel may have killed several before the first is looked at: each takes one of the count.
        self.seen[0] = min(now, before + 1) if killed else now
        return int(now - before)

    def _count(self) -> int | None:
        return None if self._group is None else self._group.oom_kills()


def memory_group(membership: str | None = None, root: str = _ROOT) -> MemoryGroup | None:
    """Find the memory group of this process, or None where it cannot be found."""
    text = _text("/proc/self/cgroup") if membership is None else membership
    candidates: list[MemoryGroup] = []
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            for base in (f"{root}/memory{path}", f"{root}/memory"):
                candidates.append(MemoryGroup(1, f"{base}/memory.oom_control", f"{base}/memory.limit_in_bytes"))
        elif number == "0":
            # Inside a container the path may be the host's; the mount's root is then the group.
            for base in (f"{root}{path}".rstrip("/"), root, f"{root}/unified{path}".rstrip("/")):
                candidates.append(MemoryGroup(2, f"{base}/memory.events", f"{base}/memory.max"))
    return next((group for group in candidates if os.path.exists(group.events)), None)


def _text(path: str) -> str:
    return contents(path, 4096).decode("ascii", "replace")
