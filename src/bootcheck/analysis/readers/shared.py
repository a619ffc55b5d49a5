"""One large file, sifted by several processes: each line by the one in whose part it begins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from bootcheck.analysis.readers import Batch, Digester, Intake, crew
from bootcheck.analysis.readers.projection import SAMPLE
from bootcheck.analysis.readers.sieve import Matters, Sieve, Sifted
from bootcheck.analysis.readers.stream import CHUNK, MAX_LINE, Read, Stream, blocks

LARGE = 1 << 25
"""Bytes from which on a second process pays for itself."""
VERY_LARGE = 1 << 26
"""Bytes from which on looking more closely at each word pays for itself."""
PART = 1 << 23
_REPORT = b'"verdict"'
FEW = 64
"""Lines of a block that are handed on with what was found."""
Seen = tuple[int, list[tuple[int, int]], "Batch | None", list[int], list[bytes]]
"""Number of lines, what was found, reports that were read, the numbers of their lines, and the lines found."""
Run = tuple[int, int, Seen]
"""Place and size in the file, and what was seen there."""


def has_no_hole(path: str) -> bool:
    """Tell whether every byte of a file was written; a hole may be larger than any disk."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        return os.lseek(fd, 0, os.SEEK_HOLE) == os.lseek(fd, 0, os.SEEK_END)
    except (OSError, AttributeError):
        return True
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class _Part:
    """Strictly private: what one process looks at in one go."""

    start: int
    stop: int


def sifted(stream: Stream, sieve: Sieve, size: int, intake: Intake) -> Iterator[Sifted]:
    """Yield the runs of a file's lines in order; the bytes that are there now, not those that are written meanwhile."""
    file = _File(stream.path or "", size)
    look = _Look(sieve, intake.matters, intake.digester, stream.name)
    try:
        sample = b"".join(file.sample())
        # Of a file of reports hardly a line is sifted.
        sifts = look.digester is None or not (sample and _is_likely(sample))
        sieve.learn(sample, intake.patterns if size >= VERY_LARGE and sifts else None)
        parts = [_Part(start, min(start + PART, size)) for start in range(0, size, PART)]
        place = 0
        with closing(crew.spread(parts, lambda part: _runs(file, look, part), stream.jobs)) as results:
            for runs in results:
                if runs is None:
                    break
                for run in runs:
                    yield file.sifted(run)
                    place = run[0] + run[1]
        # Nothing is left, unless a line is longer than what is kept of one.
        rest = Stream(stream.name, file.reader(place))
        for block in blocks(rest):
            yield sieve.sift(block, intake.matters)
        stream.cut += rest.cut
    finally:
        file.close()


@dataclass(frozen=True, slots=True)
class _Look:
    """Strictly private: what is done with a block, wherever that is."""

    sieve: Sieve
    matters: Matters
    digester: Digester | None
    source: str

    def __call__(self, block: bytes, place: int) -> Seen:
        """Look at a block that begins at this place of the file."""
        if self.digester is not None and _is_likely(block):
            return self._reports(self.digester, block, place)
        taken = self.sieve.sift(block, self.matters)
        few = taken.found if len(taken.found) <= FEW else ()
        return taken.lines, taken.found, None, [], [block[at : block.index(b"\n", at)] for at, _ in few]

    def _reports(self, digester: Digester, block: bytes, begin: int) -> Seen:
        """Read the reports of a block that holds little else; what is none may matter as well."""
        numbers: list[int] = []
        place = begin
        lines = block.split(b"\n")
        lines.pop()
        for number, line in enumerate(lines):
            if _REPORT in line and digester.take(line, self.source, place):
                numbers.append(number)
            place += len(line) + 1
        found = self.sieve.sift(block, self.matters).found if len(numbers) < len(lines) else []
        return len(lines), found, digester.taken(), numbers, []


def _is_likely(block: bytes) -> bool:
    """Tell whether a block seems to hold reports and nothing else: looking at all of it takes as long as reading it."""
    last = block.rfind(b"\n", 0, len(block) - 1) + 1
    return (
        block.startswith(b"{")
        and block.find(_REPORT, 0, block.index(b"\n")) >= 0
        and block.startswith(b"{", last)
        and block.find(_REPORT, last) >= 0
    )


class _File:
    """Strictly private: reads anywhere in a file, up to the size that it had."""

    def __init__(self, path: str, size: int) -> None:
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self._size = size

    def at(self, place: int, size: int) -> bytes:
        return os.pread(self._fd, max(0, min(size, self._size - place)), place)

    def sample(self) -> Iterator[bytes]:
        pieces = 8
        for number in range(pieces):
            piece = self.at(self._size * number // pieces, SAMPLE * 4 // pieces)
            yield piece[piece.find(b"\n") + 1 : piece.rfind(b"\n") + 1]

    def sifted(self, run: Run) -> Sifted:
        place, size, (lines, found, batch, numbers, texts) = run

        def load() -> bytes:
            data = self.at(place, size)
            return data if data.endswith(b"\n") else data + b"\n"

        return Sifted(lines, found, load, batch, numbers, texts)

    def reader(self, place: int) -> Read:
        def read(size: int) -> bytes:
            nonlocal place
            data = self.at(place, size)
            place += len(data)
            return data

        return read

    def close(self) -> None:
        os.close(self._fd)


def _runs(file: _File, look: _Look, part: _Part) -> list[Run] | None:
    """Return the runs of the lines that begin in a part; None where one is so long that it must be cut."""
    place = part.start
    if place:
        head = file.at(place - 1, MAX_LINE)
        cut = head.find(b"\n")
        if cut < 0:
            return None
        place += cut
    runs: list[Run] = []
    while place < part.stop:
        data = file.at(place, CHUNK)
        stop = min(len(data), part.stop - place)
        cut = data.find(b"\n", stop - 1) + 1 if stop < len(data) else data.rfind(b"\n") + 1
        if not cut:
            data = file.at(place, MAX_LINE)
            cut = data.find(b"\n") + 1
            if not cut and len(data) == MAX_LINE:
                return None
            cut = cut or len(data)
        if not cut:
            break
        block = data[:cut] if data.endswith(b"\n", 0, cut) else data[:cut] + b"\n"
        runs.append((place, cut, look(block, place)))
        place += cut
    return runs
