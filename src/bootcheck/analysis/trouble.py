"""What is known about one process in trouble, before anyone has an opinion on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence

BOOT = "boot"
"""The process was still starting."""
REQUEST = "request"
"""It was serving a request."""
STOP = "stop"
"""It was on its way out, as ordered."""
UNKNOWN = "unknown"
LONE = "lone"
"""The fact that nothing but an exception is known, not even that a server ran."""
FAILED_BEFORE = "failed_before"
"""What the first request met that failed, where nothing shows what a later one was doing."""
BEFORE = "before"
"""The fact that a command before the server raised it, and that nothing is known of the server but its start."""
BESIDE = "beside"
"""The fact that an exception was logged, and nothing tells what failed by it."""
UNREACHED = "unreached"
"""The fact that a server alone in its container listens at its loopback, and no request is known to have come."""
LAST_FAILED = "last_failed"
"""The fact that no request was answered any more after this one raised."""
ALL_FAILED = "all_failed"
"""The fact that no request was answered, as far as the log tells of any."""


STRAY = "stray"
"""The fact that a server worked in the same log, and that the words may be anybody's."""
UNTOLD = "untold"
"""The fact that a worker ended without a word, in a release of Gunicorn that says nothing of signals."""

UNREAD = "Exception"
"""The type of an exception whose last line is not in the log."""
SYNTAX = ("SyntaxError", "IndentationError", "TabError")
DUMPED = "Fatal Python error"
"""In the place of an exception's class: nothing was raised."""
WATCHDOG = "Watchdog timeout"
"""The same of `faulthandler.dump_traceback_later`, which ends the process with status 1 where exit=True was given."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a traceback."""

    file: str
    line: int
    function: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception as it was printed: its type, its text and the frames it passed."""

    type: str
    message: str = ""
    frames: tuple[Frame, ...] = ()
    """Outermost first; of what was printed."""
    line: int | None = None
    """Where in the source its last line stands."""

    @property
    def name(self) -> str:
        """The class's own name, without its module."""
        return self.type.rpartition(".")[2]

    @property
    def text(self) -> str:
        """As Python prints it: `type: message`."""
        return f"{self.type}: {self.message}" if self.message else self.type

    @property
    def dumped(self) -> bool:
        """True where nothing was raised, and a dump shows where a process stood."""
        return self.type in (DUMPED, WATCHDOG)

    @property
    def absent(self) -> str:
        """The module that an import did not find, as Python names it; empty of anything else."""
        found = _ABSENT.search(self.message)
        return found[1] if found is not None else ""

    @property
    def unread(self) -> bool:
        """True where the log was cut before the exception's own line."""
        return self.type == UNREAD and not self.message

    @property
    def told(self) -> str:
        """The first line of it, for a sentence."""
        return "the log ends before it says why" if self.unread else self.text.strip().partition("\n")[0]

    @property
    def brief(self) -> str:
        """The first lines of it, for an error whose text is a page."""
        told = [
            line.strip()
            for line in self.text.splitlines()
            if line.strip() and not line.startswith("(Background on this error")
        ]
        return "\n".join(dict.fromkeys(told[:3]))

    @property
    def unwritten(self) -> bool:
        """True of what kept Python's logging from writing a line: it prints the way there too, and goes on."""
        return any(line.strip() == "Call stack:" for line in self.message.splitlines())

    @property
    def where(self) -> str:
        """File and line of the innermost frame that is not a library's, else of the innermost."""
        frames = [frame for frame in self.frames if not is_library(frame.file)] or list(self.frames)
        return f"{frames[-1].file}:{frames[-1].line}" if frames else ""

    @property
    def is_aside(self) -> bool:
        """True of what Gunicorn meets while it counts (statsd): it says so and goes on."""
        return bool(self.frames) and self.frames[-1].file.endswith("gunicorn/instrument/statsd.py")

    @property
    def is_a_clients(self) -> bool:
        """True of what Gunicorn meets while it reads from, or writes to, who asks: a client that is gone."""
        inner = next((frame for frame in reversed(self.frames) if not _SOCKETS.search(frame.file)), None)
        return inner is not None and _CONVERSATION.search(f"{inner.file} {inner.function}") is not None

    def is_a(self, *names: str) -> bool:
        """Tell whether the class's own name is one of these."""
        return self.name in names

    def is_own(self, module: str) -> bool:
        """Tell whether a module is the app's: its first part is a folder or a file on the traceback's paths."""
        top = module.partition(".")[0]
        for frame in self.frames:
            # A folder with a hyphen in its name is often the package's, renamed by who cloned it.
            parts = frame.file.replace("\\", "/").replace("-", "_").split("/")
            if top and not is_library(frame.file) and (top in parts or f"{top}.py" in parts):
                return True
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the same source says about the server around a process."""

    version: str | None = None
    """Gunicorn's, as the log names it."""
    worker_class: str | None = None
    listening: tuple[str, ...] = ()
    up: bool = False
    """A worker of it is known to have been in its loop."""
    notes: tuple[Evidence, ...] = ()
    """Lines of the platform (supervisor, kernel, orchestrator) and of the start."""

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, empty where unknown."""
        return tuple(int(part[:9]) for part in re.findall(r"\d+", self.version or "")[:2])

    def note(self, pattern: re.Pattern[str]) -> Evidence | None:
        """Return the first note that fits."""
        return next((note for note in self.notes if pattern.search(note.text)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One process that died or cannot serve, as far as the sources tell."""

    cause: Cause
    role: str = "worker"
    pid: int | None = None
    moment: str = UNKNOWN
    step: str | None = None
    exception: Raised | None = None
    chain: tuple[Raised, ...] = ()
    """The exception and what it came from, the last one raised first."""
    exit_code: int | None = None
    signal: str | None = None
    at: float | None = None
    """When it ended, in epoch seconds."""
    since: float | None = None
    """When it started."""
    host: str | None = None
    stops_server: bool = False
    """The server ended because of it."""
    served: bool = False
    """Requests were answered by this server before."""
    said: tuple[Evidence, ...] = ()
    """Lines that speak of this process, in order."""
    around: Surroundings = field(default_factory=Surroundings)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def uptime(self) -> float | None:
        """Seconds from its start to its end."""
        return None if self.at is None or self.since is None else max(0.0, self.at - self.since)

    @property
    def error(self) -> Raised | None:
        """The exception, where it is the cause and not a consequence (a timeout raises SystemExit)."""
        stood = self.exception is not None and self.exception.dumped
        return self.exception if self.cause in _BY_EXCEPTION and not stood else None

    @property
    def died(self) -> bool:
        """False for a trouble that ended no process."""
        return self.cause is not Cause.NONE

    @property
    def failed_only(self) -> bool:
        """True of requests that raised, where nothing but what came after them tells whether that matters."""
        return bool(self.facts.get(ALL_FAILED) or self.facts.get(LAST_FAILED))

    @property
    def unstarted(self) -> bool:
        """True where only lines that speak for themselves are there: no server ran, and nothing else went wrong."""
        return bool(self.facts.get("alone")) and not self.facts.get("ran")

    @property
    def who(self) -> str:
        """How a sentence names the process."""
        return "The server" if self.role == "master" else f"A {self.role}"

    @property
    def text(self) -> str:
        """All lines that speak of it."""
        return "\n".join(item.text for item in self.said)

    def says(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Search the lines that speak of it, then those around it."""
        return next((match for item in (*self.said, *self.around.notes) if (match := pattern.search(item.text))), None)

    def line(self, pattern: re.Pattern[str]) -> tuple[Evidence, ...]:
        """Return the first line that fits, as evidence."""
        return tuple(item for item in (*self.said, *self.around.notes) if pattern.search(item.text))[:1]

    def links(self) -> Iterator[Trouble]:
        """Yield this trouble once per exception of its chain, the last one raised first."""
        if not self.chain:
            yield self
        for link in self.chain:
            if not link.is_aside or len(self.chain) == 1:
                yield replace(self, exception=link)

    def shown(self) -> tuple[Evidence, ...]:
        """Return the exception as evidence: its own line and the place it came from."""
        if self.exception is None:
            return self.said[-2:]
        source = self.said[0].source if self.said else ""
        # Of an exception whose own line is not in the log only the place is evidence.
        cut = self.exception.unread and self.exception.frames
        found = [] if cut else [Evidence(source=source, line=self.exception.line or None, text=self.exception.brief)]
        if self.exception.frames:
            inner = next(
                (f for f in reversed(self.exception.frames) if not is_library(f.file)), self.exception.frames[-1]
            )
            # The line of a syntax error is in no function yet.
            where = f"in {inner.function}" if inner.function else ""
            text = ": ".join(filter(None, (where, inner.code)))
            found.append(Evidence(source=inner.file, line=inner.line or None, text=text or "the place"))
        return tuple(found)


class Sink(Protocol):
    """Where what a log tells goes."""

    def trouble(self, trouble: Trouble) -> None:
        """Take one process's trouble."""

    def unexplained(self, text: str, source: str, line: int) -> None:
        """Take an error line that belongs to no trouble."""


_ABSENT = re.compile(r"No module named '?([\w.]+)")
_BY_EXCEPTION = frozenset({Cause.EXCEPTION, Cause.SYS_EXIT, Cause.APP_NOT_FOUND, Cause.OS_EXIT, Cause.NONE})
_SOCKETS = re.compile(r"^<string>|/(?:gevent|eventlet)/|/_?(?:socket|ssl)\w*\.py$")
_CONVERSATION = re.compile(r"gunicorn/(?:http/\w+\.py |util\.py write)")
_LIBRARY = re.compile(
    r"site-packages|dist-packages|/pymodules/|/bootcheck/(?:gunicorn|recorder|wsgi|guards)|/lib(?:64)?/python\d|"
    r"<frozen |\\Lib\\|^<|"
    # as trackers of errors name them
    r"^(?:gunicorn|django|flask|werkzeug|starlette|fastapi|uvicorn|sqlalchemy|psycopg2?|requests|urllib3)/"
)


def is_library(path: str) -> bool:
    """Tell whether a file of a traceback belongs to an installed library or Python itself."""
    return bool(_LIBRARY.search(path))
