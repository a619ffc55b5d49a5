"""What each of Gunicorn's lines means for the server it speaks of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bootcheck.analysis import gunicorn_lines as said
from bootcheck.analysis import stops
from bootcheck.analysis.endings import APP_LOAD_ERROR, BOOT_ERROR
from bootcheck.analysis.lives import SEEN_RETRIES, Server, evidence
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.trouble import Raised

MAX_FATAL = 30
_ABORTED = "SystemExit: 1"
_BAD_FILE = "Failed to read config file: "
_HOOK = "worker received"
"""How the hook begins that Gunicorn's documentation has for a worker that is aborted."""
_USAGE, _REFUSED = "[OPTIONS]", ": error: "
"""What stands in Gunicorn's own usage, and in every error of a parser of arguments."""


def _listening(server: Server, match: re.Match[str], record: Record) -> None:
    server.listening = (*server.listening, *match["where"].split(","))[:8]
    server.listens = evidence(record)
    server.pid = server.pid or record.pid
    server.recovered()


def _worker_class(server: Server, match: re.Match[str], _: Record) -> None:
    server.worker_class = match["name"]


def _exiting(server: Server, match: re.Match[str], record: Record) -> None:
    server.named(said.pid_of(match))
    life = server.life(said.pid_of(match), evidence(record))
    life.exiting = True
    server.last_words.ended(record.line)
    if (
        server.fatal_kind == said.CONFIG_ERROR
        and not life.chain
        and any(_REFUSED in item.text for item in server.fatal)
    ):
        # Whoever reads Gunicorn's arguments in a worker is the app.
        refused = next(item for item in server.fatal if _REFUSED in item.text)
        life.chain = (Raised(type="SystemExit", message=refused.text, line=refused.line),)
        server.recovered()
    server.end(life, record.at)
    ended = life.chain or life.timed_out or life.retiring or life.context not in (None, "failure")
    if server.just_raised and server.loose is not None and not ended and not server.served:
        # What it raised was printed without Gunicorn's words, or they were cut off.
        chain, server.loose = server.loose.chain, None
        if chain[0].text == _ABORTED and not chain[0].frames and not server.seen_start:
            # Of an exit while the app is loaded Gunicorn prints nothing: this is the end of an abort.
            life.hung_in, life.timed_out = chain, True
            return
        life.chain, life.raised = chain, True
        server.failing = True


def _raised(server: Server, match: re.Match[str], record: Record) -> None:
    life = server.life(record.pid or server.latest(), evidence(record))
    life.raised = True
    server.end(life, record.at)
    if match["dirty"]:
        # One of its second pool: the server goes on.
        life.role = "dirty-worker"
    else:
        server.failing = True
    server.raising = life


def _timeout(server: Server, match: re.Match[str], record: Record) -> None:
    pid = said.pid_of(match)
    if not pid and match[0].startswith(_HOOK):
        # It is the worker itself that says so, mostly after its master.
        pid = record.pid or 0
        if not pid and any(life.timed_out for life in server.lives.values()):
            return
    life = server.life(pid, evidence(record))
    told = life.exiting and not (life.retiring or server.recycling)
    known = life.ended_at is not None and record.at is not None
    life.held_up = told and known and (record.at or 0) - (life.ended_at or 0) >= stops.GRACE
    life.timed_out, life.after_service = True, server.served
    server.end(life, record.at)
    server.waves.take(life, record.at)
    server.explained_ends += 1


def _of_a_worker(server: Server, match: re.Match[str], record: Record) -> bool:
    """Tell whether a worker speaks of a child of its own: it has the handler of its master, and its words."""
    speaker = server.lives.get(record.pid) if record.pid is not None and record.pid != server.pid else None
    return speaker is not None and speaker.begun and said.pid_of(match) not in server.lives


def _killed(server: Server, match: re.Match[str], record: Record) -> None:
    if _of_a_worker(server, match, record):
        return
    first = server.lives.get(0)
    if first is not None and first.hung_in:
        server.named(said.pid_of(match))
    life = server.life(said.pid_of(match), evidence(record))
    life.killed = said.signal_of(match)
    server.end(life, record.at)
    server.waves.take(life, record.at)
    server.explained_ends += 1


def _exited(server: Server, match: re.Match[str], record: Record) -> None:
    pid = said.pid_of(match)
    if _of_a_worker(server, match, record):
        return
    if int(match["code"][:5]) == BOOT_ERROR:
        server.named(pid)
    life = server.lives.get(pid)
    if life is None or life.exit_code is None:
        # 21 to 23 say it twice.
        life = server.life(pid, evidence(record))
        life.exit_code = int(match["code"][:5])
        server.last_words.ended(record.line)
        server.end(life, record.at)
    server.explained_ends += 1
    if life.exit_code in (BOOT_ERROR, APP_LOAD_ERROR):
        server.failing = True


def _ready(server: Server, _: re.Match[str], record: Record) -> None:
    if record.pid is not None:
        # Where the log begins within its boot, this is the first that is known of it.
        server.life(record.pid, evidence(record)).ready = True
        return
    server.unnamed += 1
    begun = [
        life for life in server.lives.values() if life.starting and not (life.ready or life.timed_out or life.over)
    ]
    if server.unnamed >= len(begun):
        server.unnamed = 0
        for life in begun:
            life.ready = True


def _starting(server: Server, _: re.Match[str], record: Record) -> None:
    # Without a pid it is that of the process that uvicorn has just named.
    pid, server.announced = (server.announced, None) if record.pid is None else (record.pid, server.announced)
    life = server.lives.get(pid) if pid is not None else None
    if life is not None:
        life.starting = True
        life.say(evidence(record))


def _started(server: Server, match: re.Match[str], record: Record) -> None:
    server.announced = said.pid_of(match) if record.pid is None else None


_BY_PROXY = ("502", "504")
"""What a proxy answers where the server behind it did not."""


def _serving(server: Server, match: re.Match[str], record: Record) -> None:
    if match[0][-3:] in _BY_PROXY:
        server.kept_waiting = server.kept_waiting or match[0].endswith("504")
        return
    server.served, server.answered_after = True, server.begun
    if match[0][-3] in "123" and said.NEEDS_NOTHING.search(record.text) is None:
        server.went_on = server.went_on or server.failed is not None
        server.answered = True
    if server.just_raised and server.loose is not None and match[0][-3:-2] == "5":
        server.loose.failed = not server.loose.by_import


def _handling(server: Server, match: re.Match[str], record: Record) -> None:
    life = server.lives.get(record.pid) if record.pid is not None else None
    if life is not None:
        # Who handles a request has booted, whatever ended it.
        life.ready = True
    if match[0].startswith("Socket error") and server.loose is not None and server.loose.bare:
        # The end of another of these: the log begins in the middle of it.
        server.loose = None


def _nested(server: Server, _: re.Match[str], __: Record) -> None:
    server.nested = bool(server.lives)


def _reason(server: Server, match: re.Match[str], record: Record) -> None:
    server.reason, server.reason_at, server.reason_said = match["reason"], record.at, evidence(record)
    server.failing = True
    if server.stopping and server.stopped_by is None:
        # No order was cut off: this is why it stops.
        server.stopping = False
        for life in server.lives.values():
            life.context = "failure" if life.context == "signal" else life.context


def _lifespan_failed(server: Server, _: re.Match[str], record: Record) -> None:
    life = server.life(record.pid or server.latest(), evidence(record))
    life.raised = True
    server.end(life, record.at)
    server.failing = True
    if server.loose is not None:
        life.chain, server.loose = server.loose.chain, None


def _app_not_found(server: Server, _: re.Match[str], record: Record) -> None:
    open_lives = (life for life in server.lives.values() if not life.app_not_found and not life.over)
    life = server.lives.get(record.pid) if record.headed and record.pid is not None else next(open_lives, None)
    if life is None:
        _fatal(server, said.APP_NOT_FOUND, record)
        return
    life.app_not_found = True
    life.say(evidence(record))
    life.end(record.at, None)
    server.failing = True


def _main_loop(server: Server, _: re.Match[str], record: Record) -> None:
    server.main_loop = evidence(record)
    server.fatal_at = record.at
    server.pid = server.pid or record.pid


def _retrying(server: Server, match: re.Match[str], record: Record) -> None:
    server.retries += 1
    if server.retries == SEEN_RETRIES and not (server.fatal or server.listening or server.lives):
        # It says why only where the address is in use, or invalid.
        _cannot_bind(server, match, record)


def _cannot_bind(server: Server, _: re.Match[str], record: Record) -> None:
    _fatal(server, said.CANNOT_BIND, record)


def _config_error(server: Server, _: re.Match[str], record: Record) -> None:
    if record.text.startswith(_BAD_FILE):
        _fatal(server, said.CONFIG_ERROR, record)
        return
    # What an app prints while it serves may begin with "Error: " as well.
    if server.served:
        return
    if record.text.startswith(("usage: ", "Usage: ")):
        server.parser = _USAGE not in record.text
    parsed = Raised(type="SystemExit", message=record.text, line=record.line) if server.parser else None
    if server.lives:
        life = server.lives.get(server.latest())
        if parsed is not None and life is not None and _REFUSED in record.text:
            life.chain, server.parser = (parsed,), False
            life.say(evidence(record))
        return
    _fatal(server, said.CONFIG_ERROR, record)
    if parsed is not None and _REFUSED in record.text:
        server.fatal_chain, server.parser = (parsed,), False


def _fatal(server: Server, kind: str, record: Record) -> None:
    if len(server.fatal) < MAX_FATAL and not any(item.text == record.text for item in server.fatal):
        server.fatal.append(evidence(record))
    server.fatal_kind = server.fatal_kind or kind
    server.fatal_at = record.at
    server.pid = server.pid or record.pid


Handler = Callable[[Server, re.Match[str], Record], None]

HANDLERS: Mapping[str, Handler] = {
    said.LISTENING: _listening,
    said.WORKER_CLASS: _worker_class,
    said.EXITING: _exiting,
    said.RAISED: _raised,
    said.TIMEOUT: _timeout,
    said.OVERDUE: stops.overdue,
    said.KILLED: _killed,
    said.EXITED: _exited,
    said.SIGNAL: stops.ordered,
    said.RELOAD: stops.changed,
    said.READY: _ready,
    said.STARTING: _starting,
    said.STARTED: _started,
    said.LEAVING: stops.leaving,
    said.FINISHED: stops.finished,
    said.SERVING: _serving,
    said.REQUEST_ERROR: _handling,
    said.NESTED: _nested,
    said.HALT: stops.halted,
    said.REASON: _reason,
    said.LIFESPAN_FAILED: _lifespan_failed,
    said.APP_NOT_FOUND: _app_not_found,
    said.CANNOT_BIND: _cannot_bind,
    said.RETRYING: _retrying,
    said.MAIN_LOOP: _main_loop,
    said.CONFIG_ERROR: _config_error,
}
"""START and BOOTING are the container's: they begin something new."""


def event_of(record: Record, *, telltale: bool, booted: bool) -> tuple[str, re.Match[str]] | None:
    """Return what Gunicorn says by a line, None where it is somebody else's."""
    event = said.event_of(record.text)
    # A shell, a container or an app in a worker says "Error: " as well, in words that Gunicorn does not have.
    others = telltale or (booted and record.text.startswith("Error: "))
    return None if others and event is not None and event[0] == said.CONFIG_ERROR else event
