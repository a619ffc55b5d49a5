"""Arbitrary values to bounded JSON: nothing a user passes can break or bloat a journal."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

MAX_TEXT = 2_000
MAX_ITEMS = 50
MAX_DEPTH = 4
MAX_LINE = 16_384
"""Bytes of one journal line; a longer one is replaced by a shorter telling of itself."""


def plain(value: object, mask: Callable[[str], str] = str, *, depth: int = MAX_DEPTH) -> Any:  # noqa: PLR0911
    """Return `value` as JSON types, every text masked by `mask`, capped in length, breadth and depth.

    Never raises: a value whose `repr` raises becomes a note that says so.
    """
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is int:
        return value if -(2**63) <= value < 2**64 else _text(value, mask)  # type: ignore[operator]
    if kind is float:
        return value if math.isfinite(value) else repr(value)  # type: ignore[arg-type]
    if kind is str:
        return shorten(mask(shorten(value, MAX_TEXT * 4)))  # type: ignore[arg-type]
    if depth <= 0:
        return _text(value, mask)
    if kind in (list, tuple, set, frozenset):
        return [plain(item, mask, depth=depth - 1) for item in list(value)[:MAX_ITEMS]]  # type: ignore[call-overload]
    if kind is dict:
        pairs = list(value.items())[:MAX_ITEMS]  # type: ignore[attr-defined]
        return {_key(key, mask): plain(item, mask, depth=depth - 1) for key, item in pairs}
    return _text(value, mask)


def shorten(text: str, limit: int = MAX_TEXT) -> str:
    """Return `text`, or its beginning and a note of how much was cut."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [{len(text) - limit} more characters]"


def line(record: Mapping[str, Any]) -> bytes:
    """Return one JSON line with its newline, at most `MAX_LINE` bytes. `record` must be plain."""
    encoded = _dumps(record)
    if len(encoded) > MAX_LINE:
        encoded = _dumps(_cut(record))
    return encoded + b"\n"


def _dumps(record: Mapping[str, Any]) -> bytes:
    return _encode(record).encode("ascii")


def _cut(record: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the small fields, and of the large ones as much as fits: of a text its end, of a list its beginning."""
    kept: dict[str, Any] = {}
    room = MAX_LINE - 512
    for key, value in sorted(record.items(), key=lambda pair: len(_dumps({pair[0]: pair[1]}))):
        size = len(_dumps({key: value}))
        if size > room:
            value = _less(value, room - len(key) - 8)  # noqa: PLW2901 - the shorter telling of the same
            if value is None:
                continue
            size = len(_dumps({key: value}))
        kept[key] = value
        room -= size
    kept["cut"] = True
    # The reader goes by the first keys, so they keep their order.
    return {key: kept[key] for key in (*record, "cut") if key in kept}


def _less(value: Any, room: int) -> Any:
    """Return as much of a text or a list as fits into so many bytes of JSON, None where nothing does."""
    if isinstance(value, str):
        # The last lines of a traceback matter most, its first ones tell where it began.
        limit = min(len(value), room)
        while limit > 200:
            text = middle_cut(value, limit)
            if len(_dumps({"": text})) <= room:
                return text
            limit = limit * 3 // 4
        return None
    if isinstance(value, list):
        items: list[Any] = []
        for item in value:
            size = len(_dumps({"": item}))
            if size > room:
                break
            items.append(item)
            room -= size
        return items or None
    return None


def middle_cut(text: str, limit: int) -> str:
    """Keep the beginning and, as the last lines matter most, twice as much of the end."""
    return text if len(text) <= limit else text[: limit // 3] + "\n  [… cut …]\n" + text[-limit * 2 // 3 :]


def _last_resort(value: object) -> str:
    return shorten(_safe_repr(value))


def _text(value: object, mask: Callable[[str], str]) -> str:
    return shorten(mask(shorten(_safe_repr(value), MAX_TEXT * 4)))


def _key(value: object, mask: Callable[[str], str]) -> str:
    return shorten(mask(value if type(value) is str else _safe_repr(value)), 200)


def _safe_repr(value: object) -> str:
    try:
        if isinstance(value, (str, bytes)):
            value = value[: MAX_TEXT * 4]
        return str(value) if isinstance(value, str) else repr(value)
    except Exception as exc:  # noqa: BLE001 - a user's __repr__ may raise anything
        return f"<{type(value).__name__} whose repr raised {type(exc).__name__}>"


_encode = json.JSONEncoder(default=_last_resort, separators=(",", ":")).encode
"""Made once: `json.dumps` makes an encoder for every record."""
