"""One load for all who ask: threads, greenlets, tasks, forks, failures, and loaders that ask for themselves."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import bootcheck
from bootcheck.model import journal
from bootcheck.model.errors import LoadReentered
from bootcheck.recorder import Recorder, current, install
from bootcheck.sinks.memory import Memory
from tests.unit.children import LIMIT, interpreter


@pytest.fixture
def memory() -> Iterator[Memory]:
    """What this process records."""
    before = current()
    sink = Memory()
    install(Recorder([sink]))
    yield sink
    install(before)


class Slow:
    """A loader that stays inside until it is let go, and counts who came in."""

    def __init__(self, fail: BaseException | None = None) -> None:
        self.calls: list[int] = []
        self.inside = threading.Event()
        self.go_on = threading.Event()
        self.fail = fail

    def load(self) -> object:
        """Load slowly."""
        self.calls.append(threading.get_ident())
        self.inside.set()
        assert self.go_on.wait(LIMIT)
        if self.fail is not None:
            raise self.fail
        return object()


class Asking:
    """A thread that asks for something and keeps what it got."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self.got: Any = None
        self.raised: BaseException | None = None
        self._ask = ask
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.got = self._ask()
        except BaseException as exc:  # noqa: BLE001 - the test judges it
            self.raised = exc

    def end(self) -> Asking:
        """Wait for its end."""
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()
        return self


def waiters(count: int) -> None:
    """Return once so many wait for the first."""
    from bootcheck.guards import load_once

    deadline = time.monotonic() + LIMIT
    while len(load_once._waiting) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_threads_wait_for_the_first_and_get_its_result(memory: Memory):
    """Fifteen ask, one loads, all have the same object; the step says how many waited."""
    slow = Slow()
    get = bootcheck.load_once(slow.load, name="model")
    first = Asking(get)
    assert slow.inside.wait(LIMIT)
    others = [Asking(get) for _ in range(14)]
    waiters(14)
    slow.go_on.set()
    got = {id(one.end().got) for one in [first, *others]}

    assert len(slow.calls) == 1
    assert got == {id(get())}
    (passed,) = [record for record in memory.records if record.get("outcome") == "passed"]
    assert passed["name"] == "load.model"
    assert passed["detail"]["waited"] == 14
    assert passed["detail"]["rss_before_bytes"] > 0


def test_a_failure_is_told_to_those_who_waited_and_the_next_call_tries_again():
    """Nobody waits for ever, and a load that failed once is no load that fails for ever."""
    slow = Slow(fail=LookupError("no weights"))
    get = bootcheck.load_once(slow.load)
    first = Asking(get)
    assert slow.inside.wait(LIMIT)
    second = Asking(get)
    waiters(1)
    slow.go_on.set()

    assert isinstance(first.end().raised, LookupError)
    assert isinstance(second.end().raised, LookupError)
    assert len(slow.calls) == 1
    slow.fail = None
    assert get() is get()
    assert len(slow.calls) == 2


def test_a_load_that_was_stopped_is_taken_over_by_one_who_waits():
    """SystemExit in one thread says nothing about the model."""
    calls: list[int] = []
    inside, go_on = threading.Event(), threading.Event()

    @bootcheck.load_once
    def model() -> str:
        calls.append(1)
        if len(calls) > 1:
            return "loaded"
        inside.set()
        assert go_on.wait(LIMIT)
        raise SystemExit

    first = Asking(model)
    assert inside.wait(LIMIT)
    second = Asking(model)
    waiters(1)
    go_on.set()

    assert isinstance(first.end().raised, SystemExit)
    assert second.end().got == "loaded"
    assert len(calls) == 2


def test_arguments_have_a_result_each():
    """Fifteen language models are fifteen loads, and no one waits for another language."""
    loaded: list[str] = []

    @bootcheck.load_once
    def language(code: str, *, size: str = "small") -> str:
        loaded.append(code)
        return f"{code}-{size}"

    assert [language("de"), language("en"), language("de"), language("de", size="large")] == [
        "de-small",
        "en-small",
        "de-small",
        "de-large",
    ]
    assert loaded == ["de", "en", "de"]
    assert language.__name__ == "language"


def test_a_loader_that_asks_for_itself_raises():
    """Directly: it would wait for itself for ever."""

    @bootcheck.load_once
    def model() -> object:
        return model()

    with pytest.raises(LoadReentered, match="model is asked for while the same caller loads it"):
        model()


def test_two_loaders_that_wait_for_each_other_raise():
    """In two threads: a lock would stand still here."""
    both = threading.Barrier(2, timeout=LIMIT)

    @bootcheck.load_once(name="a")
    def first() -> object:
        both.wait()
        return second()

    @bootcheck.load_once(name="b")
    def second() -> object:
        both.wait()
        return first()

    one, two = Asking(first), Asking(second)
    raised = [one.end().raised, two.end().raised]

    assert any(isinstance(exc, LoadReentered) for exc in raised)
    assert all(isinstance(exc, LoadReentered) for exc in raised if exc is not None)


def test_a_child_of_a_fork_in_the_middle_starts_anew():
    """The thread that loads does not exist in the child: waiting for it would be for ever."""
    slow = Slow()
    get = bootcheck.load_once(slow.load)
    first = Asking(get)
    assert slow.inside.wait(LIMIT)
    pid = os.fork()
    if pid == 0:
        status = 1
        # Without the product it would wait for ever: then the alarm ends it.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(30)
        try:
            slow.go_on = threading.Event()
            slow.go_on.set()
            status = 0 if get() is get() and len(slow.calls) == 2 else 2
        finally:
            os._exit(status)
    status = os.waitpid(pid, 0)[1]
    slow.go_on.set()
    first.end()

    assert os.waitstatus_to_exitcode(status) == 0
    assert len(slow.calls) == 1


def test_a_child_has_what_was_loaded_before_the_fork():
    """That is what --preload is for."""
    get = bootcheck.load_once(object)
    before = id(get())
    pid = os.fork()
    if pid == 0:
        os._exit(0 if id(get()) == before else 2)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_reset_loads_again():
    """For a model that is replaced while the server runs."""
    get = bootcheck.load_once(object, name="model")
    before = get()
    get.reset()  # type: ignore[attr-defined]

    assert get() is not before


# -- tasks


def test_tasks_wait_without_stopping_the_loop():
    """An `async def` loader: one load, and the loop goes on meanwhile."""
    calls: list[int] = []

    @bootcheck.load_once
    async def model() -> object:
        calls.append(1)
        await asyncio.sleep(0.02)
        return object()

    async def main() -> set[int]:
        return {id(value) for value in await asyncio.gather(*(model() for _ in range(10)))}

    assert len(asyncio.run(main())) == 1
    assert calls == [1]


def test_a_cancelled_load_is_taken_over():
    """The client of the first request went away: the others must not get its CancelledError."""
    calls: list[int] = []
    started = asyncio.Event()

    @bootcheck.load_once
    async def model() -> str:
        calls.append(1)
        started.set()
        await asyncio.sleep(3600 if len(calls) == 1 else 0)
        return "loaded"

    async def main() -> str:
        first = asyncio.create_task(model())
        await started.wait()
        second = asyncio.create_task(model())
        await asyncio.sleep(0)
        first.cancel()
        return await asyncio.wait_for(second, LIMIT)

    assert asyncio.run(main()) == "loaded"
    assert calls == [1, 1]


def test_a_task_of_the_loader_that_asks_for_it_raises():
    """The loader waits for that task: nobody would ever go on."""

    @bootcheck.load_once
    async def model() -> object:
        return await asyncio.gather(model())

    with pytest.raises(LoadReentered):
        asyncio.run(asyncio.wait_for(model(), LIMIT))


def test_tasks_of_two_loops_share_a_load():
    """Two threads with a loop each: the waiting one is woken in its own."""
    inside, go_on = threading.Event(), threading.Event()

    @bootcheck.load_once
    async def model() -> object:
        inside.set()
        assert await asyncio.to_thread(go_on.wait, LIMIT)
        return object()

    def get() -> object:
        return asyncio.run(asyncio.wait_for(model(), LIMIT))

    first = Asking(get)
    assert inside.wait(LIMIT)
    second = Asking(get)
    waiters(1)
    go_on.set()

    assert first.end().got is second.end().got is not None


# -- greenlets, in an interpreter of their own: gevent stays in a process


GREENLETS = """
{patch}
import gevent, bootcheck
calls = []
{decorate}
def model():
    calls.append(1)
    gevent.sleep(0.05)
    return object()
{before}
jobs = [gevent.spawn(model) for _ in range(8)]
gevent.joinall(jobs, timeout=60, raise_error=True)
print(len(calls), len({{id(job.value) for job in jobs}}))
"""


@pytest.mark.parametrize("patch", ["", "from gevent import monkey; monkey.patch_all()"], ids=["", "patched"])
def test_greenlets_wait_cooperatively(patch: str):
    """In one thread a lock of threads would stop the loader as well."""
    pytest.importorskip("gevent")
    done = interpreter(GREENLETS.format(patch=patch, decorate="@bootcheck.load_once", before=""))

    assert done.stdout == "1 1\n", done.stderr


def test_greenlets_wait_where_gevent_patched_after_the_loader_was_made():
    """--preload under a gevent worker: the app is imported in the master, patched is the worker."""
    pytest.importorskip("gevent")
    late = "from gevent import monkey; monkey.patch_all()"
    done = interpreter(GREENLETS.format(patch="", decorate="@bootcheck.load_once", before=late))

    assert done.stdout == "1 1\n", done.stderr


def test_it_works_where_nothing_is_armed_and_bootcheck_is_switched_off():
    """The app needs its model all the same; nothing is recorded and nothing printed."""
    code = """
import bootcheck, threading
calls = []
@bootcheck.load_once
def model():
    calls.append(1)
    return object()
threads = [threading.Thread(target=model) for _ in range(4)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]
print(len(calls))
"""
    done = interpreter(code, BOOTCHECK_DISABLE="1")

    assert (done.stdout, done.stderr) == ("1\n", "")


# -- detection only


def test_detection_lets_everybody_in_and_names_both_callers(memory: Memory):
    """The app stays as it was; the finding has who, from where, and what it cost."""
    both = threading.Barrier(2, timeout=LIMIT)

    def load() -> object:
        both.wait()
        time.sleep(0.1)
        return object()

    get = bootcheck.load_once(load, name="model", detect_only=True)

    def first_request() -> object:
        return get()

    def second_request() -> object:
        return get()

    one, two = Asking(first_request), Asking(second_request)
    assert one.end().got is not two.end().got

    (finding,) = [record["finding"] for record in memory.records if record["t"] == journal.FINDING]
    assert (finding["code"], finding["severity"]) == ("BC306", "warning")
    assert "model was loaded by 2 callers at once" in finding["summary"]
    told = "\n".join(item["text"] for item in finding["evidence"])
    assert "first_request" in told
    assert "second_request" in told
    assert "MB more" in told
    assert not [record for record in memory.records if record["t"] == journal.CHECKPOINT]


def test_detection_says_nothing_of_calls_one_after_the_other_or_quick_ones(memory: Memory):
    """A getter that finds its model is called by many threads at once, and loads nothing."""
    get = bootcheck.load_once(lambda: 1, name="model", detect_only=True)
    threads = [Asking(lambda: [get() for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.end()
    slow = bootcheck.load_once(lambda: time.sleep(0.06), name="slow", detect_only=True)
    slow()
    slow()

    assert not memory.records


def test_detection_sees_tasks(memory: Memory):
    """Two tasks of one loop in one `async def` loader."""

    @bootcheck.load_once(name="model", detect_only=True)
    async def model() -> object:
        await asyncio.sleep(0.1)
        return object()

    async def handler() -> object:
        return await model()

    async def main() -> None:
        await asyncio.gather(handler(), handler())

    asyncio.run(main())
    (finding,) = [record["finding"] for record in memory.records if record["t"] == journal.FINDING]
    assert "handler" in finding["evidence"][0]["text"]
