"""The parent's knowledge of the server that it follows."""

from __future__ import annotations

import os

from bootcheck.parent.watch import Child


def test_a_copy_that_has_ended_is_known_by_its_predecessors_command():
    """Between two forks of a daemon: what it left behind is recognised by that command."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        before = ["python", "gunicorn", "--daemon"]
        assert Child(pid, ["gunicorn"], before).command == before
    finally:
        os.waitpid(pid, 0)
