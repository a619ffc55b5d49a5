"""How a process ended, decided from what the log told of its life: consequences are no causes."""

from __future__ import annotations

import re
from itertools import pairwise

from bootcheck.analysis.ages import (
    AGAIN,
    LATE,
    MANY,
    again_and_again,
    again_since_service,
    all_alike,
    as_a_boot,
    began,
    of_one_age,
    uptime,
)
from bootcheck.analysis.lives import Life, Server
from bootcheck.analysis.trouble import (
    BOOT,
    FAILED_BEFORE,
    LONE,
    REQUEST,
    STOP,
    UNKNOWN,
    UNREAD,
    UNTOLD,
    WATCHDOG,
    Frame,
    Raised,
    Trouble,
)
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence

NATIVE = frozenset({"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS"})
_STOPS = frozenset({"SIGTERM", "SIGINT", "SIGQUIT"})
LIFESPAN = "app.lifespan"
"""The step in which an application's own start-up is."""
STOP_ORDERS = {"term": "SIGTERM", "int": "SIGINT", "quit": "SIGQUIT"}
SHORT = 10.0
"""Seconds: a silent end that soon after the start comes before the worker was ready."""
QUICKLY = 60.0
"""Seconds between them where the one before did not live long: a server that recycles its workers takes longer."""
SLOWLY = 2.0
"""Seconds between starts of workers that nobody lets pass between the first ones of a server."""
SOON = 5.0
"""Seconds after an order to stop in which no master has lost its patience yet."""
BOOT_ERROR = 3
APP_LOAD_ERROR = 4
ABORTED = 1
"""The status of a worker that was timed out, from 21 on."""
SIGNALS_TOLD, SIGNALS_TOLD_SINCE = (20, 1), 1_613_433_600.0
"""From this release, of 16 February 2021, Gunicorn says which signal has ended a worker."""
_IN_THEIR_LOOP = frozenset({"sync", "gthread"})
NO_BOOT_TIMEOUT = (22,)
"""From this release Gunicorn's timeout starts with the first heartbeat, after the boot."""

_REQUEST_FUNCTIONS = frozenset(
    {
        "handle_request",
        "wsgi_app",
        "full_dispatch_request",
        "get_response",
        "_get_response",
        "run_endpoint_function",
        "run_asgi",
        "run_wsgi",
        "handle_async_request",
    }
)
_HANDLERS = re.compile(
    r"/django/core/handlers/\w+\.py inner$|/bottle\.py (?:_handle|wsgi)$|/falcon/app\.py __call__$|"
    r"/flask/app\.py __call__$|/(?:starlette|fastapi)/routing\.py (?:app|handle)$|"
    r"/pyramid/(?:router|tweens)\.py \w+$|/tornado/web\.py _execute$|/aiohttp/web_protocol\.py \w+$|"
    r"/(?:webob/dec|cherrypy/_cprequest|rest_framework/views|uvicorn/protocols/http/\w+)\.py \w+$"
)
"""The file and the function in which frameworks answer a request; others of the same file run at the start."""
_OUTGOING = re.compile(r"/(?:httpx|httpcore)/")
"""Clients whose functions have the names of a server's: they send a request, and handle none."""
_BOOT_FUNCTIONS = frozenset({"init_process", "load_wsgi", "load_wsgiapp", "import_app", "spawn_worker"})
_IMPORTS = "<frozen importlib"
_MASTER_FUNCTIONS = frozenset(
    {
        "run",
        "setup",
        "start",
        "manage_workers",
        "create_sockets",
        "load_config",
        "load_config_from_file",
        "reap_workers",
        "reload",
    }
)

_TIDYING = frozenset({"close_sockets", "close", "unlink"})


def trouble_of(life: Life, server: Server, notes: list[Evidence]) -> Trouble | None:
    """Return how this process got into trouble, or None where it ended as it should, or silently."""
    if is_by_hand(life.chain):
        life.context = "signal"
        return None
    end = _end_with_a_dump(life)
    if end is not None:
        dumped = server.dumps.of(end, (life.said[-1].line or 0) if life.said else 0, life.ended_at)
        life.hung_in = life.hung_in or dumped
    found = _cause(life, server) or ((Cause.SIGTERM, BOOT) if life.stopped else None)
    if found is None:
        return None
    cause, moment = found
    stopped = cause is Cause.SIGTERM and life.stopped
    chain = life.chain if cause is not Cause.GUNICORN_TIMEOUT else ()
    return Trouble(
        cause=cause,
        role=life.role,
        pid=life.pid,
        moment=moment,
        exception=chain[0] if chain else (life.hung_in[0] if life.hung_in else None),
        chain=chain,
        exit_code=life.exit_code,
        step=LIFESPAN if stopped else None,
        signal=life.killed or (STOP_ORDERS.get(server.stopped_by or "") if stopped else None),
        at=life.stopped_at if stopped and life.stopped_at is not None else life.ended_at,
        since=life.booted_at,
        served=server.served or life.ready,
        said=tuple(life.said),
        around=server.around(notes),
        facts={} if chain else {**server.complained, **_failed_before(life, server, cause)},
        stops_server=life.role == "worker" and cause in (Cause.EXCEPTION, Cause.APP_NOT_FOUND) and moment == BOOT,
    )


def _end_with_a_dump(life: Life) -> str | None:
    """Return the signal, or the watchdog, by which Python's faulthandler may have shown where it stood."""
    if life.timed_out or life.killed in NATIVE:
        return "SIGABRT" if life.timed_out else life.killed
    by_itself = life.exit_code == 1 and life.context is None and not life.chain
    return WATCHDOG if by_itself else None


def _failed_before(life: Life, server: Server, cause: Cause) -> dict[str, Raised]:
    """Return what a request before met, where nothing shows what one was doing that was timed out."""
    known = None if server.failed is None or life.hung_in else server.failed.exception
    return {FAILED_BEFORE: known} if known is not None and cause is Cause.GUNICORN_TIMEOUT else {}


def _cause(life: Life, server: Server) -> tuple[Cause, str] | None:
    if life.timed_out:
        held_up = (Cause.SIGKILL_GRACEFUL_TIMEOUT, STOP) if life.held_up else None
        return held_up or (Cause.GUNICORN_TIMEOUT, _when_timed_out(life, server))
    if life.app_not_found or life.exit_code == APP_LOAD_ERROR:
        return Cause.APP_NOT_FOUND, BOOT
    if life.chain or life.raised:
        ends = life.chain and life.chain[0].is_a("SystemExit")
        moment = UNKNOWN if serving(_frames(life.chain)) else BOOT
        return (Cause.SYS_EXIT if ends else Cause.EXCEPTION), moment
    if life.killed is not None:
        return _killed(life, server)
    if life.exit_code is not None and life.context in (None, "failure"):
        return _exited(life, server)
    return None


def _exited(life: Life, server: Server) -> tuple[Cause, str] | None:
    if life.exit_code == BOOT_ERROR:
        return Cause.EXCEPTION, BOOT
    if life.exit_code == ABORTED and _like_those_after_it(life, server):
        return Cause.GUNICORN_TIMEOUT, _when_timed_out(life, server)
    return (Cause.OS_EXIT, _where_it_stood(life) if life.hung_in else UNKNOWN) if life.context is None else None


def _where_it_stood(life: Life) -> str:
    frames = _frames(life.hung_in)
    return REQUEST if is_request(frames) else BOOT if _was_booting(life, frames) else UNKNOWN


def _killed(life: Life, server: Server) -> tuple[Cause, str] | None:  # noqa: PLR0911
    if server.stopping and life.context is None and life.killed in _STOPS:
        # One signal to the whole group: a worker may say that it exits before the master says why.
        life.context = "signal"
    if life.killed in NATIVE:
        return Cause.NATIVE_CRASH, _where_it_stood(life)
    if life.killed == "SIGKILL":
        if life.context in ("signal", "reload") and not _like_those_before(life, server):
            return Cause.SIGKILL_GRACEFUL_TIMEOUT, STOP
        if _among_the_timed_out(life, server):
            return Cause.GUNICORN_TIMEOUT, _when_timed_out(life, server)
        if _like_those_after_it(life, server):
            return Cause.GUNICORN_TIMEOUT, _when_timed_out(life, server)
        return None if life.context == "failure" else (Cause.OOM, UNKNOWN)
    if server.reason is not None and life.killed in _STOPS:
        # The master says later than its workers die that one of them could not boot.
        return None
    return None if life.context is not None or life.retiring else (Cause.SIGTERM, UNKNOWN)


def _like_those_before(life: Life, server: Server) -> bool:
    """Tell whether an order to stop only met what was going on: others had been killed, and no patience is so short."""
    begun = server.stop_at if server.stopping else server.reloaded_at
    soon = begun is not None and life.ended_at is not None and life.ended_at - begun < SOON
    return soon and any(other.killed == "SIGKILL" and other.context is None for other in server.lives.values())


def _among_the_timed_out(life: Life, server: Server) -> bool:
    """Tell whether it was killed when others were timed out, and began before the log: its own line is cut off."""
    if life.booted_at is not None or server.seen_start or life.ended_at is None or life.context is not None:
        return False
    ends = (item.ended_at for item in server.lives.values() if item.timed_out)
    return any(end is not None and abs(end - life.ended_at) <= LATE for end in ends)


def _like_those_after_it(life: Life, server: Server) -> bool:
    """Tell whether it was killed where the log begins, and all that were started in its place were timed out."""
    if life.booted_at is not None or server.seen_start or life.ended_at is None or life.context is not None:
        return False
    later = [item for item in server.lives.values() if began(item) is not None and item.ended_at is not None]
    first = min((born for item in later if (born := began(item)) is not None), default=None)
    return first is not None and life.ended_at <= first + LATE and all(item.timed_out for item in later)


def _when_timed_out(life: Life, server: Server) -> str:
    frames = _frames(life.hung_in or life.chain)
    if is_request(frames):
        return REQUEST
    release = server.around([]).release
    covered = not release or release < NO_BOOT_TIMEOUT
    if _was_booting(life, frames) or (server.nested and covered and as_a_boot(life)):
        return BOOT
    if not covered and life.after_service and _outside_of_requests(life, server) and again_since_service(server):
        return BOOT
    if life.ready or life.after_service or (server.kept_waiting and began(life) is None and not server.seen_start):
        return REQUEST
    if covered:
        return BOOT if all_alike(life, server) else REQUEST
    return BOOT if _outside_of_requests(life, server) or again_and_again(server) else REQUEST


def _was_booting(life: Life, frames: tuple[Frame, ...]) -> bool:
    """Tell whether it stood in its boot by its own traceback, or had said that its application starts."""
    if life.starting and not life.ready:
        return True
    # Where a traceback's head was cut off, a module that was being imported is all that is left of the boot.
    begun = (*_BOOT_FUNCTIONS, "<module>") if life.hung_in else _BOOT_FUNCTIONS
    imports = life.hung_in and any(frame.file.startswith(_IMPORTS) for frame in frames)
    return (imports or any(frame.function in begun for frame in frames)) and not serving(frames)


def _outside_of_requests(life: Life, server: Server) -> bool:
    """Tell whether a worker was timed out in a boot that had given a sign of life, as a hook may.

    From 22 on a sync worker that is aborted in a request, or while it reads one, prints a traceback;
    in its loop it gives a sign of life each second, as a gthread worker does whatever its threads do. One that
    exits without a word was in neither, unless the whole machine had slept: then its age is none that a limit has.
    One of the same age that did not even exit stood where the others did.
    """
    if server.worker_class not in _IN_THEIR_LOOP or life.hung_in or life.chain or not as_a_boot(life):
        return False
    return life.exiting or any(
        other.exiting and other.timed_out and of_one_age(life, other) for other in server.lives.values()
    )


def is_request(frames: tuple[Frame, ...]) -> bool:
    """Tell whether a traceback went through the handling of a request."""
    return any(
        (frame.function.rpartition(".")[2] in _REQUEST_FUNCTIONS and not _OUTGOING.search(frame.file))
        or (frame.function == "handle" and "gunicorn/workers" in frame.file)
        or _HANDLERS.search(f"{frame.file} {frame.function.rpartition('.')[2]}") is not None
        for frame in frames
    )


def is_boot(frames: tuple[Frame, ...]) -> bool:
    """Tell whether a traceback comes out of a worker that was starting."""
    return any("gunicorn" in frame.file and frame.function in _BOOT_FUNCTIONS for frame in frames)


def is_lifespan(frames: tuple[Frame, ...]) -> bool:
    """Tell whether a traceback comes out of an ASGI server that was starting the app."""
    return any("/lifespan/" in frame.file or frame.function in ("startup", "lifespan") for frame in frames)


def is_abort(chain: tuple[Raised, ...]) -> bool:
    """Tell whether the master's SIGABRT after a timeout raised this."""
    return any(frame.function == "handle_abort" and "gunicorn" in frame.file for frame in _frames(chain))


def is_master(frames: tuple[Frame, ...]) -> bool:
    """Tell whether a traceback ended the master: its own code is in it, outside of a fork."""
    ours = [frame for frame in frames if "gunicorn/" in frame.file or "bin/gunicorn" in frame.file]
    return any(
        frame.file.endswith("bin/gunicorn")
        or (
            frame.function in _MASTER_FUNCTIONS
            and frame.file.endswith(("arbiter.py", "sock.py", "wsgiapp.py", "app/base.py"))
        )
        for frame in ours
    )


def is_by_hand(chain: tuple[Raised, ...]) -> bool:
    """Tell whether somebody at a terminal stopped it."""
    return bool(chain) and chain[0].is_a("KeyboardInterrupt")


def is_tidying(chain: tuple[Raised, ...], *, stopping: bool) -> bool:
    """Tell whether a master was stopped, by hand or as told: what it printed then, or failed to remove, is no cause."""
    if is_by_hand(chain) or (stopping and chain[0].type == UNREAD):
        return True
    ordered = any(link.is_a("StopIteration") and _is_arbiters(link.frames) for link in chain)
    if ordered and chain[0].is_a("StopIteration"):
        # What it failed at is cut off.
        return True
    last = chain[0].frames[-1] if chain[0].frames else None
    return ordered and last is not None and last.function in _TIDYING and "gunicorn/" in last.file


def _is_arbiters(frames: tuple[Frame, ...]) -> bool:
    return bool(frames) and frames[-1].function.startswith("handle_") and frames[-1].file.endswith("arbiter.py")


def serving(frames: tuple[Frame, ...]) -> bool:
    """Tell whether the worker's main loop is in a traceback: it had been ready."""
    return is_request(frames) or any("gunicorn/workers" in frame.file and frame.function == "run" for frame in frames)


def _frames(chain: tuple[Raised, ...]) -> tuple[Frame, ...]:
    return tuple(frame for link in chain for frame in link.frames)


def silent_troubles(server: Server, notes: list[Evidence]) -> list[Trouble]:
    """Return the deaths that no line tells of: workers that end again and again without a word.

    A worker that calls sys.exit(0), or on 20.1 any sys.exit, leaves `Worker exiting` at most.
    """
    quick = [life for life in server.silent if uptime(life) is not None and (uptime(life) or 0.0) <= SHORT]
    if len(quick) >= 3 and not server.served:
        return [_silent(life, server, notes, Cause.SYS_EXIT, **server.complained) for life in quick]
    if server.complained and server.silent and not (server.served or server.reloaded_at or server.stopping):
        # What it said last may tell why; that it ended without a word may be anything.
        return [_silent(server.silent[-1], server, notes, Cause.SYS_EXIT, LONE, **server.complained)]
    times = [at for at in server.boots if at is not None]
    if server.explained_ends or server.silent or server.reloaded_at or server.troubles:
        return []
    ended = list(server.lives.values())[:-1]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if _says_no_signal(server, times) and sum(gap >= SLOWLY for gap in gaps) >= AGAIN:
        # Whatever else ends a worker of such a release is told, and leaves `Worker exiting`.
        return [_silent(life, server, notes, Cause.OOM, UNTOLD) for life in ended]
    alone = not server.served and server.seen_start
    return [_silent(life, server, notes, Cause.OS_EXIT) for life in ended] if alone and _in_a_loop(times, gaps) else []


def _in_a_loop(times: list[float], gaps: list[float]) -> bool:
    """Tell whether workers are started one after the other; the first ones are forked ten or more a second."""
    span = times[-1] - times[0] if times else 0.0
    slow = len(times) >= MANY and all(SLOWLY <= gap <= QUICKLY for gap in gaps)
    return slow or (len(times) >= 6 and span >= 2 and len(times) / span < 5)


def _says_no_signal(server: Server, times: list[float]) -> bool:
    """Tell whether Gunicorn is of a release, or of a time, that does not say which signal has ended a worker."""
    release = server.around([]).release
    return release < SIGNALS_TOLD if release else bool(times) and times[0] < SIGNALS_TOLD_SINCE


def _silent(life: Life, server: Server, notes: list[Evidence], cause: Cause, *facts: str, **told: object) -> Trouble:
    return Trouble(
        cause=cause,
        pid=life.pid,
        moment=BOOT,
        at=life.ended_at,
        since=life.booted_at,
        said=tuple(life.said),
        around=server.around(notes),
        facts={"silent": True, **dict.fromkeys(facts, True), **told},
    )
