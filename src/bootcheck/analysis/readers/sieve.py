"""Which lines of a block may matter: found by their words, without looking at the others.

What is found is the same whichever way it is looked for: in the templates of the lines
(`templates.py`), or by Hyperscan where it is installed (`pip install 'bootcheck[fast]'`, `matcher.py`).
A line of an access log never matters by its words: it tells that a request was answered, whatever
a client wrote into its URL or calls itself (`gunicorn_lines.ANSWERED`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import sub
from typing import TYPE_CHECKING

from bootcheck.analysis.readers.matcher import Scan, Strict, hyperscan, stands
from bootcheck.analysis.readers.projection import minimal
from bootcheck.analysis.readers.templates import Templates

if TYPE_CHECKING:
    from bootcheck.analysis.readers import Batch

ALWAYS = (
    b"rror",
    b"Traceback",
    b'File "',
    b'File \\"',
    b"File &quot;",
    "File “".encode(),
    b"xception",
    b"VersionConflict",
    b"os.environ",
    b"getenv(",
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
LEARN_AFTER = 1 << 24
"""Bytes of one source after which looking at how it is written pays for itself."""
Matters = Callable[[bytes, Collection[bytes]], bool]
"""Tells of a line and the words in it whether it may matter."""
Patterns = Callable[[bytes], "tuple[re.Pattern[str], ...] | None"]
"""Returns the patterns of which one fits where a word means something; None where it always may."""
Engine = Callable[[tuple[bytes, ...]], Scan | None]
"""Returns what scans for these words, None where it cannot."""
OFTEN = 1 << 16
"""Bytes in which a word stands once on average, from which on it is met often."""
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
    texts: Sequence[bytes] = ()
    """The lines that were found, where they are few; then the bytes around them need not be loaded."""


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
        numbers = {word for word in wanted if word.isdigit()}
        self.words = (*minimal(wanted - numbers), *sorted(numbers))
        """One of them stands in every line that is found, a number only after what makes it a status."""
        self._version = _VERSIONS[0]
        self._engine = engine or hyperscan
        self._strict = Strict()
        self._templates = Templates(self.words)

    @cached_property
    def _matcher(self) -> Scan | None:
        # Made when the first line is looked at: reports need none.
        return self._engine(self.words)

    @property
    def is_fast(self) -> bool:
        """True where a matcher that is not part of Python does the looking."""
        return self._matcher is not None

    def learn(self, sample: bytes, patterns: Patterns | None = None) -> None:
        """Look at how a source is written, and choose how to find the words in it.

        `patterns` of a word are asked for where the source is so long that it pays.
        """
        self._version = max(_VERSIONS, key=sample.count)
        self._templates.begin()
        if patterns is not None and self._matcher is not None:
            ends: list[tuple[int, int]] = []
            self._matcher(sample, ends)
            often = {
                self.words[number]: found
                for number, count in sorted(Counter(number for _, number in ends).items())
                if count * OFTEN > len(sample) and (found := patterns(self.words[number]))
            }
            self._strict = self._strict if self._strict.words == tuple(often) else Strict(self.words, often)

    def sift(self, block: bytes, matters: Matters = _every) -> Sifted:
        """Return which lines may matter; the block ends with a newline. `matters` is asked of each in doubt."""
        if self._matcher is not None:
            return self._by_matcher(self._matcher, block, matters)
        found: list[tuple[int, int]] = []
        number = place = after = 0
        for line, words in self._templates.hits(self._rest(block)):
            start = after
            if not block.startswith(line + b"\n", after):
                start = block.index(b"\n" + line + b"\n", after) + 1
            after = start + len(line) + 1
            if not _is_answered(line) and matters(line, words):
                number += _newlines(block[place:start])
                self._add(found, block, place, start, number)
                place = start
        return Sifted(number + _newlines(block[place:]), found, lambda: block)

    def _rest(self, block: bytes) -> bytes:
        """Return the lines, without most of those of an access log, and without the last newline."""
        parts = block.split(self._version)
        if len(parts) == 1:
            return block[:-1]
        # With what is written in C, because every line comes by here.
        firsts = [part.find(b"\n") for part in parts]
        lasts = [part.rfind(b"\n") for part in parts]
        firsts[0] = -1
        lengths = map(sub, map(len, parts[:-1]), lasts)
        if min(lengths) > _SHORTEST and {part[:3] for part in parts[1:]} <= _STATUSES:
            between = zip(parts, firsts, lasts, strict=True)
            return b"\n".join([part[first + 1 : last] for part, first, last in between if first < last])
        return b"\n".join([line for line in block[:-1].split(b"\n") if not _is_answered(line)])

    @staticmethod
    def _add(found: list[tuple[int, int]], block: bytes, place: int, start: int, number: int) -> None:
        """Add the line that begins there, and with a traceback the line before, which says whose it is."""
        if start > place and block.startswith(_TRACEBACK, start) and (not found or found[-1][1] < number - 1):
            found.append((block.rfind(b"\n", place, start - 1) + 1 or place, number - 1))
        found.append((start, number))

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
            number += _newlines(block[place:start])
            self._add(found, block, place, start, number)
            place = start
        return Sifted(number + _newlines(block[place:]), found, lambda: block)

    def _held(self, line: bytes) -> list[bytes]:
        return [word for word in self.words if stands(word, line)]

    @staticmethod
    def request(block: bytes, start: int, stop: int) -> int:
        """Return where the first line of an access log begins between two places, -1 where there is none."""
        at = block.find(_REQUEST, start, stop)
        return -1 if at < 0 else max(start, block.rfind(b"\n", start, at) + 1)


def _newlines(block: bytes) -> int:
    # In lines of usual length CPython replaces a byte in half the time that it counts it in.
    return len(block) - len(block.replace(b"\n", b""))


def _until(ends: list[tuple[int, int]], at: int, stop: int) -> Iterator[tuple[int, int]]:
    while at < len(ends) and ends[at][0] <= stop:
        yield ends[at]
        at += 1
