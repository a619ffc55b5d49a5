"""Work that one process does for all was not finished in the time that another one waits for it.

What it means
BC307: `run_once` waited `timeout_s` seconds for another process that has the work. That process lives and holds
the lock, so nobody else may begin: it may still be at it. This one raised OnceHeld instead of waiting for ever.

How it looks
    bootcheck: warning: seed was not finished within 300 s: process 4711 on web-1 has had it since ... [BC307 run-once-not-finished]

Why it happens
The work takes longer than `timeout_s`, hangs, or its process was stopped (SIGSTOP, a debugger, a frozen container).
A process that ends gives its lock back, and the next one takes over; only one that lives keeps it.

What to do
Look at the holder that the message names: `bootcheck dump PID` on its host. End it and another one begins the work
anew. Raise `timeout_s` where the work is right and slow.

How to know it is fixed
One process has the step `once.<key>` with `did: true`, the others the same step with `did: false`.
"""  # noqa: E501 - a line of a log is as long as it is

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bootcheck.guards.once import Ledger, Once
from bootcheck.model.errors import BootcheckError, CheckOptionError, OnceHeld
from bootcheck.model.outcome import Phase
from bootcheck.probes.process import boot_id, is_running, start_ticks
from bootcheck.recorder import Recorder, current
from bootcheck.sinks.directory import ReportDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES: tuple[str, ...] = ("BC307",)
SUFFIX = ".once"
OLD = 3600.0
"""Seconds after which the file of a server that is gone is removed."""

_files: dict[tuple[int, str], Ledger] = {}
"""Open for this process's life: closing a file gives back every lock on it."""
_inside: dict[str, dict[tuple[int, str], int]] = {}


def run_once(  # noqa: PLR0913 - options by keyword, each with its default
    key: str,
    function: Callable[[], Any],
    *,
    result: bool = True,
    timeout_s: float = 300.0,
    lock: Any = None,
    scope: str | None = None,
) -> Any:
    """Let one process do something for all, and return what it returned; the others wait for that.

    For tables, seed data, a cache to fill. A failure is raised where it happened, and as OnceFailed in those
    that waited; a process that starts later, or the same one, tries again. When the holder ends in the middle
    the next one begins anew, so let the work stand being done twice. When it hangs or is stopped, the others
    raise OnceHeld after `timeout_s`, which says who has it.

    Args:
        key: What the work is called.
        function: Does it, without arguments.
        result: What it returns is for everybody, and must be JSON. False: only for the one that did it,
            the others get None.
        timeout_s: Seconds that one waits for another.
        lock: Who shares the work. None: the processes of this server on this machine, through a file in the
            report directory. A directory: through a file there. A SQLAlchemy engine, a URL of PostgreSQL or
            MySQL, or a function that returns a new DBAPI connection: everybody who uses that database,
            through an advisory lock and the table `bootcheck_run_once`.
        scope: For how long it stays done. By default in files until this server ends or reloads; in a
            database for ever. A release's name: once per release.
    """
    named: Any = key
    if not isinstance(named, str) or not named or not callable(function):
        msg = f"run_once({key!r}, {function!r}) needs a name and a function. Write run_once('seed', fill_tables)."
        raise CheckOptionError(msg)
    kept: list[Any] = []

    def work() -> Any:
        kept.append(function())
        return _shareable(key, kept[0]) if result else None

    recorder = current()
    with (
        recorder.step(f"once.{key}", Phase.INITIALISATION) as step,
        _ledger(key, lock, scope, timeout_s) as (ledger, where, name),
    ):
        once = Once(ledger, _inside.setdefault(where, {}))
        try:
            did, value = once.run(name, work, timeout_s=timeout_s)
        except OnceHeld as exc:
            _tell(recorder, exc)
            raise
        told = once.state(name)
        step.detail(did=did, pid=told.pid, host=told.host)
    return kept[0] if did else value


def _shareable(key: str, value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError, RecursionError) as exc:
        msg = (
            f"run_once({key!r}) was to share a {type(value).__name__} with other processes, which is no JSON ({exc}). "
            f"Return what is, or say result=False: then only the one that did it gets the value."
        )
        raise BootcheckError(msg) from exc


@contextmanager
def _ledger(key: str, lock: Any, scope: str | None, timeout_s: float) -> Iterator[tuple[Ledger, str, str]]:
    """Yield the ledger, a text that is the same for all who use it in this process, and the work's name there."""
    if lock is None or isinstance(lock, os.PathLike) or (isinstance(lock, str) and "://" not in lock):
        path, fresh = _file(key, None if lock is None else os.fspath(lock), scope)
        yield _opened(path, fresh=fresh), path, key
        return
    from bootcheck.guards.once_database import Database

    name = key if scope is None else f"{scope}:{key}"
    database = Database(lock, timeout_s)
    try:
        # Sessions keep threads apart; what calls itself is one thread.
        yield database, f"database {lock if isinstance(lock, str) else id(lock)}", name
    finally:
        database.close()


def _opened(path: str, *, fresh: bool) -> Ledger:
    from bootcheck.guards.once_file import NamedFile

    entry = (os.getpid(), path)
    ledger = _files.get(entry)
    if ledger is None or not ledger.usable():
        ledger = _files[entry] = NamedFile(path, fresh=fresh)
    return ledger


def _file(key: str, directory: str | None, scope: str | None) -> tuple[str, bool]:
    """Return the path of the work's file, and whether it counts only while somebody who uses it lives."""
    home = current().home
    fresh = False
    if scope is not None:
        name = f"{_digest(scope, key)}{SUFFIX}"
    elif home is not None:
        name = f"{home.pid}-{home.start}-{_digest(home.scope, key)}{SUFFIX}"
    else:
        # Not armed: those with the same parent belong together, while one of them lives.
        parent = os.getppid()
        start = start_ticks(parent)
        name, fresh = f"{parent}-{start}-{_digest(f'{boot_id()}-{parent}-{start}', key)}{SUFFIX}", True
    if directory is not None:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        return os.path.join(os.path.abspath(directory), name), fresh
    path = _writable(None if home is None else home.directory, name)
    if not os.path.exists(path):
        _remove_old(os.path.dirname(path))
    return path, fresh


def _writable(directory: ReportDirectory | None, name: str) -> str:
    """Return the path in the report directory; a worker that gave up its rights has one of its own."""
    if directory is not None and directory.path is not None and os.access(directory.path, os.W_OK | os.X_OK):
        return os.path.join(directory.path, name)
    own = ReportDirectory(os.environ)
    if own.path is None or own.makeshift:
        msg = (
            "run_once has no directory that all processes find: none can be written. Set BOOTCHECK_DIR to one that "
            "the workers can write, or name one with lock=."
        )
        raise BootcheckError(msg)
    return os.path.join(own.path, name)


def _remove_old(directory: str) -> None:
    """Take away what servers that are gone left here."""
    from bootcheck.guards.once_file import in_use

    try:
        with os.scandir(directory) as entries:
            left = [entry for entry in entries if entry.name.endswith(SUFFIX) and entry.name.count("-") == 2][:100]
        for entry in left:
            pid, start, _ = entry.name.split("-")
            old = time.time() - entry.stat(follow_symlinks=False).st_mtime > OLD
            if old and not is_running(int(pid), int(start)) and not in_use(entry.path):
                os.unlink(entry.path)
    except (OSError, ValueError):
        return


def _digest(scope: str, key: str) -> str:
    return hashlib.blake2b(f"{scope}\0{key}".encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()


def _tell(recorder: Recorder, exc: OnceHeld) -> None:
    from bootcheck.model.finding import Evidence, Finding, Severity

    recorder.finding(
        Finding(
            code="BC307",
            severity=Severity.WARNING,
            summary=recorder.redactor.mask(str(exc).partition(". It is")[0] + "."),
            action=(
                "Look at that process with `bootcheck dump` on its host; end it, and another one begins the work anew.",
                "Raise timeout_s where the work is right and slow.",
            ),
            evidence=(Evidence(source=f"once.{exc.name}", text=exc.holder),),
        )
    )
