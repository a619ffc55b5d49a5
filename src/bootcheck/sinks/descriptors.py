"""Files that nobody can open by a name, and what tells a descriptor's file from another that has its number."""

from __future__ import annotations

import os
import tempfile


def in_memory(name: str) -> int:
    """Return a descriptor of a file that is in memory only, -1 where the system has none; the name is for people."""
    try:
        return os.memfd_create(name)
    except (AttributeError, OSError):
        # Python as some distributors build it has no memfd_create; a sandbox may forbid it.
        return -1


def unnamed(name: str) -> int:
    """Return a descriptor of a file that nobody can open by a name: in memory, else on disk; -1 where there is none."""
    fd = in_memory(name)
    if fd >= 0:
        return fd
    try:
        fd, path = tempfile.mkstemp(prefix=f"{name}-")
        os.unlink(path)
    except OSError:
        return -1
    return fd


def identity_of(fd: int) -> tuple[int, int] | None:
    """Return what makes an open file that file, None where it is closed: its number may be another's by now."""
    if fd < 0:
        return None
    try:
        info = os.fstat(fd)
    except OSError:
        return None
    return info.st_dev, info.st_ino
