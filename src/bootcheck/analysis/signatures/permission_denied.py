"""The operating system refuses a file, socket or directory.

What it means
    The process may not do what the app or gunicorn wants of it: read a file, write a log, create a
    socket, bind a port below 1024.

How it looks
    `PermissionError: [Errno 13] Permission denied: '/var/log/app/app.log'`, `Operation not permitted`. Up to release
    22 Gunicorn only says `Retrying in 1 second.` of an address that it may not bind, again and again.

Why it happens
    The workers' user differs from the one who made the file; a read-only or root-owned volume;
    `runAsNonRoot` with a port below 1024; SELinux or AppArmor.

What to do
    Give the path to the workers' user, or write elsewhere. Bind a port above 1024.

How to know it is fixed
    `sudo -u USER test -w PATH` succeeds, and the server starts.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.trouble import REQUEST, Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding

CAUSE_CLASS = "permission-denied"
RULES: tuple[str, ...] = ()

_SAID = late.regex(r"\[Errno (?:13|1)\]|EACCES|EPERM|Permission denied|Operation not permitted", re.IGNORECASE)
_CODE = late.regex(
    r"\[Errno (?:13|1)\] (?:Permission denied|Operation not permitted)|\bEACCES\b|\bEPERM\b|\(os error (?:13|1)\)|"
    r"kind: PermissionDenied|\berrno = 13\b|PermissionError\((?:13|1),|[Ee]rror 13 connecting|\[WinError 5\]|"
    r"through socket '[^']+' \(13[ )]"
)
"""The system's own number or name of it, whoever passes it on."""
_WORDS = late.regex(r"\bPermission denied\b|Operation not permitted|: permission denied[\"']?$", re.MULTILINE)
_REMOTE = late.regex(
    r"\b403\b|[Ff]orbidden|publickey|StatusCode|PERMISSION_DENIED|\b550\b|(?<!docker)(?<!ipc)://|"
    r"[Pp]ermission denied on |^(?:hvac|google|botocore|paramiko|grpc|azure|kubernetes|openai|jwt)\b"
)
"""Another machine refuses in the same words."""
_RIGHTS = r"(?:read|write|file|folder|directory|execute) (?:access|permissions?|rights)"
_OWN_WORDS = late.regex(
    r"\bnot (?:a )?(?:writ|read)able\b|isn't (?:writ|read)able|\bunwritable\b|wrong permissions|PermissionError at |"
    r"(?:an ?not|[Cc]an't|[Uu]nable to|ould not|not allowed to|[Ff]ailed to) (?:write|create|access|read|open)\b"
    r".{1,160}\bpermissions?\b|"
    r"(?:[Nn]o|not have|[Ll]acks?|[Mm]issing|[Ii]nsufficient|without) (?:permissions? to (?:read|write|create|access|"
    rf"open)|(?:the )?(?:necessary |required )?{_RIGHTS})|"
    r"[Cc]heck (?:the |its |your )?(?:\w+ )?(?:director(?:y|ies)|folder|file|volume)(?:'s)? permissions"
)
"""How an app and its libraries tell of it themselves, of a path that they name."""
_NAMES_PATH = late.regex(r"[/\\][\w.]|executable")
_OTHERWISE = late.regex(
    r"No such file|not found\b|FileNotFound|Read-only|No space|not exist|ADirectory|HTTP\b|\b40[13]\b|[Bb]ucket|s3:"
)
"""Why else one cannot write."""
_TOOL = (
    r"^(?:/\S*/)?(?:mkdir|touch|chown|chmod|cp|mv|ln|rm|sed|tee|install|cat|tar|rsync|find|dd|mktemp|sh|"
    r"[\w./\-]+\.sh): (?!.*/bin/\w).{1,300}: (?:Permission denied|Operation not permitted)$"
)
TELLTALE = late.regex(rf"(?:connect\(\) to |\bunix:/)\S+ failed \(13: Permission denied\)|{_TOOL}")
"""A proxy that may not use gunicorn's socket, and what a start script may not do before it starts gunicorn."""
WORDS = ("ermission denied", "not permitted")
TELLTALE_CAUSE = Cause.NONE
WHILE_SERVING = True
_PROXY = late.regex(r"connect\(\) to |\bunix:/")
_NO_WRITE = late.regex(r"attempt to write a readonly database|cannot cache function '\w+': no locator available")
"""SQLite and Numba, where the file or its directory belongs to somebody else."""
_LOW_PORT = late.regex(r"Can't connect to \([^)]*, (?:\d{1,3}|10[01]\d|102[0-3])\)")
"""Up to Gunicorn 22 the reason is not printed; a port below 1024 is one."""
_SOCKET = late.regex(r"Can't connect to /|^Retrying in 1 second")
"""A socket file, or an address, for which no reason is printed: in use it is not, so it is closed, or missing."""
_IN_USE = late.regex(r"Connection in use|already in use|No such file")
_PATH = late.regex(
    r"Permission denied: ['\"]?([^'\"\s]+)|not permitted: ['\"]?([^'\"\s]+)|connection to (.+?) failed|"
    r"Can't connect to (.+)|['\"](/[^'\"\s]+)['\"]"
)
_OF_DATABASE = late.regex(
    r"^(?:psycopg2?|asyncpg|MySQLdb|pymysql|sqlalchemy|django\.db)\b(?!.*\bconnect)|for (?:table|relation|schema|"
    r"database|sequence|function|view|type) "
)
_OWN_FAULTS = ("ImportError", "ModuleNotFoundError", "SyntaxError", "AttributeError", "NameError", "KeyError")


def match(trouble: Trouble) -> Finding | None:
    """Conclude from EACCES or EPERM; a database's own refusal of a table is none."""
    error = trouble.error
    serving = trouble.moment == REQUEST and not trouble.died
    refused = error is not None and _is_refused(error, certain=serving)
    line, guessed = _spoken(trouble)
    if not refused and (not line or (error is not None and _OF_DATABASE.search(error.text))):
        return None
    text = error.text if error is not None and refused else line[0].text
    path = first(_PATH, text)
    return conclude(
        trouble,
        f"The operating system refuses {path or 'a file or socket'}: {one_line(text)}",
        f"Let the workers' user use {path or 'it'} (owner, mode, mount options), or choose another place; "
        f"ports below 1024 need a capability.",
        code=None if refused else "BC408",
        confirm=f"ls -ld {path}" if path.startswith("/") else None,
        confidence="medium" if guessed else "high",
        against=("Or its directory does not exist: up to release 22 gunicorn does not print why.",) if guessed else (),
        evidence=None if refused else line,
    )


def _spoken(trouble: Trouble) -> tuple[tuple[Evidence, ...], bool]:
    """Return the line that tells of it without an exception, and whether it is only inferred."""
    master = trouble.role == "master"
    # Of a traceback's own text the exception tells better.
    plain = master and trouble.died and not (trouble.error is not None and trouble.error.frames)
    own = [item for pattern in (_SAID, _LOW_PORT) for item in trouble.said if plain and pattern.search(item.text)]
    line = tuple(own[:1])
    if not line and not trouble.died:
        told = trouble.line(TELLTALE)
        # A start script may complain, and go on to a server that is well.
        fits = told and (_PROXY.search(told[0].text) or trouble.unstarted)
        line = told if fits else ()
    guessed = not line and master and trouble.error is None and trouble.died and trouble.says(_IN_USE) is None
    return (trouble.line(_SOCKET) if guessed else line), guessed


def _is_refused(error: Raised, *, certain: bool) -> bool:
    """Tell whether an exception, of whatever type, passes on that the system refused; by its number, to be certain."""
    if error.type == "PermissionError" or _NO_WRITE.search(error.text):
        return True
    if error.is_a(*_OWN_FAULTS) or _OF_DATABASE.search(error.text):
        return False
    if certain or _CODE.search(error.text):
        return _CODE.search(error.text) is not None
    if _WORDS.search(error.text) and not _REMOTE.search(error.text):
        return True
    own = _OWN_WORDS.search(error.text) and _NAMES_PATH.search(error.message)
    return own is not None and _OTHERWISE.search(error.text) is None
