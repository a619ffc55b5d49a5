"""One look at a living process on a screen."""

from __future__ import annotations

from typing import Any

from bootcheck.model.snapshot import Taken, report_of
from bootcheck.render import Style, report, snapshot

FRAME = {"function": "spin", "file": "/srv/app.py", "line": 12}


def thread(tid: int, cpu: float | None = 0.0, wanted: float | None = None, **more: Any) -> dict[str, Any]:
    """Return one measured thread."""
    wanted = cpu if wanted is None else wanted
    return {
        "native_id": tid,
        "name": "python",
        "state": "R",
        "cpu_s": 2.0,
        "cpu_percent": cpu,
        "wanted_percent": wanted,
        **more,
    }


def look(threads: list[dict[str, Any]], stacks: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """Return a look with its report."""
    head = {"t": "head", "role": "worker", "pid": 7, "host": "web-3", "at": 100.0}
    taken = Taken(
        records=[head, {"t": "ready", "at": 101.0}],
        answer={"annotations": {"release": "1.2"}, "requests": [{"method": "GET", "path": "/x", "running_s": 1.5}]},
        at=160.0,
        threads=threads,
        measures={"process.memory.usage": 5 << 20, "process.thread.count": 1, "process.unix.file_descriptor.count": 9},
        stacks=stacks,
        seconds=1.0,
        **changes,
    )
    return {"pid": 7, "report": report_of(taken), "path": "/r/snapshot.json", "seen": None}


def shown(found: dict[str, Any]) -> str:
    """Return the screen."""
    return "\n".join(snapshot.lines(found, Style()))


def test_the_busiest_thread_is_the_first_thing_to_see():
    """The sentence, who it is, what it uses, threads, stacks."""
    text = shown(
        look(
            [thread(9, 40.0, 98.0, python_name="search"), thread(7)],
            [{"thread": "search", "native_id": 9, "frames": [FRAME]}],
        )
    )

    assert text.startswith("The worker (pid 7) is alive; thread search (9) used 40 % of a CPU and waited")
    assert "Who        worker 7 on web-3, up 60 s, ready" in text
    assert "Uses       5.0 MB of memory, 9 descriptors, 1 thread\n" in text
    assert "Tags       release=1.2" in text
    assert "Requests   GET /x for 1.5 s" in text
    assert "   40.0 % (+58 % waiting for a CPU) R search (9)  spin (app.py:12)" in text
    assert "Stack of search, innermost first\n  /srv/app.py:12 in spin" in text


def test_a_long_list_is_cut_and_says_so():
    """Threads, stacks and frames."""
    stacks = [{"thread": f"t{n}", "frames": [FRAME] * 40} for n in range(20)]
    text = shown(look([thread(n) for n in range(7, 40)], stacks))

    assert "and 13 more (--format json lists them)" in text
    assert "  and 25 more" in text
    assert "8 more stacks (--format json has them)" in text


def test_a_thread_without_python_and_a_look_without_an_interval():
    """A snapshot by hand has the seconds since the thread's start."""
    text = shown(look([thread(9, None, None, native=True)], []))

    assert "     2.0 s R python (9)  runs no Python" in text


def test_what_a_terminal_obeys_is_taken_out():
    """A thread may be named anything."""
    text = shown(look([thread(9, python_name="a\x1b[2Jb")], [{"thread": "a\x1b[2Jb", "frames": [FRAME]}]))

    assert "\x1b" not in text


def test_a_process_that_was_not_asked_is_described_from_outside():
    """Command, state, threads."""
    seen = {"command": "sleep 600", "state": "S (sleeping)", "uid": "0", "threads": [thread(7)]}
    text = shown({"pid": 7, "report": None, "path": None, "seen": seen})

    assert text.startswith("Process 7 was not asked. From /proc alone:")
    assert "Command    sleep 600" in text
    assert shown({"pid": 7, "report": None, "path": None, "seen": {}}) == ""


def test_show_prints_its_threads_too():
    """`bootcheck show` of the stored file."""
    found = look([thread(9, 98.0, python_name="search")], [])
    text = "\n".join(report.lines(found["report"], "/r/snapshot.json", Style()))

    assert "Threads (1, CPU over 1.0 s)" in text
    assert "search (9)" in text
