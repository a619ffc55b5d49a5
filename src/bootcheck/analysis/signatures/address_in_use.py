"""The address to bind is held by another process.

What it means
    Gunicorn tries its address five times, a second apart, and gives up with status 1. Nothing serves.

How it looks
    `Connection in use: ('0.0.0.0', 8000)`, `Retrying in 1 second.`, `Can't connect to ('0.0.0.0', 8000)`; or, of the
    pid file, `Already running on PID 31 (or pid file '/run/shop.pid' is stale)`.

Why it happens
    An earlier server, or orphaned workers of a killed master, still hold the port; two units or
    containers share it (host network); the app itself binds the port while it is imported. A pid file is left
    behind where a container is killed and started again.

What to do
    Find the holder with `ss -ltnp 'sport = :PORT'` and stop it, or bind another port.

How to know it is fixed
    `ss -ltn` shows nobody on the port while the server is down, and `Listening at:` when it is up.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, first
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding

CAUSE_CLASS = "address-in-use"
RULES: tuple[str, ...] = ()

_SAID = late.regex(
    r"Connection in use: |Address already in use|EADDRINUSE|\[Errno (?:98|48)\]|port is already in use|WinError 10048",
    re.IGNORECASE,
)
TELLTALE = late.regex(
    r"Bind for \S+ failed: port is already allocated|listen tcp\S* \S+ bind: address already in use|"
    r"^Port \d+ is in use by another program|"
    r"\[Errno (?:98|48|10048)\] error while attempting to bind on address|"
    r"unicorn\S*\.socket: (?:Failed to (?:create listening socket|listen on sockets).*: Address already in use|"
    r"Socket service \S+ already active)"
)
"""Docker, which holds the port for its container, systemd, and servers of its own that an app starts beside."""
WORDS = ("already allocated", "already in use", "in use by another", "attempting to bind on", "already active")
TELLTALE_CAUSE = Cause.OS_EXIT
_RUNNING = late.regex(r"^Error: Already running on PID (\d+) \(or pid file '([^']+)' is stale\)")
_WHERE = late.regex(
    r"Connection in use: (.+)|connection to (.+?) failed|Can't connect to (.+)|(?:Bind for|listen tcp\S*) (\S+?):? "
)
_PORT = late.regex(r", (\d+)\)|:(\d+)\b")


def match(trouble: Trouble) -> Finding | None:
    """Conclude from gunicorn's own words, or from an EADDRINUSE that ended the process."""
    runs = trouble.line(_RUNNING) if trouble.role == "master" and trouble.died else ()
    if runs:
        return _runs_already(trouble, runs)
    error = trouble.error
    line = (*trouble.line(_SAID), *trouble.line(TELLTALE))[:1]
    if not (line and trouble.role == "master") and not (error is not None and _SAID.search(error.text)):
        return None
    text = line[0].text if line else (error.text if error is not None else "")
    where = first(_WHERE, text, "that it asks for")
    port = first(_PORT, where) or "PORT"
    gave_up = [item for item in trouble.said if "Can't connect" in item.text][:1]
    return conclude(
        trouble,
        f"The address {where} is held by another process, so gunicorn cannot listen.",
        f"Find the holder (ss -ltnp 'sport = :{port}') and stop it, or bind another address.",
        "Look for workers of an earlier master that was killed: they keep its socket.",
        code="BC405",
        confirm=f"ss -ltnp 'sport = :{port}'",
        evidence=[*line, *gave_up] or None,
    )


def _runs_already(trouble: Trouble, line: tuple[Evidence, ...]) -> Finding:
    said = _RUNNING.search(line[0].text)
    pid, path = (said[1], said[2]) if said is not None else ("PID", "FILE")
    return conclude(
        trouble,
        f"Another process has the pid file {path} of this server: pid {pid}, or nobody any more.",
        f"Look whether pid {pid} is a gunicorn (ps -p {pid}): stop it, or let this one have a pid file of its own.",
        f"If it is something else, remove {path} before each start: a container that is started again keeps its files.",
        confirm=f"ps -p {pid} -o pid,lstart,args",
        confidence="medium",
        evidence=line,
    )
