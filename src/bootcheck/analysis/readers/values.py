"""JSON that may be anything: parsed without ever raising, and told apart."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeGuard

KINDS = frozenset({"crash", "boot", "snapshot"})
MAX_DIGITS = 300
"""Of a whole number: one with more may not fit into a float."""


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _whole(text: str) -> int | None:
    # Nobody counts that far; turning such a number into a float would raise elsewhere.
    return int(text) if len(text) <= MAX_DIGITS else None


def _no_number(text: str) -> None:
    msg = f"{text} is no JSON"
    raise ValueError(msg)


_DECODER = json.JSONDecoder(parse_float=_finite, parse_int=_whole, parse_constant=_no_number)
"""Reads a number out of all range as one that is not known."""
_QUICK = json.JSONDecoder(parse_float=_finite, parse_constant=_no_number)
"""The same where no whole number is that long."""


_DIGITS = re.compile(rb"\d{4}")
"""In every 75th byte: seldom, unless there is a number with more digits than anybody counts."""
_HUGE = re.compile(rb"\d{%d}" % (MAX_DIGITS + 1))
_LONG = 500
"""Bytes of JSON from which on it pays to ask the fast decoder first."""


@cache
def _fast() -> Callable[[bytes], Any] | None:
    """Return msgspec's decoder, None where it is not installed: what it accepts, ours accepts alike."""
    try:
        import msgspec
    except ImportError:
        return None
    decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
    return decode


def parsed(text: bytes | str) -> Any:
    """Return the JSON value, or None where it is none (or nested beyond all reason)."""
    decoder = _DECODER
    if isinstance(text, bytes) and len(text) > _LONG:
        fast = _fast()
        if _DIGITS.search(text[::75]) is None or _HUGE.search(text) is None:
            decoder = _QUICK
            try:
                if fast is not None:
                    return fast(text)
            except Exception:  # noqa: BLE001, S110 - what it does not like, ours may forgive
                pass
    try:
        return decoder.decode(text.decode("utf-8", "replace") if isinstance(text, bytes) else text)
    except (ValueError, RecursionError, MemoryError):
        return None


def first_object(text: str, start: int) -> dict[str, Any] | None:
    """Return the JSON object that begins at `start`, whatever follows it."""
    try:
        value, _ = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None


_OURS = ('"report_id"', '"schema_version"', '"kind"')


def is_cut_report(text: bytes) -> bool:
    """Tell whether a text that is no JSON was the beginning of a report of bootcheck."""
    return text.lstrip()[:1] == b"{" and all(name.encode() in text[:2000] for name in _OURS)


def is_report(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a JSON value is a report of bootcheck."""
    if not isinstance(value, dict) or not isinstance(value.get("verdict"), dict):
        return False
    kind = value.get("kind")
    return isinstance(kind, str) and kind in KINDS
