"""What the processes of this machine use: from /proc, elsewhere through psutil where that is installed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bootcheck.probes import process
from bootcheck.watching import CannotWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One process at one moment."""

    pid: int
    start: float
    """When it started, in the unit of its table: with the pid it makes a process unique."""
    started: float | None = None
    """The same in epoch seconds."""
    rss_bytes: int | None = None
    cpu_s: float | None = None
    """Seconds of CPU that it has used so far."""
    descriptors: int | None = None
    threads: int | None = None

    def as_dict(self, now: float, cpu_percent: float | None) -> dict[str, Any]:
        """Return the public form."""
        return {
            "pid": self.pid,
            "age_s": None if self.started is None else round(max(0.0, now - self.started), 1),
            "rss_bytes": self.rss_bytes,
            "cpu_percent": None if cpu_percent is None else round(cpu_percent, 1),
            "descriptors": self.descriptors,
            "threads": self.threads,
        }


class Table(Protocol):
    """Where processes are looked up."""

    def parents(self) -> dict[int, int]:
        """Return the parent of every process that runs."""

    def command(self, pid: int) -> list[str]:
        """Return its arguments, empty where they cannot be read."""

    def environment(self, pid: int) -> dict[str, str]:
        """Return the environment that it was started with, empty where it cannot be read."""

    def usage(self, pid: int) -> Usage | None:
        """Return what it uses, None where it has ended."""


def table() -> Table:
    """Return the table of this machine; raises CannotWatch where there is none."""
    if os.path.exists("/proc/self/stat"):
        return Proc()
    try:
        return Psutil()
    except ImportError as exc:
        msg = "processes are read from /proc, which this system does not have: pip install 'bootcheck[monitor]'"
        raise CannotWatch(msg) from exc


class Proc:
    """Linux."""

    def __init__(self) -> None:
        self._ticks = os.sysconf("SC_CLK_TCK")

    def parents(self) -> dict[int, int]:
        """Return the parent of every process that runs."""
        found = {}
        for name in os.listdir("/proc"):
            fields = process.stat_of(name) if name.isdigit() else []
            if len(fields) > 1 and fields[0] not in process.ENDED:
                found[int(name)] = int(fields[1])
        return found

    def command(self, pid: int) -> list[str]:
        """Return its arguments, empty where they cannot be read."""
        return process.command_line(pid)

    def environment(self, pid: int) -> dict[str, str]:
        """Return the environment that it was started with, empty where it cannot be read."""
        return process.environment_of(pid)

    def usage(self, pid: int) -> Usage | None:
        """Return what it uses, None where it has ended."""
        fields = process.stat_of(pid)
        if len(fields) < 20 or fields[0] in process.ENDED:
            return None
        told = process.measures(pid)
        start = int(fields[19])
        return Usage(
            pid=pid,
            start=start,
            started=process.started_at(start),
            rss_bytes=told.get("process.memory.usage"),
            cpu_s=(int(fields[11]) + int(fields[12])) / self._ticks,
            descriptors=told.get("process.unix.file_descriptor.count"),
            threads=told.get("process.thread.count"),
        )


class Psutil:
    """Every other system; raises ImportError where psutil is not installed."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil

    def parents(self) -> dict[int, int]:
        """Return the parent of every process that runs."""
        found = {}
        for one in self._psutil.process_iter(["ppid", "status"]):
            if one.info["ppid"] is not None and one.info["status"] != self._psutil.STATUS_ZOMBIE:
                found[int(one.pid)] = int(one.info["ppid"])
        return found

    def command(self, pid: int) -> list[str]:
        """Return its arguments, empty where they cannot be read."""
        return list(self._asked(lambda: self._psutil.Process(pid).cmdline()) or ())

    def environment(self, pid: int) -> dict[str, str]:
        """Return the environment that it was started with, empty where it cannot be read."""
        return dict(self._asked(lambda: self._psutil.Process(pid).environ()) or {})

    def usage(self, pid: int) -> Usage | None:
        """Return what it uses, None where it has ended."""
        one = self._asked(lambda: self._psutil.Process(pid))
        if one is None or self._asked(one.status) == self._psutil.STATUS_ZOMBIE:
            return None
        start = self._asked(one.create_time)
        if start is None:
            return None
        memory, cpu = self._asked(one.memory_info), self._asked(one.cpu_times)
        return Usage(
            pid=pid,
            start=start,
            started=start,
            rss_bytes=None if memory is None else int(memory.rss),
            cpu_s=None if cpu is None else float(cpu.user + cpu.system),
            # Windows counts handles.
            descriptors=self._asked(getattr(one, "num_fds", one.num_threads)) if hasattr(one, "num_fds") else None,
            threads=self._asked(one.num_threads),
        )

    def _asked(self, question: Callable[[], Any]) -> Any:
        """Return the answer, None where the process is gone or somebody else's."""
        try:
            return question()
        except (self._psutil.Error, OSError):
            return None


class Cpu:
    """Per cent of one CPU that each process used between two looks."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[tuple[int, float], tuple[float, float]] = {}

    def percent(self, usage: Usage) -> float | None:
        """Return it since the last look at this process, None at the first."""
        now = self._clock()
        if usage.cpu_s is None:
            return None
        key = (usage.pid, usage.start)
        before = self._last.get(key)
        self._last[key] = (now, usage.cpu_s)
        if before is None or now <= before[0]:
            return None
        return max(0.0, (usage.cpu_s - before[1]) / (now - before[0]) * 100)

    def forget(self, usage: Usage) -> None:
        """Drop a process that has ended."""
        self._last.pop((usage.pid, usage.start), None)
