"""The answer to a probe: status, headers and a small JSON body, without a secret in it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bootcheck.readiness.state import State

RETRY_UNKNOWN = 5
RETRY_MOST = 30
PHRASES = {200: "200 OK", 503: "503 Service Unavailable"}


class Answer(NamedTuple):
    """What goes back to whoever asked."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def line(self) -> str:
        """The status as WSGI wants it."""
        return PHRASES[self.status]


def answer(
    state: State, *, good: bool, dependencies: Sequence[Mapping[str, Any]] = (), details: bool = False
) -> Answer:
    """Return the answer: 200 where all is `good`, else 503 with when to ask again.

    `details` adds what the boot took so far and what became of each dependency.
    """
    told: dict[str, Any] = {
        "status": "ok" if good else "unavailable",
        "phase": state.phase,
        "reason": None if good else _reason(state, dependencies),
        "step": state.step,
        "elapsed_s": state.elapsed_s,
        "expected_s": state.expected_s,
        "workers_ready": state.workers_ready,
        "workers": state.workers,
        "started": state.started,
        "ready": state.ready,
        "live": state.live,
    }
    if details:
        told["boot_s"] = state.boot_s
        if dependencies:
            told["dependencies"] = list(dependencies)
    body = json.dumps(told).encode("ascii") + b"\n"
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    if not good:
        headers.append(("Retry-After", str(retry_after(state))))
    return Answer(200 if good else 503, tuple(headers), body)


def retry_after(state: State) -> int:
    """Return after how many seconds to ask again."""
    if state.expected_s is None:
        return RETRY_UNKNOWN
    return max(1, min(RETRY_MOST, math.ceil(state.expected_s)))


def _reason(state: State, dependencies: Sequence[Mapping[str, Any]]) -> str | None:
    if state.reason is not None:
        return state.reason
    return "a dependency is not available" if any(not one["ok"] for one in dependencies) else None
