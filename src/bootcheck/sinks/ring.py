"""A sink that keeps the last records of this process, for the report it may have to write itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any


class Ring:
    """Keeps the first record and the latest thousand."""

    def __init__(self, size: int = 1000) -> None:
        self._head: dict[str, Any] | None = None
        self._recent: deque[dict[str, Any]] = deque(maxlen=size)

    def write(self, record: Mapping[str, Any], line: bytes) -> None:  # noqa: ARG002
        """Keep the record."""
        if self._head is None:
            self._head = dict(record)
        else:
            self._recent.append(dict(record))

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records that are kept, in order."""
        return [] if self._head is None else [self._head, *self._recent]
