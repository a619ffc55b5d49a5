"""What a matcher that is not part of Python does for the sieve: Hyperscan, where it is installed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Scan = Callable[[bytes, list[tuple[int, int]]], None]
"""Appends where every word in a block ends, and which one it is, in order."""
STATUS = (b"status", b"EXIT")
"""A word of digits tells how a process ended: one of these stands before it, or "exit", which is a word itself."""
_ODD = rb"[\x00-\x09\x0b-\x1f\x7f-\xff{\\]"
_ENTITIES = (rb"&quot;", rb"&lt;", rb"&gt;", rb"&amp;", rb"&apos;", rb"&#")
"""What may be unpacked to something else: escapes, JSON, a page's entities; and what is not ASCII."""


def expression(word: bytes) -> bytes:
    """Return the expression that fits where a line holds a word."""
    return b"(?:%s)[^\\n]*%s" % (b"|".join(STATUS), word) if word.isdigit() else re.escape(word)


def stands(word: bytes, line: bytes) -> bool:
    """Tell whether a line holds a word, a number only after what makes it a status."""
    return word in line and (not word.isdigit() or re.search(expression(word), line) is not None)


def hyperscan(words: tuple[bytes, ...]) -> Scan | None:
    """Return what finds these words, None where Hyperscan is not installed or does not work."""
    plain = {number: word for number, word in enumerate(words) if not word.isdigit()}
    numbers = {number: expression(word) for number, word in enumerate(words) if word.isdigit()}
    literal = _compiled(plain, {}, literal=True)
    # Apart: compiled together with the others, expressions take as long as a gigabyte takes to scan.
    ends = _compiled(numbers, {}) if numbers else None
    if literal is None or ends is None:
        return None if numbers else literal

    def scan(block: bytes, found: list[tuple[int, int]]) -> None:
        literal(block, found)
        count = len(found)
        ends(block, found)
        if count < len(found):
            found.sort()

    return scan


class Strict:
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
        expressions = [(expression(word), 0) for word in words if word not in self.words]
        expressions += [
            (text.encode(), near | (hyperscan.HS_FLAG_CASELESS if flags & re.IGNORECASE else 0))
            for text, flags in patterns.items()
        ]
        self._entity = len(expressions)
        expressions += [(text, 0) for text in _ENTITIES]
        numbered = {number: text for number, (text, _) in enumerate(expressions)}
        self._scan = _compiled(numbered, {number: flags for number, (_, flags) in enumerate(expressions)})
        self._odd = _compiled({0: _ODD}, {0: hyperscan.HS_FLAG_SINGLEMATCH})

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


def _compiled(expressions: Mapping[int, bytes], flags: Mapping[int, int], *, literal: bool = False) -> Scan | None:
    """Return what appends the end of every match in a block; None without Hyperscan."""
    try:
        import hyperscan  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return None
    try:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(
            expressions=list(expressions.values()),
            ids=list(expressions),
            flags=[flags.get(number, 0) for number in expressions],
            literal=literal,
        )
    except Exception:  # noqa: BLE001 - a processor without its instructions; Python finds the same
        return None

    def matched(word: int, _: int, end: int, __: int, ends: list[tuple[int, int]]) -> None:
        ends.append((end, word))

    def scan(block: bytes, ends: list[tuple[int, int]]) -> None:
        database.scan(block, match_event_handler=matched, context=ends)

    return scan
