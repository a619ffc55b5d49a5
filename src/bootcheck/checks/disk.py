"""A file system is nearly full, or out of inodes.

What it means

BC401: a directory that the app writes to has less free space, or fewer free inodes, than it needs. A file
system without inodes refuses new files although `df -h` shows space.

How it looks

`OSError: [Errno 28] No space left on device`, a worker that dies while it writes a temporary upload, a log
that ends in the middle of a line, a database in read-only mode.

Why it happens

Logs, uploads, caches or core files were never rotated; a container's writable layer or an `emptyDir` has a
limit; many small session or cache files used up the inodes; a tmpfs counts against the memory limit.

What to do

See what fills it: `du -xh --max-depth=2 DIRECTORY | sort -h | tail`, for inodes
`du --inodes -x --max-depth=2 DIRECTORY | sort -n | tail`. Remove it, rotate it, or give the volume more room.

How to know it is fixed

`df -h DIRECTORY` and `df -i DIRECTORY` show room again, and the checkpoints `disk.<path>.space` and
`disk.<path>.inodes` have passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding

RULES: tuple[str, ...] = ("BC401",)

_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """Asks whether one file system has room."""

    name: ClassVar[str] = "disk"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.ENVIRONMENT

    path: str
    min_free_bytes: int
    min_free_percent: float
    min_free_inodes: int

    def __post_init__(self) -> None:
        """Refuse a path that is none."""
        options.path("disk", "path", self.path)
        options.whole("disk", "min_free", self.min_free_bytes)
        options.number("disk", "min_free_percent", self.min_free_percent, most=100)
        options.whole("disk", "min_free_inodes", self.min_free_inodes)

    @property
    def subject(self) -> str:
        """The path."""
        return self.path

    @property
    def budget(self) -> float:
        """A dead network file system answers never."""
        return 5.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what the file system lacks."""
        try:
            status = os.statvfs(self.path)
        except OSError as exc:
            context.recorder.failed(self._point("space"), self.phase, error=exc.strerror)
            yield self._unknown(exc)
            return
        yield from self._space(context, status)
        yield from self._inodes(context, status)

    def _space(self, context: Context, status: os.statvfs_result) -> Iterator[Finding]:
        # f_bavail: what root alone may still use does not help a worker.
        free, total = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
        percent = 100 * free / total if total else 100.0
        enough = free >= self.min_free_bytes and percent >= self.min_free_percent
        detail = {"free_bytes": free, "total_bytes": total, "required_bytes": self.min_free_bytes}
        if enough:
            context.recorder.passed(self._point("space"), self.phase, **detail)
            return
        context.recorder.failed(self._point("space"), self.phase, **detail)
        wanted = readable(self.min_free_bytes) if free < self.min_free_bytes else f"{self.min_free_percent:g} %"
        yield Finding(
            code="BC401",
            summary=f"The disk of {self.path} has {readable(free)} free ({percent:.0f} %); {wanted} are required.",
            action=(
                f"See what fills it: du -xh --max-depth=2 {self.path} | sort -h | tail",
                "Remove or rotate it, or give the volume more room.",
            ),
            evidence=(Evidence(source=self.path, text=f"{free} of {total} bytes free for the workers' user"),),
            confirm=f"df -h {self.path}",
        )

    def _inodes(self, context: Context, status: os.statvfs_result) -> Iterator[Finding]:
        if not status.f_files:
            # btrfs and some network file systems make them on demand.
            context.recorder.skipped(self._point("inodes"), self.phase, "the file system has no fixed number of inodes")
            return
        detail = {"free": status.f_favail, "total": status.f_files, "required": self.min_free_inodes}
        if status.f_favail >= self.min_free_inodes:
            context.recorder.passed(self._point("inodes"), self.phase, **detail)
            return
        context.recorder.failed(self._point("inodes"), self.phase, **detail)
        yield Finding(
            code="BC401",
            summary=f"The disk of {self.path} has {status.f_favail} free inodes; {self.min_free_inodes} are required.",
            action=(
                f"See where the many small files are: du --inodes -x --max-depth=2 {self.path} | sort -n | tail",
                "Remove them: without inodes no file can be made, however much space there is.",
            ),
            evidence=(Evidence(source=self.path, text=f"{status.f_favail} of {status.f_files} inodes free"),),
            confirm=f"df -i {self.path}",
        )

    def _unknown(self, exc: OSError) -> Finding:
        missing = isinstance(exc, (FileNotFoundError, NotADirectoryError))
        return Finding(
            code="BC406" if missing else "BC402",
            summary=f"The file system of {self.path} cannot be looked at: {exc.strerror}.",
            action=(f"Create it: mkdir -p {self.path}" if missing else f"Let the workers' user reach {self.path}.",),
            evidence=(Evidence(source=self.path, text=f"statvfs: {exc.strerror} (errno {exc.errno})"),),
        )

    def _point(self, fact: str) -> str:
        return f"disk.{self.path}.{fact}"


def disk(
    path: str | os.PathLike[str],
    *,
    min_free: int | str = "100MB",
    min_free_percent: float = 0.0,
    min_free_inodes: int = 1_000,
) -> Disk:
    """Check the free space and inodes of the file system that holds a path.

    Args:
        path: a directory or file on it.
        min_free: bytes, or a text such as "500MB" or "2GiB".
        min_free_percent: the least share of the whole.
        min_free_inodes: the least number of files that can still be made.
    """
    return Disk(
        path=options.path("disk", "path", path),
        min_free_bytes=options.size("disk", "min_free", min_free),
        min_free_percent=min_free_percent,
        min_free_inodes=min_free_inodes,
    )


def readable(size: int) -> str:
    """Return bytes for people: `1.5 GB`."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
