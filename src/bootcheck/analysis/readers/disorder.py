"""Pastes whose lines do not stand in the order in which they were written: the newest first, or shuffled."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from bootcheck.analysis.readers import reflowed
from bootcheck.analysis.readers.prefixes import epoch
from bootcheck.analysis.readers.reflowed import MAX_BYTES, Order
from bootcheck.analysis.readers.stream import Stream

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
_FORWARDS = re.compile(
    rb"Traceback \(most recent call last\):\s*\n[^\n]*\s  File \"|\] Listening at: [^\n]*\n[^\n]*\] Using worker: "
)
_ENOUGH = 2
"""Steps back in time: one may be where two pastes meet."""


_EXACT = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d{6}")
"""A time that hardly two lines share."""
_SHUFFLED = 5
"""Steps back in time, at least that many and one of so many: a router's line among an app's is one step."""
_APART = 2.0
"""Seconds by which a collector mixes lines up; where two logs meet they are further apart."""


def order_of(stream: Stream) -> Order | None:
    """Return what puts a whole stream that is small in order, None where it is, or nobody can tell."""
    if is_turned(stream):
        return oldest_first
    return reflowed.order_of(stream) or (by_time if is_shuffled(stream) else None)


def is_shuffled(stream: Stream) -> bool:
    """Tell whether lines with exact times stand in disorder, near each other, throughout a stream that is small."""
    if not _is_mixed(stream.peek(_HEAD)):
        return False
    whole = stream.peek(MAX_BYTES)
    return len(whole) < MAX_BYTES and _is_mixed(whole)


def by_time(block: bytes) -> tuple[list[int], bytes]:
    """Return the lines' numbers and the lines by their times; one without a time stays with that before."""
    return _joined(sorted(_entries(block), key=lambda entry: _time_of(entry[0][1])))


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
    return _joined(reversed(_entries(block)))


def _entries(block: bytes) -> list[list[tuple[int, bytes]]]:
    entries: list[list[tuple[int, bytes]]] = []
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), 1):
        if not entries or _STAMP.match(line):
            entries.append([])
        entries[-1].append((number, line))
    return entries


def _joined(entries: Iterable[list[tuple[int, bytes]]]) -> tuple[list[int], bytes]:
    lines = [line for entry in entries for line in entry]
    return [number for number, _ in lines], b"".join(line + b"\n" for _, line in lines)


def _is_mixed(text: bytes) -> bool:
    stamps = [match[0] for line in text.split(b"\n") if (match := _EXACT.match(line.lstrip(b" \t>")))]
    back = [(before, after) for before, after in pairwise(stamps) if before > after]
    if len(back) < _SHUFFLED or len(back) * _SHUFFLED < len(stamps):
        return False
    return all(abs((epoch(a.decode()) or 0.0) - (epoch(b.decode()) or 0.0)) <= _APART for a, b in back)


def _time_of(line: bytes) -> bytes:
    match = _STAMP.match(line)
    return b"" if match is None else _comparable(match)


def _goes_back(text: bytes) -> bool:
    # Digits of a fraction that are left out count as less than any, as they should.
    times = [_comparable(match) for line in text.split(b"\n") if (match := _STAMP.match(line))]
    steps = [(before > after) - (before < after) for before, after in pairwise(times)]
    back = steps.count(1)
    if -1 in steps or not times:
        return False
    if _BACKWARDS.search(text) is not None:
        return back >= _ENOUGH or _FORWARDS.search(text) is None
    return back >= _ENOUGH and 2 * back >= len(steps)


def _comparable(match: re.Match[bytes]) -> bytes:
    """Return a time that is less than a later one: syslog's has no year, so that of January follows December's."""
    if match["time"]:
        return match["time"].replace(b"T", b" ")
    return b"%02d-%02d %s" % (_MONTHS.index(match["month"]), int(match["day"]), match["clock"])
