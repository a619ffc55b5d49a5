"""Logs of others beside a server's: what a deploy, a CI job or a proxy said around an incident, for the timeline.

No line of theirs is a server's, so nothing is concluded from them; a person would lay them beside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bootcheck.analysis.history import History, Moment
from bootcheck.analysis.incidents import Incident
from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.readers.prefixes import Record, record_of
from bootcheck.analysis.readers.values import is_report, parsed
from bootcheck.analysis.readers.wrapped import records_of

MAX_BYTES = 4 << 20
"""Of the end of a log: that is where an incident mostly is."""
MAX_EACH = 40
"""Lines of one log in the timeline."""
MAX_TEXT = 2_000
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
        text = line[:MAX_TEXT].decode("utf-8", "replace").rstrip("\r")
        value = parsed(line) if line[:1] == b"{" else None
        if is_report(value) or not text.strip():
            continue
        for record in (
            records_of(value, source, number) if isinstance(value, dict) else [record_of(text, source, number)]
        ):
            if record.text.strip():
                yield record


def _lines(source: str) -> tuple[int, list[bytes]]:
    """Return the last lines of a file that is no pipe, and the number of the first of them."""
    try:
        if not os.path.isfile(source):
            return 1, []
        with Path(source).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            skipped = max(0, size - MAX_BYTES)
            file.seek(0)
            number = 1
            while file.tell() < skipped:
                number += file.read(min(MAX_BYTES, skipped - file.tell())).count(b"\n")
            lines = file.read(MAX_BYTES).split(b"\n")
    except (OSError, ValueError):
        return 1, []
    return (number + 1, lines[1:]) if skipped else (number, lines)
