"""A health endpoint, asked once per look: status, how long it took, and since when it fails."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bootcheck.watching import CHANGE, CannotWatch, Event

FAILURES = 3
"""Answers in a row that make a failure a finding: one may be a hiccup."""
MOST = 5.0
"""Seconds that one answer may take."""
MAX_BODY = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one question came to."""

    status: int | None
    took_ms: float
    error: str | None = None

    @property
    def good(self) -> bool:
        """True for 2xx and 3xx, as a kubelet takes it."""
        return self.status is not None and 200 <= self.status < 400

    @property
    def text(self) -> str:
        """As a line tells it."""
        return f"{self.status} in {self.took_ms:.0f} ms" if self.status is not None else f"no answer: {self.error}"

    def as_dict(self, url: str) -> dict[str, Any]:
        """Return the public form."""
        return {"url": url, "status": self.status, "took_ms": round(self.took_ms, 1), "error": self.error}


class Health:
    """One URL; raises CannotWatch where it is none."""

    def __init__(self, url: str, *, limit: float = MOST, clock: Callable[[], float] = time.time) -> None:
        self.url = url
        try:
            self._parts = urlsplit(url)
            usable = self._parts.scheme in ("http", "https") and bool(self._parts.hostname)
            self._port = self._parts.port
        except ValueError:
            usable = False
        if not usable:
            msg = f"{url!r} is no URL to ask. Write for example http://127.0.0.1:8000/health."
            raise CannotWatch(msg)
        self._limit = limit
        self._clock = clock
        self._failures = 0
        self._was_good: bool | None = None
        self.last: Answer | None = None

    def ask(self) -> Iterator[Event]:
        """Ask once; yield what has changed."""
        answer = self.last = self._asked()
        self._failures = 0 if answer.good else self._failures + 1
        if self._was_good is not None and answer.good != self._was_good:
            yield self._event(f"health is {'good again' if answer.good else 'failing'}: {answer.text}", bad=False)
        self._was_good = answer.good
        if self._failures == FAILURES:
            yield self._event(f"health has failed {FAILURES} times in a row: {answer.text}", bad=True)

    def _event(self, text: str, *, bad: bool) -> Event:
        told = {"health": self.last.as_dict(self.url)} if self.last is not None else {}
        return Event(kind=CHANGE, at=self._clock(), text=text, data=told, bad=bad)

    def _asked(self) -> Answer:
        begun = time.monotonic()
        status, error = None, None
        try:
            status = self._get()
        except (OSError, http.client.HTTPException, ValueError) as exc:
            said = exc.strerror if isinstance(exc, OSError) else None
            error = said or str(exc) or type(exc).__name__
        return Answer(status=status, took_ms=(time.monotonic() - begun) * 1000, error=error)

    def _get(self) -> int:
        parts = self._parts
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", self._port, timeout=self._limit)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", path, headers={"Connection": "close", "User-Agent": "bootcheck-monitor"})
            answer = connection.getresponse()
            answer.read(MAX_BODY)
            return answer.status
        finally:
            connection.close()
