"""What somebody who waits gets to read: a line when something changes, and one now and then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from bootcheck.waiting import Seen

EVERY = 10.0


class Progress:
    """Prints on a stream, seldom."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._text: str | None = None
        self._last = 0.0

    def __call__(self, seen: Seen, waited: float) -> None:
        """Tell what it is at, where that is news."""
        if seen.text == self._text and waited - self._last < EVERY:
            return
        self._text, self._last = seen.text, waited
        print(f"bootcheck: {waited:.0f} s: {told(seen)}", file=self._stream, flush=True)


def told(seen: Seen) -> str:
    """Return what a server is at, for how long, and how long it is likely to be."""
    parts = [seen.text]
    elapsed = _number(seen.state, "elapsed_s")
    if elapsed is not None and seen.state.get("step"):
        parts.append(f"for {elapsed:.1f} s")
    expected = _number(seen.state, "expected_s")
    if expected is not None:
        parts.append(f"(about {expected:.0f} s more, by past boots)" if expected else "(longer than past boots)")
    return " ".join(parts)


def workers_told(state: Mapping[str, Any]) -> str:
    """Return `2 of 4 workers`, as far as it is known."""
    ready, count = state.get("workers_ready"), state.get("workers")
    if not isinstance(ready, int):
        return ""
    return f"{ready} of {count} workers" if isinstance(count, int) else f"{ready} worker{'s' if ready != 1 else ''}"


def _number(state: Mapping[str, Any], name: str) -> float | None:
    value = state.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
