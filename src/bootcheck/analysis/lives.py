"""Process lives out of a log: what was said of each process, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from bootcheck.analysis.trouble import BOOT, REQUEST, STOP, UNKNOWN, Frame, Raised, Surroundings, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence

NATIVE = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"})
STOPPING = frozenset({"term", "int", "quit"})
MAX_SAID = 12
MAX_BOOT = 125.0
"""Seconds: a worker timed out later than this after its start was most likely serving."""
SHORT = 10.0
"""Seconds: a silent end that soon after the start comes before the worker was ready."""
BOOT_ERROR = 3
APP_LOAD_ERROR = 4
NO_BOOT_TIMEOUT = (22,)
"""From this release Gunicorn's timeout starts with the first heartbeat, after the boot."""

_REQUEST_FUNCTIONS = frozenset(
    {"handle_request", "handle", "wsgi_app", "full_dispatch_request", "get_response", "run_asgi", "run_wsgi", "handle_async_request"}
)
_BOOT_FUNCTIONS = frozenset({"init_process", "load_wsgi", "load_wsgiapp", "import_app", "spawn_worker"})
_MASTER_FUNCTIONS = frozenset(
    {"run", "setup", "start", "manage_workers", "create_sockets", "load_config", "load_config_from_file", "reap_workers", "reload"}
)


@dataclass(slots=True)
class Life:
    """One process as the log tells of it."""

    pid: int
    booted_at: float | None = None
    line: int = 0
    said: list[Evidence] = field(default_factory=list)
    chain: tuple[Raised, ...] = ()
    """The exception that ended it, last one raised first."""
    hung_in: tuple[Raised, ...] = ()
    """The traceback that its abort printed."""
    raised: bool = False
    timed_out: bool = False
    app_not_found: bool = False
    killed: str | None = None
    exit_code: int | None = None
    exiting: bool = False
    retiring: bool = False
    ready: bool = False
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
class Server:
    """One start of Gunicorn as the log tells of it."""

    version: str | None = None
    worker_class: str | None = None
    listening: tuple[str, ...] = ()
    pid: int | None = None
    started_at: float | None = None
    seen_start: bool = False
    lives: dict[int, Life] = field(default_factory=dict)
    boots: list[float | None] = field(default_factory=list)
    silent: list[Life] = field(default_factory=list)
    stopping: str | None = None
    stop_at: float | None = None
    reloaded_at: float | None = None
    failing: bool = False
    reason: str | None = None
    served: bool = False
    fatal: list[Evidence] = field(default_factory=list)
    """What the master said before it gave up, while it had no worker."""
    fatal_kind: str | None = None
    fatal_at: float | None = None
    fatal_chain: tuple[Raised, ...] = ()
    troubles: int = 0
    explained_ends: int = 0

    def context(self, life: Life, at: float | None) -> str | None:
        """Return why a worker may be ending just now."""
        if self.stopping:
            return self.stopping
        if self.failing:
            return "failure"
        if self.reloaded_at is not None and (life.booted_at is None or life.booted_at <= self.reloaded_at):
            return "reload"
        return None

    def around(self, notes: list[Evidence]) -> Surroundings:
        """Return what is known of the server."""
        return Surroundings(version=self.version, worker_class=self.worker_class, listening=self.listening, notes=tuple(notes))


def trouble_of(life: Life, server: Server, notes: list[Evidence]) -> Trouble | None:
    """Return how this process got into trouble, or None where it ended as it should, or silently."""
    found = _cause(life, server)
    if found is None:
        return None
    cause, moment = found
    chain = life.chain if cause is not Cause.GUNICORN_TIMEOUT else ()
    return Trouble(
        cause=cause,
        pid=life.pid,
        moment=moment,
        exception=chain[0] if chain else (life.hung_in[0] if life.hung_in else None),
        chain=chain,
        exit_code=life.exit_code,
        signal=life.killed,
        at=life.ended_at,
        since=life.booted_at,
        served=server.served or life.ready,
        said=tuple(life.said),
        around=server.around(notes),
        stops_server=cause in (Cause.EXCEPTION, Cause.APP_NOT_FOUND) and moment == BOOT,
    )


def _cause(life: Life, server: Server) -> tuple[Cause, str] | None:  # noqa: PLR0911
    if life.timed_out:
        return Cause.GUNICORN_TIMEOUT, _when_timed_out(life, server)
    if life.app_not_found or life.exit_code == APP_LOAD_ERROR:
        return Cause.APP_NOT_FOUND, BOOT
    if life.chain or life.raised:
        ends = life.chain and life.chain[0].is_a("SystemExit")
        moment = UNKNOWN if serving(_frames(life.chain)) else BOOT
        return (Cause.SYS_EXIT if ends else Cause.EXCEPTION), moment
    if life.killed is not None:
        return _killed(life)
    if life.exit_code is not None and life.context in (None, "failure"):
        if life.exit_code == BOOT_ERROR:
            return Cause.EXCEPTION, BOOT
        return (Cause.OS_EXIT, UNKNOWN) if life.context is None else None
    return None


def _killed(life: Life) -> tuple[Cause, str] | None:
    if life.killed in NATIVE:
        return Cause.NATIVE_CRASH, UNKNOWN
    if life.killed == "SIGKILL":
        if life.context in ("signal", "reload"):
            return Cause.SIGKILL_GRACEFUL_TIMEOUT, STOP
        return None if life.context == "failure" else (Cause.OOM, UNKNOWN)
    return None if life.context is not None or life.retiring else (Cause.SIGTERM, UNKNOWN)


def _when_timed_out(life: Life, server: Server) -> str:
    frames = _frames(life.hung_in or life.chain)
    if is_request(frames):
        return REQUEST
    if any(frame.function in _BOOT_FUNCTIONS for frame in frames) and not serving(frames):
        return BOOT
    around = server.around([])
    if life.ready or server.served or (around.release and around.release >= NO_BOOT_TIMEOUT):
        return REQUEST
    uptime = None if life.booted_at is None or life.ended_at is None else life.ended_at - life.booted_at
    return BOOT if uptime is not None and uptime <= MAX_BOOT else REQUEST


def is_request(frames: tuple[Frame, ...]) -> bool:
    """Tell whether a traceback went through the handling of a request."""
    return any(frame.function.rpartition(".")[2] in _REQUEST_FUNCTIONS for frame in frames)


def is_boot(frames: tuple[Frame, ...]) -> bool:
    """Tell whether a traceback comes out of a worker that was starting."""
    return any("gunicorn" in frame.file and frame.function in _BOOT_FUNCTIONS for frame in frames)


def is_master(frames: tuple[Frame, ...]) -> bool:
    """Tell whether a traceback ended the master: its own code is in it, outside of a fork."""
    ours = [frame for frame in frames if "gunicorn/" in frame.file or "bin/gunicorn" in frame.file]
    return any(
        frame.file.endswith("bin/gunicorn")
        or (frame.function in _MASTER_FUNCTIONS and frame.file.endswith(("arbiter.py", "sock.py", "wsgiapp.py", "app/base.py")))
        for frame in ours
    )


def serving(frames: tuple[Frame, ...]) -> bool:
    """Tell whether the worker's main loop is in a traceback: it had been ready."""
    return is_request(frames) or any("gunicorn/workers" in frame.file and frame.function == "run" for frame in frames)


def _frames(chain: tuple[Raised, ...]) -> tuple[Frame, ...]:
    return tuple(frame for link in chain for frame in link.frames)


def silent_troubles(server: Server, notes: list[Evidence]) -> list[Trouble]:
    """Return the deaths that no line tells of: workers that end again and again without a word.

    A worker that calls sys.exit(0), or on 20.1 any sys.exit, leaves `Worker exiting` at most.
    """
    quick = [life for life in server.silent if _uptime(life) is not None and (_uptime(life) or 0.0) <= SHORT]
    if len(quick) >= 3 and not server.served:  # noqa: PLR2004 - once may be an operator, thrice is a loop
        return [_silent(life, server, notes, Cause.SYS_EXIT) for life in quick]
    times = [at for at in server.boots if at is not None]
    if server.explained_ends or server.silent or server.served or server.reloaded_at or not server.seen_start:
        return []
    span = times[-1] - times[0] if times else 0.0
    # The first workers of a server are forked ten or more a second.
    if len(times) >= 6 and span >= 2 and len(times) / span < 5:  # noqa: PLR2004
        return [_silent(life, server, notes, Cause.OS_EXIT) for life in list(server.lives.values())[:-1]]
    return []


def _silent(life: Life, server: Server, notes: list[Evidence], cause: Cause) -> Trouble:
    return Trouble(
        cause=cause,
        pid=life.pid,
        moment=BOOT,
        at=life.ended_at,
        since=life.booted_at,
        said=tuple(life.said),
        around=server.around(notes),
        facts={"silent": True},
    )


def _uptime(life: Life) -> float | None:
    return None if life.ended_at is None or life.booted_at is None else life.ended_at - life.booted_at
