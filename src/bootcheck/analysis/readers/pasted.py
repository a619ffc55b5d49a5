"""What pasting does to the lines of a log: quotes, frames of a terminal, and lines that a terminal broke.

People copy logs out of terminals, mails and tickets. Here that is undone; folded lines are another module's.
"""

from __future__ import annotations

import re
from collections import Counter

LABELS = 5
_LABEL = re.compile(rb"[A-Za-z][\w.\-]{0,60}\r?")
_CLOCK = re.compile(rb"\d\d:\d\d:\d\d[^\n]{0,12}\r?\n$")
_DIGITS = re.compile(r"\d+")
NARROW, WIDE = 60, 250
"""Characters between which a terminal's width lies."""
_FILLED = "  "
"""How a line ends that a terminal or a table filled with blanks up to its width: nothing of it was broken off."""
_BORDERS = "│┃┆┇┊┋║▏▕"
_MARKED = frozenset(f"^>`*-# \t0123456789{_BORDERS}")
_HEADING = re.compile(r"#{1,6} (?=(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception)\b)")
"""Who writes about an exception makes a heading of it."""
_KEY = re.compile(r"^(?:\^[A-Z\\])+(?=\[)")
"""What a terminal shows of Ctrl-C, before the first line that follows it."""
_BORDER = re.compile(rf"[{_BORDERS}] ?|(?<!\s)\s+[{_BORDERS}]\s*$")
_MAIL = re.compile(r"(?!>>> )(?:> ?)+")
_QUOTED = re.compile(
    r"(?:[\s>`*\-]{1,16}|[ \t]+|\d{1,7}[: \t]\s*|\d{1,3}[.)]\s*)"
    r"(?=<?\[?\d{4}-\d\d-\d\d[T ]\d\d:|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d |[A-Za-z][\w.\-]{0,60}\[\d+\]: |"
    r"[\w.\-]{1,60}[_\-.]\d+ +\| ?|Error: |usage: gunicorn|gunicorn: error: |Invalid value for |"
    r"Failed to (?:read config|find|parse) )"
)
"""What people put before a line that they quote: an indent, `> `, a backtick, the line's number.

It is known by what follows: a time, a program's or container's name, or Gunicorn's own words.
"""
_HEADED = re.compile(
    r"\s*(?:<\d+>)?(?:\[?\d{4}-\d\d-\d\d[T ]\d\d:|[^\W\d_]{3,5}\.? [ \d]\d \d\d:\d\d|[A-Za-z0-9][\w.@\-]{0,60} *\|)"
)
_UNREADABLE = r"(?:[xX*#?\-_.…█]{1,12}|<[\w ]{1,20}>|PID|pid|N{1,8}|n{1,8})"
_HEAD_PID = re.compile(rf"(?<=\] \[){_UNREADABLE}(?=\] \[[A-Z]{{4,8}}\] )")
_OTHER_PID = re.compile(rf"(?:(?<=\(pid:)|(?<=\(pid: )|(?<=with pid )|(?<=with pid: )){_UNREADABLE}(?=\)|\s|$)")
SHORTEST = 8
"""Characters of a line by which it is known."""
_CUT = re.compile(r"\s*(?:[>…]|\.{3})$")
_SAID = (
    "Exception in worker process",
    "Exception in ASGI application",
    "Worker exiting (pid: {pid})",
    "Worker failed to boot.",
    "Booting worker with pid: {pid}",
    "Shutting down: Master",
    "Reason: Worker failed to boot.",
    "Reason: App failed to load.",
    "Unhandled exception in main loop",
)
"""What Gunicorn says of itself in words that are always the same."""
_FRAME = re.compile(r'\s*(?:\S+ +\| )?File "')
_CUT_FRAME = re.compile(r'\s*(?:\S+ +\| )?File (?:"[^"]*"?,?|"[^"]*", (?:line|line \d*,?|line \d+, in))$')
_RAISED = re.compile(r"[A-Za-z_][\w.]*: |[A-Za-z_][\w.]*(?:Error|Exception|Exit)$")
"""An exception's own line: it follows a frame whose code is not known."""


def bare(text: str) -> str:
    """Return a line without the marks of a quote, the frame of a table, and what indents a time."""
    while text[:1] in _MARKED:
        if text[0] in _BORDERS:
            stripped = _BORDER.sub("", text)
        elif text[0] == "^":
            stripped = _KEY.sub("", text, count=1)
        elif text[0] == ">":
            mail = _MAIL.match(text)
            stripped = text[mail.end() :] if mail is not None else text
        elif text[0] == "#":
            stripped = _HEADING.sub("", text, count=1)
        elif text[0] == "`" or text[:2] == "**":
            stripped = text.strip("`*")
        else:
            quoted = _QUOTED.match(text)
            stripped = text[quoted.end() :] if quoted is not None else text
        if stripped == text:
            break
        text = stripped
    return text


def with_pids(text: str) -> str:
    """Return a line with 0 where somebody made a pid unreadable before pasting."""
    if "] [" in text:
        text = _HEAD_PID.sub("0", text, count=1)
    return _OTHER_PID.sub("0", text) if "pid" in text else text


def whole(text: str, pid: int | None) -> str:
    """Return what Gunicorn said where a pager cut it at the edge of the screen, as far as only one line begins so."""
    cut = _CUT.sub("", text)
    if cut == text or len(cut) < SHORTEST:
        return text
    meant = [line for line in _SAID if line.startswith(cut)]
    return meant[0].format(pid=pid or 0) if len(meant) == 1 else text


def label_of(head: bytes) -> bytes:
    """Return the name of a service that stands on a line of its own beside each line of a log, nothing where none does.

    So a platform's page is copied: a time, the name, the line, again and again.
    """
    lines = head.split(b"\n")[:-1]
    often = Counter(line for line in lines if _LABEL.fullmatch(line)).most_common(1)
    many = bool(often) and often[0][1] >= LABELS and often[0][1] * 4 >= len(lines)
    return often[0][0] if many and _CLOCK.search(head[: head.find(b"\n" + often[0][0] + b"\n") + 1]) else b""


def width_of(head: bytes) -> int:
    """Return at how many characters a terminal broke the lines of a log, 0 where it did not.

    Each line of such a log begins with a time or a name; one that is as long as the longest and
    goes on in a line that begins with neither was broken.
    """
    lines = head[: head.rfind(b"\n") + 1].decode("utf-8", "replace").splitlines()
    width = max(map(len, lines), default=0)
    if not NARROW <= width <= WIDE:
        return 0
    full = [number for number, line in enumerate(lines[:-1]) if len(line) == width and not line.endswith(_FILLED)]
    broken = [number for number in full if _goes_on(lines[number + 1])]
    headed = sum(_HEADED.match(line) is not None for line in lines)
    # One line that comes again and again is as long each time; a terminal breaks others at the same place.
    different = {_DIGITS.sub("0", lines[number]) for number in broken}
    frames = {line for line in different if _FRAME.match(line)}
    many = 2 * len(broken) >= len(full)
    # What follows a frame is its code, which is indented: one that goes on without is proof enough.
    return width if many and len(different) > 1 and (frames or 3 * headed >= len(lines)) else 0


def _goes_on(line: str) -> bool:
    """Tell whether a line may be the rest of the one before: nobody indents by one blank, but a break may."""
    indented = line[:1].isspace() and line[:2].isspace()
    return bool(line.strip()) and not indented and _HEADED.match(line) is None and line[:9] != "Traceback"


class Joiner:
    """Puts the lines that a terminal broke together again; their numbers stay."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._pending: list[str] = []

    def feed(self, block: bytes) -> bytes:
        """Return a run of whole lines without its breaks; the last line waits for what follows."""
        ready: list[str] = []
        for line in block.decode("utf-8", "replace").splitlines():
            if self._pending and self._is_broken(self._pending[-1]) and self._is_the_rest(line):
                self._pending.append(line)
                continue
            ready += self._joined()
            self._pending = [line]
        return _encoded(ready)

    def end(self) -> bytes:
        """Return what waits."""
        return _encoded(self._joined())

    def _is_the_rest(self, line: str) -> bool:
        return _goes_on(line) and not (_FRAME.match(self._pending[0]) and _RAISED.match(line))

    def _is_broken(self, line: str) -> bool:
        return self._is_trimmed(line) or (len(line) == self._width and not line.endswith(_FILLED))

    def _is_trimmed(self, line: str) -> bool:
        """Tell whether the blank at which a line was broken is gone: pasting takes it away."""
        return len(line) == self._width - 1 and bool(_CUT_FRAME.match(line) or _RAISED.match(line))

    def _joined(self) -> list[str]:
        pending, self._pending = self._pending, []
        parts = [f"{part} " if self._is_trimmed(part) else part for part in pending[:-1]] + pending[-1:]
        return ["".join(parts), *[""] * (len(pending) - 1)] if pending else []


def _encoded(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
