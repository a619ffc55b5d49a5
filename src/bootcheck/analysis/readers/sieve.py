"""Which lines of a block may matter: found by their words, without looking at the others."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

ALWAYS = (
    b"rror",
    b"Traceback",
    b'File "',
    b"xception",
    b'File "',
    b"CRITICAL",
    b"ERROR",
    b"FATAL",
    b"BOOTCHECK_REPORT",
    b'"verdict"',
    b'"t":',
    b'"t" :',
)
_REQUEST = b" HTTP/"
_TRACEBACK = b"Traceback"


@lru_cache(maxsize=4)
def sieve_of(words: tuple[str, ...]) -> Sieve:
    """Return the sieve for these words; making one takes longer than reading a small file."""
    return Sieve(words)


class Sieve:
    """Finds the lines that hold one of a set of words."""

    def __init__(self, words: Iterable[str]) -> None:
        wanted = {*ALWAYS, *(word.encode() for word in words)} - {_REQUEST}
        # A word that holds another one is found with it.
        self._words = tuple(word for word in wanted if not any(other != word and other in word for other in wanted))

    def starts(self, block: bytes) -> list[int]:
        """Return where the lines begin that may matter, in order."""
        found: set[int] = set()
        for word in self._words:
            at = block.find(word)
            while at >= 0:
                start = block.rfind(b"\n", 0, at) + 1
                found.add(start)
                if start and block.startswith(_TRACEBACK, start):
                    # The line before a traceback says whose it is.
                    found.add(block.rfind(b"\n", 0, start - 1) + 1)
                at = block.find(word, max(at, block.find(b"\n", at)) + 1)
        return sorted(found)

    @staticmethod
    def request(block: bytes, start: int, stop: int) -> int:
        """Return where the first line of an access log begins between two places, -1 where there is none."""
        at = block.find(_REQUEST, start, stop)
        return -1 if at < 0 else max(start, block.rfind(b"\n", start, at) + 1)
