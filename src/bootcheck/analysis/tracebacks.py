"""Tracebacks put back together from lines: frames, exceptions and their chains."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bootcheck.analysis.trouble import UNREAD, Frame, Raised

MAX_FRAMES = 200
GROUP = 2
"""How deep the lines of a group of exceptions stand, whatever a logger wrote before its head."""
MAX_MESSAGE_LINES = 30
MAX_CHAIN = 12
MAX_STRANGE = 2
"""Lines of somebody else's between two frames."""
MAX_CODE = 200
MAX_MESSAGE = 4_000
NEAR = 2
"""Lines between a line of code and its exception: carets may stand there."""
CUT_OFF = "(cut off)"
"""The file of a line of code whose frame is not in the log."""
LOGGING_ERROR = "--- Logging error ---"
"""What Python's logging says before the traceback of a line that it could not write: nobody dies of that."""
_ECHO = "Traceback, the end of it:"
"""What bootcheck's banner puts before the lines that it repeats of a death's traceback, and how deep they stand."""
_ECHO_INDENT = " " * 5
_ENVIRONMENT = re.compile(r"\bos\.environ\b|\bgetenv\(|^\s*(?:value =|return) cast\(value\)$")
"""Where the environment is read, by the app or by what it reads it with (django-environ, decouple)."""
ABORTED = "handle_abort"
"""Where Gunicorn ends a worker that was timed out."""

_HEAD = "Traceback (most recent call last):"
_START = re.compile(
    r"^(?:\W*(?:\+ )?|.{1,200}(?:=>|[:|\-]) \s*(?:\+ )?)(?:Exception Group )?Traceback \(most recent call last\):?\s*$"
)
_FRAME = re.compile(
    r'^\s*(?:\| +)*File "(?P<file>[^"]+)"(?:, line (?P<line>\d+)|(?=, in ))(?:, in(?: (?P<function>.+?))?)?\s*$'
)
_ARROW = re.compile(r" +(?:[-=]>|→) +")
_CUT_FRAME = re.compile(r'^\s*File "(?P<file>/[^"]+?)(?:"[, a-z]*)?[>…]?$')
"""As a pager cuts it at the right edge of the screen."""
_RAISE = re.compile(r"raise (?P<type>[A-Za-z_][\w.]*)(?:\((?:[rbuf]?(?P<quote>['\"])(?P<message>.*?)(?P=quote))?)?")
_RAISED = re.compile(r"^(?:[+|\-\s]*\| )?(?P<type>[A-Za-z_][\w.]*(?:\.<locals>\.[\w.]+)?)(?:: (?P<message>.*)|:?\s*)$")
_BARE = re.compile(
    r"^(?P<type>(?:[A-Za-z_]\w*\.)*_?[A-Z]\w*(?:Error|Exception|NotFound|Refused|DoesNotExist|Configured|NotReady|Interrupt|Exit)"
    r"|(?:[a-z_]\w*\.)+[A-Z]\w*(?:Found|Denied|Unavailable|Forbidden|Unauthenticated|Violation|Timeout|Table|Column|"
    r"Name|Password|Connections|Failure|Failed|Available|ByBroker|Allowed|Exceeded|URI|Path|Down|DOWN|Disconnected|"
    r"Reconnect|Shutdown|Locked)"
    r"|(?:[a-z_]\w*\.)+(?:Error|Exception)|(?:[a-z_]\w*\.)*_?(?:errors?|exceptions?|exc|_error|errorfactory)\.[A-Z]\w*"
    r"|(?:[A-Za-z_]\w*\.)*(?:Exception|BadDsn|APIRemovedIn\w+|[A-Z]\w*Conflict)"
    r"|(?:socket|select)\.(?:error|gaierror|timeout)|error(?=: \[Errno ))(?:: (?P<message>.*)|:)?$"
)
_ANY = re.compile(r"^(?P<type>(?:[A-Za-z_]\w*\.)+[A-Z]\w*)(?:: (?P<message>.*)|:)?$")
_QUOTED = re.compile(r"^\((?P<type>[A-Za-z_]\w*\.(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception))\) (?P<message>\S.*)$")
"""A driver's exception as SQLAlchemy quotes it, without the one that quotes it."""
_MESSAGE = "Message"
"""What Python's logging says below the traceback of a line that it could not write, whose head was cut off."""
_SMALL = frozenset({"error", "timeout", "gaierror", "herror"})
"""What Python 2 prints of its socket's exceptions: without a module, and they have small names."""
_CHAIN = re.compile(
    r"^\s*(?:The above exception was the direct cause of the following exception|"
    r"During handling of the above exception, another exception occurred):"
)
_MEMBER = re.compile(r"^[\s|]*\+-\+-+ 1 -+$")
"""Above the first exception of a group: the group itself only counts them."""
_REPEATED = re.compile(r"^\s*\[Previous line repeated \d+ more times?\]")
_ELIDED = re.compile(r"^\s*[\[(<]?\s*(?:\.{2,}|…|snip(?:ped)?|\W{3,})\s*[\])>]?\s*$", re.IGNORECASE)
"""What a person puts in the place of lines that were left out."""
_CLOCK = re.compile(r"^(?:[A-Z][a-z]{2} \d{1,2}(?:, \d{4})?|\d{1,2}:\d\d:\d\d(?:\.\d+)?(?: ?[AP]M)?)$")
"""A time that a page shows on a line of its own above each line."""

_ELSEWHERE = re.compile(
    r"""^(?:[\w.:\-]+ \S+ \S+ \[[^\]]+\] "[A-Z]+ \S+ HTTP/[\d.]+" [1-5]\d\d |(?:\[\d+\] )?LOG:  |(?:INF|DBG|TRC) \S)"""
)
"""What a proxy, a database or a platform's agent says meanwhile: none of it tells why a worker ends."""
_NO_PART = (_REPEATED, _ELIDED, _CLOCK, _ELSEWHERE)
"""What may stand between the frames of a traceback without being a part of it."""


@dataclass(slots=True)
class Block:
    """One traceback as it is being read: feed it lines until it takes no more."""

    first_line: int = 0
    chain: list[Raised] = field(default_factory=list)
    """Root first while it is read."""
    _frames: list[Frame] = field(default_factory=list)
    _message: list[str] = field(default_factory=list)
    _type: str = ""
    _line: int = 0
    _state: str = "start"
    _strange: int = 0
    """Lines of somebody else's since the last frame."""
    _flat: bool = False
    _shift: int = 0
    """Indent of the line that began it."""
    _indent: int = 0
    """Indent of its frames."""
    _headless: bool = False
    _quoted: int = 0
    """Lines of a traceback that the exception's own text quotes in brackets."""

    def feed(self, text: str, line: int) -> bool:
        """Take a line, or return False where it does not belong to this traceback."""
        if self._state == "frames":
            return self._in_frames(text, line)
        if self._state == "raised":
            return self._after(text)
        if self._state == "chained" and not text.strip():
            return True
        if _START.match(text):
            self._state = "frames"
            self._flat = self._headless = False
            self._shift = self._indent = _indent(text) or (GROUP if "+ Exception Group" in text else 0)
            return True
        return False

    def passes(self, text: str) -> bool:
        """Take a line of somebody else's between the frames: they may go on below it."""
        between = self._state == "frames" and bool(self._frames) and not self._flat and self._strange < MAX_STRANGE
        if not between or _RAISED.match(text) is not None:
            return False
        self._strange += 1
        return True

    def begin_headless(self, text: str, line: int) -> bool:
        """Take a frame as the first line: what stood above it was cut off."""
        if _FRAME.match(text) is None and _CUT_FRAME.match(text) is None:
            return False
        self._state, self._headless = "frames", True
        return self._in_frames(text, line)

    def cut(self, known: tuple[Raised, ...] = ()) -> None:
        """Take it that the log ends here: what was raised may stand in the last line of code, or is known otherwise."""
        if self._state != "frames" or not self._frames or self._strange > 1:
            return
        raised = _RAISE.match(self._frames[-1].code)
        if raised is not None:
            self._type, self._message = raised["type"], [raised["message"] or ""]
        elif known:
            self.chain, self._frames = list(reversed(known)), []
        else:
            self._type, self._message = UNREAD, [""]

    def stood_in(self, code: str) -> None:
        """Take the line of code that stood above it: of its file nothing is known."""
        self._frames.append(Frame(CUT_OFF, 0, "", code))

    def close(self) -> tuple[Raised, ...]:
        """Return the exceptions, the last one raised first."""
        if not self._type and self._frames and self._frames[-1].function == ABORTED:
            # A handler that only ends the process: what it raises is known without its line.
            self._type, self._message = "SystemExit", ["1"]
        self._finish()
        return tuple(reversed(self.chain))

    @property
    def raised(self) -> bool:
        """True once the exception itself has been read: what follows may be its text, or something else."""
        return self._state == "raised"

    def says(self, text: str) -> bool:
        """Tell whether a line goes on as the exception's own text began: libpq tells of each try in a line."""
        begin = self._message[0].partition(":")[0] if self._message else ""
        return bool(begin) and ":" in self._message[0] and text.startswith(f"{begin}:")

    @property
    def frames(self) -> tuple[Frame, ...]:
        """Every frame of every link, as far as it was read."""
        return (*(frame for link in self.chain for frame in link.frames), *self._frames)

    def _in_frames(self, text: str, line: int) -> bool:
        frame = _FRAME.match(text) or _CUT_FRAME.match(text)
        if frame is None and "**" in text:
            # Who pastes it into a page sets in bold what he means.
            plain = text.replace("**", "")
            if _FRAME.match(plain) or _BARE.match(plain):
                return self._in_frames(plain, line)
        if frame is not None:
            self._strange = 0
            if not self._frames:
                self._flat = not text[:1].isspace()
                self._indent = max(_indent(text), self._indent)
            if len(self._frames) < MAX_FRAMES:
                known = frame.groupdict()
                # A page that takes `<module>` for one of its tags does not show it.
                function = known.get("function") or ("<module>" if text.rstrip().endswith(", in") else "")
                # Who shortens a traceback by hand sets the code behind the name.
                function, *code = _ARROW.split(function, maxsplit=1)
                self._frames.append(Frame(known["file"], int((known.get("line") or "0")[:9]), function, "".join(code)))
            return True
        if not text.strip() or any(other.match(text) for other in _NO_PART):
            return True
        if self._is_shifted(text):
            text = text.lstrip()
        raised = _RAISED.match(text)
        if text[:1].isspace() or (self._flat and (raised is None or not _looks_raised(raised["type"], self._frames))):
            self._code(text)
            return True
        if raised is None or (self._headless and not _looks_raised(raised["type"], self._frames)):
            # Cut before its end: what was read still names the place.
            return False
        self._type = raised["type"]
        self._message = [raised["message"] or ""]
        self._line = line
        self._state = "raised"
        return True

    def _is_shifted(self, text: str) -> bool:
        """Tell whether an exception's line is indented with its whole traceback: code stands deeper than its frame."""
        if not text[:1].isspace():
            return False
        indent, raised = _indent(text), _RAISED.match(text.strip())
        if indent == self._shift and raised is not None and _looks_raised(raised["type"], self._frames):
            return True
        return indent <= self._indent and _BARE.match(text.strip()) is not None

    def _code(self, text: str) -> None:
        if self._frames and not self._frames[-1].code and text.strip(" ~^"):
            last = self._frames[-1]
            self._frames[-1] = Frame(last.file, last.line, last.function, text.strip()[:MAX_CODE])

    def _after(self, text: str) -> bool:
        if not self._frames and _FRAME.match(text):
            # A tracker of errors names the exception first, and then its frames.
            self._headless = True
            self._state = "frames"
            return self._in_frames(text, self._line)
        if _CHAIN.match(text) or (self._type.endswith("ExceptionGroup") and _MEMBER.match(text)):
            self._finish()
            self._state = "chained"
            return True
        if _CLOCK.match(text) or (self._message[0] and text.startswith(self._message[0])):
            # From 25 on Gunicorn prints the exception's text once more.
            return True
        if self._quotes(text):
            return True
        if _START.match(text) or _BARE.match(text) or len(self._message) >= MAX_MESSAGE_LINES:
            return False
        self._message.append(text.rstrip())
        return True

    def _quotes(self, text: str) -> bool:
        """Tell whether a line belongs to a traceback that the text quotes, as Gunicorn's does of a worker class."""
        if not self._quoted and not text.startswith(f"[{_HEAD}"):
            return False
        self._quoted = 0 if text.strip() == "]" or self._quoted >= MAX_FRAMES else self._quoted + 1
        return True

    def _finish(self) -> None:
        if self._type and len(self.chain) < MAX_CHAIN:
            message = "\n".join(self._message).strip()[:MAX_MESSAGE]
            self.chain.append(Raised(type=self._type, message=message, frames=tuple(self._frames), line=self._line))
        self._type, self._message, self._frames = "", [], []


def start(text: str, line: int, *, expected: bool = False) -> Block | None:
    """Return a block where a traceback begins here, one whose head was cut goes on, or an exception stands alone.

    Where one is expected, because Gunicorn has just said that a worker raised, its class may have any name.
    """
    block = Block(first_line=line)
    if "Traceback (most" in text and block.feed(text, line):
        return block
    if 'File "' in text and block.begin_headless(text, line):
        return block
    # A console that draws a frame around a traceback sets what was raised below it, and as deep.
    text = text.lstrip() if expected else text
    bare = _BARE.match(text) or _QUOTED.match(text) or (_ANY.match(text) if expected else None)
    if bare is None:
        return None
    block._type, block._message, block._line = bare["type"], [bare["message"] or ""], line  # noqa: SLF001
    block._state = "raised"  # noqa: SLF001
    return block


class Starts:
    """Finds where a traceback begins, and keeps the app's line above an exception whose frames were cut off."""

    def __init__(self) -> None:
        self._code = ""
        self._line = 0

    def of(self, text: str, line: int, *, expected: bool) -> Block | None:
        """Return a block as `start` does; one without frames stands in a line that read the environment just above."""
        block = start(text, line, expected=expected)
        if block is None:
            if _ENVIRONMENT.search(text) and not text.lstrip().startswith(("#", "$", "+ ", "echo")):
                self._code, self._line = text.strip()[:MAX_CODE], line
        elif block.raised and self._code and line - self._line <= NEAR:
            block.stood_in(self._code)
        return block


def parse(text: str) -> tuple[Raised, ...]:
    """Return the exceptions of a whole printed traceback, the last one raised first."""
    block: Block | None = None
    found: tuple[Raised, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        if block is not None and block.feed(line, number):
            continue
        if block is not None:
            found = block.close() or found
        block = start(line, number)
    return (block.close() or found) if block is not None else found


def echoes(text: str, *, before: bool) -> bool:
    """Tell whether a line is one of those by which bootcheck's banner repeats a traceback, if the one before it was."""
    return text.strip() == _ECHO or (before and text.startswith(_ECHO_INDENT))


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _looks_raised(kind: str, frames: list[Frame]) -> bool:
    name = kind.rpartition(".")[2]
    if kind == _MESSAGE:
        return False
    constant = name.isupper() and not ("." in kind and "_" in name)
    return bool(frames) and (name in _SMALL or (name.lstrip("_")[:1].isupper() and not constant))
