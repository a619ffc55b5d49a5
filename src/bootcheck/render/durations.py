"""How long one boot took and where, for `bootcheck show`: warm-ups with their memory, and the start before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bootcheck.analysis import durations
from bootcheck.analysis.quoting import quoted
from bootcheck.render.text import dicts, plain

_TOLD = ("warmup.", "load.", "once.")


def lines(document: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield the times of a worker's boot report; nothing for other reports."""
    attributes = document.get("attributes")
    if document.get("kind") != "boot" or document.get("role") != "worker" or not isinstance(attributes, Mapping):
        return
    ready = attributes.get("bootcheck.boot.duration_s")
    if not isinstance(ready, (int, float)):
        return
    yield ""
    yield f"Ready after {ready:.1f} s"
    for entry in dicts(document.get("checkpoints")):
        told = _step(entry)
        if told is not None:
            yield plain(quoted(told))
    compared = durations.against_before(document, path)
    if compared is not None:
        yield plain(compared)


def _step(entry: Mapping[str, Any]) -> str | None:
    name, took = str(entry.get("name")), entry.get("duration_ms")
    if entry.get("outcome") == "entered" or not name.startswith(_TOLD) or not isinstance(took, (int, float)):
        return None
    detail = entry.get("detail")
    detail = detail if isinstance(detail, Mapping) else {}
    before, after = detail.get("rss_before_bytes"), detail.get("rss_after_bytes")
    memory = ""
    if isinstance(before, int) and isinstance(after, int):
        memory = f", {(after - before) / 1048576:+.1f} MB"
    return f"  {took / 1000:.1f} s{memory}  {name} ({entry.get('outcome')})"
