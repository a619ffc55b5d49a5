"""`bootcheck.fork_safe`: a mark by identity that calls nothing, keeps nothing alive, and needs no armed server."""

from __future__ import annotations

import gc
import socket
import threading
import weakref

import bootcheck
from bootcheck import marks
from tests.unit.children import interpreter


def test_what_is_marked_is_returned_and_known():
    """Threads and sockets, and nothing that is merely equal to them."""
    thread = threading.Thread()
    with socket.socket() as one, socket.socket() as other:
        assert bootcheck.fork_safe(one) is one
        assert bootcheck.fork_safe(thread) is thread
        assert marks.is_marked(one)
        assert marks.is_marked(thread)
        assert not marks.is_marked(other)
        assert any(thing is one for thing in marks.marked())


def test_a_mark_keeps_nothing_alive_and_ends_with_its_thing():
    """Another object at the same place in memory is not marked by it."""

    class Thing:
        pass

    thing = bootcheck.fork_safe(Thing())
    key, gone = id(thing), weakref.ref(thing)
    del thing
    gc.collect()

    assert gone() is None
    assert key not in marks._marks


def test_a_thing_that_cannot_be_referred_to_weakly_is_kept():
    """Its number stays its own; equality and hash of its own are not asked for."""

    class Slotted:
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            raise AssertionError

        def __hash__(self) -> int:
            raise AssertionError

    thing, other = bootcheck.fork_safe(Slotted()), Slotted()

    assert marks.is_marked(thing)
    assert not marks.is_marked(other)


def test_it_works_where_bootcheck_is_switched_off():
    """Before arming, with BOOTCHECK_DISABLE=1, and in a child that was forked."""
    done = interpreter(
        "import os, threading; os.environ['BOOTCHECK_DISABLE'] = '1'\n"
        "import bootcheck; bootcheck.arm({})\n"
        "thread = bootcheck.fork_safe(threading.Thread())\n"
        "from bootcheck.marks import is_marked\n"
        "pid = os.fork()\n"
        "if not pid: os._exit(0 if is_marked(thread) else 1)\n"
        "print(is_marked(thread), os.waitpid(pid, 0)[1])"
    )

    assert done.stdout == "True 0\n", done.stderr
