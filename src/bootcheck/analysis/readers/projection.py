"""Many words in one look, with nothing but `bytes`: by the letters that are rare in this text.

A text of which only some letters are left is a tenth as long, and every word that stands in the
text stands in it as well, as far as its own letters are left: `Worker` as `Wk`. So each word is
looked for in the short text, and a line in which it seems to be is asked for the whole word.
Which letters to keep is weighed on a sample of the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SAMPLE = 1 << 15
"""Bytes of a text from which it is learnt how it is written."""
_NEWLINE = 10
_PASS, _LOOK, _HIT = 0.9, 0.9, 5_000.0
"""Nanoseconds: for each byte when letters are taken out, for each byte when a word is looked for, for a hit."""
_STILL_CHEAP = 1.5
Needle = tuple[bytes, tuple[bytes, ...]]
"""What is looked for, and the words of which one may be there."""


def minimal(words: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the words without those that hold another one: they are found with it."""
    return tuple(holding(words))


def holding(words: Iterable[bytes]) -> dict[bytes, list[bytes]]:
    """Return the words without those that hold another one, the shortest first; each with all that hold it."""
    ordered = sorted(set(words), key=lambda word: (len(word), word))
    text = b"\n".join(ordered)
    found: dict[bytes, list[bytes]] = {}
    covered: set[bytes] = set()
    for word in ordered:
        if word in covered:
            continue
        # Most stand in none but themselves: counted at once, because plans are weighed by the dozen.
        found[word] = [other for other in ordered if word in other] if text.count(word) > 1 else [word]
        covered.update(found[word])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the words are found."""

    direct: tuple[bytes, ...]
    """Those that are looked for in the text itself."""
    dropped: bytes = b""
    """The bytes that are left out of the short text."""
    needles: tuple[Needle, ...] = ()
    """What is looked for in the short text."""
    cost: float = 0.0
    """Nanoseconds for each byte, as it was weighed."""

    def hits(self, lines: Sequence[bytes]) -> dict[int, set[bytes]]:
        """Return the numbers of the lines that hold a word, and their words."""
        text = b"\n".join(lines)
        found: dict[int, set[bytes]] = {}
        for number, words in _places(text, [(word, (word,)) for word in self.direct]):
            found.setdefault(number, set()).update(words)
        if self.needles:
            short = text.translate(None, self.dropped)
            for number, words in _places(short, self.needles):
                line = lines[number]
                held = [word for word in words if line.find(word) >= 0]
                if held:
                    found.setdefault(number, set()).update(held)
        return found


def _places(text: bytes, needles: Iterable[Needle]) -> Iterable[tuple[int, tuple[bytes, ...]]]:
    """Yield the number of each line in which one of these stands, once for each of them."""
    at: list[tuple[int, tuple[bytes, ...]]] = []
    for needle, words in needles:
        place = text.find(needle)
        while place >= 0:
            at.append((place, words))
            stop = text.find(b"\n", place)
            place = text.find(needle, stop) if stop >= 0 else -1
    number = last = 0
    at.sort()
    for place, words in at:
        number += text.count(b"\n", last, place)
        last = place
        yield number, words


def planned(words: tuple[bytes, ...], sample: bytes, before: Plan | None = None) -> Plan:
    """Return the cheapest way that was found for a text like this sample; the one before where it still is cheap."""
    if not sample:
        return before or Plan(direct=words)
    if before is not None and before.needles:
        cost, direct, needles = _Scale(words, sample).weighed({*range(256)} - {*before.dropped})
        if cost <= _STILL_CHEAP * before.cost:
            return Plan(direct=direct, dropped=before.dropped, needles=needles, cost=before.cost)
    often = Counter(sample)
    letters = sorted({letter for word in words for letter in word}, key=lambda letter: (often[letter], letter))
    weigh = _Scale(words, sample)
    best = min(({_NEWLINE, *letters[:count]} for count in range(6, len(letters) + 1, 4)), key=weigh.cost)
    cost = weigh.cost(best)
    for letter in reversed(letters):
        # Once round: what one letter more or less would save.
        other = best ^ {letter}
        changed = weigh.cost(other)
        if changed < cost:
            best, cost = other, changed
    return weigh.plan(best) if cost < weigh.cost_of_direct(words) else Plan(direct=words)


class _Scale:
    """Strictly private: what plans cost, in nanoseconds for each byte of the sample."""

    def __init__(self, words: tuple[bytes, ...], sample: bytes) -> None:
        self._words = words
        self._sample = sample
        self._alone = {word: _LOOK + sample.count(word) * _HIT / len(sample) for word in words}

    def cost_of_direct(self, words: Iterable[bytes]) -> float:
        return sum(self._alone[word] for word in words)

    def cost(self, letters: set[int]) -> float:
        return self.weighed(letters)[0]

    def plan(self, letters: set[int]) -> Plan:
        cost, direct, needles = self.weighed(letters)
        return Plan(direct=direct, dropped=_others(letters), needles=needles, cost=cost)

    def weighed(self, letters: set[int]) -> tuple[float, tuple[bytes, ...], tuple[Needle, ...]]:
        dropped = _others(letters)
        short = self._sample.translate(None, dropped)
        share = len(short) / len(self._sample)
        left: dict[bytes, list[bytes]] = {}
        for word in self._words:
            left.setdefault(word.translate(None, dropped), []).append(word)
        direct = left.pop(b"", [])
        cost = _PASS + self.cost_of_direct(direct)
        needles: list[Needle] = []
        for needle, others in holding(left).items():
            held = [word for other in others for word in left[other]]
            looked = _LOOK * share + short.count(needle) * _HIT / len(self._sample)
            alone = self.cost_of_direct(held)
            if looked < alone:
                needles.append((needle, tuple(held)))
                cost += looked
            else:
                direct += held
                cost += alone
        return cost, minimal(direct), tuple(needles)


def _others(letters: set[int]) -> bytes:
    return bytes(byte for byte in range(256) if byte not in letters)
