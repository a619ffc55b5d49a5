"""What a line quotes: an exception in the middle of it, or a database's own refusal without any exception.

It counts for little: only where nothing else in a log tells of a trouble, and no server has spoken.
"""

from __future__ import annotations

import re

from bootcheck.analysis import gunicorn_lines as said
from bootcheck.analysis.lives import Loose
from bootcheck.analysis.readers.prefixes import GUNICORN, Record
from bootcheck.analysis.trouble import Raised

MAX_MESSAGE = 1_000
_QUIET = frozenset({"INFO", "DEBUG", "TRACE"})
_NAMED = re.compile(
    r"(?:^|[\s(\[\"'`:=|>])(?P<type>(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Timeout|Refused))"
    r"(?:['\"]?: |\) |\()(?P<message>\S.*)$"
)
_BY_SERVER = re.compile(
    r"\bFATAL: +\S|\bERROR:  \S|Access denied for user '|Unknown database '|could not translate host name|"
    r"\((?:10(?:40|44|45|49)|1129|1130|1146|1203|1226|200[2356]|201[34]), [\"']|"
    r"Is the server running on|Can't connect to (?:local )?(?:MySQL )?server|\b[Ee]rror -?\d+ connecting to \S+:\d"
)
"""PostgreSQL's words, MySQL's, and those of redis-py for what the system told it."""
_REFUSES = re.compile(
    r"\bFATAL: +(?:password authentication failed|sorry, too many clients|remaining connection slots|no pg_hba|"
    r"(?:role|database) \"[^\"]+\" does not exist|the database system is)|Access denied for user '"
)
"""What a database logs of a client that it turns away."""
NEAR = 8
"""Lines from there to the answer of the request that needed it."""
_BEGINS_BADLY = re.compile(r"\W{0,4}(?:Error|ERROR|Fatal|FATAL|CRITICAL|[Pp]anic)\b|level=(?:error|fatal)\b")
_SYSTEMS_WORDS = re.compile(
    r"[Pp]ermission denied|Operation not permitted|No space left on device|Read-only file system|Too many open files|"
    r"No such file or directory|start new thread|[Pp]ermissions?\b|(?:not|n't|un) ?(?:writ|read)able|"
    r"(?:[Ff]ile|[Dd]irectory|[Ff]older|[Pp]ath)\b.{1,200}(?:not found|not exist|n't exist|missing)|"
    r"(?:not|n't) find (?:\S+ )?(?:file|folder|directory|path)"
)
"""What it says of a file, a folder or a limit; of another machine that does not answer it may try again."""
_BY_PYTHON = re.compile(r"\bcannot import name '?\w+'?|\bNo module named '?[\w.]+'?")
"""Python's own words, where a logger left out what kind of an error it was."""
_BY_SYSTEM = re.compile(
    r"\[Errno \d+\] [A-Z]|^\W{0,4}(?:(?:ERROR|CRITICAL)\W{1,4})?(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): \S"
)
_GIVES_UP = re.compile(
    r"\b(?:[Ee]xit(?:ing|s)?|[Aa]bort(?:ing|s)?|[Qq]uit(?:ting|s)?|[Tt]erminating)\b|"
    r"[Cc]an(?:no|')t (?:start|continue|boot)\b"
)
"""What it says of itself."""
_GOES_ON = re.compile(
    r"\b(?:retry\w*|again|ignor\w+|skipp\w+|fall(?:ing)? ?back|default\w*|continu\w+|optional|warning|without|"
    r"disabled|control (?:server|socket))\b",
    re.IGNORECASE,
)
"""What a program says of an error that it can live with."""
_CHAT = re.compile(r"(?:\d\d:\d\d:\d\d\S* )?\[?(?:INFO|DEBUG|TRACE)\b")
"""A level behind a clock that no other log writes so."""
MAX_BELOW = 2
"""Lines below its last word: blank ones, or the prompt."""


class Parting:
    """What an app says last of all, while its server has answered nothing and was not told to stop."""

    def __init__(self) -> None:
        self._record: Record | None = None
        self._over = False
        self._passed = 0
        """Lines of the platform's below it."""

    def hear(self, record: Record, kind: str | None, *, alone: bool, telltale: bool) -> None:
        """Take the next line, and what Gunicorn says by it; one that belongs to a traceback does not stand alone."""
        if telltale:
            # The platform ends what did not come up: that is no word of the app's.
            self._passed += 1
            return
        if kind in (said.START, said.BOOTING):
            self._over = False
        elif kind in (said.SERVING, said.SIGNAL, said.HALT, said.READY):
            self._over = True
        text = record.text
        if text.strip():
            self._record = record if alone and kind is None and _is_complaint(record) else None
            self._passed = 0

    def word(self, lines: int) -> Loose | None:
        """Return it, where it stands at the end of a log of so many lines."""
        record = self._record
        if record is None or self._over or lines - record.line - self._passed > MAX_BELOW:
            return None
        return overheard(record) or Loose(
            (Raised(type="Exception", message=record.text[:MAX_MESSAGE], line=record.line),),
            record.source,
            record.line,
            at=record.at,
        )


class Refusals:
    """What a database says in a container of its own, shortly before a request fails in another one."""

    def __init__(self) -> None:
        self._record: Record | None = None

    def hear(self, record: Record, event: tuple[str, re.Match[str]] | None) -> Loose | None:
        """Take the next line, and what Gunicorn says by it; return what was refused where a request failed of it."""
        if event is None:
            self._record = record if record.stream and _REFUSES.search(record.text) else self._record
            return None
        refused = self._record
        if event[0] != said.SERVING or event[1][0][-3] != "5" or refused is None:
            return None
        self._record = None
        near = record.line - refused.line <= NEAR and refused.stream != record.stream
        return overheard(refused) if near else None


def _is_complaint(record: Record) -> bool:
    if record.voice == GUNICORN or record.level not in (None, "ERROR", "CRITICAL"):
        return False
    bad = record.level is not None or _BEGINS_BADLY.match(record.text) is not None
    told = _BY_SYSTEM.search(record.text) or (
        bad and (_SYSTEMS_WORDS.search(record.text) or _GIVES_UP.search(record.text))
    )
    return bool(told) and _GOES_ON.search(record.text) is None


def overheard(record: Record) -> Loose | None:
    """Return what a line quotes, None where it quotes nothing or only chats."""
    if record.level in _QUIET or _CHAT.match(record.text):
        return None
    quoted = _BY_SERVER.search(record.text)
    named = _NAMED.search(record.text)
    imported = _BY_PYTHON.search(record.text)
    if quoted is None and named is None and imported is None:
        return None
    if named is not None:
        raised = Raised(type=named["type"], message=named["message"][:MAX_MESSAGE], line=record.line)
    elif imported is not None:
        raised = Raised(type="ImportError", message=record.text[imported.start() :][:MAX_MESSAGE], line=record.line)
    else:
        start = quoted.start() if quoted is not None else 0
        raised = Raised(type="Exception", message=record.text[start:][:MAX_MESSAGE], line=record.line)
    return Loose((raised,), record.source, record.line, at=record.at)
