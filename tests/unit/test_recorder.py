"""The recorder and its steps: nothing a user or a sink does comes back, nothing a block raises is kept."""

# ruff: noqa: PT012, PT017, TRY301 - where an exception is raised and caught is what these tests are about
from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given

import bootcheck
from bootcheck.model import journal
from bootcheck.model.boot import Boot
from bootcheck.model.checkpoint import Checkpoint, Outcome, Phase
from bootcheck.model.encode import MAX_LINE
from bootcheck.model.redact import Redactor
from bootcheck.recorder import MAX_TRACEBACK, Recorder, chain, current, install, type_name
from bootcheck.sinks.memory import Memory
from tests.strategies import Rude, details, texts


class Broken:
    """A sink that raises at its n-th record."""

    def __init__(self, after: int = 0) -> None:
        self.after = after

    def write(self, record: Mapping[str, Any], line: bytes) -> None:
        """Raise when it is time."""
        self.after -= 1
        if self.after < 0:
            raise OSError(28, "No space left on device")


class Lines:
    """A sink that keeps the encoded lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, record: Mapping[str, Any], line: bytes) -> None:
        """Keep the line."""
        self.lines.append(line)


@pytest.fixture
def recorder(memory: Memory, said: list[str]) -> Recorder:
    """A recorder with a still clock."""
    return Recorder([memory], clock=lambda: 9.0, rss=lambda: 4096, notify=said.append)


def told(memory: Memory) -> list[tuple[str, str]]:
    """Return name and outcome of every checkpoint."""
    return [(record["name"], record["outcome"]) for record in memory.records if record["t"] == "checkpoint"]


def test_a_step_that_goes_well_is_entered_and_passed(recorder: Recorder, memory: Memory):
    """Two checkpoints; the second closes the first and carries duration, memory and later facts."""
    with recorder.step("load model", Phase.MODELS, size=3) as step:
        step.detail(layers=9)

    entered, passed = map(Checkpoint.from_record, memory.records)
    assert (entered.name, entered.phase, entered.outcome) == ("load model", Phase.MODELS, Outcome.ENTERED)
    assert entered.detail == {"size": 3}
    assert (passed.outcome, passed.of, passed.seq) == (Outcome.PASSED, entered.seq, entered.seq + 1)
    assert passed.detail == {"size": 3, "layers": 9}
    assert passed.duration_ms is not None
    assert passed.duration_ms >= 0
    assert (passed.at, passed.rss_bytes) == (9.0, 4096)


@pytest.mark.parametrize("raised", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_step_swallows_nothing(recorder: Recorder, memory: Memory, raised: BaseException):
    """The same object goes on, with its traceback, context and arguments untouched."""
    arguments = raised.args

    with pytest.raises(type(raised)) as caught, recorder.step("load"):
        raise raised

    assert caught.value is raised
    assert raised.args == arguments
    assert raised.__context__ is None
    assert told(memory) == [("load", "entered"), ("load", "failed")]
    assert memory.records[-1]["detail"]["error"] == type(raised).__name__


def test_nested_exceptions_name_the_innermost_step(recorder: Recorder):
    """Each step it passes through has failed; the place is the innermost one."""
    with (
        pytest.raises(ValueError, match="deep") as caught,
        recorder.step("worker.boot"),
        recorder.step("app.load"),
        recorder.step("load model"),
    ):
        message = "deep"
        raise ValueError(message)

    assert recorder.step_of(caught.value) == "load model"
    assert recorder.open_step is None


def test_a_handled_failure_does_not_lend_its_step_to_a_later_one(recorder: Recorder):
    """Exceptions that are gone give their address to new ones: the step must not go by it."""
    for number in range(200):
        try:
            with recorder.step("optional cache"):
                raise KeyError(number)
        except KeyError:
            pass
        try:
            with recorder.step("load model"):
                raise KeyError(number)
        except KeyError as exc:
            assert recorder.step_of(exc) == "load model"
        try:
            raise KeyError(number)
        except KeyError as exc:
            assert recorder.step_of(exc) is None


def test_an_exception_object_that_is_raised_again_later_names_its_new_place(recorder: Recorder):
    """A module-level exception is one object for many failures."""
    single = RuntimeError("always the same")
    for name in ("first", "second"):
        with pytest.raises(RuntimeError), recorder.step(name):
            raise single

    assert recorder.step_of(single) == "second"


def test_another_exception_in_a_cleanup_names_its_own_step(recorder: Recorder):
    """What ends the process is the last one raised."""
    with pytest.raises(OSError, match="cleanup") as caught, recorder.step("outer"):
        try:
            with recorder.step("work"):
                raise ValueError
        finally:
            with recorder.step("clean up"):
                message = "cleanup"
                raise OSError(message)

    assert recorder.step_of(caught.value) == "clean up"


def test_an_exception_that_bypasses_its_step_can_be_placed(recorder: Recorder):
    """SystemExit in a task leaves its event loop past the coroutine that opened the step."""
    bypassing, passed_through = SystemExit(1), ValueError()
    with recorder.step("worker.boot"):
        with recorder.step("app.lifespan"):
            recorder.place(bypassing)
            with contextlib.suppress(ValueError), recorder.step("inner"):
                raise passed_through
            recorder.place(passed_through)
        assert recorder.step_of(bypassing) == "app.lifespan"
        assert recorder.step_of(passed_through) == "inner"
    recorder.place(fresh := SystemExit(1))
    assert recorder.step_of(fresh) is None


def test_a_step_keeps_no_exception_alive(recorder: Recorder):
    """A traceback holds the frames of the app, and these hold its memory."""

    class Own(Exception):  # noqa: N818
        """Can be referred to weakly."""

    def fail() -> weakref.ref[BaseException]:
        try:
            with recorder.step("load"):
                raise Own
        except Own as exc:
            return weakref.ref(exc)

    gone = fail()
    gc.collect()
    assert gone() is None


def test_an_exception_that_refuses_attributes_goes_on_all_the_same(recorder: Recorder, memory: Memory):
    """A frozen exception is an exception."""

    class Frozen(Exception):  # noqa: N818
        """Lets nobody set anything."""

        def __setattr__(self, name: str, value: object) -> None:
            raise TypeError(name)

    with pytest.raises(Frozen) as caught, recorder.step("outer"), recorder.step("inner"):
        raise Frozen

    assert recorder.step_of(caught.value) == "inner"
    assert told(memory)[-1] == ("outer", "failed")


def test_a_step_can_fail_without_an_exception(recorder: Recorder, memory: Memory):
    """A check that found an error has failed."""
    with recorder.step("check.env") as step:
        step.fail(codes=["BC101"])

    assert told(memory)[-1] == ("check.env", "failed")
    assert memory.records[-1]["detail"] == {"codes": ["BC101"]}


def test_details_may_have_any_name(recorder: Recorder, memory: Memory):
    """Keys that our own parameters have are a user's keys like any other."""
    keys = {"name": 1, "of": 2, "duration_ms": 3, "reason": 4, "phase": 5, "outcome": 6, "self": 7, "seq": 8,
            "detail": 9, "kind": 10, "exc": 11, "error": 12, "recorder": 13, "t": 14, "at": 15}  # fmt: skip
    recorder.record("a", Phase.APP, Outcome.PASSED, **keys)
    recorder.passed("b", Phase.APP, **keys)
    recorder.failed("c", Phase.APP, **keys)
    recorder.skipped("d", Phase.APP, "the reason", **{key: keys[key] for key in keys if key != "reason"})
    with recorder.step("e", Phase.APP, **keys) as step:
        step.detail(**{key: keys[key] for key in keys if key != "self"})

    assert told(memory) == [
        ("a", "passed"), ("b", "passed"), ("c", "failed"), ("d", "skipped"), ("e", "entered"), ("e", "passed"),
    ]  # fmt: skip
    for record in memory.records:
        assert {key: value for key, value in record["detail"].items() if key != "reason"} == {
            key: value for key, value in keys.items() if key != "reason"
        }
    assert memory.records[3]["detail"]["reason"] == "the reason"
    assert memory.records[-1]["of"] == memory.records[-2]["seq"]


def test_the_public_step_takes_any_detail_too(memory: Memory):
    """`with bootcheck.step(...)` is what users write."""
    before = current()
    install(Recorder([memory]))
    try:
        with bootcheck.step("load model", name="x", phase="y", recorder="z"):
            pass
        with bootcheck.step("load model", "models"):
            pass
        bootcheck.annotate("release", "1.2")
    finally:
        install(before)

    assert memory.records[0]["detail"] == {"name": "x", "phase": "y", "recorder": "z"}
    assert memory.records[2]["phase"] == "models"
    assert memory.records[-1] == {"t": "annotation", "at": memory.records[-1]["at"], "name": "release", "value": "1.2"}


def test_before_arming_a_step_does_nothing_and_works():
    """An app that uses `step` runs without a server, in its tests and in a shell."""
    assert current().sinks == []
    with bootcheck.step("load model", size=Rude()):
        pass


@given(texts, details)
def test_no_detail_whatever_breaks_a_line_or_the_app(name: str, detail: dict[str, object]):
    """Raising, recursive, huge, non-finite, surrogates, bytes: one line each, under the cap, readable."""
    lines = Lines()
    said: list[str] = []
    recorder = Recorder([lines], notify=said.append)
    with recorder.step(name, Phase.APP) as step:
        step.detail(**detail)
    recorder.fact("note", values=detail)
    recorder.annotate(name, detail)

    assert said == []
    records, broken = journal.read_lines(lines.lines)
    assert (len(records), broken) == (4, 0)
    assert all(len(line) <= MAX_LINE + 1 for line in lines.lines)
    boot = Boot.from_records(records)
    assert boot.broken_lines == 0
    assert boot.step is None


def test_a_broken_sink_is_dropped_and_said_once(memory: Memory, said: list[str]):
    """It must not cost the others, nor the app."""
    recorder = Recorder([Broken(after=1), memory], notify=said.append)
    for _ in range(4):
        recorder.passed("x", Phase.APP)

    assert len(memory.records) == 4
    assert recorder.sinks == [memory]
    assert len(said) == 1
    assert "Broken is out of use" in said[0]


@pytest.mark.parametrize("part", ["clock", "rss"])
def test_a_broken_measurement_costs_a_checkpoint_only(part: str, memory: Memory, said: list[str]):
    """The app goes on; stderr says what was lost."""

    def broken() -> Any:
        raise ZeroDivisionError

    recorder = Recorder([memory], notify=said.append, **{part: broken})
    with recorder.step("x"):
        pass
    recorder.fact("note")
    recorder.exception(ValueError(), "exception")

    assert len(said) >= 2
    assert "was lost: ZeroDivisionError" in said[0]


def test_numbers_go_up_in_every_thread(recorder: Recorder, memory: Memory):
    """A seq is used once."""

    def work() -> None:
        for _ in range(50):
            with recorder.step("x"):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(record["seq"] for record in memory.records) == list(range(1, 401))
    assert Boot.from_records(memory.records).open_spans == ()


def test_steps_that_overlap_close_their_own(recorder: Recorder, memory: Memory):
    """Tasks of an event loop interleave: the second is open while the first ends."""

    async def main() -> str | None:
        async def task(mine: asyncio.Event, other: asyncio.Event, name: str) -> None:
            with recorder.step(name):
                mine.set()
                await other.wait()

        one, two = asyncio.Event(), asyncio.Event()
        hold = asyncio.Event()
        first = asyncio.create_task(task(one, two, "first"))
        second = asyncio.create_task(task(two, hold, "second"))
        await first
        still = recorder.open_step
        hold.set()
        await second
        return still

    assert asyncio.run(main()) == "second"
    assert recorder.open_step is None
    boot = Boot.from_records(memory.records)
    assert boot.open_spans == ()


def test_secrets_are_masked_wherever_a_user_puts_them(memory: Memory):
    """In a step's name, in details and their keys' values, in the exception of a step, in annotations."""
    recorder = Recorder([memory], redactor=Redactor({"DB_PASSWORD": "hunter2hunter2"}))
    secret = "hunter2hunter2"
    with (
        pytest.raises(ValueError, match="hunter2"),
        recorder.step(f"login {secret}", args=[{"x": secret}, secret.encode()]),
    ):
        raise ValueError("x" * 493 + secret)
    try:
        raise RuntimeError("y" * 20_000 + secret) from KeyError(secret)
    except RuntimeError as exc:
        recorder.exception(exc, "exception")
    recorder.annotate("connection", f"with {secret}")
    recorder.skipped("x", Phase.APP, f"because of {secret}")

    text = json.dumps(memory.records)
    assert "hunter2" not in text
    assert "***" in text


@pytest.mark.parametrize("shift", range(0, 14, 3))
def test_no_cut_leaves_half_a_secret(memory: Memory, shift: int):
    """Texts are masked before they are shortened: at the edge, too."""
    recorder = Recorder([memory], redactor=Redactor(values=["hunter2hunter2"]))
    for length in (200, 500, 2000, MAX_TRACEBACK // 3, MAX_TRACEBACK * 2 // 3):
        text = "z" * (length - shift) + "hunter2hunter2" + "z" * (length - shift)
        recorder.passed(text, Phase.APP, x=text)
        with pytest.raises(ValueError, match="z"), recorder.step("s"):
            raise ValueError(text)
        for padding in range(0, 120, 7):
            try:
                raise ValueError(text + "z" * padding)
            except ValueError as exc:
                recorder.exception(exc, "exception")

    assert not any(part in json.dumps(memory.records) for part in ("hunter", "ter2", "nter2h"))


def test_an_exception_record_holds_what_a_report_needs(recorder: Recorder, memory: Memory):
    """Kind, class, message, chain, frames innermost first, traceback, the exit code of SystemExit."""

    def inner() -> None:
        message = "no such table"
        raise LookupError(message)

    try:
        try:
            inner()
        except LookupError as exc:
            raise SystemExit(3) from exc
    except SystemExit as exc:
        recorder.exception(exc, "sys_exit")

    (record,) = memory.records
    assert (record["t"], record["kind"], record["type"], record["code"]) == ("exception", "sys_exit", "SystemExit", 3)
    assert record["chain"] == [{"type": "LookupError", "message": "no such table"}]
    assert record["frames"][0]["function"].endswith("an_exception_record_holds_what_a_report_needs")
    assert "LookupError: no such table" in record["traceback"]


def test_an_exception_that_cannot_be_printed_is_recorded(recorder: Recorder, memory: Memory, said: list[str]):
    """Its class and its place are known."""

    class Mute(Exception):  # noqa: N818
        """Its text raises."""

        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Mute) as caught, recorder.step("load"):
        raise Mute
    recorder.exception(caught.value, "exception")

    assert said == []
    assert memory.records[-1]["message"] == "<message that raised RuntimeError>"
    assert memory.records[1]["detail"]["message"] == "<message that raised RuntimeError>"


def test_a_chain_ends(recorder: Recorder):
    """Exceptions may refer to each other in a circle."""
    one, two = ValueError("1"), KeyError("2")
    one.__cause__, two.__cause__ = two, one

    assert chain(one) == [one, two]
    link: BaseException = ValueError()
    for _ in range(99):
        outer = ValueError()
        outer.__context__ = link
        link = outer
    assert len(chain(link)) == 20
    hidden = ValueError()
    hidden.__context__, hidden.__suppress_context__ = KeyError(), True
    assert chain(hidden) == [hidden]


def test_class_names_are_dotted_unless_built_in():
    """As a traceback spells them."""
    assert type_name(ValueError()) == "ValueError"
    assert type_name(json.JSONDecodeError("x", "y", 0)) == "json.decoder.JSONDecodeError"


@pytest.mark.parametrize(
    "act",
    [
        lambda recorder: recorder.passed("x", Phase.APP, at="now"),
        lambda recorder: recorder.fact("note", text="x"),
        lambda recorder: recorder.annotate("x" * 999, "y" * 99_999),
    ],
    ids=["checkpoint", "fact", "annotation"],
)
def test_a_sink_gets_the_record_and_the_same_as_a_line(act: Callable[[Recorder], None], memory: Memory):
    """Whoever reads the line sees what the record says."""
    lines = Lines()
    act(Recorder([memory, lines]))

    assert [json.loads(line) for line in lines.lines] == memory.records


def test_once_the_room_is_used_up_steps_are_no_longer_recorded():
    """In pairs: what was entered gets its outcome, what was not recorded leaves no step open."""
    memory = Memory()
    said: list[str] = []
    recorder = Recorder([memory], notify=said.append)
    recorder.room = 2
    with recorder.step("first"), recorder.step("second"), recorder.step("third"):
        assert recorder.open_step == "second"
    recorder.passed("a moment", Phase.APP)

    assert [(record["name"], record["outcome"]) for record in memory.records] == [
        ("first", "entered"),
        ("second", "entered"),
        ("second", "passed"),
        ("first", "passed"),
    ]
    assert recorder.open_step is None
    assert len(said) == 1
