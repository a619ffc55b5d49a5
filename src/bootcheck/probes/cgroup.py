"""Memory limit and out-of-memory kills of this process's control group, v1 and v2."""

from __future__ import annotations

import os

_ROOT = "/sys/fs/cgroup"
_UNLIMITED = 1 << 60


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
