"""Orders to stop and to change, and how the workers follow them: what ends in good order, and what is cut short."""

from __future__ import annotations

import re

from bootcheck.analysis import gunicorn_lines as said
from bootcheck.analysis.lives import Server, evidence
from bootcheck.analysis.readers.prefixes import Record

STOPPING = frozenset({"term", "int", "quit"})
STOPPED_BY = frozenset({"SIGTERM", "SIGINT", "SIGQUIT", "SIGKILL"})
CHANGING = frozenset({"hup", "ttou", "ttin", "usr2", "winch"})
TENS = 10.0
"""People set limits in tens of seconds."""
GRACE = 2.0
"""Seconds from an ordered stop after which a worker that never said that it exits was killed."""


def ordered(server: Server, match: re.Match[str], record: Record) -> None:
    """Take the master's word that a signal came."""
    name = match["name"]
    if name in STOPPING:
        if server.fatal_kind == said.CONFIG_ERROR:
            # Whoever takes signals has read its configuration.
            server.recovered()
        server.stopping = server.stopping or not server.failing
        server.stop_at, server.stopped_by = record.at, name
        for life in server.lives.values() if server.stopping else ():
            if life.exiting and not life.killed and life.context is None and _soon(life.ended_at, record.at):
                # It got the signal as well, and was faster to say so.
                life.context = "signal"
        # One that is replaced while others serve is cut short as well, and nobody misses it.
        for life in () if server.served or any(one.ready for one in server.lives.values()) else server.lives.values():
            if server.stopping and life.starting and not (life.over or life.stopped):
                life.stopped, life.stopped_at = True, record.at
                life.say(evidence(record))
    elif name in CHANGING:
        server.recycling = False
        server.reloaded_at = record.at or 0.0
        for life in server.lives.values():
            if life.killed == f"SIG{name.upper()}" and life.context is None and _soon(life.ended_at, record.at):
                # Sent to the whole group: a worker that cannot take it may be reaped before the master says why.
                life.context = "reload"


def changed(server: Server, match: re.Match[str], record: Record) -> None:
    """Take a reload, or a worker's word that it gives way to a new one."""
    server.recycling = match[0].startswith("Autorestarting")
    life = server.lives.get(record.pid) if record.pid is not None else None
    if life is not None:
        life.retiring = True
        server.explained_ends += 1
    else:
        server.reloaded_at = record.at or 0.0


def overdue(server: Server, match: re.Match[str], record: Record) -> None:
    """Take a worker's word that the time for its end is over."""
    life = server.life(said.pid_of(match), evidence(record))
    if not server.stopping and (life.retiring or server.recycling):
        # Nobody waits for it: it gives up connections that are idle, as it does with those of a stop.
        return
    ordered = server.stop_at if server.stopping else server.reloaded_at
    waited = record.at is None or ordered is None or record.at - ordered >= GRACE
    if waited and server.context(life, record.at) in ("signal", "reload"):
        # It ends by itself, as cut short as one that is killed.
        life.killed = "SIGKILL"
        server.end(life, record.at)
        server.explained_ends += 1


def leaving(server: Server, match: re.Match[str], record: Record) -> None:
    """Take a worker's word, uvicorn's, of what it still waits for; without a pid it may be any of them."""
    if record.pid is None and server.stopping:
        server.leaving[match[0]] += 1
    elif record.pid in server.lives:
        server.lives[record.pid].leaving = True


def finished(server: Server, match: re.Match[str], record: Record) -> None:
    """Take its word that it has ended in good order, which is its last one."""
    life = server.life(said.pid_of(match), evidence(record))
    life.retiring, life.leaving = True, False
    server.finished += server.stopping


def halted(server: Server, _: re.Match[str], record: Record) -> None:
    """Take the master's last word: it kills what is left, and is often gone before it can say so."""
    if not (server.stopping or server.failing or server.seen_start) and record.level == "INFO":
        # The order itself was cut off with the head of the log: workers that end just before this were told to.
        server.stopping = True
        for life in server.lives.values():
            told = life.killed in STOPPED_BY or (life.exiting and life.killed is None)
            if told and life.context is None and not life.timed_out and _soon(life.ended_at, record.at):
                life.context = "signal"
        return
    if not server.stopping or server.stop_at is None or record.at is None or record.at - server.stop_at < GRACE:
        return
    left = [life for life in server.lives.values() if not (life.over or life.retiring)]
    if "uvicorn" in (server.worker_class or "").lower() and not _by_limit(record.at - server.stop_at):
        # Its workers need not say that they exit; but who says what it waits for also says that it has finished.
        some = 0 < server.finished < max(server.leaving.values(), default=0)
        left = [life for life in left if life.leaving or some]
    for life in left:
        life.killed = "SIGKILL"
        life.say(evidence(record))
        life.end(record.at, "signal")


def _by_limit(waited: float) -> bool:
    """Tell whether a stop took as long as people allow it to, in tens of seconds: it did not end by itself."""
    return waited >= TENS and waited % TENS <= GRACE


def _soon(ended: float | None, at: float | None) -> bool:
    return ended is None or at is None or abs(at - ended) <= GRACE
