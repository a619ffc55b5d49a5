"""What faulthandler wrote, read back."""

from __future__ import annotations

import pytest

from bootcheck.probes.fault_text import fault_headline, last_dump, of_fault_text

SEGV = """Fatal Python error: Segmentation fault

Thread 0x00007f0000000001 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 327 in wait
  File "<string>", line ??? in <module>

Current thread 0x00007f0000000002 (most recent call first):
  File "/app/my file, line 3.py", line 12 in load_model
  File "/app/x.py", line 3 in <module>

Extension modules: numpy.core (total: 1)
"""


def test_a_fault_file_gives_the_faulting_thread_first():
    """Frames innermost first, an unknown line as null, odd file names whole."""
    current, other = of_fault_text(SEGV)

    assert current["thread"] == "Current thread 0x00007f0000000002"
    assert current["frames"] == [
        {"function": "load_model", "file": "/app/my file, line 3.py", "line": 12},
        {"function": "<module>", "file": "/app/x.py", "line": 3},
    ]
    assert other["frames"][1] == {"function": "<module>", "file": "<string>", "line": None}
    assert fault_headline(SEGV) == "Segmentation fault"


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
    assert fault_headline(text) is None


@pytest.mark.parametrize("cut", range(0, len(SEGV), 11))
def test_a_cut_dump_is_read_as_far_as_it_goes(cut: int):
    """A full disk cuts anywhere."""
    for stack in of_fault_text(SEGV[:cut]):
        assert set(stack) == {"thread", "frames"}


def test_a_dump_that_was_asked_for_keeps_its_order_and_its_idents():
    """The main thread is CPython's oldest, so it stands last; 3.14 writes names."""
    text = (
        'Thread 0x00007f01 [search] (most recent call first):\n  File "a.py", line 1 in spin\n'
        'Current thread 0x00007f02 (most recent call first):\n  File "b.py", line 2 in wait\n'
    )

    first, last = last_dump(text)

    assert (first["ident"], first["name"], first["current"]) == (0x7F01, "search", False)
    assert (last["ident"], last["name"], last["current"]) == (0x7F02, None, True)
