"""A claim on what a dead process left: whoever holds it tells of the death, and nobody else."""

from __future__ import annotations

import fcntl
import os

from bootcheck.model.boot import Boot
from bootcheck.model.journal import MAX_JOURNAL, SWEPT, Key, key_of, read_lines
from bootcheck.sinks.directory import ReportDirectory

MAX_FAULT = 64 << 10


class Claim:
    """A journal under another name, locked; gone with its other files once the death is told."""

    def __init__(self, directory: ReportDirectory, key: Key, lock: int) -> None:
        self._directory = directory
        self._lock = lock
        self.key = key
        name = _claimed(key)
        records, broken = read_lines(directory.read(name, MAX_JOURNAL).splitlines())
        boot = Boot.from_records(records, broken)
        if "pid" not in boot.head:
            # It died before its first line, or lost that: its name tells who it was, its file when.
            head = {"t": "head", "role": key.role, "pid": key.pid, "at": directory.written_at(name)}
            boot = Boot.from_records([head, *records], broken)
        self.boot = boot
        self.fault = directory.read(key.fault_name, MAX_FAULT).decode("utf-8", "replace")
        """What faulthandler wrote."""

    def __enter__(self) -> Claim:  # noqa: PYI034 - typing.Self is of Python 3.11
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # Whoever comes after one that failed, or was killed, takes the claim over.
        if kind is None:
            self._directory.remove(_claimed(self.key))
            self._directory.forget(self.key)
        os.close(self._lock)


def claim(directory: ReportDirectory, name: str) -> Claim | None:
    """Make a journal ours, by its name or by that of a claim nobody holds; None where another was first.

    The lock is flock's: unlike the owner's it stays when the file is read, and ends with us.
    """
    key = left_behind(name)
    fd = -1 if key is None else directory.open_existing(name)
    if key is None or fd < 0:
        return None
    if _is_ours(directory, fd, name, _claimed(key)):
        return Claim(directory, key, fd)
    os.close(fd)
    return None


def left_behind(name: str) -> Key | None:
    """Read the name of a journal, or of one whose claim was given up when its holder was killed."""
    return key_of(name.removeprefix(SWEPT))


def _claimed(key: Key) -> str:
    return SWEPT + key.file_name


def _is_ours(directory: ReportDirectory, fd: int, name: str, claimed: str) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    if name != claimed:
        return directory.rename(name, claimed)
    # Another holder may have been done with it between our look at the names and now.
    return os.fstat(fd).st_nlink > 0
