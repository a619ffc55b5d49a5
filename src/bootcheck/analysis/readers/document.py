"""One JSON document over several lines: a report, or a cloud's export of log entries."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from bootcheck.analysis.readers import Intake, lines
from bootcheck.analysis.readers.stream import CHUNK, Stream, Unreadable
from bootcheck.analysis.readers.values import is_cut_report, is_report, parsed
from bootcheck.analysis.readers.wrapped import records_of

MAX_BYTES = 8 << 20
_LISTS = ("events", "entries", "results", "logs", "items")
_TIMES = ("timestamp", "@timestamp", "TimeGenerated", "TimeStamp")
_EXPORT = re.compile(rb'\{\s*"(?:' + "|".join((*_LISTS, "tables")).encode() + rb')"\s*:\s*\[\s*[{"]')


def recognises(head: bytes, name: str) -> bool:  # noqa: ARG001
    """Tell whether the first line opens a document that it does not close, or is a cloud's export."""
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n").partition(b"\n")[0].rstrip()
    return (
        first in (b"{", b"[", b"[{")
        or _EXPORT.match(first) is not None
        or (first[:1] == b"[" and first[1:2] in b'{"' and len(first) > 1)
    )


def read(stream: Stream, intake: Intake) -> int:
    """Read the document; what turns out to be none is read as lines."""
    data = b""
    while len(data) < MAX_BYTES and (chunk := stream.take(CHUNK)):
        data += chunk
    value = parsed(data) if len(data) < MAX_BYTES else None
    if value is None and is_cut_report(data):
        msg = "a report that is cut or damaged"
        raise Unreadable(msg)
    if value is None:
        stream.push_back(data)
        return lines.read(stream, intake)
    if not _take(value, stream.name, intake):
        msg = "JSON, but neither a report nor log entries"
        raise Unreadable(msg)
    # A report counts as one line, as in JSONL, however it is laid out.
    return 1 if is_report(value) else data.count(b"\n") + (0 if data.endswith(b"\n") else 1)


def _take(value: Any, source: str, intake: Intake) -> bool:
    if is_report(value):
        intake.report(value, source, None, alone=True)
        return True
    if isinstance(value, dict) and isinstance(value.get("tables"), list):
        value = [entry for table in value["tables"] for entry in _rows(table)]
    if isinstance(value, dict):
        value = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), [value])
    if isinstance(value, list) and len(value) > 1 and all(isinstance(entry, str) for entry in value):
        # The lines themselves.
        text = "".join(f"{entry}\n" for entry in value).encode("utf-8", "replace")
        lines.read(Stream(source, io.BytesIO(text).read), intake)
        return True
    entries = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    taken = False
    for number, entry in enumerate(_oldest_first(entries), 1):
        if is_report(entry):
            intake.report(entry, source, number, alone=False)
            taken = True
            continue
        for record in records_of(entry, source, number):
            intake.record(record)
            taken = True
    return taken


def _rows(table: Any) -> list[dict[str, Any]]:
    """Return the rows of a table (Azure's Log Analytics and Application Insights) with their columns' names."""
    columns, rows = (table.get("columns"), table.get("rows")) if isinstance(table, dict) else (None, None)
    if not isinstance(columns, list) or not isinstance(rows, list):
        return []
    names = [str(column.get("name")) if isinstance(column, dict) else "" for column in columns]
    return [dict(zip(names, row, strict=False)) for row in rows if isinstance(row, list)]


def _oldest_first(entries: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Exports of cloud consoles are often newest first."""
    times = [str(next((entry[key] for key in _TIMES if entry.get(key)), "")) for entry in entries]
    return entries[::-1] if len(times) > 1 and times[0] > times[-1] and all(times) else entries
