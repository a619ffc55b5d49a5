"""`bootcheck wait`: look at a server from outside until it is ready, has died, or time is over.

By its URL, by its report directory, or by the pid of its master; nothing is sent but the probe itself.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from bootcheck.model.errors import BootcheckError

PAUSE = 0.2
READY, DIED, TIMEOUT = "ready", "died", "timeout"


class CannotWait(BootcheckError):  # noqa: N818 - it tells what is wrong with the question
    """What is to be waited for makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look came to."""

    outcome: str | None = None
    """READY, DIED, or None while it goes on."""
    text: str = ""
    """What it is at, without the seconds that make every look another."""
    state: Mapping[str, Any] = field(default_factory=dict)
    """phase, step, elapsed_s, expected_s, workers_ready, workers, as far as they are known."""
    report: Mapping[str, Any] | None = None
    path: str | None = None
    """Where the report of its death is."""


class Watcher(Protocol):
    """What looks at one server."""

    def look(self, limit: float) -> Seen:
        """Look once, for at most so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a wait ended."""

    outcome: str
    waited_s: float
    seen: Seen

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema_version": 1,
            "outcome": self.outcome,
            "waited_s": round(self.waited_s, 3),
            "text": self.seen.text,
            "state": dict(self.seen.state),
            "report": self.seen.report,
            "report_path": self.seen.path,
        }


def wait(
    watcher: Watcher,
    *,
    timeout: float,
    progress: Callable[[Seen, float], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Look again and again until there is an outcome, or `timeout` seconds are over."""
    begun = clock()
    while True:
        left = timeout - (clock() - begun)
        seen = watcher.look(max(0.1, left))
        waited = clock() - begun
        if seen.outcome is not None:
            return Outcome(outcome=seen.outcome, waited_s=waited, seen=seen)
        if waited >= timeout:
            return Outcome(outcome=TIMEOUT, waited_s=waited, seen=seen)
        progress(seen, waited)
        sleep(min(PAUSE, max(0.0, timeout - waited)))


def watcher_of(
    target: str | None, *, directory: str | None, workers: int | None, environ: Mapping[str, str] = os.environ
) -> Watcher:
    """Return what watches a URL, a pid or a directory; raises CannotWait where it is none of them.

    `workers` is how many must be ready, None is all of them.
    """
    from bootcheck.waiting.files import Files
    from bootcheck.waiting.url import Url

    if target is not None and "://" in target:
        named = directory or environ.get("BOOTCHECK_DIR") or None
        beside = None if named is None else Files([named], least=workers)
        return Url(target, least=workers, beside=beside)
    if target is not None and target.isdecimal():
        return Files.of_pid(int(target), directory, environ, least=workers)
    if target is not None and directory is not None:
        msg = f"{target!r} is a directory or nothing at all, and --dir names another. Name one of them."
        raise CannotWait(msg)
    from bootcheck.analysis.readers.places import report_directories

    path = target or directory
    if path is not None and os.path.lexists(path) and not os.path.isdir(path):
        msg = f"{path} is no directory. Name a URL, a report directory, or the pid of a master."
        raise CannotWait(msg)
    if target is not None and not os.path.isdir(os.path.dirname(os.path.abspath(target))):
        msg = f"{target!r} is no URL, no pid, and no directory that a server could make."
        raise CannotWait(msg)
    return Files([path] if path is not None else report_directories(environ)[:1], least=workers)
