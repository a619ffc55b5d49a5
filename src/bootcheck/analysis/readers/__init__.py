"""Readers: what a source holds is told by its content, never by its name.

`READERS` lists them in the order in which they are asked; each is a module of this package with
`recognises(head, name)` and `read(stream, intake)`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from typing import Any, BinaryIO, Protocol, cast

from bootcheck.analysis.readers.packed import unpacked
from bootcheck.analysis.readers.places import Place, listed, opened
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.readers.stream import Stream, Unreadable
from bootcheck.model import journal
from bootcheck.model.boot import Boot

READERS: tuple[str, ...] = ("document", "lines")
HEAD = 4096


Batch = tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""What was read of some reports, as plain values: what several share, and what is each one's own, in order."""


class Digester(Protocol):
    """Reads reports for an intake, in another process."""

    def take(self, data: bytes, source: str, place: int | None = None) -> bool:
        """Read a report, at this place of a source of many; return False where it is none."""

    def taken(self) -> Batch:
        """Return what was read since the last time."""


class Intake(Protocol):
    """Where everything that was read goes. It never raises."""

    @property
    def words(self) -> tuple[str, ...]:
        """One of them stands in every log line that may matter."""

    def matters(self, line: bytes, words: Collection[bytes]) -> bool:
        """Tell whether a line in which these stand may matter, its prefixes included."""

    def patterns(self, word: bytes) -> tuple[re.Pattern[str], ...] | None:
        """Return the patterns of which one must fit a line for this word to matter in it; None where it always may."""

    @property
    def attentive(self) -> bool:
        """True while the next line of the log matters whatever it says."""

    @property
    def served(self) -> bool:
        """True once a request is known to have been answered: until then such lines matter."""

    def report(self, document: Mapping[str, Any], source: str, line: int | None, *, alone: bool) -> None:
        """Take a report; `alone` where it is a file of its own."""

    @property
    def digester(self) -> Digester | None:
        """Who may read reports in another process; None where they are wanted whole."""

    def digests(self, batch: Batch) -> None:
        """Take reports of the open source that were read so."""

    def files(self, batch: Batch, names: Sequence[str], lines: int) -> None:
        """Take reports that were read so, each from a file of its own; so many lines in all."""

    def journal(self, boot: Boot, source: str, path: str | None, *, torn: bool) -> None:
        """Take a journal; `torn` where its last line could not be read."""

    def record(self, record: Record) -> None:
        """Take a line of a log."""

    def begin(self, source: str) -> None:
        """A source begins."""

    def passed(self, lines: int) -> None:
        """So many lines of the source have been read so far."""

    def end(self, source: str, lines: int, *, read: bool) -> None:
        """A source is over; `read` is False where nothing of it could be read."""

    def unreadable(self, source: str, reason: str) -> None:
        """Something could not be read."""


class Documents:
    """An intake that cares for no line of a log; what is made of it takes reports or journals, or both."""

    words: tuple[str, ...] = ()
    attentive = False
    served = True
    digester = None

    def __init__(self) -> None:
        self.problems: list[str] = []

    def matters(self, line: bytes, words: Collection[bytes]) -> bool:  # noqa: ARG002
        """Hold every report and journal for one that matters."""
        return True

    def patterns(self, word: bytes) -> tuple[re.Pattern[str], ...] | None:  # noqa: ARG002
        """Hold every word for one that matters."""
        return None

    def report(self, document: Mapping[str, Any], source: str, line: int | None, *, alone: bool) -> None:
        """Leave a report alone."""

    def digests(self, batch: Batch) -> None:
        """Leave those of others alone."""

    def files(self, batch: Batch, names: Sequence[str], lines: int) -> None:
        """Leave them alone as well."""

    def journal(self, boot: Boot, source: str, path: str | None, *, torn: bool) -> None:
        """Leave a journal alone."""

    def record(self, record: Record) -> None:
        """Leave a line alone."""

    def begin(self, source: str) -> None:
        """A source begins."""

    def passed(self, lines: int) -> None:
        """It goes on."""

    def end(self, source: str, lines: int, *, read: bool) -> None:
        """It is over."""

    def unreadable(self, source: str, reason: str) -> None:
        """Keep what could not be read, for an error to quote."""
        self.problems.append(f"cannot read {source}: {reason}")


class Reader(Protocol):
    """What a reader module offers."""

    def recognises(self, head: bytes, name: str) -> bool:
        """Tell from its first bytes whether a source is this reader's."""

    def read(self, stream: Stream, intake: Intake) -> int:
        """Read it and return how many lines it had; raises Unreadable with the reason."""


def read(paths: Sequence[str], intake: Intake, stdin: BinaryIO, jobs: int = 1) -> bool:
    """Read everything behind these paths with `jobs` processes; return False where a path that was named is missing."""
    from bootcheck.analysis.readers import many

    complete = True
    for place in many.digested(listed(paths), intake, jobs):
        if place.problem is not None:
            intake.unreadable(place.name, place.problem)
            complete = complete and not (place.named and place.missing)
            continue
        _read_place(place, intake, stdin, jobs)
    return complete


def _read_place(place: Place, intake: Intake, stdin: BinaryIO, jobs: int) -> None:
    try:
        with opened(place, stdin) as stream:
            for inner in unpacked(stream):
                inner.jobs = jobs
                _read_stream(inner, intake)
    except Unreadable as exc:
        intake.unreadable(place.name, str(exc))


def _read_stream(stream: Stream, intake: Intake) -> None:
    try:
        if journal.key_of(os.path.basename(stream.name)) is None:
            stream.skip_padding()
        head = stream.peek(HEAD)
    except Unreadable as exc:
        intake.unreadable(stream.name, str(exc))
        return
    name = next(name for name in READERS if _reader(name).recognises(head, stream.name))
    intake.begin(stream.name)
    lines = 0
    whole = True
    try:
        lines = _reader(name).read(stream, intake)
    except Unreadable as exc:
        intake.unreadable(stream.name, str(exc))
        lines = exc.lines
        whole = lines > 0
    intake.end(stream.name, lines, read=whole)


def _reader(name: str) -> Reader:
    return cast("Reader", import_module(f"bootcheck.analysis.readers.{name}"))
