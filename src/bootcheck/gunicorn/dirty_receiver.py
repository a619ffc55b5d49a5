"""The receiver of dirty processes: the master takes a dirty arbiter's end, that takes its workers' ends."""

from __future__ import annotations

import os
import signal
from collections.abc import MutableSequence
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn.breaker import LONGEST_PAUSE, PERMANENT, Breaker
from bootcheck.gunicorn.child import Child
from bootcheck.gunicorn.receiver import Receiver
from bootcheck.sinks.spare import make_spare

if TYPE_CHECKING:
    from bootcheck.guards.fresh_pools import Snapshot
    from bootcheck.gunicorn.master import Master
    from bootcheck.gunicorn.verdict import Death
    from bootcheck.model.report import Report

ARBITER = "dirty-arbiter"
WORKER = "dirty-worker"
YOUNG = 10.0
"""Seconds: a dirty arbiter that dies sooner, ready or not, is one that cannot start its workers."""


class DirtyReceiver(Receiver):
    """Takes the ends of dirty processes, in the one process that forks them."""

    def __init__(self, master: Master, arbiter: Any = None) -> None:
        super().__init__(master)
        self.kills = master.receiver.kills
        self._owner = os.getpid()
        self._arbiter = arbiter
        """The dirty arbiter, where this is it."""
        self.breaker: Breaker = Breaker(lambda: 1)
        self._said = False

    @property
    def is_here(self) -> bool:
        """True in the process that these children belong to."""
        return self._owner == os.getpid()

    def expect(self, process: Any, role: str, snapshot: Snapshot | None) -> None:
        """Prepare for one process that is forked next."""
        child = Child(process, make_spare(), role)
        child.snapshot = snapshot
        process.bootcheck_child = child
        self.about_to_fork(child)

    def born(self, pid: int) -> None:
        """Enter the process that was forked just now by its pid."""
        if self._forking is not None and self.is_here:
            self._children[pid], self._forking = self._forking, None

    def sent(self, pid: int, signo: int) -> None:
        """Remember a signal of ours, and whether it only takes one of too many away."""
        super().sent(pid, signo)
        child = self._children.get(pid)
        if child is not None and signo == signal.SIGTERM and getattr(self._arbiter, "alive", False):
            child.retired = True

    def look(self) -> None:
        """Look around once per turn of the dirty arbiter's monitor."""
        for pid, child in list(self._children.items()):
            self._publish_for(pid, child)

    def drain(self, arbiter: Any) -> None:  # noqa: ARG002
        """Wait for what was killed at the end of a stop and left unreaped."""
        if self.is_here:
            self._reap(lambda child: signal.SIGKILL in child.sent)

    def may_spawn(self) -> bool:
        """Tell whether one may be started now; said once, until one becomes ready."""
        pause = self.breaker.pause
        if pause and not self._said:
            self._said = True
            self._master.console.note(
                "dirty processes that fail to start are started again after growing pauses, "
                f"{LONGEST_PAUSE:g} s at most (now {pause:.1f} s)"
            )
        return not pause

    def forgive(self) -> None:
        """Start anew: something has changed."""
        self.breaker.became_ready()
        self._said = False

    def _settle_forking(self, arbiter: Any) -> None:
        """Do nothing: a fork of these is always told."""

    def _ended(self, pid: int, status: int, usage: Any) -> int | None:
        child = self._children.pop(pid, None)
        if child is not None:
            self._took(pid, child, status, usage)
        return None

    def _facts(self, child: Child) -> dict[str, Any]:
        apps = getattr(child.worker, "app_paths", None)
        return {**super()._facts(child), **({} if apps is None else {"bootcheck.dirty.apps": list(apps)})}

    def _retired(self, child: Child, death: Death) -> bool:
        """A reload of Gunicorn's starts new workers and takes the new ones away again: no death in either."""
        by_term = death.signo == signal.SIGTERM or death.exit_code == 128 + signal.SIGTERM
        return child.retired and by_term and not death.ready and death.boot.exception is None

    def _count(self, ready: bool, report: Report | None) -> None:  # noqa: FBT001
        uptime = None if report is None else report.attributes.get("bootcheck.worker.uptime_s")
        young = report is not None and report.role == ARBITER and uptime is not None and uptime < YOUNG
        if ready and not young:
            self.forgive()
        elif report is None:
            return
        elif report.verdict.cause in PERMANENT:
            self.breaker.failed_beside_others()
        else:
            self.breaker.died(report.verdict.cause, report.verdict.code, report.verdict.summary)


def shared(cell: MutableSequence[Any]) -> MutableSequence[Any]:
    """Return a cell that the master and its dirty arbiter see alike: a kill explains one death of either."""
    if cell[0] is None:
        return cell
    import mmap

    made: Any = memoryview(mmap.mmap(-1, 8)).cast("Q")
    made[0] = cell[0]
    return made  # type: ignore[no-any-return]
