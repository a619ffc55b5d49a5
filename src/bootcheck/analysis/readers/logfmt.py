"""Lines of pairs, `time=… level=info msg="…"`, as loggers of many languages write them."""

from __future__ import annotations

import re

MAX_PAIRS = 60
_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^\s"=]*)'
_PAIR = re.compile(rf"([A-Za-z_@][\w.\-@]*)=({_VALUE})(?:\s+|$)")
_TEXTS = ("msg=", "message=", "event=", "log=", "text=")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def pairs(text: str) -> dict[str, str] | None:
    """Return the pairs of a line that consists of nothing else, one of them its text; None where this is none."""
    if not any(key in text for key in _TEXTS):
        return None
    found: dict[str, str] = {}
    at = len(text) - len(text.lstrip())
    while at < len(text):
        match = _PAIR.match(text, at)
        if match is None or len(found) >= MAX_PAIRS:
            return None
        found[match[1]] = _plain(match[2])
        at = match.end()
    told = any(key.removesuffix("=") in found for key in _TEXTS)
    return found if told and len(found) > 1 else None


def _plain(value: str) -> str:
    if value[:1] != '"':
        return value
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), value[1:-1])
