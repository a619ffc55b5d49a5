"""Lines that speak of a trouble on their own, as far as it is the trouble of this log's Gunicorn.

A kernel, a supervisor and an app's own logger speak of other processes too: a note counts only
where nothing in the log says that it is about somebody else, or that Gunicorn went on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bootcheck.analysis import gunicorn_lines as said
from bootcheck.analysis.gunicorn_lines import ANSWERED
from bootcheck.analysis.libraries import target_of
from bootcheck.analysis.lives import evidence
from bootcheck.analysis.outsiders import ends_it, refused_port
from bootcheck.analysis.readers.prefixes import GUNICORN, LOGGER, Record
from bootcheck.analysis.stops import STOPPING
from bootcheck.model.finding import Evidence

MAX_NOTES = 50
MAX_COMMANDS = 4
SOON = 600.0
"""Seconds after a failed probe within which a stop is the probe's doing."""
AT_ONCE = 60.0
"""Seconds after which a stop is not that of a script that has just said that it stops the server."""
BELOW = 40
"""Lines, where no times are known."""
GRACE = 60.0
"""Seconds from the platform's word that a stop takes too long to the end by its SIGKILL."""
_ACCESS = re.compile(r"\b(?:GET|POST|PUT|HEAD|DELETE|PATCH|OPTIONS) \S.*HTTP/\d|\bmethod=[A-Z]+ path=")
_UPSTREAM = " while connecting to upstream"
"""A proxy that got no answer: it quotes the request."""
_SUPERVISOR = re.compile(
    r"unicorn|spawnerr|\btini\b|exited: |[Cc]ontainer|[Ii]nstance|[Pp]robe|\b[Tt]ask |[Pp]orts?\b|\bsite\b|\bpod\b|"
    r"can't find command|failed to launch: |[Ww]atchdog|systemd|kubelet|killing '[^']+' \(\d+\) with SIG|"
    r"while connecting to upstream|Cannot start service|target-group|\bELB\b|terminated by SIGKILL\)|"
    r"[Mm]ain child exited|appears to have been OOM killed|oom_killed|\b[Cc]omponent\b|fly-proxy|catatonit"
)
"""What a line with a level says where a supervisor, and not the app, logged it."""
_PROCESS = re.compile(
    r"Kill(?:ed)? process (?P<pid>\d{1,9})(?:, UID \d+)?,? \((?P<name>[^)]*)\)|"
    r"(?<![^\s\[\]])(?P<name_2>[^\s\[\]]{1,64})\[(?P<pid_2>\d{1,9})\]:? (?:segfault|trap |general protection)|"
    r"task=(?P<name_3>[^,\s]+),pid=(?P<pid_3>\d{1,9})"
)
_OURS = re.compile(r"^(?:\S*/)?(?:gunicorn|python|pypy|uvicorn)")
_ENDS_ALL = re.compile(
    r"\b[Ee]xit(?:ed)?(?: with)?(?: code| status)?[:= (]+1(?:2[67]|3[24-79])\b|status 1(?:27|37|39)\b|"
    r"^\S+\.service: |code=(?:killed|dumped|exited)|exited: \S+ \(exit status|[Ee]xited with status [1-9]|"
    r"^(?:\S+: )?(?:line \d+: )?(?:\d+ )?(?:Segmentation fault|Illegal instruction)|^(?:\[\d+\][+-]? +)?Killed(?:$|"
    r" .*unicorn)|child exited with signal|"
    r"exited with code \[\d+\]|SIGKILL to all processes"
)
"""A server that answers requests after such a line is not the one that it speaks of."""
_ORDERED = re.compile(r"^(?:\^C)*Gracefully stopping\.\.\. |^Stopping all processes with SIGTERM$")
"""Who ran everything was told to stop all of it."""
ORDERED_WORDS = ("Gracefully stopping...", "Stopping all processes")
_KILLED = re.compile(r"\b137\b|^(?:\[\d+\][+-]? +)?Killed(?:$| .*unicorn)")
_SLOW_STOP = re.compile(r"Error R1[02] |[Tt]imed out\. Killing|with SIGKILL|using the force")
"""Who says so kills next, and tells of the status after that."""
_ABORTED = re.compile(r"Fatal Python error: Aborted|\bSIGABRT\b|\bAborted\b")
"""What a handler of SIGABRT prints: the master sends that signal to a worker that it has timed out."""
_PROBED = re.compile(r"[Pp]robe|[Hh]ealth|[Uu]nhealthy|failed protocol test|is DOWN, reason: |state, restarting$")
_READINESS = re.compile(r"^(?!.*failed health checks after).*Readiness probe failed")
_DIALLED = re.compile(r"dial tcp (?!127\.|\[::1\])\S+?:(\d{2,5}): connect: connection refused")
_NAMED = re.compile(
    r"^(?P<stream>[\w.\-]+) exited with code \d|^[Ss]ending SIGKILL to (?P<stream_2>[\w.\-]+) \(pid \d+\)"
)
_NEAR = ("127.0.0.1 ", "::1 ")
"""How an access log begins whose client is on the same machine."""
_DYNO = re.compile(r"^heroku(\[[\w\-]+\.\d+\])$")
_PLATFORM = re.compile(
    r"^(?:|kernel|systemd\S*|kubelet|docker\S*|containerd\S*|(?:amazon-)?ecs\S*|supervisor\S*|podman|conmon|crio|runc|"
    r"(?:heroku|runner|proxy|health)\[.*|(?:HEALTH|CELL|APP/PROC/WEB)/\d+|k3s|nomad\S*|monit|PM2|init|runsv|audit\S*|"
    r"\S*oomd?|(?:ba|da|z)?sh|sudo|su|env|system)$"
)
_RUNS = frozenset(
    {said.START, said.BOOTING, said.RAISED, said.TIMEOUT, said.KILLED, said.EXITED, said.SIGNAL, said.EXITING}
)
"""What only Gunicorn says."""
Event = tuple[str, "re.Match[str]"]


@dataclass(slots=True)
class _Note:
    """Strictly private: one line, and what came after it."""

    said: Evidence
    stream: str
    at: float | None
    probed: bool
    ends_all: bool
    settled: bool = False
    answered: bool = False
    stopped: bool = False
    acts: bool = False
    """A script or a watcher says by it that it ends the server."""
    beside: bool = False
    """Nothing else makes it a note: it counts with that end only."""
    done: bool = False
    """The end came at once."""
    early: bool = False
    """Gunicorn had said nothing before."""
    asks: bool = False
    """A client was refused."""


class Notes:
    """The notes of one log."""

    def __init__(self) -> None:
        self.kept: list[Evidence] = []
        """Those that nothing speaks against so far; the list stays the same one."""
        self._notes: list[_Note] = []
        self._streams: set[str] = set()
        self._over: set[str] = set()
        self._stopping: set[str] = set()
        self._late: list[_Note] = []
        self._commands = 0
        self._all_stopping = False
        self._ports: set[str] = set()
        """Those at which it listens for nobody outside."""
        self._timed_out: dict[str, Record] = {}
        """The last worker of each stream that the master aborts."""

    @property
    def waiting(self) -> bool:
        """True while a request that is answered later would change what a note means."""
        return len(self._streams) <= 1 and any(not note.settled for note in self._notes)

    @property
    def quiet(self) -> bool:
        """True while Gunicorn has said nothing."""
        return not self._streams

    @property
    def killed_in_stop(self) -> list[Evidence]:
        """A SIGKILL that ended the server after a stop had been ordered, at the end of the log."""
        return [note.said for note in self._late if self._counts(note)][:1]

    def started_by(self, record: Record) -> None:
        """Keep a command line that names the app: what is asked for is known by it."""
        if self._commands < MAX_COMMANDS and target_of(record.text) and not ANSWERED.search(record.text):
            self._commands += 1
            self.kept.append(evidence(record))

    def ordered(self, record: Record) -> None:
        """Take a line that is no trouble: it may tell that everything is being stopped."""
        self._all_stopping = self._all_stopping or _ORDERED.search(record.text) is not None

    def hearsay(self, text: str) -> bool:
        """Tell whether a line is one of those that mean something beside a server alone: a client, or a watcher."""
        return self._refuses(text) or ends_it(text)

    def _refuses(self, text: str) -> bool:
        """Tell whether a client does not reach this server, which listens for nobody outside."""
        return bool(self._ports and self._streams - self._stopping - self._over) and refused_port(text) in self._ports

    def take(self, record: Record, *, symptom: bool, beside: bool, knows: Callable[[int], bool]) -> bool:
        """Keep a line that speaks of a trouble; False where it is somebody else's."""
        text = record.text
        unsaid = _is_talk(record) if symptom else _by_the_app(record)
        if (_ACCESS.search(text) is not None and _UPSTREAM not in text) or unsaid or _of_another(text, knows):
            return False
        if self._is_aborted(record):
            return False
        asks = beside and self._refuses(text)
        ends_all = _ENDS_ALL.search(text) is not None or asks
        acts = not asks and ends_it(text)
        if (ends_all or acts) and self._over and self._over == self._streams:
            # It had ended by itself before.
            return False
        ordered = self._all_stopping or (self._stopping and self._stopping == self._streams)
        if ends_all and ordered and _KILLED.search(text) is not None:
            if len(self._late) < MAX_NOTES:
                self._late.append(_Note(evidence(record), record.stream, record.at, probed=False, ends_all=True))
            return False
        if ends_all and _KILLED.search(text) is not None and any(_is_its_end(record, note) for note in self._notes):
            return False
        if len(self._notes) < MAX_NOTES:
            probed = _PROBED.search(text) is not None or (beside and not asks)
            note = _Note(evidence(record), record.stream, record.at, probed, ends_all)
            note.acts, note.asks, note.beside = acts, asks, beside and not asks
            note.early = not self._streams
            note.settled = not (ends_all or probed or note.acts)
            self._notes.append(note)
            self.kept.append(note.said)
        return True

    def _is_aborted(self, record: Record) -> bool:
        """Tell whether a line is the dump of a worker that the master has just aborted, because it took too long."""
        if not self._timed_out or _ABORTED.search(record.text) is None:
            return False
        order = self._timed_out.get(record.stream) or (self._timed_out.get("") if len(self._streams) <= 1 else None)
        if order is None:
            return False
        if order.at is None or record.at is None:
            return record.line - order.line <= BELOW
        return 0 <= record.at - order.at <= AT_ONCE

    def heard(self, event: Event, record: Record) -> None:
        """Take what Gunicorn says: it may go on, stop, or start anew."""
        kind, match = event
        if kind in _RUNS:
            self._streams.add(record.stream)
        if kind == said.TIMEOUT:
            self._timed_out[record.stream] = record
        if kind == said.START:
            self._all_stopping = False
        if kind in (said.START, said.BOOTING):
            self._over.discard(record.stream)
            self._stopping.discard(record.stream)
        elif kind == said.LISTENING:
            self._ports.update(said.LOOPBACK.findall(match["where"]))
        elif kind == said.HALT:
            self._over.add(record.stream)
        ordered = kind == said.SIGNAL and match["name"] in STOPPING
        if ordered:
            self._stopping.add(record.stream)
        stops = ordered or kind in (said.START, said.HALT)
        if stops or kind == said.SERVING:
            self._learned(record, begins=kind == said.START, stops=stops)

    def _learned(self, record: Record, *, begins: bool, stops: bool) -> None:
        """Take the next sign of what becomes of the server."""
        near = not stops and record.text.startswith(_NEAR)
        for note in self._notes:
            if not self._is_about(note, record.stream) or (note.settled and not (stops and note.answered)):
                continue
            if begins and note.early and (note.acts or _READINESS.search(note.said.text)):
                # What it speaks of was no server yet that somebody could have stopped, or that was not ready.
                note.settled = note.answered = True
            elif not (near and note.asks):
                # Who asks from within reaches a server that nobody reaches from outside.
                self._learn(note, record, stops=stops)

    def told(self) -> list[Evidence]:
        """Return what counts, at the end of the log."""
        for note in self._notes:
            if not self._counts(note):
                self._drop(note)
        return self.kept

    def _is_about(self, note: _Note, stream: str) -> bool:
        if stream not in self._streams:
            return False
        return note.stream == stream or (note.stream not in self._streams and len(self._streams) == 1)

    def _learn(self, note: _Note, record: Record, *, stops: bool) -> None:
        note.settled = True
        if stops:
            passed = None if record.at is None or note.at is None else abs(record.at - note.at)
            soon = passed is None or passed <= SOON
            near = record.line - (note.said.line or 0) <= BELOW if passed is None else passed <= AT_ONCE
            note.done = note.done or (note.acts and near)
            note.stopped = note.stopped or soon
            return
        note.answered = True
        if note.ends_all and not note.probed:
            self._drop(note)

    def _counts(self, note: _Note) -> bool:
        if note.done or note.beside or note.asks:
            return note.done or note.asks or not self._streams
        return self._is_told_here(note)

    def _is_told_here(self, note: _Note) -> bool:
        """Tell whether who says it speaks of this server, and the server did not go on."""
        if note.probed and not note.stopped and (note.answered or _READINESS.search(note.said.text)):
            # A start that is not over looks the same, but for an address that no probe ever reaches.
            dialled = None if note.answered else _DIALLED.search(note.said.text)
            return dialled is not None and dialled[1] in self._ports
        if not self._streams or note.stream in self._streams:
            return True
        named = _NAMED.match(note.said.text)
        if named is not None and "" not in self._streams:
            name = named["stream"] or named["stream_2"]
            # Compose sets the project's name before the service's, and leaves it out before its lines.
            return any(name == stream or name.endswith((f"_{stream}", f"-{stream}")) for stream in self._streams)
        dyno = _DYNO.match(note.stream)
        if dyno is not None and any(stream.startswith("app[") for stream in self._streams):
            return f"app{dyno[1]}" in self._streams
        about = "unicorn" in note.said.text or _UPSTREAM in note.said.text
        return about or _PLATFORM.match(note.stream) is not None

    def _drop(self, note: _Note) -> None:
        self.kept[:] = [item for item in self.kept if item is not note.said]


def _is_its_end(record: Record, note: _Note) -> bool:
    """Tell whether a status is that of the SIGKILL that the platform had announced."""
    soon = record.at is None or note.at is None or record.at - note.at <= GRACE
    return soon and note.stream == record.stream and _SLOW_STOP.search(note.said.text) is not None


def _by_the_app(record: Record) -> bool:
    """Tell whether a process that goes on said it: none logs its own sudden end."""
    if record.voice == GUNICORN:
        return True
    return record.voice == LOGGER and _SUPERVISOR.search(record.text) is None


def _is_talk(record: Record) -> bool:
    """Tell whether an app's logger only mentions it: what a user wrote, or what was tried."""
    return record.voice == LOGGER and record.level in ("INFO", "DEBUG")


def _of_another(text: str, knows: Callable[[int], bool]) -> bool:
    """Tell whether the kernel names a process that is neither known nor Python's."""
    match = _PROCESS.search(text)
    if match is None:
        return False
    found = match.groupdict()
    name = found["name"] or found["name_2"] or found["name_3"] or ""
    pid = int(found["pid"] or found["pid_2"] or found["pid_3"])
    return _OURS.match(name) is None and not knows(pid)
