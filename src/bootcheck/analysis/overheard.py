"""What a line quotes: an exception in the middle of it, or a database's own refusal without any exception.

It counts for little: only where nothing else in a log tells of a trouble, and no server has spoken.
"""

from __future__ import annotations

import re

from bootcheck.analysis.lives import Loose
from bootcheck.analysis.readers.prefixes import Record
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


def overheard(record: Record) -> Loose | None:
    """Return what a line quotes, None where it quotes nothing or only chats."""
    if record.level in _QUIET:
        return None
    said = _BY_SERVER.search(record.text)
    named = _NAMED.search(record.text)
    if said is None and named is None:
        return None
    if named is not None:
        raised = Raised(type=named["type"], message=named["message"][:MAX_MESSAGE], line=record.line)
    else:
        start = said.start() if said is not None else 0
        raised = Raised(type="Exception", message=record.text[start:][:MAX_MESSAGE], line=record.line)
    return Loose((raised,), record.source, record.line, at=record.at)
