"""JSON that may be anything: parsed without ever raising, and told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeGuard

KINDS = frozenset({"crash", "boot", "snapshot"})
_DECODER = json.JSONDecoder()


def parsed(text: bytes | str) -> Any:
    """Return the JSON value, or None where it is none (or nested beyond all reason)."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError, MemoryError):
        return None


def first_object(text: str, start: int) -> dict[str, Any] | None:
    """Return the JSON object that begins at `start`, whatever follows it."""
    try:
        value, _ = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None


def is_report(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a JSON value is a report of bootcheck."""
    return isinstance(value, dict) and value.get("kind") in KINDS and isinstance(value.get("verdict"), dict)
