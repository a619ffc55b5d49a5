"""A log says few things many times: of each only the first is looked into.

Lines without their digits and small hexadecimal letters are templates: times, addresses, numbers
and ids are gone, and every word that stands in a line stands in its template as well, as far as
its own letters are left: `Traceback` as `Trk`. A template in which none of them stands is never
looked into again, and of the others each line is asked for the words that it may hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import compress

from bootcheck.analysis.readers.matcher import STATUS, expression
from bootcheck.analysis.readers.projection import SAMPLE, Plan, minimal, planned

MASK = b"0123456789abcdef"
MAX_KNOWN = 1 << 16
MAX_BYTES = 1 << 23
"""Of the templates that are remembered; where they are more, all are forgotten and met anew."""
LEARN_AFTER = 1 << 22
"""Bytes of new templates after which weighing how to find the words in them pays for itself."""
Doubts = tuple[bytes, ...]
"""Words that may stand in a line, as far as its template tells."""


class Templates:
    """Finds the lines that hold words."""

    def __init__(self, words: Sequence[bytes]) -> None:
        self._left: dict[bytes, list[bytes]] = {}
        """What is left of each word, and the words."""
        for word in words:
            # Of a number nothing is left: what stands before it tells.
            for needle in STATUS if word.isdigit() else (word,):
                self._left.setdefault(needle.translate(None, MASK), []).append(word)
        self._ends = {word: re.compile(expression(word)) for word in words if word.isdigit()}
        needles = minimal(self._left)
        self._holding = {needle: [other for other in self._left if needle in other] for needle in needles}
        self._plan = Plan(direct=needles)
        self._known: dict[bytes, Doubts] = {}
        self._bytes = 0
        self._new = 0

    def begin(self) -> None:
        """Another source begins, which may be written in another way."""
        self._new = 0

    def hits(self, text: bytes) -> list[tuple[bytes, list[bytes]]]:
        """Return the lines that hold words, in order, and these; the text ends without a newline."""
        templates = text.translate(None, MASK).split(b"\n")
        new = set(templates).difference(self._known)
        if new:
            self._look_into(new, templates)
        # Without a loop, because every line comes by here.
        doubts = list(map(self._known.__getitem__, templates))
        if not any(doubts):
            return []
        lines = text.split(b"\n")
        found: list[tuple[bytes, list[bytes]]] = []
        for line, words in zip(compress(lines, doubts), compress(doubts, doubts), strict=True):
            held = [word for word in words if line.find(word) >= 0 and self._counts(word, line)]
            if held:
                found.append((line, held))
        return found

    def _counts(self, word: bytes, line: bytes) -> bool:
        return word not in self._ends or self._ends[word].search(line) is not None

    def _look_into(self, new: set[bytes], templates: Iterable[bytes]) -> None:
        size = sum(map(len, new))
        if len(self._known) + len(new) > MAX_KNOWN or self._bytes + size > MAX_BYTES:
            self._known.clear()
            self._bytes = 0
            new = set(templates)
            size = sum(map(len, new))
        lines = list(new)
        self._weigh(lines, size)
        self._known.update(dict.fromkeys(lines, ()))
        self._bytes += size
        for number, needles in self._plan.hits(lines).items():
            template = lines[number]
            left = {other for needle in needles for other in self._holding[needle] if other in template}
            self._known[template] = tuple(dict.fromkeys(word for other in left for word in self._left[other]))

    def _weigh(self, lines: Sequence[bytes], size: int) -> None:
        before, self._new = self._new, self._new + size
        if before <= LEARN_AFTER < self._new:
            self._plan = planned(tuple(self._holding), b"\n".join(lines)[:SAMPLE], self._plan)
