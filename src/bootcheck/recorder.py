"""The recorder: stamps checkpoints and feeds sinks. It never raises, whatever a sink does.

`step()` is the context manager for bootcheck's own code and for the user's:

    with bootcheck.step("load model"):
        model = load()
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bootcheck.model import journal
from bootcheck.model.encode import line, middle_cut, plain, shorten
from bootcheck.model.outcome import Outcome, Phase
from bootcheck.model.redactor import Redactor
from bootcheck.probes.process import Rss
from bootcheck.sinks.stderr import Say, say

if TYPE_CHECKING:
    from types import TracebackType

    from bootcheck.model.annotation import Tags
    from bootcheck.model.finding import Finding
    from bootcheck.sinks.base import Sink

MAX_TRACEBACK = 12_000
_FAILED_IN = "__bootcheck_failed_in__"


class Recorder:
    """The one way from code to sinks in a process."""

    def __init__(
        self,
        sinks: Iterable[Sink] = (),
        *,
        clock: Callable[[], float] = time.time,
        rss: Callable[[], int | None] | None = None,
        redactor: Redactor | None = None,
        notify: Say = say,
    ) -> None:
        self.sinks: list[Sink] = list(sinks)
        self.redactor = redactor or Redactor()
        self._clock = clock
        self._rss = rss or Rss()
        self._notify = notify
        self._seq = itertools.count(1)
        self._open: list[tuple[int, str]] = []
        self._last = time.perf_counter()
        self.room: int | None = None
        """How many more checkpoints are recorded; None is no limit. A boot has an end, requests have none."""
        self.limits: Mapping[str, float] = {}
        """Seconds that steps of these names may take before the process is ready."""
        self.watch: Callable[[int, float | None], None] | None = None
        """Told the `seq` and the limit of a step that has one, and None when it ends."""
        self.annotations: dict[str, Any] = {}
        """The tags that hold now."""
        self.home: Any = None
        """The server that this process belongs to, where one is armed (`gunicorn.server.Home`)."""
        self._tags: Tags | None = None

    @property
    def open_step(self) -> str | None:
        """The innermost step that is open now."""
        try:
            return self._open[-1][1]
        except IndexError:
            return None

    def record(self, name: str, phase: Phase, outcome: Outcome, /, **detail: object) -> int:
        """Stamp a checkpoint and hand it to every sink; return its `seq`, 0 where there is no room left."""
        return self.stamp(name, phase, outcome, detail)

    def stamp(  # noqa: PLR0913 - what a checkpoint has
        self,
        name: str,
        phase: Phase,
        outcome: Outcome,
        detail: Mapping[str, object],
        *,
        of: int | None = None,
        duration_ms: float | None = None,
    ) -> int:
        """Record a checkpoint that may close another: `of` is the `seq` of the one that opened the step."""
        if of is None and not self._has_room():
            return 0
        seq = next(self._seq)
        now = time.perf_counter()
        if duration_ms is None and (outcome is Outcome.PASSED or outcome is Outcome.FAILED):
            # A moment has no beginning of its own: what it took is the time since the checkpoint before it.
            duration_ms = (now - self._last) * 1000
        self._last = now
        try:
            # The journal's form of a Checkpoint, built directly: this is on every boot's path.
            record: dict[str, Any] = {
                "t": journal.CHECKPOINT,
                "seq": seq,
                "name": shorten(self.redactor.mask(str(name)), 200),
                "phase": phase.value,
                "outcome": outcome.value,
                "at": self._clock(),
            }
            if of is not None:
                record["of"] = of
            if duration_ms is not None:
                record["duration_ms"] = round(duration_ms, 3)
            rss = self._rss()
            if rss is not None:
                record["rss_bytes"] = rss
            if detail:
                mask = self.redactor.mask
                record["detail"] = {key: plain(value, mask) for key, value in detail.items()}
            self._feed(record)
        except Exception as exc:  # noqa: BLE001 - a guest never breaks the house
            self._notify(f"bootcheck: checkpoint {seq} was lost: {type(exc).__name__}")
        return seq

    def _has_room(self) -> bool:
        if self.room is None:
            return True
        self.room -= 1
        if self.room == 0:
            self._notify(f"bootcheck: pid {os.getpid()} records no more steps: what a request does is not a boot")
        return self.room >= 0

    def passed(self, name: str, phase: Phase, /, **detail: object) -> None:
        """Record a moment that is a success in itself."""
        self.stamp(name, phase, Outcome.PASSED, detail)

    def failed(self, name: str, phase: Phase, /, **detail: object) -> None:
        """Record a moment that is a failure in itself."""
        self.stamp(name, phase, Outcome.FAILED, detail)

    def skipped(self, name: str, phase: Phase, reason: str, /, **detail: object) -> None:
        """Record something that was not done, and why not."""
        self.stamp(name, phase, Outcome.SKIPPED, {"reason": reason, **detail})

    def step(self, name: str, phase: Phase = Phase.APP, /, **detail: object) -> Step:
        """Return a context manager that records entered, then passed or failed.

        An exception in the block goes on to the caller untouched.
        """
        return Step(self, name, phase, detail)

    def limit_of(self, name: str, detail: Mapping[str, object]) -> float | None:
        """Return how many seconds a step may take, where it has a limit and somebody enforces it."""
        if self.watch is None:
            return None
        limit = detail.get("deadline_s", self.limits.get(name))
        return float(limit) if isinstance(limit, (int, float)) and limit > 0 else None

    def fact(self, kind: str, /, **values: object) -> None:
        """Hand a record that is no checkpoint to every sink."""
        try:
            self.masked_facts(kind, [self.masked(values)])
        except Exception as exc:  # noqa: BLE001
            self._notify(f"bootcheck: a {kind} record was lost: {type(exc).__name__}")

    def masked(self, values: Mapping[str, object]) -> dict[str, Any]:
        """Return values as a fact holds them: bounded, and without what this recorder's redactor hides."""
        return {key: plain(value, self.redactor.mask, depth=6) for key, value in values.items()}

    def masked_facts(self, kind: str, every: Iterable[Mapping[str, Any]]) -> None:
        """Hand records to every sink whose values were masked before, in the process that this one is forked from."""
        try:
            now = self._clock()
            self._feed(*[{"t": kind, "at": now, **values} for values in every])
        except Exception as exc:  # noqa: BLE001
            self._notify(f"bootcheck: a {kind} record was lost: {type(exc).__name__}")

    def finding(self, finding: Finding) -> None:
        """Hand a finding to every sink."""
        self.fact(journal.FINDING, finding=finding.as_dict())

    def exception(self, exc: BaseException, kind: str) -> None:
        """Keep an exception: its kind (a cause), chain, frames and traceback, masked and capped."""
        try:
            import traceback

            from bootcheck.probes.stacks import of_traceback

            self.redactor.catch_up(os.environ)

            text = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__))
            # Cut only what is masked: half a secret is still one. The first cut spares the patterns a huge text.
            text = middle_cut(self.redactor.mask(middle_cut(text, MAX_TRACEBACK * 8)), MAX_TRACEBACK)
            record: dict[str, Any] = {
                "t": journal.EXCEPTION,
                "at": self._clock(),
                "kind": kind,
                "type": type_name(exc),
                "message": plain(_message(exc), self.redactor.mask),
                "step": self.step_of(exc),
                "code": plain(getattr(exc, "code", None), self.redactor.mask) if isinstance(exc, SystemExit) else None,
                "chain": [
                    {"type": type_name(link), "message": shorten(self.redactor.mask(_message(link)), 500)}
                    for link in chain(exc)[1:]
                ],
                "frames": of_traceback(exc.__traceback__)[:40],
                "traceback": text,
            }
            self._feed(record)
        except Exception as lost:  # noqa: BLE001
            self._notify(f"bootcheck: an exception record was lost: {type(lost).__name__}")

    def annotate(self, name: object, value: object) -> None:
        """Keep a tag that the app gave itself: bounded, masked, the last value of a name wins. Never raises."""
        try:
            if self._tags is None:
                from bootcheck.model.annotation import Tags

                self._tags = Tags(self.annotations, self._notify)
            told = self._tags.put(name, value, self.redactor)
            if told is not None:
                self.fact(journal.ANNOTATION, name=told[0], value=told[1])
        except Exception as exc:  # noqa: BLE001 - a user's values may raise anything
            self._notify(f"bootcheck: an annotation was lost: {type(exc).__name__}")

    def inherit(self, other: Recorder) -> None:
        """Take over the server, and what was annotated before: in the configuration file, or in the master."""
        self.home = other.home
        for name, value in list(other.annotations.items()):
            self.annotations[name] = value
            self.fact(journal.ANNOTATION, name=name, value=value)

    def step_of(self, exc: BaseException) -> str | None:
        """Return the innermost step that this exception passed through, else the open one."""
        failed = _failed_in(exc)
        return self.open_step if failed is None else failed[1]

    def place(self, exc: BaseException) -> None:
        """Remember the open step as the place of an exception that will not pass through it."""
        if self._open and _failed_in(exc) is None:
            _remember_failed_in(exc, self._open[-1])

    def _close(self, opened: tuple[int, str]) -> None:
        try:
            self._open.remove(opened)
        except ValueError:
            return

    def _feed(self, *records: dict[str, Any]) -> None:
        if not self.sinks:
            return
        encoded = [line(record) for record in records]
        for sink in tuple(self.sinks):
            try:
                write_all = getattr(sink, "write_all", None) if len(records) > 1 else None
                if write_all is not None:
                    write_all(records, encoded)
                    continue
                for record, text in zip(records, encoded, strict=True):
                    sink.write(record, text)
            except Exception as exc:  # noqa: BLE001 - one broken sink must not cost the others
                if sink in self.sinks:
                    self.sinks.remove(sink)
                self._notify(
                    f"bootcheck: {type(sink).__name__} is out of use in pid {os.getpid()}: {type(exc).__name__}"
                )


class Step:
    """The span between a checkpoint `entered` and its outcome."""

    __slots__ = ("_before", "_detail", "_failed", "_limit", "_name", "_phase", "_recorder", "_seq")

    def __init__(self, recorder: Recorder, name: str, phase: Phase, detail: dict[str, object]) -> None:
        self._recorder = recorder
        # Masked here and not only in the checkpoint: reports name the open step.
        self._name = shorten(recorder.redactor.mask(str(name)), 200)
        self._phase = phase
        self._detail = detail
        self._failed = False

    def __enter__(self) -> Step:  # noqa: PYI034 - typing.Self is of Python 3.11
        self._before = time.perf_counter()
        recorder = self._recorder
        self._limit = recorder.limit_of(self._name, self._detail)
        if self._limit is not None:
            self._detail = {**self._detail, "deadline_s": self._limit}
        self._seq = recorder.stamp(self._name, self._phase, Outcome.ENTERED, self._detail)
        if self._seq:
            recorder._open.append((self._seq, self._name))  # noqa: SLF001
        if self._limit is not None and recorder.watch is not None:
            recorder.watch(self._seq, self._limit)
        return self

    def detail(self, **detail: object) -> None:
        """Add facts that the closing checkpoint carries."""
        self._detail = {**self._detail, **detail}

    def fail(self, **detail: object) -> None:
        """Let the step end as failed although nothing is raised."""
        self._failed = True
        self.detail(**detail)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._seq:
            return
        took = (time.perf_counter() - self._before) * 1000
        recorder = self._recorder
        if self._limit is not None and recorder.watch is not None:
            recorder.watch(self._seq, None)
        detail = self._detail
        recorder._close((self._seq, self._name))  # noqa: SLF001
        if exc is not None:
            # The innermost step sees an exception first; the outer ones must not rename the place.
            failed = _failed_in(exc)
            if failed is None or failed[0] < self._seq:
                _remember_failed_in(exc, (self._seq, self._name))
            recorder.redactor.catch_up(os.environ)
            message = shorten(recorder.redactor.mask(shorten(_message(exc), MAX_TRACEBACK)), 500)
            detail = {**detail, "error": type_name(exc), "message": message}
        outcome = Outcome.FAILED if self._failed or exc is not None else Outcome.PASSED
        recorder.stamp(self._name, self._phase, outcome, detail, of=self._seq, duration_ms=took)


_current = Recorder()


def current() -> Recorder:
    """Return this process's recorder; before arming it has no sink and costs next to nothing."""
    return _current


def install(recorder: Recorder) -> Recorder:
    """Make this the process's recorder and return it."""
    globals()["_current"] = recorder
    return recorder


def step(name: str, phase: Phase | str = Phase.APP, /, **detail: object) -> Step:
    """Record a step of your own: `with bootcheck.step("load model"): ...`.

    The checkpoint names the step, how long it took and the memory afterwards; a process that
    dies inside it is reported with this name. An exception goes on untouched. `deadline_s=60`
    ends a worker that is in it for so many seconds before it is ready, with its stack in the report.
    """
    return _current.step(name, Phase(phase), **detail)


def annotate(name: str, value: object) -> None:
    """Put a tag (release, tenant) on every report of this process: crash, boot and snapshot.

    Also after the boot: what holds when the process dies is in its report. The last value of a name
    wins. A name is cut at 200 bytes, a value at 2,000, a hundred names are kept. Under `--preload`
    workers inherit what the master was given. Secrets are masked; nothing is ever raised.
    """
    _current.annotate(name, value)


def type_name(exc: BaseException) -> str:
    """Return the dotted name of an exception's class, bare for built-in ones."""
    kind = type(exc)
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def chain(exc: BaseException) -> list[BaseException]:
    """Return the exception and what it was raised from, outermost first, each once."""
    links: list[BaseException] = []
    link: BaseException | None = exc
    while link is not None and all(link is not seen for seen in links) and len(links) < 20:
        links.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return links


def _failed_in(exc: BaseException) -> tuple[int, str] | None:
    """Return number and name of the innermost step that this exception passed through."""
    found = getattr(exc, _FAILED_IN, None)
    return found if type(found) is tuple else None


def _remember_failed_in(exc: BaseException, step: tuple[int, str]) -> None:
    # On the exception itself: its id may be that of an earlier one that is gone, and a reference
    # of ours would keep the frames of its traceback alive.
    try:
        object.__setattr__(exc, _FAILED_IN, step)
    except (AttributeError, TypeError):
        return


def _message(exc: BaseException) -> str:
    try:
        return str(exc)
    except Exception as broken:  # noqa: BLE001 - a user's __str__ may raise anything
        return f"<message that raised {type(broken).__name__}>"
