"""Stacks as values: of tracebacks, threads, greenlets and fault files."""

from __future__ import annotations

import sys
import threading
from types import FrameType

import pytest

from bootcheck.probes import stacks
from bootcheck.probes.stacks import MAX_FRAMES, of_all_threads, of_fault_text, of_frame, of_traceback
from tests.unit.children import interpreter


def recurse(depth: int) -> FrameType:
    """Return the frame at the bottom of so many calls."""
    return recurse(depth - 1) if depth else sys._getframe()


def test_a_traceback_begins_with_the_innermost_frame():
    """File, line and function of where it was raised."""

    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError, match="") as caught:
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


SEGV = '''Fatal Python error: Segmentation fault

Thread 0x00007f0000000001 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 327 in wait
  File "<string>", line ??? in <module>

Current thread 0x00007f0000000002 (most recent call first):
  File "/app/my file, line 3.py", line 12 in load_model
  File "/app/x.py", line 3 in <module>

Extension modules: numpy.core (total: 1)
'''


def test_a_fault_file_gives_the_faulting_thread_first():
    """Frames innermost first, an unknown line as null, odd file names whole."""
    current, other = of_fault_text(SEGV)

    assert current["thread"] == "Current thread 0x00007f0000000002"
    assert current["frames"] == [
        {"function": "load_model", "file": "/app/my file, line 3.py", "line": 12},
        {"function": "<module>", "file": "/app/x.py", "line": 3},
    ]
    assert other["frames"][1] == {"function": "<module>", "file": "<string>", "line": None}


def test_of_several_dumps_the_last_counts():
    """SIGTERM dumped first, then the process crashed on its way out."""
    first = 'Current thread 0x01 (most recent call first):\n  File "a.py", line 1 in waiting\n'

    assert of_fault_text(first + SEGV) == of_fault_text(SEGV)
    assert of_fault_text(first + first.replace("waiting", "later"))[0]["frames"][0]["function"] == "later"


def test_threads_with_names_are_read():
    """Python 3.14 writes them in brackets."""
    text = 'Thread 0x01 [MainThread] (most recent call first):\n  File "a.py", line 1 in f\n'

    assert of_fault_text(text)[0]["frames"][0]["function"] == "f"


def test_a_dump_of_one_thread_is_read():
    """`all_threads=False` writes another headline."""
    text = 'Fatal Python error: Aborted\n\nStack (most recent call first):\n  File "a.py", line 1 in f\n'

    assert of_fault_text(text) == [{"thread": "main", "frames": [{"function": "f", "file": "a.py", "line": 1}]}]


@pytest.mark.parametrize("text", ["", "garbage\n\n", '  File "x.py", line 3 in f\n', "\0" * 99])
def test_a_file_without_a_dump_has_no_stacks(text: str):
    """Also a frame that belongs to no thread."""
    assert of_fault_text(text) == []


@pytest.mark.parametrize("cut", range(0, len(SEGV), 11))
def test_a_cut_dump_is_read_as_far_as_it_goes(cut: int):
    """A full disk cuts anywhere."""
    for stack in of_fault_text(SEGV[:cut]):
        assert set(stack) == {"thread", "frames"}
