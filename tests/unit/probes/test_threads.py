"""The threads of a process, and the CPU that each one used."""

from __future__ import annotations

import os
import threading
import time

import pytest

from bootcheck.probes import threads
from bootcheck.probes.threads import measured, of_process


def task(cpu: float, waited: float = 0.0) -> threads.Thread:
    """Return one thread at one look."""
    return {"name": "python", "state": "R", "cpu_s": cpu, "waited_s": waited}


def test_shares_are_of_the_time_between_two_looks():
    """The busiest first; what a crowded machine withheld counts as wanted."""
    before = {1: task(5.0, 1.0), 2: task(7.0)}
    after = {1: task(5.5, 1.5), 2: task(7.1)}

    first, second = measured(after, before, 1.0)

    assert (first["native_id"], first["cpu_percent"], first["wanted_percent"]) == (1, 50.0, 100.0)
    assert (second["native_id"], second["cpu_percent"], second["wanted_percent"]) == (2, 10.0, 10.0)


def test_a_thread_that_came_in_between_counts_from_its_start_and_one_that_went_not_at_all():
    """Threads come and go while they are measured."""
    (only,) = measured({3: task(0.25)}, {1: task(9.0)}, 1.0)

    assert (only["native_id"], only["cpu_percent"]) == (3, 25.0)


@pytest.mark.parametrize(("cpu", "seconds", "percent"), [(2.0, 1.0, 100.0), (-1.0, 1.0, 0.0), (1.0, 0.0, None)])
def test_a_share_is_never_out_of_bounds(cpu: float, seconds: float, percent: float | None):
    """Clocks of the kernel and of Python are not the same."""
    assert measured({1: task(cpu)}, {1: task(0.0)}, seconds)[0]["cpu_percent"] == percent


def test_without_a_first_look_there_is_no_share():
    """A snapshot by hand has one look only."""
    assert measured({1: task(5.0)}, None, 0.0)[0]["cpu_percent"] is None


def test_this_process_has_its_threads_and_they_use_cpu():
    """The kernel's own numbers: the main thread has the pid."""
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        before = of_process(os.getpid())
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        after = of_process(os.getpid())
    finally:
        over.set()
        other.join()

    assert {os.getpid(), other.native_id} <= set(after)
    assert after[os.getpid()]["cpu_s"] > before[os.getpid()]["cpu_s"]


@pytest.mark.parametrize("pid", [0, 2**31 - 1])
def test_a_process_that_is_not_there_has_no_threads(pid: int):
    """It may end at any time."""
    assert of_process(pid) == {}


def test_a_name_with_brackets_is_read_whole(tmp_path, monkeypatch):
    """Whoever names a thread may write what he likes."""
    lines = {"stat": b"7 (a) b (c) S " + b"0 " * 10 + b"150 50 0\n", "schedstat": b"0 0 0\n"}
    monkeypatch.setattr(threads, "contents", lambda path: lines[path.rpartition("/")[2]])
    monkeypatch.setattr(threads, "_TICK", 100)

    assert threads._task(7, 7) == {"name": "a) b (c", "state": "S", "cpu_s": 2.0, "waited_s": 0.0}
