"""Pastes out of a console that shows the newest line first: they are read from their end."""

from __future__ import annotations

import re
from itertools import pairwise

from bootcheck.analysis.readers.stream import Stream

MAX_BYTES = 1 << 20
"""What a person pastes is smaller."""
_HEAD = 1 << 14
_STAMP = re.compile(
    rb"[ \t>]*(?:(?:\d{13}[\t ,]+)?(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?)|"
    rb"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d) )"
)
_MONTHS = b"JanFebMarAprMayJunJulAugSepOctNovDec"
_BACKWARDS = re.compile(
    rb"\s[A-Za-z_][\w.]*(?:Error|Exception)\b[^\n]*\n(?:[^\n]*\s    \S[^\n]*\n){0,2}"
    rb"[^\n]*\s  File \"[^\"\n]+\", line \d|"
    rb"\] Using worker: [^\n]*\n[^\n]*\] Listening at: "
)
"""An exception above a frame, or a start from its end: of lines with one time, too, the last was written first."""
_ENOUGH = 2
"""Steps back in time: one may be where two pastes meet."""


def is_turned(stream: Stream) -> bool:
    """Tell whether a whole stream that is small goes back in time, with no step forward.

    Lines of one second stand in an order of their own, so most of the steps have to be seen.
    """
    head = stream.peek(_HEAD)
    if not _goes_back(head[: head.rfind(b"\n")] if b"\n" in head else head):
        return False
    whole = stream.peek(MAX_BYTES)
    return len(whole) < MAX_BYTES and _goes_back(whole)


def oldest_first(block: bytes) -> tuple[list[int], bytes]:
    """Return the lines' numbers and the lines from the last to the first; one without a time stays with that before."""
    entries: list[list[tuple[int, bytes]]] = []
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), 1):
        if not entries or _STAMP.match(line):
            entries.append([])
        entries[-1].append((number, line))
    turned = [line for entry in reversed(entries) for line in entry]
    return [number for number, _ in turned], b"".join(line + b"\n" for _, line in turned)


def _goes_back(text: bytes) -> bool:
    # Digits of a fraction that are left out count as less than any, as they should.
    times = [_comparable(match) for line in text.split(b"\n") if (match := _STAMP.match(line))]
    steps = [(before > after) - (before < after) for before, after in pairwise(times)]
    back = steps.count(1)
    mostly = 2 * back >= len(steps) or _BACKWARDS.search(text) is not None
    return back >= _ENOUGH and -1 not in steps and mostly


def _comparable(match: re.Match[bytes]) -> bytes:
    """Return a time that is less than a later one: syslog's has no year, so that of January follows December's."""
    if match["time"]:
        return match["time"].replace(b"T", b" ")
    return b"%02d-%02d %s" % (_MONTHS.index(match["month"]), int(match["day"]), match["clock"])
