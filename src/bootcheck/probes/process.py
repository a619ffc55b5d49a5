"""What a process is and what it uses: start time, memory, descriptors, arguments."""

from __future__ import annotations

import os
import time
from functools import lru_cache

# Windows has no O_CLOEXEC; there, nothing of this can be read anyway.
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
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


def start_ticks(pid: int | None = None) -> int:
    """Return field 22 of /proc/PID/stat (clock ticks after the machine's start), 0 where unknown."""
    try:
        fd = os.open(f"/proc/{'self' if pid is None else pid}/stat", _READ)
    except OSError:
        return 0
    try:
        # The command in field 2 may hold spaces and brackets: count from its closing one.
        return int(os.read(fd, 1024).rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0
    finally:
        os.close(fd)


def is_running(pid: int, ticks: int) -> bool:
    """Tell whether the process that started then still runs; one that only waits to be reaped does not."""
    if ticks <= 0 or start_ticks(pid) != ticks:
        return False
    try:
        state = _read(f"/proc/{pid}/stat", 1024).rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in (b"Z", b"X", b"x")


def started_at(ticks: int) -> float | None:
    """Return the epoch seconds of a start time in ticks, or None where it cannot be known."""
    if ticks <= 0:
        return None
    try:
        uptime = float(_read("/proc/uptime", 64).split()[0])
        return time.time() - uptime + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Return the machine's boot id, empty where unknown: pids and ticks repeat after a restart."""
    try:
        return _read("/proc/sys/kernel/random/boot_id", 64).decode("ascii").strip()
    except OSError:
        return ""


def command_line(pid: int) -> list[str]:
    """Return the arguments of a process, empty where they cannot be read."""
    try:
        raw = _read(f"/proc/{pid}/cmdline", 65536)
    except OSError:
        return []
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
        pages = _read(f"/proc/{pid}/statm", 64).split()
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
    try:
        text = _read(f"/proc/{pid}/status", 65536).decode("utf-8", "replace")
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def environment_of(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with, empty where it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            parts = file.read(1 << 20).split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(part).partition("=") for part in parts if b"=" in part)
    return {name: value for name, _, value in pairs}


def in_container() -> bool:
    """Tell whether this file system is one that ends with a container."""
    return (
        "KUBERNETES_SERVICE_HOST" in os.environ or os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv")
    )


def _read(path: str, limit: int) -> bytes:
    fd = os.open(path, _READ)
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)
