"""How far a long reading is, on stderr, where a person waits: one line that is wiped away again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from bootcheck.render import is_terminal
from bootcheck.render.text import plain

PATIENCE = 1.0
"""Seconds before anything is shown."""
EVERY = 0.1
"""Seconds between two looks."""
WIDTH = 79


@contextmanager
def shown(err: TextIO, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[str, int], None]]:
    """Yield what is to be told each source as it begins, and how many of its lines were read."""
    if not is_terminal(err):
        yield lambda _, __: None
        return
    line = _Line(err, clock)
    try:
        yield line.tell
    finally:
        line.wipe()


class _Line:
    """Strictly private: the line, and when it was written."""

    def __init__(self, err: TextIO, clock: Callable[[], float]) -> None:
        self._err = err
        self._clock = clock
        self._next = clock() + PATIENCE
        self._count = 0
        self._written = False

    def tell(self, source: str, lines: int) -> None:
        self._count += not lines
        now = self._clock()
        if now < self._next:
            return
        self._next = now + EVERY
        told = plain(f"bootcheck: reading file {self._count}{f', line {lines:,}' if lines else ''}: {source}")[:WIDTH]
        self._write(f"\r{told.ljust(WIDTH)}")
        self._written = True

    def wipe(self) -> None:
        if self._written:
            self._write(f"\r{' ' * WIDTH}\r")

    def _write(self, text: str) -> None:
        self._err.write(text)
        self._err.flush()
