"""Memory limit and out-of-memory kills of this process's control group, v1 and v2."""

from __future__ import annotations

import os
import time
from collections.abc import MutableSequence
from typing import Any

_ROOT = "/sys/fs/cgroup"
_UNLIMITED = 1 << 60
OTHERS_KILL = 30.0
"""Seconds after which a kill that no death of ours came of is another process's."""


class MemoryGroup:
    """The files of one memory control group."""

    def __init__(self, version: int, events: str, limit_file: str) -> None:
        """`events` is the file that counts `oom_kill`."""
        self.version = version
        self.events = events
        self.limit_file = limit_file

    def oom_kills(self) -> int | None:
        """Return how many processes the kernel has killed here for memory, or None if unreadable."""
        for line in _read(self.events).splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return None

    def limit_bytes(self) -> int | None:
        """Return the limit, or None where there is none or it cannot be read."""
        text = _read(self.limit_file).strip()
        return int(text) if text.isdigit() and int(text) < _UNLIMITED else None


class Kills:
    """How many processes the kernel has killed for memory since the last death that was looked at."""

    def __init__(self, group: MemoryGroup | None) -> None:
        self._group = group
        self.seen: MutableSequence[Any] = [None if group is None else group.oom_kills()]
        """One cell, shared where several processes receive deaths: a kill explains one death."""
        self._pending = (-1, 0.0)

    def limit_bytes(self) -> int | None:
        """Return the group's limit, or None where there is none or it cannot be read."""
        return None if self._group is None else self._group.limit_bytes()

    def since(self, *, killed: bool) -> int | None:
        """Return the kills since the last death, None where they cannot be counted; `killed` is a foreign SIGKILL."""
        now = None if self._group is None else self._group.oom_kills()
        before = self.seen[0]
        if now is None or before is None:
            return None
        # The kernel may have killed several before the first is looked at: each takes one of the count.
        self.seen[0] = min(now, before + 1) if killed else now
        return int(now - before)

    def settle(self) -> None:
        """Take no notice any more of a kill that no death came of: it was another process of the group."""
        now = None if self._group is None else self._group.oom_kills()
        if now is None or now == self.seen[0]:
            return
        pending, since = self._pending
        if pending != now:
            self._pending = (now, time.monotonic())
        elif time.monotonic() - since > OTHERS_KILL:
            self.seen[0] = now


def memory_group(membership: str | None = None, root: str = _ROOT) -> MemoryGroup | None:
    """Find the memory group of this process, or None where it cannot be found."""
    text = _read("/proc/self/cgroup") if membership is None else membership
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


def _read(path: str) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 4096).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(fd)
