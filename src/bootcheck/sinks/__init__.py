"""Where checkpoints go, one file per destination, listed in `SINKS`."""

from __future__ import annotations

SINKS = ("journal", "console", "structlog", "ring", "memory")
"""Each is a module with a class of that name; a file that is not named here fails a test."""
