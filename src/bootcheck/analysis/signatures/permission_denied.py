"""The operating system refuses a file, socket or directory.

What it means
    The process may not do what the app or gunicorn wants of it: read a file, write a log, create a
    socket, bind a port below 1024.

How it looks
    `PermissionError: [Errno 13] Permission denied: '/var/log/app/app.log'`, `Operation not permitted`.

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

from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "permission-denied"
RULES: tuple[str, ...] = ()

_SAID = re.compile(r"\[Errno (?:13|1)\]|EACCES|EPERM|Permission denied|Operation not permitted", re.IGNORECASE)
_CODE = re.compile(r"\[Errno (?:13|1)\] (?:Permission denied|Operation not permitted)")
TELLTALE = re.compile(r"connect\(\) to unix:\S+ failed \(13: Permission denied\)")
"""A proxy that may not use gunicorn's socket."""
WORDS = ("connect() to unix:",)
TELLTALE_CAUSE = Cause.NONE
_NO_WRITE = re.compile(r"attempt to write a readonly database|cannot cache function '\w+': no locator available")
"""SQLite and Numba, where the file or its directory belongs to somebody else."""
_LOW_PORT = re.compile(r"Can't connect to \([^)]*, (?:\d{1,3}|10[01]\d|102[0-3])\)")
"""Up to Gunicorn 22 the reason is not printed; a port below 1024 is one."""
_SOCKET = re.compile(r"Can't connect to /")
"""A socket file for which no reason is printed: in use it is not, so its directory is closed, or missing."""
_IN_USE = re.compile(r"Connection in use|already in use|No such file")
_PATH = re.compile(
    r"Permission denied: ['\"]?([^'\"\s]+)|not permitted: ['\"]?([^'\"\s]+)|connection to (.+?) failed|"
    r"Can't connect to (.+)"
)
_DATABASE = re.compile(
    r"^(?:psycopg2?|asyncpg|MySQLdb|pymysql|sqlalchemy|django\.db)\b|for (?:table|relation|schema|database|"
    r"sequence) "
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from EACCES or EPERM; a database's own refusal of a table is none."""
    error = trouble.error
    line = (*trouble.line(_SAID), *trouble.line(_LOW_PORT))[:1] if trouble.role == "master" else ()
    line = line or (trouble.line(TELLTALE) if trouble.cause is Cause.NONE else ())
    guessed = not line and trouble.role == "master" and error is None and trouble.says(_IN_USE) is None
    if guessed:
        line = trouble.line(_SOCKET)
    refused = error is not None and (
        error.is_a("PermissionError") or (error.is_a("OSError", "IOError", "error") and _SAID.search(error.text))
    )
    if error is not None and not refused and error.is_a("ValueError", "RuntimeError") and _SAID.search(error.text):
        # logging.config wraps what its handler met.
        refused = True
    if error is not None and error.is_a("Exception") and _CODE.search(error.text):
        refused = True
    no_write = error is not None and trouble.died and _NO_WRITE.search(error.text) is not None
    refused = refused or no_write
    if (not refused and not line) or (error is not None and not no_write and _DATABASE.search(error.text)):
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
