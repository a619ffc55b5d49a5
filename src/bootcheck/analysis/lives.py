"""Process lives out of a log: what was said of each process and of each start of the server."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

from bootcheck.analysis.dumps import Dumps
from bootcheck.analysis.last_words import LastWords
from bootcheck.analysis.readers.prefixes import Record
from bootcheck.analysis.trouble import ALL_FAILED, LAST_FAILED, Raised, Surroundings, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence

MAX_SAID = 12
MAX_BOOTS = 5_000
MAX_TEXT = 2_000
"""Characters that are kept of a line."""
SEEN_RETRIES = 2
"""Attempts to bind after which it is known that nothing was said of their reason."""
COMPLAINT = 2
"""Lines over which an app's error goes on: a viewer may put the time on a line of its own."""
WAVE = 5.0
"""Seconds within which workers end for the same reason."""
AT_ONCE = 1.0
"""Seconds in which a worker leaves that has nothing to do."""
SETTLED = 10.0
"""Seconds after its start from which on that tells something."""
RELOAD_GRACE = 300.0
"""Seconds after a reload in which old workers may still be ending."""


@dataclass(slots=True)
class Life:
    """One process as the log tells of it."""

    pid: int
    booted_at: float | None = None
    begun: bool = False
    """The line of its start is in the log."""
    nth: int = -1
    """How many were started before it, of those whose start is in the log."""
    placed_at: float | None = None
    """When those before it had ended, in whose place it was started, where the log leaves its own start out."""
    follows: int = 0
    """The highest pid of those."""
    role: str = "worker"
    said: list[Evidence] = field(default_factory=list)
    chain: tuple[Raised, ...] = ()
    """The exception that ended it, last one raised first."""
    hung_in: tuple[Raised, ...] = ()
    """The traceback that its abort printed, or the stack that a signal's handler did."""
    raised: bool = False
    timed_out: bool = False
    held_up: bool = False
    """It had left its loop long before it was timed out: a thread of the app kept it from ending."""
    after_service: bool = False
    """Its server had answered requests when it was timed out."""
    app_not_found: bool = False
    killed: str | None = None
    exit_code: int | None = None
    exiting: bool = False
    retiring: bool = False
    ready: bool = False
    starting: bool = False
    """Its application had begun its start-up (uvicorn says so)."""
    leaving: bool = False
    """It was told to stop, and has said what it still waits for."""
    stopped_at: float | None = None
    """When the order to stop came, in the middle of that."""
    stopped: bool = False
    ended_at: float | None = None
    context: str | None = None
    """What the server was doing when it ended: None, `signal`, `failure` or `reload`."""

    def say(self, evidence: Evidence) -> None:
        """Keep a line that speaks of this process."""
        if len(self.said) < MAX_SAID:
            self.said.append(evidence)

    def end(self, at: float | None, context: str | None) -> None:
        """Note the first sign of its end."""
        if self.ended_at is None:
            self.ended_at = at
            self.context = context

    @property
    def over(self) -> bool:
        """True where the log told of its end."""
        return self.exiting or self.killed is not None or self.exit_code is not None


@dataclass(slots=True)
class Loose:
    """A traceback that belongs to no process yet."""

    chain: tuple[Raised, ...]
    source: str
    line: int
    at: float | None = None
    starting: bool = False
    """The server was starting the app when it was raised."""
    failed: bool = False
    """A request was answered with an error of the server right after it."""

    @property
    def unread(self) -> bool:
        """True where the log was cut before the exception's own line."""
        return self.chain[0].unread

    @property
    def bare(self) -> bool:
        """True where nothing tells where it was raised."""
        return not any(link.frames for link in self.chain)

    @property
    def by_import(self) -> bool:
        """True where nothing but modules that were being imported is on its way: no request was handled there."""
        frames = [frame for link in self.chain for frame in link.frames if not frame.file.startswith("<frozen ")]
        return bool(frames) and all(frame.function == "<module>" for frame in frames)

    def trouble(self, cause: Cause, moment: str, around: Surroundings, *facts: str, at: float | None) -> Trouble:
        """Return what it tells, where it belongs to a process of which nothing more is known."""
        return Trouble(
            cause=cause,
            moment=moment,
            exception=self.chain[0],
            chain=self.chain,
            said=(Evidence(source=self.source, line=self.line or None, text=self.chain[0].brief),),
            at=at,
            around=around,
            facts=dict.fromkeys(facts, True),
        )

    @property
    def text(self) -> str:
        """The first line of what was raised."""
        return self.chain[0].text.splitlines()[0]


@dataclass(slots=True)
class Waves:
    """When workers were killed, one run after the other: a worker that comes to be known later began in between."""

    at: float | None = None
    """The last end of this run."""
    highest: int = 0
    """The highest pid that ended so far."""
    before: float | None = None
    """The last end of the run before this one."""
    before_highest: int = 0

    def take(self, life: Life, at: float | None) -> None:
        """Take an end, and tell the worker when it must have been started."""
        if at is None:
            return
        if self.at is not None and at - self.at > WAVE:
            self.before, self.before_highest = self.at, self.highest
        self.at = at
        self.highest = max(self.highest, life.pid)
        if life.booted_at is None and life.placed_at is None and life.pid > self.before_highest:
            life.placed_at, life.follows = self.before, self.before_highest


@dataclass(slots=True)
class Server:
    """One start of Gunicorn as the log tells of it."""

    version: str | None = None
    worker_class: str | None = None
    listening: tuple[str, ...] = ()
    listens: Evidence | None = None
    """The line that says so."""
    pid: int | None = None
    started_at: float | None = None
    seen_start: bool = False
    served: bool = False
    answered: bool = False
    """A request was answered, and not by an error."""
    answered_after: int | None = None
    """How many workers had been started when a request was answered last."""
    went_on: bool = False
    """The same after the first request that raised."""
    kept_waiting: bool = False
    """A proxy gave up to wait for its answer to a request."""
    failed: Trouble | None = None
    """The first request that raised."""
    lives: dict[int, Life] = field(default_factory=dict)
    boots: list[float | None] = field(default_factory=list)
    """When workers were started, as far as it is kept."""
    begun: int = 0
    """How many were."""
    silent: list[Life] = field(default_factory=list)
    """Workers that ended without a reason."""
    waves: Waves = field(default_factory=Waves)
    explained_ends: int = 0
    stopping: bool = False
    stop_at: float | None = None
    stopped_by: str | None = None
    """The signal that ordered it, as Gunicorn names it."""
    reloaded_at: float | None = None
    leaving: Counter[str] = field(default_factory=Counter)
    """How often, since the order to stop, a worker said what its end still waits for, without its pid."""
    finished: int = 0
    """How many said since then that they have ended."""
    recycling: bool = False
    """The last of its workers that end were told so by `max_requests`."""
    failing: bool = False
    """A worker could not boot, so the master is ending."""
    raising: Life | None = None
    """The worker whose traceback comes next."""
    reason: str | None = None
    reason_at: float | None = None
    reason_said: Evidence | None = None
    loose: Loose | None = None
    just_raised: bool = False
    """The loose traceback stands directly before the line that is being read."""
    complaint: Evidence | None = None
    """The last error that the app logged, or a line that begins like one."""
    last_words: LastWords = field(default_factory=LastWords)
    """What was printed beside the ends of its workers."""
    dumps: Dumps = field(default_factory=Dumps)
    fatal: list[Evidence] = field(default_factory=list)
    """What the master said before it gave up, while it had no worker."""
    fatal_kind: str | None = None
    fatal_at: float | None = None
    fatal_chain: tuple[Raised, ...] = ()
    main_loop: Evidence | None = None
    """The line by which the master tells that it ends by an exception of its own."""
    parser: bool = False
    """The app's own parser of arguments printed its usage, under Gunicorn's name: an error of it comes next."""
    retries: int = 0
    """How often it said that it tries again to bind."""
    troubles: int = 0
    announced: int | None = None
    """The pid that uvicorn named last, where its own lines bear none."""
    unnamed: int = 0
    """How often an application said that it is ready, without a pid, and it is not known yet whose."""
    nested: bool = False
    """The app started a server of its own while workers loaded it."""

    @property
    def empty(self) -> bool:
        """True where nothing has been said of it."""
        return not (self.seen_start or self.lives or self.fatal or self.reason)

    @property
    def explained(self) -> bool:
        """True where a worker has said why it could not boot."""
        return any(life.chain or life.app_not_found for life in self.lives.values())

    @property
    def in_vain(self) -> str | None:
        """The fact that each request raised, or each after the first that did, where nothing worse is known."""
        if self.failed is None or self.went_on or self.troubles:
            return None
        return LAST_FAILED if self.answered else ALL_FAILED

    @property
    def unseen(self) -> bool:
        """True where nothing tells that it ever ran."""
        return self.empty and not (self.listening or self.served or self.troubles or self.boots)

    @property
    def worked(self) -> bool:
        """True where it did more than listen: it had a worker, or gave up."""
        return bool(self.lives or self.boots or self.served or self.troubles or self.fatal or self.reason)

    @property
    def refused(self) -> bool:
        """True once it said that it gives up to bind: the lines of other pids are those of who holds the address."""
        return any("Can't connect to" in item.text for item in self.fatal)

    @property
    def up(self) -> bool:
        """True where a worker is known to have been in its loop: it served, said so, or left as soon as it was told."""
        return self.served or any(life.ready or self._left_at_once(life) for life in self.lives.values())

    def _left_at_once(self, life: Life) -> bool:
        # An import goes on until it is over: a worker that leaves in a moment was not in one.
        begun = self.started_at if life.booted_at is None else life.booted_at
        if not life.exiting or life.timed_out or life.starting or None in (begun, self.stop_at, life.ended_at):
            return False
        return (life.ended_at or 0) - (self.stop_at or 0) <= AT_ONCE and (self.stop_at or 0) - (begun or 0) >= SETTLED

    def speaks_of(self, pid: int) -> bool:
        """Tell whether a process of it has this pid."""
        return self.pid == pid or pid in self.lives

    def begin(self, pid: int, record: Record) -> None:
        """Note the start of a worker."""
        life = self.lives[pid] = Life(pid, record.at, begun=True, nth=self.begun)
        life.say(evidence(record))
        self.begun += 1
        if len(self.boots) < MAX_BOOTS:
            self.boots.append(record.at)

    def context(self, life: Life, at: float | None) -> str | None:
        """Return why a worker may be ending just now: signal, failure, reload, or None."""
        if self.stopping:
            return "signal"
        if self.failing:
            return "failure"
        if self.reloaded_at is None or (life.booted_at is not None and life.booted_at > self.reloaded_at):
            return None
        late = at is not None and self.reloaded_at > 0 and at - self.reloaded_at > RELOAD_GRACE
        return None if late else "reload"

    def end(self, life: Life, at: float | None) -> None:
        """Note the first sign of a process's end."""
        life.end(at, self.context(life, at))

    def life(self, pid: int, evidence: Evidence) -> Life:
        """Return the life with this pid, begun before the log where it is new, and keep what is said of it."""
        life = self.lives.get(pid)
        if life is None:
            life = self.lives[pid] = Life(pid, None)
        life.say(evidence)
        return life

    def raiser(self, pid: int | None, evidence: Evidence) -> Life:
        """Return the life whose start raised: who failed may raise once more on its way out, else it is the latest."""
        again = self.lives.get(pid) if pid is not None else None
        return again if again is not None and again.raised else self.life(self.latest(), evidence)

    def named(self, pid: int) -> None:
        """Give its pid to a worker whose traceback came before anything that names it."""
        first = self.lives.get(0)
        if pid not in self.lives and first is not None and ((first.raised and not first.over) or first.hung_in):
            life = self.lives[pid] = self.lives.pop(0)
            life.pid = pid

    def latest(self) -> int:
        """Return the pid of the worker that started last and of whose end nothing is known."""
        return next((life.pid for life in reversed(self.lives.values()) if not life.chain and not life.over), 0)

    @property
    def complained(self) -> dict[str, tuple[Raised, ...]]:
        """What the app itself said last, as facts of a boot that failed without an exception to be seen."""
        said = self.complaint
        logged = () if said is None else (Raised(type="Exception", message=said.text, line=said.line),)
        told = logged + (() if self.served else self.last_words.kept)
        return {"complaints": told} if told else {}

    def hears(self, said: Evidence, *, bad: bool, headed: bool) -> bool:
        """Take a line that is not Gunicorn's; return True where an app logged an error by it."""
        if bad:
            self.complaint = said
        elif not headed and not self._complains_on(said) and not self.served:
            self.last_words.heard(said)
        return bad

    def _complains_on(self, further: Evidence) -> bool:
        """Take the line below the app's last error where it is indented as a part of it, or announced by a colon."""
        said, text = self.complaint, further.text
        near = said is not None and said.line is not None and 0 <= (further.line or 0) - said.line <= COMPLAINT
        if said is None or not near or not text.strip():
            return False
        if not text[:1].isspace() and not said.text.rstrip().endswith(":"):
            return False
        self.complaint = replace(said, text=f"{said.text}\n{text.strip()}")
        return True

    def recovered(self) -> None:
        """Forget what the master complained of: it went on."""
        self.fatal.clear()
        self.fatal_kind, self.fatal_chain = None, ()

    def around(self, notes: list[Evidence]) -> Surroundings:
        """Return what is known of the server."""
        return Surroundings(
            version=self.version,
            worker_class=self.worker_class,
            listening=self.listening,
            up=self.up,
            notes=tuple(notes),
        )


def evidence(record: Record) -> Evidence:
    """Return a line as evidence."""
    return Evidence(source=record.source, line=record.line, text=record.text[:MAX_TEXT])
