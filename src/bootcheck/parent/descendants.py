"""The processes below the parent: its children, adopted ones among them, and who succeeds a server that ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from bootcheck.probes.process import ENDED, command_line, contents, stat_of

PATIENCE = 2.0
"""Seconds for a copy that a server left to become a daemon, or to end."""


def children() -> list[int]:
    """Return the pids of the living children of this process."""
    me = os.getpid()
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and parent_of(name) == me]


def upgrade_of(ended: int) -> int | None:
    """Return the new master that Gunicorn's SIGUSR2 left, which names the old one in its environment."""
    mark = f"GUNICORN_PID={ended}".encode()
    return next((pid for pid in children() if mark in contents(f"/proc/{pid}/environ").split(b"\0")), None)


def daemon_of(command: Sequence[str], is_armed: Callable[[int], bool]) -> int | None:
    """Return the daemon that a server left when it ended with 0.

    It is an armed master, or a copy of the server in a session of its own. A helper that an app
    started is neither: nobody wants to wait for an ssh-agent.
    """
    deadline = time.monotonic() + PATIENCE
    before: list[int] | None = None
    while _has_children() and time.monotonic() < deadline:
        left = children()
        copies = [pid for pid in left if _is_copy(command_line(pid), command)]
        for pid in left:
            if is_armed(pid) or (pid in copies and _session(pid) not in (0, os.getsid(0))):
                return pid
        # One that ends while it is looked at may have forked meanwhile: only two equal looks count.
        if not copies and left == before:
            return None
        before = left
        time.sleep(0.02)
    return None


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _is_copy(found: Sequence[str], command: Sequence[str]) -> bool:
    # With setproctitle a daemon's command line is another one.
    return bool(found) and (list(found) == list(command) or found[0].startswith("gunicorn: master"))


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def command_after_exec(pid: int) -> list[str]:
    """Return the command line of a child that was started just now, empty where it has ended already."""
    # The kernel closes descriptors at exec a moment before it sets the arguments.
    for _ in range(100):
        found = command_line(pid)
        if found or not parent_of(pid):
            return found
        time.sleep(0.001)
    return []


def parent_of(pid: int | str) -> int:
    """Return the parent of a living process, 0 where it is gone or waits to be reaped."""
    fields = stat_of(pid)
    return int(fields[1]) if len(fields) > 1 and fields[0] not in ENDED else 0
