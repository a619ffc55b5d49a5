"""What a sink is. For type checkers: a boot never loads this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Sink(Protocol):
    """A destination of records. It may raise: the recorder says so once and drops it.

    One that can take several at once has `write_all(records, lines)` as well.
    """

    def write(self, record: Mapping[str, Any], line: bytes) -> None:
        """Take one record, and the same as a JSON line with its newline."""
