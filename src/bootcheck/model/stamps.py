"""What a report is stamped with: time as text (RFC 3339, and a form that sorts), and an id of its own."""

from __future__ import annotations

import os
import time


def rfc3339(at: float) -> str:
    """Return epoch seconds as RFC 3339 UTC with milliseconds."""
    whole, millis = _parts(at)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{millis:03d}Z"


def compact(at: float) -> str:
    """Return epoch seconds as `20261127T084459123Z`, which sorts by time as text."""
    whole, millis = _parts(at)
    return time.strftime("%Y%m%dT%H%M%S", time.gmtime(whole)) + f"{millis:03d}Z"


def _parts(at: float) -> tuple[int, int]:
    total = int(at * 1000)
    return total // 1000, total % 1000


def id_of(*parts: object) -> str:
    """Return the UUID that these parts always give: one death told twice has one id."""
    import hashlib

    return _uuid(bytearray(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:16]), version=5)


def new_id() -> str:
    """Return a random UUID (version 4) as text.

    From os.urandom: the state of the random module is the same in all forked workers.
    """
    return _uuid(bytearray(os.urandom(16)), version=4)


def _uuid(raw: bytearray, *, version: int) -> str:
    raw[6] = raw[6] & 0x0F | version << 4
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
