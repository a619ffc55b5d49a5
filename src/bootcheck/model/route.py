"""A request's path as a report may show it: bounded, printable, without what looks like a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from bootcheck.model.redactor import HIDDEN

MAX_PATH = 200
_TOKEN = re.compile(
    r"(?=[A-Za-z0-9%]*[0-9])(?=[A-Za-z0-9%]*[A-Za-z])[A-Za-z0-9%]{16,}"
    r"|[A-Za-z0-9%]{32,}|[0-9]{13,}"
    r"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
)
"""What nobody would type, in a segment: a long run of letters and digits, a number as long as a card's, a UUID."""
_GIVES_AWAY = frozenset(
    (
        *("token", "tokens", "reset", "password-reset", "reset-password", "verify", "activate", "confirm", "invite"),
        *("invitation", "secret", "key", "apikey", "api-key", "session", "magic", "unsubscribe", "auth", "login"),
    )
)
"""What follows such a word is often the secret itself."""
_WORD = re.compile(r"[a-z]{1,15}(?:[-_][a-z]{1,15})*")


def shown(raw: bytes, mask: Callable[[str], str] = str) -> str:
    """Return a raw path (no query, nothing decoded) for a report."""
    segments = _printable(raw).split("/")
    before = ""
    for index, segment in enumerate(segments):
        secret = before in _GIVES_AWAY and _WORD.fullmatch(segment) is None
        if segment and (secret or _TOKEN.search(segment)):
            segments[index] = HIDDEN
        before = segment.lower()
    # The cut comes last: half a secret is still one.
    path = mask("/".join(segments))
    return path if len(path) <= MAX_PATH else f"{path[:MAX_PATH]}…"


def _printable(raw: bytes) -> str:
    """Return text in which every byte that is no printable ASCII is written as an escape."""
    return "".join(chr(byte) if 0x20 < byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in raw)


def requests_shown(found: Sequence[tuple[str, bytes, float]], mask: Callable[[str], str] = str) -> list[dict[str, Any]]:
    """Return requests in flight, (method, raw path, seconds) each, as reports and snapshots have them."""
    return [
        {
            "method": shown(method.encode("ascii", "replace"))[:16],
            "path": shown(path, mask),
            "running_s": round(seconds, 3),
        }
        for method, path, seconds in found
    ]
