"""The Python threads that a fork leaves behind: what they are, whose they are, and that nobody's code runs."""

from __future__ import annotations

import _thread
import concurrent.futures
import functools
import logging.handlers
import os
import queue
import threading
import time
from collections.abc import Iterator

import pytest

from bootcheck.marks import fork_safe
from bootcheck.probes import background
from tests.integration.harness import wait_until
from tests.unit.children import interpreter


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    """An event that ends a test's threads; xdist has some of its own."""
    event = threading.Event()
    yield event
    event.set()


def wait(event: threading.Event) -> None:
    """Run until the test is over."""
    event.wait()


def named(name: str) -> list[background.Seen]:
    """Return what is seen of the threads with this name."""
    return [seen for seen in background.threads() if seen["name"] == name]


def start(name: str, target: object, *args: object) -> threading.Thread:
    """Start a daemon thread."""
    thread = threading.Thread(target=target, args=args, name=name, daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_a_thread_is_named_with_the_place_of_its_code(stop):
    """File and line of the function that it runs, also behind a partial."""
    start("plain", wait, stop)
    start("partial", functools.partial(wait, stop))

    for name in ("plain", "partial"):
        (seen,) = named(name)
        assert (seen["kind"], seen["function"], seen["file"]) == ("thread", "wait", __file__)
        assert seen["line"] == wait.__code__.co_firstlineno
        assert not seen["revived"]


def test_a_subclass_and_a_timer_name_their_own_code(stop):
    """Not `threading.py`."""

    class Beat(threading.Thread):
        def run(self) -> None:
            stop.wait()

    Beat(name="beat", daemon=True).start()
    timer = threading.Timer(0, wait, [stop])
    timer.name, timer.daemon = "timer", True
    timer.start()

    assert named("beat")[0]["function"].endswith("run")
    assert named("beat")[0]["file"] == __file__
    assert named("timer")[0]["function"] == "wait"


def test_a_marked_thread_is_not_seen_and_neither_is_one_of_a_marked_owner(stop):
    """`fork_safe` on the thread, on its executor, on the object whose method it runs."""

    class Owner:
        def run(self) -> None:
            stop.wait()

    fork_safe(start("marked", wait, stop))
    start("of-marked", fork_safe(Owner()).run)
    start("unmarked", Owner().run)
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="marked-pool") as executor:
        fork_safe(executor).submit(int).result()

        seen = {thread["name"] for thread in background.threads()}

    assert "unmarked" in seen
    assert not [name for name in seen if name.startswith(("marked", "of-marked"))]


def test_owners_that_look_after_forks_are_told_apart(stop):
    """By a remembered pid, by a method for forks, also in a closure; an Event's own such method does not count."""

    class ByPid:
        def __init__(self) -> None:
            self._thread_for_pid = os.getpid()

        def start(self) -> None:
            def loop() -> None:
                stop.wait()
                assert self._thread_for_pid

            start("by-pid", loop)

    class ByMethod:
        def _at_fork_reinit(self) -> None: ...

        def loop(self) -> None:
            stop.wait()

    class Neither:
        pid = 1

        def loop(self, event: threading.Event) -> None:
            event.wait()

    ByPid().start()
    start("by-method", ByMethod().loop)
    start("neither", Neither().loop, stop)

    assert named("by-pid")[0]["revived"]
    assert named("by-method")[0]["revived"]
    assert not named("neither")[0]["revived"]


def test_executors_pools_and_listeners_are_known_by_their_threads():
    """Each has a kind of its own, and names its owner."""
    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="tpe") as executor:
        executor.submit(int).result()
        (seen,) = named("tpe_0")
        assert (seen["kind"], seen["owner"]) == ("executor", "concurrent.futures.thread.ThreadPoolExecutor")
    listener = logging.handlers.QueueListener(queue.Queue())
    listener.start()
    try:
        kinds = [seen["kind"] for seen in background.threads() if seen["owner"] == "logging.handlers.QueueListener"]
        assert kinds == ["listener"]
    finally:
        listener.stop()


POOL = """
import concurrent.futures, multiprocessing
from bootcheck.probes import background
context = multiprocessing.get_context("fork")
executor = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
executor.submit(int).result()
seen = background.threads()
print(sorted({one["kind"] for one in seen if not one["revived"]}))
executor.shutdown()
"""


def test_a_process_pool_is_known_by_its_manager():
    """The feeder of a queue is multiprocessing's own affair: it starts again where it is needed."""
    done = interpreter(POOL)

    assert done.stdout == "['pool']\n", done.stderr


def test_a_thread_that_threading_does_not_know_is_seen(stop):
    """`_thread.start_new_thread` leaves only a frame."""
    before = background.idents()
    _thread.start_new_thread(wait, (stop,))
    wait_until(lambda: background.idents() - before, "the thread")

    wait_until(
        lambda: [seen for seen in background.threads() if not seen["known"] and seen["function"] == "wait"],
        "its frame",
    )


def test_no_code_of_an_owner_runs(stop):
    """An owner whose attributes, repr and comparisons all raise is looked at all the same."""

    class Hostile:
        @property
        def pid(self) -> int:
            raise AssertionError

        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

        def __eq__(self, other: object) -> bool:
            raise AssertionError

        __hash__ = None  # type: ignore[assignment]

        def loop(self) -> None:
            stop.wait()

    start("hostile", Hostile().loop)

    assert named("hostile")[0]["owner"].endswith("Hostile")


def test_greenlets_in_the_place_of_threads_are_none(monkeypatch):
    """Gevent's are memory, and a fork copies them."""
    monkeypatch.setattr(_thread, "start_new_thread", lambda *args: None)

    assert background.survive()
    assert background.threads() == []


def test_native_ids_are_the_kernels():
    """The main thread's is the process's."""
    assert os.getpid() in background.native_ids()
    thread = start("native-id", time.sleep, 0.5)
    assert thread.native_id in background.native_ids()
