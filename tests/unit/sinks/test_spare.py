"""What a process keeps of its journal beside the disk, whatever its files may not do."""

from __future__ import annotations

import mmap
import os
import resource

import pytest

from bootcheck.sinks.spare import Spare, contents, make_spare
from tests.unit.children import forked

BASE = 512


@pytest.fixture
def box() -> mmap.mmap:
    """Memory that parent and child share; what stands before the base is somebody else's."""
    memory = mmap.mmap(-1, BASE + (64 << 10))
    memory[:BASE] = b"z" * BASE
    return memory


def write_limited(fd: int, box: mmap.mmap, limit: int, lines: list[tuple[bytes, bool]]) -> None:
    """Write in a child whose files may not grow beyond a limit."""

    def act() -> None:
        spare = Spare(fd, box, BASE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        for line, essential in lines:
            spare.write(line, essential=essential)

    forked(act)


def test_a_limit_of_file_sizes_costs_no_line(box: mmap.mmap):
    """The anonymous file has the same limit: memory has none."""
    fd = make_spare()
    write_limited(fd, box, 8, [(b"one 456\n", False), (b"two\n", False), (b"three\n", True)])

    assert contents(fd, box, BASE).splitlines() == [b"one 456", b"", b"two", b"three"]
    assert box[:BASE] == b"z" * BASE


def test_a_line_that_was_cut_is_there_as_a_whole(box: mmap.mmap):
    """Half a line in the file does not swallow the next one."""
    fd = make_spare()
    write_limited(fd, box, 5, [(b"one 456\n", False), (b"two\n", False)])

    assert contents(fd, box, BASE).splitlines() == [b"one 4", b"one 456", b"two"]


def test_room_that_is_used_up_is_kept_for_the_lines_that_count(box: mmap.mmap):
    """A boot of thousands of steps still says that it became ready."""
    write_limited(-1, box, 0, [(b"x" * 1023 + b"\n", False)] * 100 + [(b"ready\n", True)])

    told = contents(-1, box, BASE).splitlines()
    assert (len(told), told[-1]) == (61, b"ready")


def test_without_anything_nothing_is_kept_and_nothing_raised():
    """A system without anonymous files and without shared memory."""
    Spare().write(b"one\n", essential=True)

    assert contents(-1) == b""


def test_a_number_that_is_another_file_by_now_is_not_written_to(box: mmap.mmap):
    """An app that closes every descriptor gets our number for a file of its own: memory cannot be closed so."""

    def act() -> str:
        fd = make_spare()
        spare = Spare(fd, box, BASE)
        theirs = os.memfd_create("theirs")
        os.dup2(theirs, fd)
        spare.write(b"one\n", essential=True)
        return os.pread(theirs, 10, 0).decode()

    assert forked(act)[0] == ""
    assert contents(-1, box, BASE) == b"one\n"
