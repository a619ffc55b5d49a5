"""Which lines of a block may matter: found by their words, without looking at the others.

What is found is the same whichever way it is looked for: by `bytes.find`, in a projection of the
block (`projection.py`), or by Hyperscan where it is installed (`pip install 'bootcheck[fast]'`).
A line of an access log never matters by its words: it tells that a request was answered, whatever
a client wrote into its URL or calls itself (`gunicorn_lines.ANSWERED`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from bootcheck.analysis.readers.projection import Plan, minimal, planned

if TYPE_CHECKING:
    from bootcheck.analysis.readers import Batch

ALWAYS = (
    b"rror",
    b"Traceback",
    b'File "',
    "File “".encode(),
    b"xception",
    b"VersionConflict",
    b"BadDsn",
    b"APIRemovedIn",
    b"CRITICAL",
    b"ERROR",
    b"FATAL",
    b"BOOTCHECK_REPORT",
    b'"verdict"',
    b'"t":',
    b'"t" :',
)
SAMPLE = 1 << 15
"""Bytes of a source, access log apart, from which it is learnt how it is written."""
LEARN_AFTER = 1 << 24
"""Bytes of one source after which looking at how it is written pays for itself."""
Scan = Callable[[bytes, list[tuple[int, int]]], None]
"""Appends where every word in a block ends, and which one it is."""
Matters = Callable[[bytes, Collection[bytes]], bool]
"""Tells of a line and the words in it whether it may matter."""
Patterns = Callable[[bytes], "tuple[re.Pattern[str], ...] | None"]
"""Returns the patterns of which one fits where a word means something; None where it always may."""
Engine = Callable[[tuple[bytes, ...]], Scan | None]
"""Returns what scans for these words, None where it cannot."""
OFTEN = 1 << 16
"""Bytes in which a word stands once on average, from which on it is met often."""
_ODD = rb"[\x00-\x09\x0b-\x1f\x7f-\xff{\\]"
_ENTITIES = (rb"&quot;", rb"&lt;", rb"&gt;", rb"&amp;", rb"&apos;", rb"&#")
"""What may be unpacked to something else: escapes, JSON, a page's entities; and what is not ASCII."""
_REQUEST = b" HTTP/"
_TRACEBACK = b"Traceback"
_VERSIONS = (b' HTTP/1.1" ', b' HTTP/1.0" ')
_STATUSES = frozenset(b"%d" % status for status in range(100, 600))
"""What stands after the version of HTTP where a request was answered."""
_SHORTEST = 40
"""Bytes of a line of an access log before the version: an address, a time, a method. A shorter one is looked into."""


@dataclass(slots=True)
class Sifted:
    """A run of whole lines, and where those begin that may matter."""

    lines: int
    found: list[tuple[int, int]]
    """Place and number (from 0) of each, in order."""
    load: Callable[[], bytes]
    """Returns the bytes: they may have been looked at elsewhere."""
    batch: Batch | None = None
    """Reports that were read there."""
    numbers: Sequence[int] = ()
    """The numbers of their lines."""


@lru_cache(maxsize=4)
def sieve_of(words: tuple[str, ...]) -> Sieve:
    """Return the sieve for these words; making one takes longer than reading a small file."""
    return Sieve(words)


def _is_answered(line: bytes) -> bool:
    for version in _VERSIONS:
        at = line.find(version, _SHORTEST)
        if at >= 0 and line[at + 11 : at + 14] in _STATUSES:
            return True
    return False


def _every(_: bytes, __: Collection[bytes]) -> bool:
    return True


class Sieve:
    """Finds the lines that hold one of a set of words."""

    def __init__(self, words: Iterable[str], *, engine: Engine | None = None) -> None:
        wanted = {*ALWAYS, *(word.encode() for word in words)} - {_REQUEST}
        self.words = minimal(wanted)
        """One of them stands in every line that is found."""
        self._plan = Plan(direct=self.words)
        self._version = _VERSIONS[0]
        self._matcher = (engine or _hyperscan)(self.words)
        self._strict = _Strict()

    @property
    def is_fast(self) -> bool:
        """True where a matcher that is not part of Python does the looking."""
        return self._matcher is not None

    def learn(self, sample: bytes, patterns: Patterns | None = None) -> None:
        """Look at how a source is written, and choose how to find the words in it.

        `patterns` of a word are asked for where the source is so long that it pays.
        """
        self._version = max(_VERSIONS, key=sample.count)
        if self._matcher is None:
            lines = [line for line in sample.split(b"\n") if not _is_answered(line)]
            self._plan = planned(self.words, b"\n".join(lines)[:SAMPLE], self._plan)
        elif patterns is not None:
            often = {
                word: found
                for word in self.words
                if sample.count(word) * OFTEN > len(sample) and (found := patterns(word))
            }
            self._strict = self._strict if self._strict.words == tuple(often) else _Strict(self.words, often)

    def sift(self, block: bytes, matters: Matters = _every) -> Sifted:
        """Return which lines may matter; the block ends with a newline. `matters` is asked of each in doubt."""
        if self._matcher is not None:
            return self._by_matcher(self._matcher, block, matters)
        lines = block.split(b"\n")
        lines.pop()
        # Written out, and with `find` for `in`, because every line comes by here.
        version, statuses = self._version, _STATUSES
        rest = [
            line
            for line in lines
            if (at := line.find(version, _SHORTEST)) < 0 or line[at + 11 : at + 14] not in statuses
        ]
        hits = self._plan.hits(rest)
        found: list[tuple[int, int]] = []
        number = place = after = 0
        for hit in sorted(hits):
            index = hit if len(rest) == len(lines) else lines.index(rest[hit], after)
            after = index + 1
            place += sum(map(len, lines[number:index])) + index - number
            number = index
            if not _is_answered(lines[number]) and matters(lines[number], hits[hit]):
                self._add(found, lines, place, number)
        return Sifted(len(lines), found, lambda: block)

    @staticmethod
    def _add(found: list[tuple[int, int]], lines: list[bytes], place: int, number: int) -> None:
        if number and lines[number].startswith(_TRACEBACK) and (not found or found[-1][1] < number - 1):
            # The line before a traceback says whose it is.
            found.append((place - len(lines[number - 1]) - 1, number - 1))
        found.append((place, number))

    def _by_matcher(self, scan: Scan, block: bytes, matters: Matters) -> Sifted:
        ends: list[tuple[int, int]] = []
        strict = self._strict.scan(block, ends)
        if not strict:
            scan(block, ends)
        found: list[tuple[int, int]] = []
        version, statuses = self._version, _STATUSES
        number = place = stop = 0
        for at, (end, _) in enumerate(ends):
            if end <= stop:
                continue
            start = block.rfind(b"\n", place, end - 1) + 1
            stop = block.index(b"\n", end)
            line = block[start:stop]
            # Written out for what is met most.
            if (after := line.find(version, _SHORTEST)) >= 0 and line[after + 11 : after + 14] in statuses:
                continue
            held = self._held(line) if strict else {self.words[word] for _, word in _until(ends, at, stop)}
            if _is_answered(line) or not matters(line, held):
                continue
            number += block.count(b"\n", place, start)
            if start > place and line.startswith(_TRACEBACK):
                before = block.rfind(b"\n", place, start - 1) + 1
                if not found or found[-1][1] < number - 1:
                    found.append((max(before, place), number - 1))
            found.append((start, number))
            place = start
        return Sifted(number + block.count(b"\n", place), found, lambda: block)

    def _held(self, line: bytes) -> list[bytes]:
        return [word for word in self.words if word in line]

    @staticmethod
    def request(block: bytes, start: int, stop: int) -> int:
        """Return where the first line of an access log begins between two places, -1 where there is none."""
        at = block.find(_REQUEST, start, stop)
        return -1 if at < 0 else max(start, block.rfind(b"\n", start, at) + 1)


def _until(ends: list[tuple[int, int]], at: int, stop: int) -> Iterator[tuple[int, int]]:
    while at < len(ends) and ends[at][0] <= stop:
        yield ends[at]
        at += 1


class _Strict:
    """Finds what must stand with words that are met often and seldom mean something.

    Of a block in which nothing is folded, escaped or wrapped, a line with such a word matters only
    where one of the word's patterns fits: Hyperscan looks for them, or for a little more than them.
    """

    def __init__(
        self, words: tuple[bytes, ...] = (), often: Mapping[bytes, tuple[re.Pattern[str], ...]] | None = None
    ) -> None:
        self.words = tuple(often or ())
        self._scan: Scan | None = None
        self._odd: Scan | None = None
        patterns = {pattern.pattern: pattern.flags for found in (often or {}).values() for pattern in found}
        if not patterns or any(flags & ~(re.UNICODE | re.IGNORECASE) for flags in patterns.values()):
            return
        import hyperscan

        near = hyperscan.HS_FLAG_PREFILTER | hyperscan.HS_FLAG_MULTILINE
        expressions = [(re.escape(word), 0) for word in words if word not in self.words]
        expressions += [
            (text.encode(), near | (hyperscan.HS_FLAG_CASELESS if flags & re.IGNORECASE else 0))
            for text, flags in patterns.items()
        ]
        self._entity = len(expressions)
        expressions += [(text, 0) for text in _ENTITIES]
        self._scan = _compiled(*zip(*expressions, strict=True))
        self._odd = _compiled([_ODD], [hyperscan.HS_FLAG_SINGLEMATCH])

    def scan(self, block: bytes, ends: list[tuple[int, int]]) -> bool:
        """Append what is found; return False where every word must be looked at."""
        if self._scan is None or self._odd is None:
            return False
        self._odd(block, ends)
        if not ends:
            self._scan(block, ends)
            if not any(number >= self._entity for _, number in ends):
                return True
        ends.clear()
        return False


def _compiled(expressions: Sequence[bytes], flags: Sequence[int], *, literal: bool = False) -> Scan | None:
    """Return what appends the end of every match in a block, None where Hyperscan is not installed or does not work."""
    try:
        import hyperscan  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    try:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(
            expressions=list(expressions), ids=list(range(len(expressions))), flags=list(flags), literal=literal
        )
    except Exception:  # noqa: BLE001 - a processor without its instructions; Python finds the same
        return None

    def matched(word: int, _: int, end: int, __: int, ends: list[tuple[int, int]]) -> None:
        ends.append((end, word))

    def scan(block: bytes, ends: list[tuple[int, int]]) -> None:
        database.scan(block, match_event_handler=matched, context=ends)

    return scan


def _hyperscan(words: tuple[bytes, ...]) -> Scan | None:
    return _compiled(words, [0] * len(words), literal=True)
