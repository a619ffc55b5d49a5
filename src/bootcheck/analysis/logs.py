"""One log: its containers are told apart, what the platform says is shared among them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from bootcheck.analysis.container import Container
from bootcheck.analysis.libraries import target_of
from bootcheck.analysis.lives import Loose
from bootcheck.analysis.notes import Notes
from bootcheck.analysis.overheard import Parting, Refusals, overheard
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.trouble import BEFORE, BOOT, LONE, STRAY, Raised, Sink, Surroundings, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence

MAX_CONTAINERS = 256
MAX_LONE = 20
MAX_TIMES = 1_000
TOP = 3
"""The line up to which the one that a copied log begins with may be one of those below it."""
MAX_OPEN = 500
"""Lines after which a traceback that is still open no longer makes every line matter."""


class Ear(Protocol):
    """Who tells which lines speak of a trouble on their own."""

    def is_telltale(self, text: str) -> bool:
        """Tell whether this line does."""

    def is_symptom(self, text: str) -> bool:
        """Tell whether it does and need not have ended the process: then the process itself may say it."""


class Log:
    """One source of lines, read in one pass and in bounded memory."""

    def __init__(self, source: str, sink: Sink, ear: Ear) -> None:
        self.source = source
        self._notes = Notes()
        """Lines that speak of a trouble on their own, mostly the platform's."""
        self.around = Surroundings()
        self._sink = sink
        self._ear = ear
        self._containers: dict[str, Container] = {}
        self._last: Container | None = None
        self._line = 0
        self._times: dict[int | None, float] = {}
        self._ran = self._worked = self._busy = self._heard = False
        self.stood: Raised | None = None
        """Where a process stood of whose end only its own dump tells, once the log is over."""
        self._lone: list[Loose] = []
        self._strays: list[Trouble] = []
        self._overheard: Loose | None = None
        """The last thing that a line quotes, as long as no server has spoken."""
        self._parting = Parting()
        self._refusals = Refusals()

    @property
    def attentive(self) -> bool:
        """True while the next line matters whatever it says: not long ago a traceback began, or a worker did."""
        at = self._line
        return any(at - item.open_since <= MAX_OPEN or item.listens(at) for item in self._containers.values())

    @property
    def served(self) -> bool:
        """True once the server that spoke last has answered a request, and further ones change nothing."""
        return self._last is not None and self._last.served and not self._notes.waiting

    @property
    def ran(self) -> bool:
        """True where a server showed itself, once the log is over."""
        return self._ran

    @property
    def notes(self) -> list[Evidence]:
        """Return the notes that count, once the log is over."""
        return self._notes.told()

    def time_of(self, lines: Iterable[Evidence]) -> float | None:
        """Return when the last of these notes was said."""
        own = [item.line for item in lines if item.source == self.source]
        return max((self._times[line] for line in own if line in self._times), default=None)

    def feed(self, record: Record) -> None:
        """Take the next line."""
        self._line = record.line
        container = self._containers.get(record.stream)
        if container is None:
            if len(self._containers) >= MAX_CONTAINERS:
                self._end(self._containers.pop(next(iter(self._containers))))
            container = self._begun(record)
            self._containers[record.stream] = container
        self._last = container
        speaks = self._ear.is_telltale(record.text)
        beside = not speaks and self._notes.hearsay(record.text)
        speaks = speaks or beside
        telltale = speaks and self._notes.take(
            record, symptom=self._ear.is_symptom(record.text), beside=beside, knows=self._knows
        )
        if "gunicorn" in record.text:
            self._notes.started_by(record)
        event = container.feed(record, telltale=telltale)
        alone = container.open_since < 0
        self._parting.hear(record, None if event is None else event[0], alone=alone, telltale=telltale)
        refused = self._refusals.hear(record, event)
        if refused is not None:
            container.blamed(refused.chain)
        if speaks and record.at is not None and len(self._times) < MAX_TIMES:
            self._times[record.line] = record.at
        if event is not None:
            self._heard = True
            self._notes.heard(event, record)
        elif not telltale:
            self._notes.ordered(record)
            if self._notes.quiet and alone:
                self._overheard = overheard(record) or self._overheard

    def _begun(self, record: Record) -> Container:
        """Return a new container, or that of the first line where only this one lacks what names its stream."""
        if 1 < record.line <= TOP and list(self._containers) == [""] and not self._heard:
            # Who copies a log begins anywhere in its first line.
            return self._containers.pop("")
        return Container(self.source, self._sink, self._notes.kept)

    @property
    def killed_in_stop(self) -> list[Evidence]:
        """Return the platform's word for a SIGKILL after an ordered stop."""
        return self._notes.killed_in_stop

    def parting(self, lines: int) -> Trouble | None:
        """Return what the app of a server that came up said in the last of so many lines: it may be why they end."""
        word = self._parting.word(lines) if self._worked else None
        return None if word is None else word.trouble(Cause.NONE, BOOT, self.around, at=word.at)

    def end(self) -> None:
        """Tell what is open at the log's end."""
        for container in self._containers.values():
            self._end(container)
        self._containers.clear()
        if self._overheard is not None and not self._ran and all(lone.unread for lone in self._lone):
            self._lone.append(self._overheard)
        for lone in self._lone:
            if self._busy:
                self._sink.unexplained(lone.text, lone.source, lone.line)
                continue
            alone = _alone(lone, self.around, self.notes)
            # What was run before a server that has done nothing yet may be what it waits for.
            before = replace(alone, cause=Cause.NONE, facts={BEFORE: True})
            self._sink.trouble(before if self._worked else alone)
        for stray in self._strays:
            # A traceback says more than a word that any program begins with.
            self._sink.trouble(replace(stray, facts={**stray.facts, STRAY: self._worked or bool(self._lone)}))
        self._ran = self._ran or bool(self._strays)

    def _knows(self, pid: int) -> bool:
        return any(container.knows(pid) for container in self._containers.values())

    def _end(self, container: Container) -> None:
        container.end()
        self._ran, self._worked = self._ran or container.ran, self._worked or container.worked
        self._busy = self._busy or container.busy
        if container.lone is not None and len(self._lone) < MAX_LONE:
            self._lone.append(container.lone)
        self.stood = container.stood or self.stood
        self._strays += container.strays[: MAX_LONE - len(self._strays)]
        known, new = self.around, container.around
        if new.version is not None or (known.version is None and (new.listening or not known.listening)):
            self.around = new


def _alone(loose: Loose, around: Surroundings, notes: list[Evidence]) -> Trouble:
    """Return what an exception tells in a log that shows no server: a death only if its mechanism is recognised."""
    # Of the lines beside it, only what was started is about it for sure.
    near = replace(around, notes=tuple(note for note in notes if target_of(note.text)))
    return loose.trouble(Cause.EXCEPTION, BOOT, near, LONE, at=loose.at)
