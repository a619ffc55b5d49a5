"""A sink that keeps what it got: for tests, and for results handed back to the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Memory:
    """Keeps every record in order."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def write(self, record: Mapping[str, Any], line: bytes) -> None:  # noqa: ARG002
        """Keep the record."""
        self.records.append(dict(record))
