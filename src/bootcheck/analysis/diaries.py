"""Logs of others beside a server's: what a deploy, a CI job or a proxy said around an incident, for the timeline.

No line of theirs is a server's, so nothing is concluded from them; a person would lay them beside it.
"""

from __future__ import annotations

import io
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from bootcheck.analysis.history import History, Moment
from bootcheck.analysis.incidents import Incident
from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.readers.packed import unpacked
from bootcheck.analysis.readers.places import Place, opened
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.readers.stream import CHUNK, Unreadable
from bootcheck.analysis.readers.values import is_report, parsed
from bootcheck.analysis.readers.wrapped import records_in

MAX_BYTES = 4 << 20
"""Of the end of a log: that is where an incident mostly is."""
MAX_EACH = 40
"""Lines of one log in the timeline."""
BEFORE, AFTER = 600.0, 120.0
"""Seconds around an incident in which they are laid beside it."""
_ANSWER = r"\b(?:GET|POST|PUT|PATCH|DELETE|HEAD|HTTP|status|code|returned)\b.{0,80}\b%s\d\d\b"
_TROUBLE = r"error|fail|fatal|panic|refus|tim(?:ed|e) ?out|unhealthy|denied|kill"
_TELLING = re.compile(
    rf"{_TROUBLE}|cannot|\bexit|roll(?:ed|ing|out|back)|deploy|releas|\b(?:re)?start|stopp|terminat|scal(?:e|ing)|warn|"
    rf"migrat|{_ANSWER % '[45]'}",
    re.IGNORECASE,
)
"""What a person would look for in them: trouble, and what was changed."""
_BAD = re.compile(rf"{_TROUBLE}|{_ANSWER % '5'}", re.IGNORECASE)


def add(history: History, incidents: Sequence[Incident]) -> None:
    """Put what they say around these incidents into the timeline; what cannot be read is left out."""
    known = [item.pattern.times for item in incidents if item.pattern.times]
    spans = [(times[0] - BEFORE, times[-1] + AFTER) for times in known]
    moments = [at for times in known for at in (times[0], times[-1])]
    for source in history.strangers if spans else ():
        near = [record for record in _records(source) if _covered(record.at, spans)]
        chosen = [record for record in near if _TELLING.search(record.text)] if len(near) > MAX_EACH else near
        # Of too many those that are nearest in time.
        chosen.sort(key=lambda record: min(abs((record.at or 0.0) - at) for at in moments))
        for record in sorted(chosen[:MAX_EACH], key=lambda record: record.line):
            history.beside(
                Moment(
                    at=record.at or 0.0,
                    text=quoted(record.text.strip(), 300),
                    source=source,
                    line=record.line,
                    host=record.host,
                    bad=_BAD.search(record.text) is not None,
                    beside=True,
                )
            )


def _covered(at: float | None, spans: Iterable[tuple[float, float]]) -> bool:
    return at is not None and any(begin <= at <= end for begin, end in spans)


def _records(source: str) -> Iterator[Record]:
    first, lines = _lines(source)
    for number, line in enumerate(lines, first):
        for record in () if is_report(parsed(line)) else records_in(line.rstrip(b"\r"), source, number):
            if record.text.strip():
                yield record


def _lines(source: str) -> tuple[int, list[bytes]]:
    """Return the last lines of a file that is no pipe, unpacked, and the number of the first of them."""
    number, size = 1, 0
    parts: deque[bytes] = deque()
    # What came through a pipe is gone.
    if os.path.isfile(source):
        with suppress(Unreadable, OSError), opened(Place(source, named=True), io.BytesIO()) as stream:
            for inner in islice(unpacked(stream), 1):
                while part := inner.take(CHUNK):
                    parts.append(part)
                    size += len(part)
                    while size - len(parts[0]) >= MAX_BYTES:
                        size -= len(parts[0])
                        number += parts.popleft().count(b"\n")
    lines = b"".join(parts).split(b"\n")
    # The first line of a part may have begun in the one before it.
    return (number, lines) if number == 1 else (number + 1, lines[1:])
