"""The memory that a worker and its master share."""

from __future__ import annotations

import mmap
import os

from bootcheck.probes import black_box, requests


def test_what_a_dead_child_wrote_is_there():
    """Without a file, and although it ended without running any code."""
    box = black_box.make()
    assert box is not None
    pid = os.fork()
    if not pid:
        requests.Requests(box, black_box.REQUESTS).begin(b"GET /slow")
        os._exit(0)
    os.waitpid(pid, 0)
    assert requests.read(box, black_box.REQUESTS, 0.0)[0][0][:2] == ("GET", b"/slow")


def test_a_system_without_memory_gives_none(monkeypatch):
    """The worker starts all the same."""

    def refuse(*_):
        raise OSError(12, "no memory")

    monkeypatch.setattr(mmap, "mmap", refuse)
    assert black_box.make() is None


def test_the_parts_do_not_overlap():
    """Each ends before the next begins, and what every worker touches fits into five pages."""
    assert black_box.REQUESTS < black_box.LOG_LINES < black_box.IMPORTS < black_box.JOURNAL <= 5 * 4096
    assert black_box.SIZE - black_box.JOURNAL == black_box.ROOM_OF_JOURNAL
