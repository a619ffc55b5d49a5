"""Where checkpoints go, one file per destination, listed in `SINKS`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

SINKS = ("journal", "console", "structlog", "ring", "memory")
"""Each is a module with a class of that name; a file that is not named here fails a test."""


class Sink(Protocol):
    """A destination of records. It may raise: the recorder says so once and drops it."""

    def write(self, record: Mapping[str, Any], line: bytes) -> None:
        """Take one record, and the same as a JSON line with its newline."""
