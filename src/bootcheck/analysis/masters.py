"""How a master ended, as far as it or its traceback says so."""

from __future__ import annotations

from collections.abc import Callable

from bootcheck.analysis import gunicorn_lines as said
from bootcheck.analysis.lives import SEEN_RETRIES, Server
from bootcheck.analysis.trouble import BOOT, UNKNOWN, UNREACHED, Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence

_KINDS = (
    ("AttributeError", "' has no attribute '"),
    ("ModuleNotFoundError", "No module named "),
    ("ImportError", "cannot import name "),
)
"""What an app passes on as a RuntimeError, by its words."""
CONTAINERS = 1
"""The pid of the first process of a container."""
_REASONS = {"WORKER_BOOT_ERROR": "Worker failed to boot", "APP_LOAD_ERROR": "App failed to load"}
"""In the code that raises it, where the exception's own line is cut off."""


def reason_of(halt: Raised) -> str | None:
    """Return why a master halted, as its exception or the last line of code before it says."""
    found = said.event_of(halt.text)
    if found is not None and found[0] == said.REASON:
        return str(found[1]["reason"])
    code = halt.frames[-1].code if halt.frames else ""
    return next((reason for name, reason in _REASONS.items() if name in code), None)


def halted(
    server: Server, chain: tuple[Raised, ...], at: float | None, line_of: Callable[[tuple[Raised, ...]], Evidence]
) -> None:
    """Take the master's own end: it says that a worker could not boot, not why."""
    server.failing = True
    halt = next(link for link in chain if link.is_a("HaltServer"))
    reason = reason_of(halt)
    if reason is not None and server.reason is None:
        server.reason, server.reason_at, server.reason_said = reason, at, line_of((halt,))


def is_stray(server: Server) -> bool:
    """Tell whether "Error: " is all that was said: any program says so, beside a server or before it."""
    shown = server.seen_start or server.listening or server.boots or server.served or server.fatal_chain
    alone = server.fatal_kind == said.CONFIG_ERROR and not shown
    return alone and all(item.text.startswith("Error: ") for item in server.fatal)


def raised(server: Server, chain: tuple[Raised, ...], lines: tuple[Evidence, ...], notes: list[Evidence]) -> Trouble:
    """Return the end of a master by an exception; the chain is empty where the log does not hold it."""
    return Trouble(
        cause=Cause.SYS_EXIT if chain and chain[0].is_a("SystemExit") else Cause.EXCEPTION,
        role="master",
        pid=server.pid,
        moment=UNKNOWN if server.lives else BOOT,
        exception=chain[0] if chain else None,
        chain=chain,
        at=server.fatal_at,
        since=server.started_at,
        said=lines,
        around=server.around(notes),
        stops_server=True,
    )


def gave_up(server: Server, notes: list[Evidence]) -> Trouble:
    """Return the end of a master that said why and had no worker yet."""
    chain = server.fatal_chain
    plain = None if chain else _plain_error(server.fatal)
    cause = Cause.APP_NOT_FOUND if server.fatal_kind == said.APP_NOT_FOUND else Cause.SYS_EXIT
    return Trouble(
        cause=Cause.EXCEPTION if plain is not None and cause is Cause.SYS_EXIT else cause,
        role="master",
        pid=server.pid,
        moment=BOOT,
        exception=chain[0] if chain else plain,
        chain=chain,
        at=server.fatal_at,
        since=server.started_at,
        said=tuple(server.fatal),
        around=server.around(notes),
        facts={"gave_up": server.fatal_kind, **({} if chain else server.complained)},
        stops_server=True,
    )


def out_of_reach(server: Server, notes: list[Evidence]) -> Trouble | None:
    """Return what is wrong with a server that is all there is in its container, and listens for nobody outside."""
    inside = server.pid == CONTAINERS and all(map(said.LOOPBACK.search, server.listening))
    if server.listens is None or not inside or server.served or server.troubles or server.failing:
        return None
    return Trouble(
        cause=Cause.NONE,
        role="master",
        moment=BOOT,
        pid=server.pid,
        said=(server.listens,),
        around=server.around(notes),
        facts={UNREACHED: True},
    )


def says_no_reason(server: Server) -> bool:
    """Tell whether it could not bind, and the log begins after it had said why."""
    if server.fatal_kind != said.CANNOT_BIND or server.seen_start or server.retries >= SEEN_RETRIES:
        return False
    return all("Can't connect to" in item.text for item in server.fatal)


def still_tries(server: Server) -> bool:
    """Tell whether it has said so far that it tries again to bind, and nothing of the reason."""
    return server.fatal_kind == said.CANNOT_BIND and all("Retrying in" in item.text for item in server.fatal)


def failed_unseen(
    server: Server, chain: tuple[Raised, ...], lines: tuple[Evidence, ...], notes: list[Evidence]
) -> Trouble:
    """Return the end of a worker of which only the master's reason is known, and perhaps a traceback."""
    return Trouble(
        cause=Cause.APP_NOT_FOUND if server.reason == "App failed to load" else Cause.EXCEPTION,
        moment=BOOT,
        exception=chain[0] if chain else None,
        chain=chain,
        at=server.reason_at,
        said=lines,
        around=server.around(notes),
        facts={} if chain else {**server.complained},
        stops_server=True,
    )


def _plain_error(fatal: list[Evidence]) -> Raised | None:
    """Return what Gunicorn prints of a RuntimeError in the master: one line and no traceback."""
    for item in fatal:
        if item.text.startswith("Error: "):
            message = item.text.removeprefix("Error: ")
            kind = next((kind for kind, words in _KINDS if words in message), "RuntimeError")
            return Raised(type=kind, message=message, line=item.line)
    return None
