"""A part of Gunicorn looks unlike any known version.

What it means
BC003: something inside Gunicorn that bootcheck watches has another shape than in the versions it is
proven on. It is left alone: the server runs as always, and one kind of evidence is missing.

How it looks
A report names the part in `attributes["bootcheck.missing"]`, for example `arbiter.kill_worker`.

Why it happens
Gunicorn is newer than this bootcheck, or another tool has replaced the same method.

What to do
Update bootcheck. Where that does not help, please report the version and the name of the part. The
table below says what goes without it.

How to know it is fixed
The next report has no `bootcheck.missing`.

Every private touch of Gunicorn, in one place:

| touch | what it gives | proven on | without it |
|---|---|---|---|
| the frame of `do_load_config` in `gunicorn.app.base` | an end while the configuration is read or applied | 20.1 - 27.0 | a bad setting is not reported |
| `Arbiter.setup` | our hooks in each new configuration, also after HUP | 20.1 - 27.0 | the exported `nworkers_changed` does it once |
| module global `gunicorn.arbiter.os` | exact wait status and resource usage | 20.1 - 27.0 | `status` is missing |
| `arbiter.kill_worker` | which signals the master itself sent | 20.1 - 27.0 | origin of a signal is missing |
| `arbiter.reap_workers`, `arbiter.halt` | one clean end although two workers fail at once | 20.1 - 27.0 | Gunicorn's own behaviour |
| `arbiter.murder_workers` | a look around once per turn of the loop | 20.1 - 27.0 | reports of dropped users come at death |
| `arbiter.spawn_workers` | pauses between respawns while a dependency is down | 20.1 - 27.0 | respawns are not slowed |
| `arbiter.init_signals` | the sender of a signal from the master's first handlers on | 20.1 - 27.0 | from the loop's next turn on |
| `arbiter.handle_term` and its like (int, quit, hup, usr2) | which order the master acts upon; with `safe_reload` HUP waits for the new app | 20.1 - 27.0 | who stopped the master is not said |
| `gunicorn.systemd.sd_notify`, `worker.tmp.last_update` | systemd is told when workers are ready, and that they live | 20.1 - 27.0 | Gunicorn's READY=1 comes before the first worker |
| `arbiter.run` | how the master ends | 20.1 - 27.0 | only atexit tells |
| `arbiter.stop`, `reload`, `reexec_pid`, `worker.tmp`, `worker.alive` | when a server is ready or live, for its endpoints | 20.1 - 27.0 | less is known of it |
| `arbiter.SIG_QUEUE` | a stop signal lost between fork and handlers | 20.1 - 27.0 | it stays lost |
| `worker.init_process`, `load_wsgi`, `init_signals` | steps and exceptions of a worker's boot | 20.1 - 27.0 | steps are missing |
| `worker.handle_request`, `handle_http2_request`, `asgi` | the requests in flight at a death | 20.1 - 27.0 | they are unknown |
| `arbiter.spawn_dirty_arbiter`, `manage_dirty_arbiter`, `kill_dirty_arbiter` | the dirty arbiter's boots and deaths, pauses | 25.3 - 27.0 | they are not reported |
| `DirtyArbiter`: `__init__`, `run`, `init_signals`, `spawn_worker`, `kill_worker`, `manage_workers`, `murder_workers`, `reload`; `gunicorn.dirty.arbiter.os` | the same for its workers, with their exact wait status | 25.3 - 27.0 | they are not reported |
| `DirtyWorker`: `__init__`, `init_process`, `init_signals`, `_run_async`, `_heartbeat_loop`; `load_dirty_apps` | steps, exceptions and the end of a dirty worker's boot | 25.3 - 27.0 | steps are missing |

Each touch looks at the shape of what it finds first; `missing()` lists what did not fit.
"""  # noqa: E501 - a row of a table is a line

from __future__ import annotations

import errno
import os
import sys
import types
from collections.abc import Callable
from typing import Any

from bootcheck.gunicorn.reaping import deaths_held, deferring, wait

RULES: tuple[str, ...] = ("BC003",)
READS_CONFIG = ("do_load_config", "gunicorn.app.base")
"""The function in which Gunicorn reads its configuration, and its module: no hook runs so early."""
_missing: list[str] = []
_VAR_ARGUMENTS = 0x04
_VAR_KEYWORDS = 0x08
"""Flags of a code object, as `inspect` names them: importing that would cost every boot."""


def missing() -> list[str]:
    """Return what could not be armed on this Gunicorn, for a report's `missing`."""
    return list(_missing)


def _lacks(what: str) -> None:
    if what not in _missing:
        _missing.append(what)


def version() -> str:
    """Return Gunicorn's version, empty where it is not loaded."""
    return str(getattr(sys.modules.get("gunicorn"), "__version__", ""))


def on_setup(before: Callable[[Any], None], failed: Callable[[BaseException], None]) -> bool:
    """Call `before(cfg)` each time an Arbiter takes a configuration: at its start and on HUP.

    `failed(exc)` is told what that raises (a worker class that does not exist, a log that cannot be
    written), before it goes on.
    """
    arbiter = getattr(sys.modules.get("gunicorn.arbiter"), "Arbiter", None)
    original = getattr(arbiter, "setup", None)
    if arbiter is None or not _takes(original, ("self", "app")):
        _lacks("gunicorn.arbiter.Arbiter.setup")
        return False

    def setup(self: Any, app: Any) -> Any:
        cfg = getattr(app, "cfg", None)
        if cfg is not None:
            before(cfg)
        try:
            return original(self, app)  # type: ignore[misc]
        except BaseException as exc:
            failed(exc)
            raise

    arbiter.setup = setup
    return True


def on_wait(
    receive: Callable[[int, int, Any], int | None], born: Callable[[int], None], where: str = "gunicorn.arbiter"
) -> bool:
    """Call `receive(pid, status, rusage)` for every child that Gunicorn reaps, before it looks at it.

    A status that it returns is what Gunicorn gets to see instead. `born(pid)` is called in the
    master right after each fork: up to 23 a worker may be reaped before it stands in any list.
    """
    module = sys.modules.get(where)
    if module is None or getattr(module, "os", None) is not os:
        _lacks(f"{where}.os")
        return False
    module.os = _Os(receive, born)  # type: ignore[attr-defined]
    return True


class _Os(types.ModuleType):
    """The `os` module as an arbiter's module sees it: `waitpid` also tells resource usage."""

    def __init__(self, receive: Callable[[int, int, Any], int | None], born: Callable[[int], None]) -> None:
        super().__init__("os")
        self.__dict__.update(_receive=receive, _born=born)

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fork(self) -> int:
        pid = os.fork()
        if pid:
            self._born(pid)
        return pid

    def waitpid(self, pid: int, options: int) -> tuple[int, int]:
        # Up to 23 this runs in the handler, and another one may come and raise Gunicorn's halt: what was
        # reaped and not received yet would be lost.
        with deaths_held():
            waited, status, usage = wait(pid, options)
            shown = self._receive(waited, status, usage) if waited else None
        return waited, status if shown is None else shown


def on_kill(arbiter: Any, note: Callable[[int, int], None]) -> bool:
    """Call `note(pid, signo)` before the master sends a signal to one of its workers."""
    original = getattr(arbiter, "kill_worker", None)
    if not _takes(original, ("pid", "sig")):
        _lacks("arbiter.kill_worker")
        return False

    def kill_worker(pid: int, sig: int) -> Any:
        note(pid, sig)
        return original(pid, sig)  # type: ignore[misc]

    arbiter.kill_worker = kill_worker
    return True


def halt_once(arbiter: Any, halts: Callable[[], None]) -> bool:
    """Let a second worker that fails while the master halts not break the halt.

    Gunicorn raises HaltServer again inside `halt()`: no on_exit, the pidfile stays, workers
    are left behind, and the exit code is 1. `halts` is called when the halt begins.
    """
    errors = sys.modules.get("gunicorn.errors")
    halt_server = getattr(errors, "HaltServer", None)
    reap = getattr(arbiter, "reap_workers", None)
    halt = getattr(arbiter, "halt", None)
    if halt_server is None or not _takes(reap, ()) or not _takes(halt, ("reason", "exit_status")):
        _lacks("arbiter.halt")
        return False
    halting: list[bool] = []

    @deferring
    def reap_workers() -> Any:
        while True:
            try:
                return reap()  # type: ignore[misc]
            except halt_server:
                if not halting:
                    # Gunicorn pops the worker only after raising; a dead one must not be killed again.
                    raise
                _forget_dead(arbiter)

    def once(*args: Any, **kwargs: Any) -> Any:
        halting.append(True)
        halts()
        # Up to 23 one SIGCHLD may stand for several deaths: those not looked at yet would be waited
        # for, as if they lived, until graceful_timeout.
        reap_workers()
        _forget_dead(arbiter)
        return halt(*args, **kwargs)  # type: ignore[misc]

    arbiter.reap_workers = reap_workers
    arbiter.halt = once
    return True


def _forget_dead(arbiter: Any) -> None:
    """Drop workers that are no longer our children from the master's list."""
    for pid in list(arbiter.WORKERS):
        try:
            os.kill(pid, 0)
        except OSError as exc:
            if exc.errno == errno.ESRCH:
                worker = arbiter.WORKERS.pop(pid, None)
                tmp = getattr(worker, "tmp", None)
                if tmp is not None:
                    tmp.close()


def on_turn(arbiter: Any, look: Callable[[], None]) -> bool:
    """Call `look()` at each turn of the master's loop (once a second when idle)."""
    original = getattr(arbiter, "murder_workers", None)
    if not _takes(original, ()):
        _lacks("arbiter.murder_workers")
        return False

    def murder_workers() -> Any:
        look()
        return original()  # type: ignore[misc]

    arbiter.murder_workers = murder_workers
    return True


def on_spawn(arbiter: Any, allowed: Callable[[], bool]) -> bool:
    """Let the master start workers only while `allowed()`; it goes on with its loop otherwise."""
    original = getattr(arbiter, "spawn_workers", None)
    if not _takes(original, ()):
        _lacks("arbiter.spawn_workers")
        return False

    def spawn_workers() -> Any:
        return original() if allowed() else None  # type: ignore[misc]

    arbiter.spawn_workers = spawn_workers
    return True


def halt(reason: str, status: int) -> None:
    """Stop the server in Gunicorn's own way, from within its loop."""
    kind = getattr(sys.modules.get("gunicorn.errors"), "HaltServer", None)
    if kind is not None:
        raise kind(reason, status)


def around(owner: Any, name: str, wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]) -> bool:
    """Replace a method on one instance by `wrapper(method)`."""
    original = getattr(owner, name, None)
    if not callable(original):
        _lacks(f"{type(owner).__name__}.{name}")
        return False
    try:
        setattr(owner, name, wrapper(original))
    except (AttributeError, TypeError):
        _lacks(f"{type(owner).__name__}.{name}")
        return False
    return True


def on_request(
    worker: Any,
    around_handler: Callable[[Callable[..., Any], int], Callable[..., Any]],
    around_app: Callable[[Any], Any],
) -> bool:
    """Wrap what serves one request in this worker; False for a class that has no such method.

    Gunicorn's gevent_pywsgi and tornado workers hand their requests to other servers.
    """
    if hasattr(worker, "asgi"):
        return around(worker, "asgi", around_app)
    if getattr(worker, "wsgi_handler", None) is not None:
        return False
    found = False
    for name in ("handle_request", "handle_http2_request"):
        original = getattr(worker, name, None)
        code = getattr(getattr(original, "__func__", None), "__code__", None)
        names = () if code is None else code.co_varnames[1 : code.co_argcount]
        if "req" in names:
            setattr(worker, name, around_handler(original, names.index("req")))  # type: ignore[arg-type]
            found = True
        elif original is not None:
            _lacks(f"worker.{name}")
    return found


def on_dirty(arbiter: Any, spawn: Callable[[Callable[[], Any]], Any]) -> bool:
    """Call `spawn(original)` where Gunicorn (from 25 on) starts its dirty arbiter."""
    original = getattr(arbiter, "spawn_dirty_arbiter", None)
    if original is None:
        return False
    if not _takes(original, ()):
        _lacks("arbiter.spawn_dirty_arbiter")
        return False
    arbiter.spawn_dirty_arbiter = lambda: spawn(original)
    return True


def on_made(kind: Any, made: Callable[[Any], None]) -> bool:
    """Call `made(new)` for each new object of a class of Gunicorn's."""
    original = getattr(kind, "__init__", None)
    if not callable(original):
        _lacks(f"{getattr(kind, '__name__', kind)}.__init__")
        return False

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        made(self)

    kind.__init__ = init
    return True


def dirty_classes() -> tuple[Any, Any]:
    """Return the classes of the dirty arbiter and of its workers, as Gunicorn is about to use them."""
    from gunicorn.dirty.arbiter import DirtyArbiter, DirtyWorker

    return DirtyArbiter, DirtyWorker


def on_dirty_load(loading: Callable[[Callable[..., Any], Any], Any]) -> bool:
    """Call `loading(load_dirty_apps, paths)` where a dirty worker imports its apps."""
    module = sys.modules.get("gunicorn.dirty.worker")
    original = getattr(module, "load_dirty_apps", None)
    if module is None or not _takes(original, ("import_paths",)):
        _lacks("gunicorn.dirty.worker.load_dirty_apps")
        return False
    module.load_dirty_apps = lambda paths: loading(original, paths)  # type: ignore[attr-defined, arg-type]
    return True


def is_dirty_app_not_found(exc: BaseException) -> bool:
    """Tell whether Gunicorn says so of a dirty app, and not because the app's own import failed."""
    kind = getattr(sys.modules.get("gunicorn.dirty.errors"), "DirtyAppNotFoundError", None)
    if kind is None or not isinstance(exc, kind):
        return False
    cause = exc.__cause__
    module = str(getattr(exc, "app_path", "")).partition(":")[0]
    missing = str(getattr(cause, "name", None) or "?")
    return cause is None or module == missing or module.startswith(f"{missing}.")


def queued_stop(arbiter: Any, stop_signals: tuple[int, ...]) -> int | None:
    """Take a stop signal out of the copy of the master's queue that a new worker inherited.

    The queue is a list up to 23 and a SimpleQueue from 25 on. Only what came after the fork is
    there for a worker: the master drains its own before it spawns.
    """
    found: int | None = None
    waiting: Any = getattr(arbiter, "SIG_QUEUE", None)
    if isinstance(waiting, list):
        found = next((signo for signo in waiting if signo in stop_signals), None)
        arbiter.SIG_QUEUE = []
    elif hasattr(waiting, "get_nowait"):
        while not waiting.empty():
            signo = waiting.get_nowait()
            if found is None and signo in stop_signals:
                found = signo
    else:
        _lacks("arbiter.SIG_QUEUE")
    return found


def app_error_code(arbiter: Any) -> tuple[int, int]:
    """Return Gunicorn's exit codes for a worker that failed to boot and an app that was not found."""
    return getattr(arbiter, "WORKER_BOOT_ERROR", 3), getattr(arbiter, "APP_LOAD_ERROR", 4)


def is_app_not_found(exc: BaseException) -> bool:
    """Tell whether Gunicorn says that the app's module or attribute does not exist."""
    errors = sys.modules.get("gunicorn.errors")
    kind = getattr(errors, "AppImportError", None)
    return kind is not None and isinstance(exc, kind)


def is_halt(exc: BaseException) -> bool:
    """Tell whether this is the exception by which Gunicorn stops a server."""
    kind = getattr(sys.modules.get("gunicorn.errors"), "HaltServer", None)
    return kind is not None and isinstance(exc, kind)


def _takes(function: Any, names: tuple[str, ...]) -> bool:
    """Tell whether a function has exactly these parameters, in this order."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None or code.co_kwonlyargcount or code.co_flags & (_VAR_ARGUMENTS | _VAR_KEYWORDS):
        return False
    found = code.co_varnames[: code.co_argcount]
    if hasattr(function, "__self__") and found[:1] == ("self",):
        found = found[1:]
    return bool(found == names)
