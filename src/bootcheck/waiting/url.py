"""A server by the URL of its readiness: it answers 200 when it is ready, and is gone when it has died."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from bootcheck.waiting import DIED, READY, CannotWait, Seen
from bootcheck.waiting.files import Files

GONE = 1.0
"""Seconds for which a server that has answered may be out of reach, before it is taken for dead."""
MOST = 5.0
"""Seconds for one question."""
MAX_BODY = 65536


class Url:
    """One URL, and the report directory of the server behind it where that is known."""

    def __init__(
        self,
        url: str,
        *,
        least: int | None = 1,
        beside: Files | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._parts = _parts(url)
        self._query = "" if least == 1 else f"workers={'all' if least is None else least}"
        self._beside = beside
        self._clock = clock
        self._answered = False
        self._lost: float | None = None

    def look(self, limit: float) -> Seen:
        """Ask once."""
        try:
            status, body = self._ask(min(MOST, limit))
        except (OSError, http.client.HTTPException) as exc:
            return self._unreachable(exc)
        self._answered, self._lost = True, None
        state = _state(body)
        if status == 200:
            return Seen(outcome=READY, text=f"{self._url} answers 200", state=state)
        return Seen(text=_text(status, state), state=state)

    def _ask(self, seconds: float) -> tuple[int, bytes]:
        parts = self._parts
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=seconds)
        try:
            query = "&".join(part for part in (parts.query, self._query) if part)
            path = (parts.path or "/") + (f"?{query}" if query else "")
            connection.request("GET", path, headers={"Connection": "close", "User-Agent": "bootcheck-wait"})
            answer = connection.getresponse()
            return answer.status, answer.read(MAX_BODY)
        finally:
            connection.close()

    def _unreachable(self, exc: BaseException) -> Seen:
        """Tell a server that is not there yet from one that is not there any more."""
        beside = None if self._beside is None else self._beside.look(0.0)
        if beside is not None and beside.outcome == DIED:
            return beside
        why = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc) or type(exc).__name__
        slow = isinstance(exc, TimeoutError)
        if self._answered and not slow:
            now = self._clock()
            self._lost = now if self._lost is None else self._lost
            if now - self._lost >= GONE:
                return self._died(why)
        what = beside.text if beside is not None and beside.state.get("step") else f"no answer from {self._url}: {why}"
        return Seen(text=what, state={} if beside is None else beside.state)

    def _died(self, why: str) -> Seen:
        text = f"{self._url} has answered, and is gone: {why}"
        found = None if self._beside is None else self._beside.obituary()
        if found is None:
            return Seen(outcome=DIED, text=text)
        return Seen(outcome=DIED, text=text, report=found.report, path=found.path)


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        msg = f"{url!r} is no URL to ask. Write for example http://127.0.0.1:9090/ready."
        raise CannotWait(msg)
    return parts


def _state(body: bytes) -> Mapping[str, Any]:
    """Return what an answer says of the server; empty where it is not bootcheck's."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) and "phase" in told else {}


def _text(status: int, state: Mapping[str, Any]) -> str:
    if not state:
        return f"it answers {status}"
    phase, step = str(state.get("phase")), state.get("step")
    text = f"{phase}: {step}" if step else f"{phase}: {state.get('reason') or 'no reason given'}"
    return " ".join(text.split())[:300]
