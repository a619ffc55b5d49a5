"""Dumps of Python's faulthandler in a log: where a process stood when it was ended, which Gunicorn tells later."""

from __future__ import annotations

import re
from collections import deque

from bootcheck.analysis.trouble import DUMPED, WATCHDOG, Frame, Raised, Trouble
from bootcheck.model.cause import Cause

STOOD = "stood"
"""The fact of lines that speak for themselves: where a process stood by its own dump, None where none tells it."""
WORDS = ("Timeout (0:",)
"""By which the first line of a watchdog's dump is found among millions; an hour's patience is rare."""
MAX_KEPT = 20
MAX_FRAMES = 100
NEAR, NEAR_LINES = 60.0, 200
"""Seconds, or lines, between a dump and the word of that end."""
MAX_STRANGE = 2
"""Lines of others before the stack."""
_BEGIN = re.compile(rf"^{DUMPED}: (?P<reason>[A-Z][\w \-]+)$")
_TIMER = re.compile(r"^Timeout \((?P<reason>\d+:\d\d:\d\d(?:\.\d+)?)\)!$")
_THREAD = re.compile(r"^(?P<which>Current thread|Thread) 0x[0-9a-fA-F]+.{0,80} \(most recent call first\):$")
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+|\?\?\?) in (?P<function>\S.*?)\s*$')
_HEADS = {"Fatal P": (DUMPED, _BEGIN), "Timeout": (WATCHDOG, _TIMER)}
"""By the first characters of the line, of which each line of a log has some."""
_SIGNALS = {
    "Aborted": "SIGABRT",
    "Segmentation fault": "SIGSEGV",
    "Bus error": "SIGBUS",
    "Illegal instruction": "SIGILL",
    "Floating-point exception": "SIGFPE",
    "Floating point exception": "SIGFPE",
}


def stack_of(trouble: Trouble) -> tuple[Frame, ...]:
    """Return where the process stood that a signal ended, outermost first; nothing where no dump tells it."""
    stood = trouble.facts.get(STOOD) or trouble.exception
    return stood.frames if isinstance(stood, Raised) and stood.type == DUMPED else ()


def watchdog_of(trouble: Trouble) -> Raised | None:
    """Return where the process stood that a watchdog of its own ended; its message is the patience, as h:mm:ss."""
    stood = trouble.exception
    return stood if trouble.cause is Cause.OS_EXIT and stood is not None and stood.type == WATCHDOG else None


class Dumps:
    """Those of the processes of one server, each kept until the end that it belongs to is told."""

    def __init__(self) -> None:
        self.open_since = float("-inf")
        """The line in which the one that is being read began."""
        self._type, self._reason = DUMPED, ""
        self._at: float | None = None
        self._current = False
        self._strange = 0
        self._frames: list[Frame] = []
        self._kept: deque[tuple[str, Raised, float | None]] = deque(maxlen=MAX_KEPT)

    def hear(self, text: str, line: int, at: float | None) -> None:
        """Take a line of the log, whoever says it."""
        head = _HEADS.get(text[:7])
        begin = head[1].match(text) if head is not None else None
        if head is not None and begin is not None:
            self._close()
            self._type = head[0]
            self._reason, self.open_since, self._at = begin["reason"], line, at
        elif self._reason and text.strip() and not self._goes_on(text):
            self._close()

    def of(self, end: str, line: int, at: float | None) -> tuple[Raised, ...]:
        """Return, once, where a process stood that this signal, or its watchdog, ended; nothing if no dump tells it.

        The line and the time are those of the word of its end.
        """
        self._close()
        fitting = [item for item in self._kept if item[0] == end and _is_near(item, line, at)]
        if not fitting:
            return ()
        # Gunicorn mostly tells it after the dump.
        above = [item for item in fitting if (item[1].line or 0) <= line]
        found = above[-1] if above else fitting[0]
        self._kept.remove(found)
        return (found[1],)

    def left(self) -> Raised | None:
        """Return the last one whose process Gunicorn says nothing of."""
        self._close()
        # What a watchdog prints need not have ended anything.
        return next((stood for end, stood, _ in reversed(self._kept) if end != WATCHDOG), None)

    def _goes_on(self, text: str) -> bool:
        thread = _THREAD.match(text)
        if thread is not None:
            if self._type == WATCHDOG:
                # Nobody is current there; the main thread comes last.
                self._frames = []
            elif self._frames:
                return False
            self._current = self._type == WATCHDOG or thread["which"].startswith("Current")
            return True
        frame = _FRAME.match(text)
        if frame is None:
            self._strange += 1
            return self._strange <= MAX_STRANGE and not self._frames
        if self._current and len(self._frames) < MAX_FRAMES:
            number = int(frame["line"][:9]) if frame["line"].isdecimal() else 0
            self._frames.append(Frame(frame["file"], number, frame["function"]))
        return True

    def _close(self) -> None:
        end = WATCHDOG if self._type == WATCHDOG else _SIGNALS.get(self._reason)
        if end is not None and self._frames:
            stood = Raised(
                type=self._type, message=self._reason, frames=tuple(reversed(self._frames)), line=int(self.open_since)
            )
            self._kept.append((end, stood, self._at))
        self._reason, self._frames, self._current, self._strange = "", [], False, 0
        self.open_since = float("-inf")


def _is_near(item: tuple[str, Raised, float | None], line: int, at: float | None) -> bool:
    """Tell whether a dump is that of a process of whose end a line tells; a child's may lie hours before it."""
    _, stood, dumped = item
    # A dump has no time of its own: what is known is when the line before it was said.
    soon = at is not None and dumped is not None and abs(at - dumped) <= NEAR
    return soon or abs(line - (stood.line or 0)) <= NEAR_LINES
