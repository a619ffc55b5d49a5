"""Pastes out of a console that shows the newest line first: they are read from their end."""

from __future__ import annotations

import re
from itertools import pairwise

from bootcheck.analysis.readers.stream import Stream

MAX_BYTES = 1 << 20
"""What a person pastes is smaller."""
_HEAD = 1 << 14
_STAMP = re.compile(rb"[ \t>]*(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?)")
_ENOUGH = 2
"""Steps back in time: one may be where two pastes meet."""


def is_turned(stream: Stream) -> bool:
    """Tell whether a whole stream that is small goes back in time, with no step forward.

    Lines of one second stand in an order of their own, so most of the steps have to be seen.
    """
    head = stream.peek(_HEAD)
    if not _goes_back(head.split(b"\n")[:-1] or [head]):
        return False
    whole = stream.peek(MAX_BYTES)
    return len(whole) < MAX_BYTES and _goes_back(whole.split(b"\n"))


def oldest_first(block: bytes) -> tuple[list[int], bytes]:
    """Return the lines' numbers and the lines from the last to the first; one without a time stays with that before."""
    entries: list[list[tuple[int, bytes]]] = []
    for number, line in enumerate(block.removesuffix(b"\n").split(b"\n"), 1):
        if not entries or _STAMP.match(line):
            entries.append([])
        entries[-1].append((number, line))
    turned = [line for entry in reversed(entries) for line in entry]
    return [number for number, _ in turned], b"".join(line + b"\n" for _, line in turned)


def _goes_back(lines: list[bytes]) -> bool:
    # Digits of a fraction that are left out count as less than any, as they should.
    times = [match[1].replace(b"T", b" ") for line in lines if (match := _STAMP.match(line))]
    steps = [(before > after) - (before < after) for before, after in pairwise(times)]
    back = steps.count(1)
    return back >= _ENOUGH and -1 not in steps and 2 * back >= len(steps)
