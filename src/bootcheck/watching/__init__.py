"""`bootcheck watch` and `bootcheck monitor`: look again and again, from outside, and tell what is new.

Nothing is sent to a server but the question to its health endpoint; files are read once they are whole.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn, Protocol

from bootcheck.model.errors import BootcheckError

DEATH, READY, SAMPLE, CHANGE, PROBLEM = "death", "ready", "sample", "change", "problem"


class CannotWatch(BootcheckError):  # noqa: N818 - it tells what is wrong with the question
    """What is to be watched makes no sense, or is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that is new."""

    kind: str
    at: float
    """Epoch seconds."""
    text: str
    """One sentence."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What a program wants to know of it."""
    more: Sequence[tuple[str, Sequence[str]]] = ()
    """Labels and texts for a person."""
    bad: bool = False
    """A finding: it makes the exit code 1."""


class Source(Protocol):
    """What has news."""

    def look(self) -> Iterator[Event]:
        """Yield what is new since the last look; never raises for what is in files or has gone."""

    @property
    def over(self) -> bool:
        """True once there will be no more news."""


def watch(
    sources: Sequence[Source],
    *,
    every: float,
    tell: Callable[[Event], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Look every so many seconds until the user ends it, or nothing more can come; return whether anything was bad."""
    bad = False
    try:
        while True:
            begun = clock()
            for source in sources:
                for event in source.look():
                    bad = bad or event.bad
                    tell(event)
            if any(source.over for source in sources):
                return bad
            sleep(max(0.05, every - (clock() - begun)))
    except KeyboardInterrupt:
        return bad


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM end a watch as Ctrl-C does: with the incidents."""

    def end(signo: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - the signature of a handler
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
