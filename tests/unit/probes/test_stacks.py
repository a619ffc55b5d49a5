"""Stacks as values: of tracebacks, threads and greenlets."""

from __future__ import annotations

import asyncio
import sys
import threading
import types
from types import FrameType
from typing import Any

import pytest

from bootcheck.probes import stacks
from bootcheck.probes.stacks import MAX_FRAMES, of_all_threads, of_frame, of_tasks, of_traceback
from tests.unit.children import interpreter


def recurse(depth: int) -> FrameType:
    """Return the frame at the bottom of so many calls."""
    return recurse(depth - 1) if depth else sys._getframe()


def test_a_traceback_begins_with_the_innermost_frame():
    """File, line and function of where it was raised."""

    def fail() -> None:
        message = "here"
        raise ValueError(message)

    with pytest.raises(ValueError, match="here") as caught:
        fail()
    frames = of_traceback(caught.tb)

    assert frames[0]["function"].endswith("fail")
    assert frames[0]["file"] == __file__
    assert isinstance(frames[0]["line"], int)
    assert frames[-1]["function"].endswith("test_a_traceback_begins_with_the_innermost_frame")


def test_depth_is_capped_and_the_innermost_stay():
    """A RecursionError does not fill the disk."""
    frames = of_frame(recurse(200))

    assert len(frames) == MAX_FRAMES
    assert {frame["function"] for frame in frames} == {"recurse"}
    assert of_frame(None) == of_traceback(None) == []


def test_every_thread_is_told_the_calling_one_first():
    """With its name."""
    ready, leave = threading.Event(), threading.Event()

    def wait_here() -> None:
        ready.set()
        leave.wait()

    other = threading.Thread(target=wait_here, name="a pool's thread")
    other.start()
    ready.wait()
    try:
        found = of_all_threads()
    finally:
        leave.set()
        other.join()

    assert found[0]["thread"] == threading.current_thread().name
    assert any("test_every_thread" in frame["function"] for frame in found[0]["frames"])
    (theirs,) = [stack for stack in found if stack["thread"] == "a pool's thread"]
    assert any(frame["function"].endswith("wait_here") for frame in theirs["frames"])


def test_a_handler_gives_the_frame_that_it_interrupted():
    """The stack without the handler."""
    frame = recurse(3)

    assert [entry["function"] for entry in of_all_threads(frame)[0]["frames"][:4]] == ["recurse"] * 4


def test_greenlets_are_told_without_asking_any_object():
    """Switched-out ones with their stacks; a lazy object on the heap must not be woken."""
    pytest.importorskip("greenlet")
    code = """
import greenlet
from bootcheck.probes.stacks import of_greenlets
class Lazy:
    @property
    def __class__(self):
        raise SystemExit("woken")
keep = [Lazy()]
def stuck():
    greenlet.getcurrent().parent.switch()
one = greenlet.greenlet(stuck)
one.switch()
print([[frame["function"] for frame in stack["frames"]] for stack in of_greenlets()])
"""
    assert interpreter(code).stdout == "[['stuck']]\n"


def test_without_greenlet_nothing_is_looked_for(monkeypatch: pytest.MonkeyPatch):
    """No scan of the heap in a sync worker."""
    monkeypatch.delitem(sys.modules, "greenlet", raising=False)

    assert stacks.of_greenlets() == []


def test_waiting_tasks_are_shown_with_what_they_await():
    """Innermost first, through coroutines and generators; the running one is on the thread's own stack."""

    async def inner() -> None:
        await asyncio.sleep(60)

    async def outer() -> None:
        await inner()

    async def main() -> list[dict[str, Any]]:
        task = asyncio.create_task(outer(), name="loader")
        await asyncio.sleep(0)
        found = of_tasks()
        task.cancel()
        return found

    (found,) = asyncio.run(main())

    # `main` itself runs: it is the current one.
    assert found["thread"] == "task loader"
    assert [frame["function"].rpartition(".")[2] for frame in found["frames"]] == ["sleep", "inner", "outer"]


def test_without_a_running_loop_there_are_no_tasks(monkeypatch):
    """Nor without asyncio, nor while another thread imports it."""
    assert of_tasks() == []
    monkeypatch.setitem(sys.modules, "asyncio", types.ModuleType("asyncio"))
    assert of_tasks() == []
    monkeypatch.delitem(sys.modules, "asyncio")
    assert of_tasks() == []
