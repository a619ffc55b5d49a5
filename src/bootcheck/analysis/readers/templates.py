"""A log says few things many times: of each only the first is looked into.

Lines without their digits and small hexadecimal letters are templates: times, addresses, numbers
and ids are gone, and every word that stands in a line stands in its template as well, as far as
its own letters are left: `Traceback` as `Trk`. A template in which none of them stands is never
looked into again, and of the others each line is asked for the words that it may hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress

from bootcheck.analysis.readers.matcher import STATUS, stands
from bootcheck.analysis.readers.projection import SAMPLE, Plan, holding, planned

MASK = b"0123456789abcdef"
MAX_KNOWN = 1 << 16
MAX_BYTES = 1 << 23
"""Of the templates that are remembered; where they are more, all are forgotten and met anew."""
LEARN_AFTER = 1 << 20
"""Bytes of new templates after which weighing how to find the words in them pays for itself."""
Doubts = tuple[bytes, ...]
"""Words that may stand in a line, as far as its template tells."""


class Needles:
    """What is left of the words where some letters are taken out."""

    def __init__(self, words: Sequence[bytes], mask: bytes) -> None:
        self._left: dict[bytes, list[bytes]] = {}
        for word in words:
            # A number is looked for by what stands before it: digits stand everywhere, or nowhere.
            for needle in STATUS if word.isdigit() else (word,):
                self._left.setdefault(needle.translate(None, mask), []).append(word)
        self.holding = holding(self._left)
        self.plan = Plan(direct=tuple(self.holding))

    def learn(self, sample: bytes) -> None:
        """Weigh how to find them in a text like this."""
        self.plan = planned(tuple(self.holding), sample, self.plan)

    def doubts(self, lines: Sequence[bytes]) -> dict[int, Doubts]:
        """Return the numbers of the lines in which one stands, and the words that may."""
        found: dict[int, Doubts] = {}
        for number, needles in self.plan.hits(lines).items():
            left = {other for needle in needles for other in self.holding[needle] if other in lines[number]}
            found[number] = tuple(dict.fromkeys(word for other in left for word in self._left[other]))
        return found


class Templates:
    """Finds the lines that hold words."""

    def __init__(self, words: Sequence[bytes]) -> None:
        self._words = words
        self._masked = Needles(words, MASK)
        self._whole: Needles | None = None
        """Where lines are not alike these are looked for, in all of them."""
        self._known: dict[bytes, Doubts] = {}
        self._bytes = 0
        self._new = 0
        self._met = 0

    def begin(self) -> None:
        """Another source begins, which may be written in another way."""
        self._new = self._met = 0
        self._whole = None

    def hits(self, text: bytes) -> list[tuple[bytes, list[bytes]]]:
        """Return the lines that hold words, in order, and these; the text ends without a newline."""
        lines: list[bytes] = []
        if self._whole is None:
            doubts = self._doubts(text)
            lines = text.split(b"\n") if any(doubts) else []
        else:
            lines = text.split(b"\n")
            looked = self._whole.doubts(lines)
            doubts = [looked.get(number, ()) for number in range(len(lines))] if looked else []
        found: list[tuple[bytes, list[bytes]]] = []
        for line, words in zip(compress(lines, doubts), filter(None, doubts), strict=False):
            held = [word for word in words if stands(word, line)]
            if held:
                found.append((line, held))
        return found

    def _doubts(self, text: bytes) -> list[Doubts]:
        """Return of each line what it may hold."""
        masked = text.translate(None, MASK)
        templates = masked.split(b"\n")
        new = set(templates).difference(self._known)
        self._met += len(masked)
        if new:
            before, self._new = self._new, self._new + sum(map(len, new))
            if before <= LEARN_AFTER < self._new:
                self._learn(text, new)
            self._look_into(new, templates)
        # Without a loop, because every line comes by here.
        return list(map(self._known.__getitem__, templates))

    def _learn(self, text: bytes, new: Iterable[bytes]) -> None:
        if self._new * 2 > self._met:
            self._whole = Needles(self._words, b"")
            self._whole.learn(text[:SAMPLE])
        else:
            self._masked.learn(b"\n".join(new)[:SAMPLE])

    def _look_into(self, new: set[bytes], templates: Iterable[bytes]) -> None:
        size = sum(map(len, new))
        if len(self._known) + len(new) > MAX_KNOWN or self._bytes + size > MAX_BYTES:
            self._known.clear()
            self._bytes = 0
            new = set(templates)
            size = sum(map(len, new))
        lines = list(new)
        self._known.update(dict.fromkeys(lines, ()))
        self._bytes += size
        for number, words in self._masked.doubts(lines).items():
            self._known[lines[number]] = words
