"""The journal's grammar: names of its files, kinds of its records, and how a line is read.

A journal is a file of JSON lines. The first is the head; then come checkpoints, findings and
facts about the end. Whatever is cut or corrupt costs that line only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

VERSION = 1
MAX_JOURNAL = 4 << 20
"""Bytes of a journal that are read."""

HEAD = "head"
CHECKPOINT = "checkpoint"
FINDING = "finding"
EXCEPTION = "exception"
SIGNAL = "signal"
STACKS = "stacks"
STOP = "stop"
READY = "ready"
GUARD = "guard"
ANNOTATION = "annotation"
IMPORTS = "imports"
NOTE = "note"
END = "end"

ROLES = ("master", "worker", "dirty-arbiter", "dirty-worker")


class Key:
    """What makes a process unique on its machine: role, pid and start time in clock ticks."""

    __slots__ = ("pid", "role", "start")

    def __init__(self, role: str, pid: int, start: int) -> None:
        self.role = role
        self.pid = pid
        self.start = start

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.file_name == other.file_name

    def __hash__(self) -> int:
        return hash(self.file_name)

    def __repr__(self) -> str:
        return f"Key({self.file_name!r})"

    @property
    def file_name(self) -> str:
        """The journal's name in the report directory."""
        return f"{self.role}-{self.pid}-{self.start}.jsonl"

    @property
    def fault_name(self) -> str:
        """The name of the file that faulthandler writes to."""
        return f"{self.role}-{self.pid}-{self.start}.fault"

    @property
    def dump_name(self) -> str:
        """The name of the file for stacks that somebody asked a living process for."""
        return f"{self.role}-{self.pid}-{self.start}.dump"


SWEPT = ".swept-"
"""Before the name of a journal that a start is about to report."""


def key_of(name: str) -> Key | None:
    """Read a journal's file name, or return None if it is not one."""
    stem, dot, kind = name.rpartition(".")
    parts = stem.rsplit("-", 2)
    if not dot or kind != "jsonl" or len(parts) != 3 or parts[0] not in ROLES:
        return None
    if not (parts[1].isdecimal() and parts[2].isdecimal()):
        return None
    return Key(parts[0], int(parts[1]), int(parts[2]))


def report_name(name: str) -> tuple[str, str, str] | None:
    """Read a report's file name as (time, fingerprint, name), or return None if it is not one."""
    parts = name.split("-", 3)
    if len(parts) != 4 or parts[0] not in ("crash", "boot", "snapshot") or not name.endswith(".json"):
        return None
    return (parts[1], parts[2], name) if parts[1].endswith("Z") else None


def read_lines(lines: Iterable[bytes]) -> tuple[list[dict[str, Any]], int]:
    """Return the records of a journal and how many lines could not be read. Never raises."""
    records: list[dict[str, Any]] = []
    broken = 0
    for line in lines:
        record = read_line(line)
        if record is not None:
            records.append(record)
        elif line.strip(b"\0 \t\r\n"):
            broken += 1
    return records, broken


def read_line(line: bytes) -> dict[str, Any] | None:
    """Return one record, or None if the line is not one."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("t"), str) else None


def is_head(record: Mapping[str, Any]) -> bool:
    """Tell whether a JSON object is the first line of a journal."""
    return record.get("t") == HEAD and "role" in record and "pid" in record
