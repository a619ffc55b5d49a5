"""Processes that a worker forks itself (multiprocessing, os.fork) get connections of their own.

Before such a fork the worker notes whose its connections are; the heap is looked at where one is new. In the child a
dead socket takes the place of those that their library replaces by itself. A driver's own connection is left
alone: the app may have forked in order to go on with it there.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from bootcheck.guards import fresh_pools
from bootcheck.model import journal
from bootcheck.recorder import Recorder, current

_pending: list[fresh_pools.Snapshot] = []
_told: set[int] = set()


def before() -> None:
    """Note what the child will inherit, unless another program takes its place at once. Never raises."""
    if _for_a_program():
        return
    snapshot = fresh_pools.before_own_fork()
    kept = tuple(item for item in snapshot.inherited if item.owner is not None and item.remedy == "renew")
    for item in snapshot.inherited:
        if item.inode not in _told and item.owner is not None:
            _told.add(item.inode)
            action = "neutralised" if item in kept else "reported"
            current().fact(journal.GUARD, name="own_forks", action=action, **item.facts())
    _pending[:] = [replace(snapshot, inherited=kept, findings=())]


def _for_a_program() -> bool:
    """Tell whether this fork is subprocess's: its descriptors are closed there, and threads would be in the way."""
    frame = sys._getframe(1)  # noqa: SLF001
    for _ in range(8):
        if frame.f_globals.get("__name__") in ("subprocess", "gevent.subprocess"):
            return True
        if frame.f_back is None:
            break
        frame = frame.f_back
    return False


def _in_child() -> None:
    for snapshot in _pending:
        # The journal is the worker's: what is done here is told there, before the fork.
        fresh_pools.in_child(snapshot, Recorder())
    _pending.clear()


os.register_at_fork(after_in_parent=_pending.clear, after_in_child=_in_child)
