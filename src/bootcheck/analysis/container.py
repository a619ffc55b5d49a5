"""The lines of one container, service or file: servers one after the other, and their tracebacks."""

from __future__ import annotations

import re
from dataclasses import replace

from bootcheck.analysis import gunicorn_lines as said
from bootcheck.analysis import masters, tracebacks
from bootcheck.analysis.endings import (
    BOOT_ERROR,
    is_abort,
    is_boot,
    is_lifespan,
    is_master,
    is_request,
    is_tidying,
    silent_troubles,
    trouble_of,
)
from bootcheck.analysis.events import HANDLERS, event_of
from bootcheck.analysis.last_words import LISTENS
from bootcheck.analysis.lives import Life, Loose, Server, evidence
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.trouble import BESIDE, BOOT, REQUEST, Raised, Sink, Surroundings, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence

MAX_LIVES = 512
MAX_SILENT = 5_000
MAX_SERVERS = 4
"""That run at once: a re-exec (USR2) has two."""
_BAD = frozenset({"ERROR", "CRITICAL"})
_OURS = "bootcheck: "
_WAITS = re.compile(r"\b(?:[Tt]ry(?:ing)? again|[Rr]etry(?:ing)?)\b")
"""The last line of a log that was cut while an app waits for what it has just missed."""


class Container:
    """Reads one stream of lines."""

    def __init__(self, source: str, sink: Sink, notes: list[Evidence]) -> None:
        self.around = Surroundings()
        """Of the last server that said anything of itself."""
        self._source = source
        self._sink = sink
        self._notes = notes
        self._server = Server()
        self._others: list[Server] = []
        self._block: tracebacks.Block | None = None
        self._unlogged = False
        """The next traceback, or the open one, is about a line that could not be logged."""
        self._echo = False
        """The lines now are a banner's, which repeats what another process has died of."""
        self._echoed = False
        """So was the beginning of the open traceback."""
        self._begun: float | None = None
        """When the open traceback began."""
        self._owner: Record | None = None
        self._head: Record | None = None
        self._event: str | None = None
        self._last_at: float | None = None
        self._host: str | None = None
        self.ran = self.worked = self.busy = False
        """A server of it showed signs of life; it had a worker, or gave up; it did more than to start."""
        self.lone: Loose | None = None
        """The last traceback before any sign of life: of a process that did not come up, or of something else."""
        self.stood: Raised | None = None
        """Where a process stood of whose end only its own dump tells."""
        self.strays: list[Trouble] = []
        """Errors that somebody said in words which Gunicorn, and many a program, begins with."""
        self._held: Trouble | None = None
        """A master that gave up to bind, where the log begins after it had said why."""
        self._bind_told = False
        self._starts = tracebacks.Starts()
        self._known: tuple[Raised, ...] = ()
        """What ended an earlier start."""

    @property
    def open_since(self) -> float:
        """The line in which the open traceback, or dump, began, or was announced; or minus infinity."""
        if self._block is not None:
            return self._block.first_line
        announced = self._head.line if self._expects and self._head is not None else float("-inf")
        return max(announced, self._server.dumps.open_since)

    def listens(self, line: int) -> bool:
        """Tell whether what an app prints in this line may be the last words of a worker."""
        return not self._server.served and line - self._server.last_words.since <= LISTENS

    @property
    def _expects(self) -> bool:
        """True while the traceback is missing of which Gunicorn has just spoken."""
        return self._event == said.RAISED and self._server.raising is not None

    @property
    def served(self) -> bool:
        """True once the current server has answered a request, and not only by errors."""
        return self._server.served and (self._server.went_on or self._server.failed is None)

    def knows(self, pid: int) -> bool:
        """Tell whether a process of a running server has this pid."""
        return any(server.speaks_of(pid) for server in (self._server, *self._others))

    def feed(self, record: Record, *, telltale: bool) -> tuple[str, re.Match[str]] | None:
        """Take the next line; return what Gunicorn says by it, None where it is somebody else's."""
        self._situate(record)
        self._server.just_raised = False
        self._server.dumps.hear(record.text, record.line, record.at)
        event = event_of(record, telltale=telltale, booted=bool(self._server.boots))
        if self._block is not None:
            repeats = self._block.says(record.text)
            own = event is not None or record.text.startswith(_OURS) or (telltale and not repeats)
            ends = (record.headed and not repeats) or (self._block.raised and own)
            if not ends and (
                self._block.feed(record.text, record.line) or (not own and self._block.passes(record.text))
            ):
                return None
            self._close_block()
        if record.headed or record.text == tracebacks.LOGGING_ERROR:
            self._unlogged = not record.headed
        self._head = record if record.headed else self._head
        self._echo = tracebacks.echoes(record.text, before=self._echo)
        if event is None or event[0] == said.CONFIG_ERROR:
            block = self._starts.of(record.text, record.line, expected=self._expects and not record.headed)
            if block is not None:
                self._block, self._owner, self._echoed = block, self._head or record, self._echo
                self._begun = record.at
                return None
        if event is not None:
            self._on_event(event[0], event[1], record)
        elif not telltale and self._server.hears(evidence(record), bad=record.level in _BAD, headed=record.headed):
            self._sink.unexplained(record.text, record.source, record.line)
        if record.headed or (event is not None and event[0] == said.REQUEST_ERROR):
            # Django's console says it without any level.
            self._event = event[0] if event is not None else None
        return event

    def blamed(self, chain: tuple[Raised, ...]) -> None:
        """Take what a database said in its own container while a request failed here."""
        if self._server.failed is None:
            self._harmless(chain, REQUEST, None, self._last_at)

    def end(self) -> None:
        """Tell what is open at the end."""
        waits = self._head is not None and _WAITS.search(self._head.text) is not None
        self._server.just_raised = self._server.just_raised and waits
        self._cut_block()
        self._close_block()
        for server in (*self._others, self._server):
            self._server = server
            self._end_server()
        held, self._held = self._held, None
        if held is not None and not self._bind_told:
            self._emit(held)

    def _cut_block(self) -> None:
        """The log ends within a traceback: take what can be told of it, or what an earlier start told."""
        block = self._block
        if block is None or self._event in (said.REQUEST_ERROR, said.TIMEOUT) or is_request(block.frames):
            return
        if self._server.explained or self._server.fatal_kind == said.APP_NOT_FOUND:
            return
        own = self._event == said.RAISED or self._server.unseen
        block.cut(self._known or (self._take_loose() if own else ()))

    def _situate(self, record: Record) -> None:
        if record.at is None:
            record.at = self._last_at
        else:
            self._last_at = record.at
        self._host = record.host or self._host
        if self._others and record.pid is not None and not self._server.speaks_of(record.pid):
            other = next((server for server in self._others if server.speaks_of(record.pid)), None)
            if other is not None:
                self._others = [self._server if server is other else server for server in self._others]
                self._server = other

    def _on_event(self, kind: str, match: re.Match[str], record: Record) -> None:
        if kind != said.START and self._server.refused and record.pid not in (None, self._server.pid):
            self._end_server()
        if kind == said.START:
            self._start(match, record)
        elif kind == said.BOOTING:
            self._booting(match, record)
        else:
            if kind == said.CONFIG_ERROR and any(item.text == record.text for item in self._server.fatal):
                # The supervisor tried again.
                self._end_server()
            handler = HANDLERS.get(kind)
            if handler is not None:
                handler(self._server, match, record)
            self._trim()

    def _start(self, match: re.Match[str], record: Record) -> None:
        old = self._server
        re_executed = (
            old.reloaded_at is not None and not old.stopping and not old.failing and old.pid not in (None, record.pid)
        )
        if re_executed and len(self._others) < MAX_SERVERS:
            self._others.append(old)
        elif not old.unseen or old.loose is not None:
            self._end_server()
        self._server = Server(version=match["version"], pid=record.pid, started_at=record.at, seen_start=True)

    def _booting(self, match: re.Match[str], record: Record) -> None:
        server = self._server
        server.recovered()
        server.last_words.begun(record.line)
        pid = said.pid_of(match)
        if pid in server.lives:
            self._flush(server.lives.pop(pid))
        self._trim()
        server.begin(pid, record)

    def _close_block(self) -> None:
        block, self._block = self._block, None
        server = self._server
        chain = block.close() if block is not None else ()
        # A banner only repeats what its report's line, and the process itself, tell.
        self._unlogged = self._unlogged or any(link.unwritten for link in chain)
        if chain and (self._unlogged or (self._echoed and not server.unseen)):
            server.failing = server.failing or any(link.is_a("HaltServer") for link in chain)
            return
        raising, server.raising = server.raising, None
        if not chain or block is None:
            return
        frames = tuple(frame for link in chain for frame in link.frames)
        owner = self._owner or Record("", self._source, block.first_line)
        if any(link.is_a("HaltServer") for link in chain):
            masters.halted(server, chain, owner.at, self._last_line)
        elif is_abort(chain):
            self._aborted(chain, owner, raising)
        elif raising is not None and not raising.chain:
            raising.chain = chain
            raising.say(self._last_line(chain))
        elif self._event in (said.REQUEST_ERROR, said.TIMEOUT) or is_request(frames):
            self._in_request(chain, owner)
        elif is_master(frames) or (frames and self._event == said.MAIN_LOOP):
            self._master_raised(chain, owner)
        elif is_boot(frames):
            life = server.raiser(owner.pid, self._last_line(chain))
            life.chain, life.raised = life.chain or chain, True
            life.end(owner.at, None)
            server.failing = True
        elif server.fatal and not server.fatal_chain:
            server.fatal_chain = chain
        else:
            self._forget_loose()
            line = chain[0].line or owner.line
            server.loose = Loose(chain, owner.source, line, at=self._begun, starting=is_lifespan(frames))
            server.just_raised = True

    def _last_line(self, chain: tuple[Raised, ...]) -> Evidence:
        return Evidence(source=self._source, line=chain[0].line, text=chain[0].brief)

    def _aborted(self, chain: tuple[Raised, ...], owner: Record, raising: Life | None) -> None:
        """Keep where a worker stood when its time was over: it says so itself where the master's line is missing."""
        lives = self._server.lives
        life = raising or (lives.get(owner.pid) if owner.pid is not None else None)
        if life is None:
            hung = (item for item in reversed(lives.values()) if item.timed_out and not item.hung_in)
            life = next(hung, None) or self._server.life(owner.pid or self._server.latest(), self._last_line(chain))
        life.hung_in, life.timed_out = life.hung_in or chain, True
        self._server.end(life, owner.at)
        self._server.explained_ends += 1

    def _in_request(self, chain: tuple[Raised, ...], owner: Record) -> None:
        server = self._server
        if chain[0].is_a("SystemExit"):
            life = server.lives.get(owner.pid) if owner.pid is not None else None
            if life is not None:
                life.hung_in = chain
            return
        server.served = True
        self._harmless(chain, REQUEST, owner.pid, owner.at)

    def _harmless(self, chain: tuple[Raised, ...], moment: str, pid: int | None, at: float | None) -> None:
        """Tell of an exception that ended no process, as far as the log says."""
        loose = Loose(chain, self._source, chain[0].line or 0)
        trouble = replace(loose.trouble(Cause.NONE, moment, self._server.around(self._notes), at=at), pid=pid)
        self._server.failed = self._server.failed or (trouble if moment == REQUEST else None)
        self._emit(trouble)

    def _master_raised(self, chain: tuple[Raised, ...], owner: Record) -> None:
        if is_tidying(chain, stopping=self._server.stopping):
            return
        server = self._server
        server.fatal_at = owner.at if owner.pid == server.pid else self._last_at
        self._emit(masters.raised(server, chain, (*server.fatal, self._last_line(chain)), self._notes))
        server.recovered()
        self._end_server()

    def _trim(self) -> None:
        lives = self._server.lives
        if len(lives) < MAX_LIVES:
            return
        for pid in [pid for pid, life in lives.items() if life.over][: MAX_LIVES // 2] or [next(iter(lives))]:
            self._flush(lives.pop(pid))

    def _flush(self, life: Life) -> None:
        server = self._server
        if (life.raised or life.exit_code == BOOT_ERROR) and not life.chain and server.loose is not None:
            # The traceback came without Gunicorn's words: an own logger, or lines that were cut.
            life.chain, server.loose = server.loose.chain, None
        trouble = trouble_of(life, server, self._notes)
        if trouble is not None:
            self._emit(trouble)
        elif life.exiting and life.context is None and not life.retiring and len(server.silent) < MAX_SILENT:
            server.silent.append(life)

    def _end_server(self) -> None:
        server = self._server
        self._forget_loose(failed=True)
        if server.failed is not None and server.in_vain is not None:
            self._emit(replace(server.failed, facts={server.in_vain: True}))
        for life in list(server.lives.values()):
            self._flush(life)
        for trouble in silent_troubles(server, self._notes):
            self._emit(trouble)
        self.stood = server.dumps.left() or self.stood
        if server.fatal:
            self._gave_up(server)
        elif server.reason is not None and not server.troubles:
            chain = self._take_loose()
            told = (*self._told(chain), *((server.reason_said,) if server.reason_said else ()))
            self._emit(masters.failed_unseen(server, chain, told, self._notes))
        elif server.main_loop is not None and not server.troubles:
            # An earlier start may have met the same.
            told = (server.main_loop, *self._told(self._known))
            self._emit(masters.raised(server, self._known, told, self._notes))
        else:
            self._said_nothing(server)
        if not masters.is_stray(server):
            self.ran, self.worked = self.ran or not server.unseen, self.worked or server.worked
            self.busy = self.busy or server.served or server.stopping or bool(server.troubles)
        self._forget_loose()
        if server.version is not None or server.listening:
            self.around = server.around(self._notes)
        self._server = Server()

    def _said_nothing(self, server: Server) -> None:
        if server.unseen:
            self._keep_lone(server)
            return
        unreached = masters.out_of_reach(server, self._notes)
        if unreached is not None:
            self._emit(unreached)

    def _told(self, chain: tuple[Raised, ...]) -> tuple[Evidence, ...]:
        return (self._last_line(chain),) if chain else ()

    def _take_loose(self) -> tuple[Raised, ...]:
        loose, self._server.loose = self._server.loose, None
        return loose.chain if loose is not None else ()

    def _gave_up(self, server: Server) -> None:
        trouble = masters.gave_up(server, self._notes)
        if masters.says_no_reason(server) or (self._bind_told and masters.still_tries(server)):
            self._held = self._held or trouble
            return
        self._bind_told = self._bind_told or server.fatal_kind == said.CANNOT_BIND
        if masters.is_stray(server):
            self.strays.append(trouble)
            self._keep_lone(server)
        else:
            self._emit(trouble)

    def _keep_lone(self, server: Server) -> None:
        if server.loose is None:
            return
        if self.lone is not None:
            self._sink.unexplained(self.lone.text, self.lone.source, self.lone.line)
        self.lone, server.loose = server.loose, None
        self._known = self.lone.chain

    def _forget_loose(self, *, failed: bool = False) -> None:
        server = self._server
        if failed and not (server.loose is not None and server.loose.failed):
            return
        loose, server.loose = server.loose, None
        if loose is None:
            return
        # A log that ends with a traceback was cut there because of it; what goes on afterwards bears it.
        last = server.just_raised and not server.empty and not server.troubles and not server.stopping
        boot = (loose.starting or last) and not server.served
        if loose.failed or (boot and not any(life.ready for life in server.lives.values())):
            self._harmless(loose.chain, REQUEST if loose.failed else BOOT, None, self._last_at)
        else:
            around = server.around(self._notes)
            self._emit(loose.trouble(Cause.NONE, REQUEST, around, BESIDE, at=self._last_at))

    def _emit(self, trouble: Trouble) -> None:
        if trouble.died:
            self._server.troubles += 1
            self._known = trouble.chain or self._known
        self._sink.trouble(replace(trouble, host=self._host) if self._host else trouble)
