"""Patterns that are compiled when they are first asked: most runs ask few, and there are hundreds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast


class _Late:
    """Strictly private: does what a compiled pattern does, as far as it is asked for here."""

    __slots__ = ("_compiled", "_flags", "pattern")

    def __init__(self, pattern: str, flags: int) -> None:
        self.pattern = pattern
        self._flags = flags
        self._compiled: re.Pattern[str] | None = None

    @property
    def _now(self) -> re.Pattern[str]:
        if self._compiled is None:
            self._compiled = re.compile(self.pattern, self._flags)
        return self._compiled

    @property
    def flags(self) -> int:
        return self._now.flags

    def search(self, *where: str | int) -> re.Match[str] | None:
        return self._now.search(*where)  # type: ignore[arg-type]

    def match(self, *where: str | int) -> re.Match[str] | None:
        return self._now.match(*where)  # type: ignore[arg-type]

    def fullmatch(self, *where: str | int) -> re.Match[str] | None:
        return self._now.fullmatch(*where)  # type: ignore[arg-type]

    def findall(self, text: str) -> list[str]:
        return self._now.findall(text)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        return self._now.finditer(text)

    def sub(self, new: str, text: str, count: int = 0) -> str:
        return self._now.sub(new, text, count)

    def split(self, text: str, maxsplit: int = 0) -> list[str]:
        return cast("list[str]", self._now.split(text, maxsplit))


def regex(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Return what behaves like `re.compile(pattern, flags)`; a wrong pattern raises re.error when it is first asked."""
    return cast("re.Pattern[str]", _Late(pattern, flags))
