"""What a living process uses at this moment: memory, threads, descriptors."""

from __future__ import annotations

from typing import Any

from bootcheck.probes.process import open_descriptors

_FIELDS = {"VmRSS": "process.memory.usage", "Threads": "process.thread.count"}


def usage_of(pid: int) -> dict[str, Any]:
    """Return attributes of a process, empty where it cannot be looked at (it is dead, or another user's)."""
    found: dict[str, Any] = {}
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                name, _, value = line.partition(":")
                if name in _FIELDS and value.split():
                    found[_FIELDS[name]] = int(value.split()[0]) * (1024 if "kB" in value else 1)
    except (OSError, ValueError):
        return {}
    descriptors = open_descriptors(pid)
    if descriptors is not None:
        found["process.unix.file_descriptor.count"] = descriptors
    # A zombie has no memory any more: what it says is nothing.
    return found if "process.memory.usage" in found else {}
