"""Logs that a console set in columns: the time, the level, and the text, broken at the width of the last one.

Rich does so. What it broke is put together again: a traceback's places, an exception's text, a long line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

ENOUGH = 2
"""Lines that must stand in the last column where no other column is to be seen."""
_HEAD = re.compile(
    r"(?P<carrier>.{0,80}?)(?P<columns>\[\d{1,4}[/\-:]\d\d[/\-:]\d\d(?:[ T]\d\d:\d\d:\d\d)?\] "
    r"(?:INFO|ERROR|WARNING|CRITICAL|DEBUG) +)(?=\S)"
)
_ALONE = re.compile(r"(?P<carrier>) {20,40}(?=(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): )")
"""The last column alone, where a paste begins in the middle."""
_BEGINS = re.compile(
    r"\s|[│╭╰❱]|Traceback \(most recent|(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)(?::|$)|"
    r"During handling of the above|The above exception was"
)
"""How a line begins that is none of the one before it."""
_MARKS = " ~^"
"""What Python puts below a line of code."""
_PLACE = re.compile(r'\s*File(?: "[^"]*(?:",?(?: line)?(?: \d+,?)?(?: in)?)?)?$')
"""A traceback's place as far as a line that was broken within it goes."""
_IN_PATH = re.compile(r'File "[^"]*$')


@dataclass(slots=True)
class Columns:
    """Takes the lines of such a log, and gives those of the last column their own text; their numbers stay."""

    indent: int
    """Where the last column begins, behind what a carrier puts before each line."""
    carrier: int
    """How long that is."""
    width: int
    """Of the last column."""
    _before: str = ""
    """What the carrier and the other columns put before the line that may go on."""
    _text: str | None = None
    """That line, as far as it was put together."""
    _piece: str = ""
    """What was put to it last."""
    _swallowed: int = 0
    _ready: list[str] = field(default_factory=list)

    def feed(self, block: bytes) -> bytes:
        """Return a run of whole lines; the last one waits for what follows."""
        for line in block.decode("utf-8", "replace").splitlines():
            self._take(line.rstrip())
        return self._given()

    def end(self) -> bytes:
        """Return what waits."""
        self._give()
        return self._given()

    def _take(self, line: str) -> None:
        text = line[self.indent :]
        within = bool(text.strip(_MARKS)) and not line[self.carrier : self.indent].strip()
        if within and self._goes_on(text):
            joint = "" if _IN_PATH.search(self._text or "") or len(self._piece) >= self.width else " "
            self._text = f"{self._text}{joint}{text}"
            self._swallowed += 1
        else:
            self._give()
            self._before, self._text = line[: self.carrier if within else self.indent], text
        self._piece = text

    def _goes_on(self, text: str) -> bool:
        if not self._text:
            return False
        if _PLACE.match(self._text):
            return True
        if _BEGINS.match(text) or self._text[0] in "│╭╰":
            return False
        # What begins a line would have had room in the one before it, if it were a part of that.
        return len(self._piece) + 1 + len(text.split(" ", 1)[0]) > self.width

    def _give(self) -> None:
        if self._text is not None:
            self._ready += [f"{self._before}{self._text}", *[""] * self._swallowed]
        self._before, self._text, self._swallowed = "", None, 0

    def _given(self) -> bytes:
        ready, self._ready = self._ready, []
        return "".join(f"{line}\n" for line in ready).encode()


def columns_of(head: bytes) -> Columns | None:
    """Return how the lines of a log are set, None where they are not in columns."""
    lines = [line.rstrip() for line in head.decode("utf-8", "replace").splitlines()]
    found = next((match for line in lines if (match := _HEAD.match(line) or _ALONE.match(line)) is not None), None)
    if found is None:
        return None
    indent, carrier = found.end(), len(found["carrier"])
    inside = [line for line in lines if not line[carrier:indent].strip() and line[indent:].strip(_MARKS)]
    exactly = sum(not line[indent].isspace() for line in inside)
    if exactly < (1 if found.re is _HEAD else ENOUGH):
        return None
    return Columns(indent, carrier, max(len(line) - indent for line in inside))
