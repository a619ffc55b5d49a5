"""From the lines of one log to the troubles of the processes in it, in one pass and bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bootcheck.analysis import gunicorn_lines as said
from bootcheck.analysis import tracebacks
from bootcheck.analysis.lives import (
    BOOT_ERROR,
    STOPPING,
    Life,
    Server,
    is_boot,
    is_master,
    is_request,
    silent_troubles,
    trouble_of,
)
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.trouble import BOOT, REQUEST, UNKNOWN, Raised, Surroundings, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence

MAX_STREAMS = 256
MAX_LIVES = 512
MAX_NOTES = 50
MAX_SILENT = 5_000
GRACE = 2.0
"""Seconds from an ordered stop after which a worker that never said that it exits was killed."""
RELOAD_GRACE = 300.0
_BAD = frozenset({"ERROR", "CRITICAL"})


class Sink(Protocol):
    """Where what a log tells goes."""

    def trouble(self, trouble: Trouble) -> None:
        """Take one process's trouble."""

    def unexplained(self, text: str, source: str, line: int) -> None:
        """Take an error line that belongs to no trouble."""


class Log:
    """One source of lines: its containers are told apart, its notes are shared."""

    def __init__(self, source: str, sink: Sink, telltale: Callable[[str], bool]) -> None:
        self.source = source
        self.notes: list[Evidence] = []
        self._sink = sink
        self._telltale = telltale
        self._streams: dict[str, _Stream] = {}
        self._around = Surroundings()

    def feed(self, record: Record) -> None:
        """Take the next line."""
        text = record.text
        telltale = self._telltale(text)
        if telltale and len(self.notes) < MAX_NOTES:
            self.notes.append(Evidence(source=record.source, line=record.line, text=text))
        stream = self._streams.get(record.stream)
        if stream is None:
            if len(self._streams) >= MAX_STREAMS:
                self._streams.pop(next(iter(self._streams))).end()
            stream = self._streams[record.stream] = _Stream(self.source, self._sink, self.notes)
        stream.feed(record, telltale=telltale)

    @property
    def surroundings(self) -> Surroundings:
        """Return what the log says about its server."""
        return self._around

    def end(self) -> None:
        """Tell what is still open at the log's end."""
        for stream in self._streams.values():
            stream.end()
            if stream.around.version is not None or self._around.version is None:
                self._around = stream.around
        self._streams.clear()


class _Stream:
    """Strictly private: the lines of one container, service or file."""

    def __init__(self, source: str, sink: Sink, notes: list[Evidence]) -> None:
        self._source = source
        self._sink = sink
        self._notes = notes
        self._server = Server()
        self._block: tracebacks.Block | None = None
        self._owner: Record | None = None
        self._head: Record | None = None
        self._event: str | None = None
        self._raising: Life | None = None
        self._loose: tuple[tuple[Raised, ...], Record] | None = None
        self._last_at: float | None = None
        self._host: str | None = None
        self.around = Surroundings()

    def feed(self, record: Record, *, telltale: bool) -> None:
        if record.at is None:
            record.at = self._last_at
        else:
            self._last_at = record.at
        self._host = record.host or self._host
        event = said.event_of(record.text)
        if self._block is not None:
            open_end = self._block.raised
            if not record.headed and not (open_end and (event or telltale)) and self._block.feed(record.text, record.line):
                return
            self._close_block()
        if record.headed:
            self._head = record
        if "Traceback" in record.text or "Error" in record.text or "Exception" in record.text:
            block = tracebacks.start(record.text, record.line) if event is None or event[0] == said.CONFIG_ERROR else None
            if block is not None:
                self._block, self._owner = block, self._head or record
                return
        if event is not None:
            self._on_event(event[0], event[1].groupdict(), record, event)
        elif record.level in _BAD and not telltale:
            self._sink.unexplained(record.text, record.source, record.line)
        if record.headed:
            self._event = event[0] if event is not None else None

    def end(self) -> None:
        self._close_block()
        self._end_server()

    def _on_event(self, kind: str, parts: dict[str, str | None], record: Record, event: object) -> None:
        handler = getattr(self, f"_on_{kind}", None)
        if handler is not None:
            handler(parts, record, event)

    def _on_start(self, parts: dict[str, str | None], record: Record, _: object) -> None:
        if self._server.fatal_kind == said.START or self._server.seen_start or self._server.lives or self._server.fatal:
            self._end_server()
        self._server = Server(version=parts["version"], pid=record.pid, started_at=record.at, seen_start=True)

    def _on_listening(self, parts: dict[str, str | None], record: Record, _: object) -> None:
        self._server.listening = (*self._server.listening, *(parts["where"] or "").split(","))[:8]
        self._recovered()
        self._server.pid = self._server.pid or record.pid

    def _on_worker_class(self, parts: dict[str, str | None], _: Record, __: object) -> None:
        self._server.worker_class = parts["name"]

    def _on_booting(self, parts: dict[str, str | None], record: Record, _: object) -> None:
        pid = _pid(parts)
        self._recovered()
        if pid in self._server.lives:
            self._flush(self._server.lives.pop(pid))
        self._trim()
        life = Life(pid, record.at, record.line)
        life.say(_evidence(record))
        self._server.lives[pid] = life
        if len(self._server.boots) < MAX_SILENT:
            self._server.boots.append(record.at)

    def _on_exiting(self, parts: dict[str, str | None], record: Record, _: object) -> None:
        life = self._life(_pid(parts), record)
        life.exiting = True
        life.end(record.at, self._server.context(life, record.at))

    def _on_raised(self, _: dict[str, str | None], record: Record, __: object) -> None:
        life = self._life(record.pid or self._latest(), record)
        life.raised = True
        life.end(record.at, self._server.context(life, record.at))
        self._server.failing = True
        self._raising = life

    def _on_timeout(self, parts: dict[str, str | None], record: Record, _: object) -> None:
        life = self._life(_pid(parts), record)
        life.timed_out = True
        life.end(record.at, self._server.context(life, record.at))
        self._server.explained_ends += 1

    def _on_killed(self, parts: dict[str, str | None], record: Record, event: tuple[str, object]) -> None:
        life = self._life(_pid(parts), record)
        life.killed = said.signal_of(event[1])  # type: ignore[arg-type]
        reload = self._server.reloaded_at
        if reload is not None and record.at is not None and record.at - reload > RELOAD_GRACE:
            self._server.reloaded_at = None
        life.end(record.at, self._server.context(life, record.at))
        self._server.explained_ends += 1

    def _on_exited(self, parts: dict[str, str | None], record: Record, _: object) -> None:
        life = self._life(_pid(parts), record)
        if life.exit_code is None:
            life.exit_code = int((parts["code"] or "0")[:5])
            life.end(record.at, self._server.context(life, record.at))
        self._server.explained_ends += 1
        if life.exit_code in (BOOT_ERROR, BOOT_ERROR + 1):
            self._server.failing = True

    def _on_signal(self, parts: dict[str, str | None], record: Record, _: object) -> None:
        name = parts["name"] or ""
        if name in STOPPING:
            if not self._server.failing:
                self._server.stopping = "signal"
            self._server.stop_at = record.at
        elif name in ("hup", "ttou", "ttin", "usr2", "winch"):
            self._server.reloaded_at = record.at or 0.0

    def _on_reload(self, _: dict[str, str | None], record: Record, __: object) -> None:
        if record.pid is not None and record.pid in self._server.lives:
            self._server.lives[record.pid].retiring = True
        else:
            self._server.reloaded_at = record.at or 0.0

    def _on_ready(self, _: dict[str, str | None], record: Record, __: object) -> None:
        if record.pid is not None and record.pid in self._server.lives:
            self._server.lives[record.pid].ready = True

    def _on_serving(self, _: dict[str, str | None], __: Record, ___: object) -> None:
        self._server.served = True

    def _on_halt(self, _: dict[str, str | None], record: Record, __: object) -> None:
        server = self._server
        if server.stopping != "signal" or server.stop_at is None or record.at is None:
            return
        if record.at - server.stop_at < GRACE or "uvicorn" in (server.worker_class or "").lower():
            return
        for life in server.lives.values():
            if not life.over:
                # The master kills what is left and is often gone before it can say so.
                life.killed = "SIGKILL"
                life.say(_evidence(record))
                life.end(record.at, "signal")

    def _on_reason(self, parts: dict[str, str | None], record: Record, __: object) -> None:
        self._server.reason = parts["reason"]
        self._server.failing = True
        self._reason_record = record

    def _on_lifespan_failed(self, _: dict[str, str | None], record: Record, __: object) -> None:
        life = self._life(record.pid or self._latest(), record)
        life.raised = True
        life.end(record.at, self._server.context(life, record.at))
        self._server.failing = True
        if self._loose is not None:
            life.chain, self._loose = self._loose[0], None

    def _on_app_not_found(self, _: dict[str, str | None], record: Record, __: object) -> None:
        waiting = [life for life in self._server.lives.values() if not life.app_not_found and not life.over]
        pid = record.pid if record.headed else None
        life = self._server.lives.get(pid) if pid is not None else next(iter(waiting), None)
        if life is None:
            self._fatal(said.APP_NOT_FOUND, record)
            return
        life.app_not_found = True
        life.say(_evidence(record))
        life.end(record.at, None)
        self._server.failing = True

    def _on_cannot_bind(self, _: dict[str, str | None], record: Record, __: object) -> None:
        self._fatal(said.CANNOT_BIND, record)

    def _on_config_error(self, _: dict[str, str | None], record: Record, __: object) -> None:
        # What an app prints while it serves may begin with "Error: " as well.
        if not self._server.lives and not self._server.served:
            self._fatal(said.CONFIG_ERROR, record)

    def _fatal(self, kind: str, record: Record) -> None:
        server = self._server
        again = kind == said.CONFIG_ERROR and any(item.text == record.text for item in server.fatal)
        if again:
            self._end_server()
            server = self._server
        if len(server.fatal) < MAX_NOTES and not any(item.text == record.text for item in server.fatal):
            server.fatal.append(_evidence(record))
        server.fatal_kind = server.fatal_kind or kind
        server.fatal_at = record.at
        server.pid = server.pid or record.pid

    def _recovered(self) -> None:
        self._server.fatal.clear()
        self._server.fatal_kind, self._server.fatal_chain = None, ()

    def _close_block(self) -> None:
        block, self._block = self._block, None
        if block is None:
            return
        chain = block.close()
        raising, self._raising = self._raising, None
        if not chain:
            return
        frames = tuple(frame for link in chain for frame in link.frames)
        owner = self._owner
        if chain[0].is_a("HaltServer"):
            self._server.failing = True
        elif raising is not None and not raising.chain:
            raising.chain = chain
            raising.said += self._last_line(chain)
        elif self._event in (said.REQUEST_ERROR, said.TIMEOUT) or is_request(frames):
            self._in_request(chain, owner)
        elif is_master(frames):
            self._master_raised(chain, owner)
        elif is_boot(frames):
            life = self._life(self._latest(), owner or Record("", self._source, block.first_line))
            life.chain, life.raised = life.chain or chain, True
            life.said += self._last_line(chain)
            life.end(owner.at if owner else self._last_at, None)
            self._server.failing = True
        elif self._server.fatal and not self._server.fatal_chain:
            self._server.fatal_chain = chain
        elif owner is not None:
            self._forget_loose()
            self._loose = (chain, owner)

    def _last_line(self, chain: tuple[Raised, ...]) -> list[Evidence]:
        return [Evidence(source=self._source, line=chain[0].line, text=chain[0].text)]

    def _in_request(self, chain: tuple[Raised, ...], owner: Record | None) -> None:
        pid = owner.pid if owner is not None else None
        life = self._server.lives.get(pid) if pid is not None else None
        if chain[0].is_a("SystemExit"):
            if life is not None:
                life.hung_in = chain
            return
        self._server.served = True
        self._emit(
            Trouble(
                cause=Cause.NONE,
                pid=pid,
                moment=REQUEST,
                exception=chain[0],
                chain=chain,
                at=owner.at if owner is not None else self._last_at,
                said=tuple(self._last_line(chain)),
                around=self._server.around(self._notes),
            )
        )

    def _master_raised(self, chain: tuple[Raised, ...], owner: Record | None) -> None:
        server = self._server
        at = owner.at if owner is not None and owner.pid == server.pid else self._last_at
        self._emit(
            Trouble(
                cause=Cause.SYS_EXIT if chain[0].is_a("SystemExit") else Cause.EXCEPTION,
                role="master",
                pid=server.pid,
                moment=UNKNOWN if server.lives else BOOT,
                exception=chain[0],
                chain=chain,
                at=at,
                since=server.started_at,
                said=tuple((*server.fatal, *self._last_line(chain))),
                around=server.around(self._notes),
                stops_server=True,
            )
        )
        self._recovered()
        self._end_server()

    def _life(self, pid: int, record: Record) -> Life:
        life = self._server.lives.get(pid)
        if life is None:
            self._trim()
            life = self._server.lives[pid] = Life(pid, None, record.line)
        life.say(_evidence(record))
        return life

    def _latest(self) -> int:
        waiting = [life.pid for life in self._server.lives.values() if not life.chain and not life.over]
        return waiting[-1] if waiting else 0

    def _trim(self) -> None:
        lives = self._server.lives
        if len(lives) < MAX_LIVES:
            return
        for pid in [pid for pid, life in lives.items() if life.over][: MAX_LIVES // 2] or [next(iter(lives))]:
            self._flush(lives.pop(pid))

    def _flush(self, life: Life) -> None:
        server = self._server
        if life.exit_code == BOOT_ERROR and not life.chain and self._loose is not None:
            # The traceback came without Gunicorn's words: an own logger, or lines that were cut.
            life.chain, self._loose = self._loose[0], None
        trouble = trouble_of(life, server, self._notes)
        if trouble is not None:
            self._emit(trouble)
        elif life.exiting and life.context is None and not life.retiring and len(server.silent) < MAX_SILENT:
            server.silent.append(life)

    def _end_server(self) -> None:
        server = self._server
        for life in list(server.lives.values()):
            self._flush(life)
        for trouble in silent_troubles(server, self._notes):
            self._emit(trouble)
        if server.fatal:
            self._emit(self._gave_up(server))
        elif server.reason and not server.troubles:
            self._emit(self._failed_for_unknown_reason(server))
        self._forget_loose()
        if server.version is not None or server.listening:
            self.around = server.around(self._notes)
        self._server = Server()

    def _gave_up(self, server: Server) -> Trouble:
        chain = server.fatal_chain
        return Trouble(
            cause=Cause.APP_NOT_FOUND if server.fatal_kind == said.APP_NOT_FOUND else Cause.SYS_EXIT,
            role="master",
            pid=server.pid,
            moment=BOOT,
            exception=chain[0] if chain else _plain_error(server.fatal),
            chain=chain,
            at=server.fatal_at,
            since=server.started_at,
            said=tuple(server.fatal),
            around=server.around(self._notes),
            facts={"gave_up": server.fatal_kind},
            stops_server=True,
        )

    def _failed_for_unknown_reason(self, server: Server) -> Trouble:
        loose, self._loose = self._loose, None
        record = self._reason_record
        app = server.reason == "App failed to load"
        return Trouble(
            cause=Cause.APP_NOT_FOUND if app else Cause.EXCEPTION,
            moment=BOOT,
            exception=loose[0][0] if loose else None,
            chain=loose[0] if loose else (),
            at=record.at,
            said=(*(self._last_line(loose[0]) if loose else ()), _evidence(record)),
            around=server.around(self._notes),
            stops_server=True,
        )

    def _forget_loose(self) -> None:
        loose, self._loose = self._loose, None
        if loose is not None:
            self._sink.unexplained(loose[0][0].text.splitlines()[0], loose[1].source, loose[0][0].line or loose[1].line)

    def _emit(self, trouble: Trouble) -> None:
        from dataclasses import replace  # noqa: PLC0415

        if trouble.died:
            self._server.troubles += 1
        self._sink.trouble(replace(trouble, host=self._host) if self._host else trouble)


def _plain_error(fatal: list[Evidence]) -> Raised | None:
    """Return what Gunicorn prints of a RuntimeError in the master: one line and no traceback."""
    for item in fatal:
        if item.text.startswith("Error: "):
            return Raised(type="RuntimeError", message=item.text.removeprefix("Error: "), line=item.line)
    return None


def _pid(parts: dict[str, str | None]) -> int:
    return int((parts.get("pid") or "0")[:9])


def _evidence(record: Record) -> Evidence:
    return Evidence(source=record.source, line=record.line, text=record.text)
