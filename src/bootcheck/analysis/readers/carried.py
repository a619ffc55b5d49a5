"""A prefix that no reader knows: learned from the lines that carry it, and taken off every line.

Each console, notebook and build server writes something of its own before a line. What stands before
Gunicorn's heads and Python's tracebacks, and before most other lines as well, is such a prefix.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from bootcheck.analysis.readers.prefixes import GUNICORN, clean, record_of

LONGEST = 160
ENOUGH = 3
"""Lines that must carry one that has words in it; times and numbers prove themselves."""
SHARE = 0.7
INDENT = 4
"""Blanks by which a page sets code."""
MAX_SHAPES = 5
MAX_CUTS = 6
_GAP = re.compile(r"(?<=\S)[ \t]+(?=[\w\[])")
_HEADS = re.compile(
    r"\[\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?: ?[+\-]\d{4})?\] \[\d+\] \[[A-Z]+\] |Traceback \(most recent call last\):|"
    r'  File "[^"]+", line \d'
)
_WORDS = re.compile(
    r"(?<![\w.\-/'\"])(?:[A-Za-z_][\w.]*(?:Error|Exception|HaltServer|ImproperlyConfigured): |Error: |"
    r"usage: gunicorn |gunicorn: error: |class uri '|"
    r"(?:/bin/)?(?:ba)?sh: |Failed to (?:find|read config|parse) )"
)
_PART = re.compile(r"[A-Za-z0-9]+|[ \t]+|[^A-Za-z0-9 \t]")
_LEVEL = r"DEFAULT|INFO|ERROR|ERR|WARN(?:ING)?|NOTICE|DEBUG|CRITICAL|OUT|out|err|inf|info|error|warning"
_TIME = (
    r"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun|AM|PM|T|Z|UTC|CES?T|[A-Z]{2}T|"
    r"stdout|stderr"
)
_VARIES = re.compile(rf"(?:{_LEVEL}|{_TIME})$")
_SAYS_LEVEL = re.compile(rf"\b(?:{_LEVEL})\b")


def prefix_of(head: bytes) -> re.Pattern[bytes] | None:
    """Return what stands before the lines of a log, None where nothing does or a reader knows it."""
    lines = [line for line in map(clean, head.decode("utf-8", "replace").splitlines()) if line.strip("` \t")]
    shapes = Counter(_shape(prefix) for line in lines if (prefix := _unknown(line)))
    for shape, _ in shapes.most_common(MAX_SHAPES):
        pattern = re.compile(shape)
        carried = [match[0] for line in lines if (match := pattern.match(line)) is not None]
        least = ENOUGH if any(map(_has_words, carried)) else 1
        if len(carried) >= max(least, SHARE * len(lines)):
            return re.compile(f"^(?:{shape})".encode(), re.MULTILINE)
    return _indent_of(head)


def _indent_of(head: bytes) -> re.Pattern[bytes] | None:
    """Return by how much all lines are indented: a page sets code so; a traceback's own lines are not all."""
    lines = [line for line in head.splitlines() if line.strip()]
    common = min((line[: len(line) - len(line.lstrip(b" \t"))] for line in lines), key=len, default=b"")
    if (len(common) < INDENT and b"\t" not in common) or not all(line.startswith(common) for line in lines):
        return None
    return re.compile(b"^" + re.escape(common), re.MULTILINE)


def _unknown(line: str) -> str:
    """Return what stands before a line's own text, where no reader knows it."""
    head = _HEADS.search(line)
    found = head or _WORDS.search(line)
    if found is None or not 0 < found.start() <= LONGEST:
        return ""
    prefix = line[: found.start()]
    if '"' in prefix or (head is None and _SAYS_LEVEL.search(prefix) is not None):
        # JSON, or what an app's logger says.
        return ""
    if _is_read(line, found[0]):
        return ""
    # What follows it may be a prefix that a reader knows.
    cuts = (gap.end() for gap in islice(_GAP.finditer(prefix), MAX_CUTS))
    return next((line[:cut] for cut in cuts if _is_read(line[cut:], found[0])), prefix)


def _is_read(text: str, begins: str) -> bool:
    record = record_of(text, "", 0)
    return record.voice == GUNICORN or record.text.startswith(begins)


def _has_words(prefix: str) -> bool:
    return any(part.isalpha() and _VARIES.match(part) is None for part in _PART.findall(prefix))


def stripped(blocks: Iterator[bytes], prefix: re.Pattern[bytes]) -> Iterator[bytes]:
    """Yield the runs of lines without their prefix; their numbers stay."""
    for block in blocks:
        yield prefix.sub(b"", block)


def _shape(prefix: str) -> str:
    """Return a pattern of all prefixes that differ from this one by time, number and level."""
    parts = _PART.findall(prefix)
    shape = "".join(_like(part, last=number == len(parts) - 1) for number, part in enumerate(parts))
    bare = shape[: -len(_like(parts[-1], last=True))] if parts[-1].isspace() else ""
    return f"{shape}|{bare}$" if bare else shape


def _like(part: str, *, last: bool) -> str:
    if part.isspace():
        return re.escape(part) if last else r"[ \t]+"
    if part.isdigit():
        return r"\d+"
    if _VARIES.match(part) and not last:
        return r"[A-Za-z]+"
    return "[A-Za-z0-9]+" if any(char.isdigit() for char in part) else re.escape(part)
