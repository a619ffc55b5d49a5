"""What the master keeps of one worker, from before its fork until its end is told."""

from __future__ import annotations

from typing import Any

from bootcheck.guards.native_crash import close_quietly
from bootcheck.probes import black_box
from bootcheck.sinks.spare import Spare, contents


class Child:
    """One worker, as its master knows it."""

    def __init__(self, worker: Any, spare_fd: int, role: str = "worker") -> None:
        self.worker = worker
        self.role = role
        self.age: int | None = getattr(worker, "age", None)
        self.spare_fd = spare_fd
        self.start = 0
        """When it started, in ticks, where there is no spare journal that says it."""
        self.box = black_box.make()
        """The memory it shares with the master."""
        self.last_seen: dict[str, Any] = {}
        """What it used when the master sent it its last signal."""
        self.snapshot: Any = None
        """What the guard of inherited connections saw before the fork."""
        self.sent: list[int] = []
        self.order: dict[str, Any] | None = None
        """What the master acted upon when it sent the first."""
        self.done = False
        self.told = False
        """True once its report is being published."""
        self.published = False
        self.retired = False
        """True where its parent ended it as one too many."""

    def spare(self) -> Spare:
        """Return what its journal has beside the disk; asked in the child itself."""
        return Spare(self.spare_fd, self.box, black_box.JOURNAL)

    def told_beside_the_disk(self) -> bytes:
        """Return the lines of its journal that its spare has."""
        return contents(self.spare_fd, self.box, black_box.JOURNAL)

    def close(self) -> None:
        """Let go of what it shared with the master."""
        if self.box is not None:
            self.box.close()
            self.box = None
        if self.spare_fd >= 0:
            close_quietly(self.spare_fd)
            self.spare_fd = -1
