"""The threads of a process as the kernel numbers them, and the CPU that each one used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bootcheck.probes.process import contents

_TICK = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
MAX_TASKS = 2_000

Thread = dict[str, Any]


def of_process(pid: int) -> dict[int, Thread]:
    """Return each thread's name, state and CPU seconds since its start, by native id; empty where unreadable."""
    try:
        tids = [int(name) for name in os.listdir(f"/proc/{pid}/task")[:MAX_TASKS]]
    except OSError:
        return {}
    found = {tid: _task(pid, tid) for tid in sorted(tids)}
    return {tid: thread for tid, thread in found.items() if thread is not None}


def measured(after: Mapping[int, Thread], before: Mapping[int, Thread] | None, seconds: float) -> list[Thread]:
    """Return the threads of the second look, the busiest first, with the share of one CPU that each used between.

    `wanted_percent` adds the time for which it waited for a CPU: on a crowded machine a loop gets
    a small share. Without a first look both are None. A thread that came in between is measured from its start.
    """
    found: list[Thread] = []
    for tid, thread in after.items():
        earlier = None if before is None or seconds <= 0 else before.get(tid, {"cpu_s": 0.0, "waited_s": 0.0})
        used = wanted = None
        if earlier is not None:
            used = _percent(thread["cpu_s"] - earlier["cpu_s"], seconds)
            waited = thread["waited_s"] - earlier["waited_s"]
            wanted = _percent(thread["cpu_s"] - earlier["cpu_s"] + waited, seconds)
        found.append({"native_id": tid, **thread, "cpu_percent": used, "wanted_percent": wanted})
    return sorted(found, key=lambda one: (-(one["wanted_percent"] or 0.0), one["native_id"]))


def _percent(part: float, whole: float) -> float:
    return round(max(0.0, min(100.0, part / whole * 100)), 1)


def _task(pid: int, tid: int) -> Thread | None:
    try:
        raw = contents(f"/proc/{pid}/task/{tid}/stat")
        # The name may hold spaces and brackets: it ends at the last one.
        name = raw.partition(b"(")[2].rpartition(b")")[0].decode("utf-8", "replace")
        fields = raw.rpartition(b")")[2].split()
        used, waited = _times(pid, tid, (int(fields[11]) + int(fields[12])) / _TICK)
        return {"name": name, "state": fields[0].decode("ascii"), "cpu_s": used, "waited_s": waited}
    except (IndexError, ValueError):
        return None


def _times(pid: int, tid: int, ticks: float) -> tuple[float, float]:
    """Return seconds on a CPU and waiting for one, to the nanosecond; else what the kernel's ticks of 10 ms say."""
    try:
        used, waited = (int(field) / 1e9 for field in contents(f"/proc/{pid}/task/{tid}/schedstat").split()[:2])
    except ValueError:
        return ticks, 0.0
    return (round(used, 6), round(waited, 6)) if used or not ticks else (ticks, 0.0)
