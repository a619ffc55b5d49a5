"""Lines for a person on stderr: quiet when healthy, a line per checkpoint when asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bootcheck.model.journal import CHECKPOINT, FINDING
from bootcheck.sinks.stderr import Say, say


class Console:
    """Prints what `BOOTCHECK_LOG` asks for: summary, checkpoints, json or off."""

    def __init__(self, mode: str = "summary", notify: Say = say) -> None:
        self.mode = mode
        self._say = notify

    def write(self, record: Mapping[str, Any], line: bytes) -> None:
        """Print a record if this mode shows it."""
        kind = record["t"]
        if kind == CHECKPOINT:
            if self.mode == "checkpoints":
                self._say(checkpoint_line(record))
            elif self.mode == "json":
                self._say(line.decode("ascii").rstrip("\n"))
        elif (
            kind == FINDING
            and self.mode != "off"
            and (record["finding"]["severity"] != "info" or self.mode != "summary")
        ):
            if self.mode == "json":
                self._say(line.decode("ascii").rstrip("\n"))
            else:
                self._say(finding_line(record["finding"]))

    def note(self, text: str) -> None:
        """Print a sentence of bootcheck's own, unless nothing is to be said."""
        if self.mode != "off":
            self._say(f"bootcheck: {text}")


def checkpoint_line(record: Mapping[str, Any]) -> str:
    """Return one checkpoint as `CHECKPOINT[name] PASSED - key=value … PID:1 Memory:45.2MB Duration:1.2ms`."""
    parts = [f"CHECKPOINT[{_one_line(record['name'])}] {str(record['outcome']).upper()}"]
    detail = record.get("detail") or {}
    if detail:
        parts.append("- " + " ".join(f"{key}={_short(value)}" for key, value in detail.items()))
    parts.append(f"PID:{os.getpid()}")
    if record.get("rss_bytes") is not None:
        parts.append(f"Memory:{record['rss_bytes'] / 1048576:.1f}MB")
    if record.get("duration_ms") is not None:
        parts.append(f"Duration:{record['duration_ms']:.1f}ms")
    return " ".join(parts)


def finding_line(finding: Mapping[str, Any]) -> str:
    """Return one finding as a line."""
    return f"bootcheck: {finding['severity']}: {_one_line(finding['summary'])} [{finding['code']} {finding['slug']}]"


def _short(value: object) -> str:
    text = str(value)
    text = text if len(text) <= 120 else text[:119] + "…"
    return repr(text) if " " in text or not text.isprintable() or not text else text


def _one_line(text: object) -> str:
    """Keep what an app or a server said from beginning a line of its own."""
    return " ".join(str(text).splitlines())
