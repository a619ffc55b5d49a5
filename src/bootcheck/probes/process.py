"""What a process is and what it uses: start time, memory, descriptors, arguments."""

from __future__ import annotations

import os
import time
from functools import lru_cache

# Windows has no O_CLOEXEC; there, nothing of this can be read anyway.
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
ENDED = (b"Z", b"X", b"x")
"""States of a process that only waits to be reaped."""
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Rss:
    """Resident memory of this process through a descriptor that stays open (2 µs a reading)."""

    def __init__(self) -> None:
        self._fd = -1
        self._owner = 0

    def __call__(self) -> int | None:
        """Return bytes, or None where /proc is not to be had."""
        # /proc/self means the process that opened it: after a fork it would measure the parent.
        if self._owner != os.getpid():
            self._open()
        if self._fd < 0:
            return None
        try:
            return int(os.pread(self._fd, 64, 0).split()[1]) * _PAGE
        except (OSError, IndexError, ValueError):
            return None

    def _open(self) -> None:
        # The inherited number is the parent's reading of itself; closing it is ours to do in the child.
        if self._fd >= 0:
            try:
                os.close(self._fd)
            except OSError:
                pass
        self._owner = os.getpid()
        try:
            self._fd = os.open("/proc/self/statm", _READ)
        except OSError:
            self._fd = -1


def contents(path: str, limit: int = 1 << 20) -> bytes:
    """Return what a file of /proc or /sys says, empty where it cannot be read."""
    try:
        fd = os.open(path, _READ)
    except OSError:
        return b""
    found = b""
    try:
        while len(found) < limit and (piece := os.read(fd, min(limit, 65536))):
            found += piece
    except OSError:
        # The process has ended meanwhile: half of what it was is nothing.
        return b""
    finally:
        os.close(fd)
    return found


def stat_of(pid: int | str) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the state (field 3) on, empty where it cannot be read."""
    # The command in field 2 may hold spaces and brackets: count from its closing one.
    return contents(f"/proc/{pid}/stat", 4096).rpartition(b")")[2].split()


def start_ticks(pid: int | None = None) -> int:
    """Return field 22 of /proc/PID/stat (clock ticks after the machine's start), 0 where unknown."""
    fields = stat_of("self" if pid is None else pid)
    return int(fields[19]) if len(fields) > 19 else 0


def is_running(pid: int, ticks: int) -> bool:
    """Tell whether the process that started then still runs; one that only waits to be reaped does not."""
    fields = stat_of(pid)
    return ticks > 0 and len(fields) > 19 and int(fields[19]) == ticks and fields[0] not in ENDED


def started_at(ticks: int) -> float | None:
    """Return the epoch seconds of a start time in ticks, or None where it cannot be known."""
    if ticks <= 0:
        return None
    try:
        uptime = float(contents("/proc/uptime").split()[0])
        return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Return the machine's boot id, empty where unknown: pids and ticks repeat after a restart."""
    return contents("/proc/sys/kernel/random/boot_id").decode("ascii", "replace").strip()


def command_line(pid: int) -> list[str]:
    """Return the arguments of a process, empty where they cannot be read."""
    raw = contents(f"/proc/{pid}/cmdline", 65536)
    return [part.decode("utf-8", "replace") for part in raw.rstrip(b"\0").split(b"\0")] if raw else []


def open_descriptors(pid: int | str = "self") -> int | None:
    """Return how many descriptors a process has open, or None where it cannot be read."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None


def measures(pid: int) -> dict[str, int]:
    """Return memory, descriptors and threads of a process under their OpenTelemetry names, as far as readable."""
    found: dict[str, int] = {}
    try:
        pages = contents(f"/proc/{pid}/statm").split()
        found["process.memory.virtual"], found["process.memory.usage"] = (int(count) * _PAGE for count in pages[:2])
        found["process.thread.count"] = len(os.listdir(f"/proc/{pid}/task"))
    except (OSError, IndexError, ValueError):
        pass
    descriptors = open_descriptors(pid)
    if descriptors is not None:
        found["process.unix.file_descriptor.count"] = descriptors
    return found


def status_of(pid: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status, empty where there is no such process."""
    text = contents(f"/proc/{pid}/status").decode("utf-8", "replace")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with, empty where it cannot be read."""
    parts = contents(f"/proc/{pid}/environ").split(b"\0")
    pairs = (os.fsdecode(part).partition("=") for part in parts if b"=" in part)
    return {name: value for name, _, value in pairs}


def in_container() -> bool:
    """Tell whether this file system is one that ends with a container."""
    return (
        "KUBERNETES_SERVICE_HOST" in os.environ or os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv")
    )
