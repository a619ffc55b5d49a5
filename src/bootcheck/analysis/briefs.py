"""The few fields of a report by which its kind of death is known, read without building the rest of it.

What is read is the same with msgspec, which passes over everything else, and without it. Whatever
these fields hold, also what no report of ours would, is left to the one who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from bootcheck.analysis import deaths
from bootcheck.analysis.readers.values import is_report, parsed

REPORT = ("kind", "report_id", "timestamp", "role", "step", "findings", "path")
VERDICT = ("cause", "code", "confidence", "summary", "evidence")
_SENT = b"the master sent it"
ATTRIBUTES = (
    "bootcheck.ready",
    "bootcheck.exit.signal.name",
    "process.exit.code",
    "process.pid",
    "bootcheck.worker.uptime_s",
    "exception.type",
    "exception.message",
    "exception.stacktrace",
    "host.name",
    "bootcheck.server.id",
    "bootcheck.signal.origin",
    "process.parent_pid",
    "bootcheck.signal.order.sender.origin",
    "bootcheck.signal.order.sender.pid",
    "bootcheck.signal.sender.origin",
    "bootcheck.signal.sender.pid",
    "bootcheck.gunicorn.app",
    "bootcheck.boot.duration_s",
)
Brief = tuple[Any, ...]
"""What a report holds under the names of its verdict, of its attributes and its own, None where there is nothing.

The first two are tuples, with the evidence as `sender` reads it; last comes whether there are checkpoints, None
where there are none.
"""
Reader = Callable[[bytes], "Brief | None"]


@cache
def reader() -> Reader:
    """Return what reads a brief from the JSON of a report; of anything else it returns None, or raises."""
    try:
        import msgspec
    except ImportError:
        return _plain

    def fields(names: Sequence[str], kind: Any = Any) -> list[tuple[str, Any, Any]]:
        return [(name.replace(".", "_"), kind, msgspec.field(name=name, default=None)) for name in names]

    told = [*fields(VERDICT[:4]), *fields(VERDICT[4:], msgspec.Raw)]
    verdict = msgspec.defstruct("Verdict", told, gc=False)
    attributes = msgspec.defstruct("Attributes", fields(ATTRIBUTES), gc=False)
    inner: list[tuple[str, Any]] = [("verdict", verdict), ("attributes", attributes)]
    outer = [*inner, *fields(REPORT), *fields(["checkpoints"], msgspec.Raw)]
    decode = msgspec.json.Decoder(msgspec.defstruct("Report", outer, gc=False)).decode
    values = msgspec.structs.astuple

    def read(data: bytes) -> Brief | None:
        if not data.isascii():
            # Passing over a text, msgspec does not look whether it is one.
            data.decode()
        found = values(decode(data))
        return (values(found[0]), values(found[1]), *found[2:])

    return read


def sender(evidence: Any) -> str | None:
    """Return who sent the signal, by the evidence of a brief."""
    if isinstance(evidence, list):
        return deaths.sender(evidence)
    text = bytes(evidence)
    # It may be written with escapes.
    return deaths.sender(parsed(text)) if _SENT in text or b"\\" in text else None


def _plain(data: bytes) -> Brief | None:
    document = parsed(data)
    if not is_report(document) or not isinstance(document.get("attributes"), dict):
        return None
    verdict, attributes = document["verdict"], document["attributes"]
    evidence = verdict.get("evidence")
    return (
        (*map(verdict.get, VERDICT[:4]), evidence if isinstance(evidence, list) else None),
        tuple(map(attributes.get, ATTRIBUTES)),
        *map(document.get, REPORT),
        True if "checkpoints" in document else None,
    )
