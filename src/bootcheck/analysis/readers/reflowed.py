"""Logs of which a page made a paragraph: their lines are parted again where each of them begins."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from functools import partial
from itertools import accumulate, pairwise

from bootcheck.analysis.readers.stream import Stream

MAX_BYTES = 1 << 20
"""What a person pastes is smaller."""
HEAD = 1 << 14
ENOUGH = 2
"""Beginnings of lines within others; one may be quoted."""
MOSTLY = 0.8
"""The share of lines that makes a rule of what they are like."""
Order = Callable[[bytes], tuple[list[int], bytes]]
"""Returns the lines' numbers and the lines as they were written."""

_TIME = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"
_GUNICORNS = rb"(?:\[%s(?: ?[+\-]\d{4})?\]|%s) \[\d+\] \[[A-Z]{4,8}\] " % (_TIME, _TIME)
_CARRIERS = (
    rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} \d\d:\d\d:\d\d [\w.\-]+ [\w.@/\-]+(?:\[\d+\])?: ",
    rb"%s[.,]\d+(?:Z|[+\-]\d\d:\d\d) " % _TIME,
    rb"[A-Za-z0-9][\w.\-]{0,60}[_\-.]\d{1,3} +\| ",
)
"""What journald and syslog, platforms with exact times, and Compose write before each line."""
_ENDS = (
    rb"(?:Starting gunicorn \S+|Listening at: \S+ \(\d+\)|Using worker: \S+|with pid: \d+|\(pid: ?\d+\)|code -?\d+\.?|"
    rb"Master|failed to boot\.?|gunicorn\.ctl)"
)
"""How Gunicorn's lines end."""
_WITHIN = re.compile(rb"%s[ \t]+%s" % (_ENDS, _GUNICORNS))
_RUN_ON = re.compile(rb'File "[^"\n]+", line \d+, in (?:<\w+>|[\w.]+) (?![-=]>)\S')
"""A frame with its code in the same line."""
_ALONE = re.compile(rb'^\W*File "[^"\n]+", line \d+, in (?:<\w+>|[\w.]+)\s*$', re.MULTILINE)
_BROKEN = re.compile(rb'(?:\bFile|", line|", line \d+,|, in|\(most(?: recent)?) *\n *[^\s]')
"""A frame, or what stands above all of them, that goes on in the next line."""
_LEFT = re.compile(rb'\bFile *\n *"[^"\n]+", line\b')
"""No terminal is so narrow that it would break there: what is left of the frame stood further to the right."""


def _begins(head: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"^[ \t>]*%s" % head, re.MULTILINE)


def _before(head: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?<=\S)[ \t]+(?=%s)" % head)


_PARTED = tuple((_begins(head), _before(head)) for head in (*_CARRIERS, _GUNICORNS))


def order_of(stream: Stream) -> Order | None:
    """Return what parts the lines of a stream that is small, None where each stands in a line of its own."""
    order = _order_by(stream.peek(HEAD))
    return order if order is not None and len(stream.peek(MAX_BYTES)) < MAX_BYTES else None


def _order_by(head: bytes) -> Order | None:
    if head[:1] == b"{" or (b"] [" not in head and b'File "' not in head):
        return None
    text, _ = _paragraph(head)
    lines = [line for line in head.split(b"\n") if line.strip()]
    own = [len(begins.findall(head)) for begins, _ in _PARTED]
    for family, (_, before) in enumerate(_PARTED[:-1]):
        within = len(before.findall(text))
        others = max(own[:family] + own[family + 1 :])
        if within < ENOUGH or 2 * others > within or 4 * within < len(lines):
            # Lines begin with something else, and one of them only quotes this.
            continue
        counts = [len(before.findall(b"> " + line)) for line in lines]
        several = sum(count > 1 for count in counts)
        crowded = max(counts) > ENOUGH or ENOUGH <= several <= MOSTLY * len(lines)
        if counts.count(1) > MOSTLY * len(lines) or (2 * own[family] > within and not crowded):
            # Each line has its own, if behind another platform's: whatever else stands in it is that line's.
            return None
        return partial(parted, before)
    begins, before = _PARTED[-1]
    return partial(parted, before) if _is_paragraph(head, text, begins) else None


def _is_paragraph(head: bytes, text: bytes, begins: re.Pattern[bytes]) -> bool:
    """Tell whether Gunicorn's own lines begin within others, or frames go on where they should end."""
    within, own, run_on = len(_WITHIN.findall(text)), len(begins.findall(head)), len(_RUN_ON.findall(head))
    if within >= ENOUGH and 2 * own <= within:
        return True
    if _LEFT.search(head) or (run_on and _BROKEN.search(head)):
        return True
    lines = head.count(b"\n") + 1
    return run_on >= max(ENOUGH, len(_ALONE.findall(head))) and 2 * own < lines


def parted(before: re.Pattern[bytes], block: bytes) -> tuple[list[int], bytes]:
    """Return the numbers and the lines of a paragraph: each beginning with all that follows it."""
    text, starts = _paragraph(block)
    begins = [0, *(match.end() for match in before.finditer(text))]
    # A paragraph may have been the cell of a table.
    lines = [text[begin:end].strip().lstrip(b"| ") + b"\n" for begin, end in pairwise([*begins, len(text)])]
    return [bisect_right(starts, begin) for begin in begins], b"".join(lines)


def _paragraph(block: bytes) -> tuple[bytes, list[int]]:
    """Return the lines with a blank between them, and where each begins."""
    lines = [line.strip() for line in block.removesuffix(b"\n").split(b"\n")]
    return b" ".join(lines), [0, *accumulate(len(line) + 1 for line in lines[:-1])]
