"""What is known of the server as a whole: its configuration, its app, where its variables come from."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn import seams
from bootcheck.model import bootreport, journal
from bootcheck.model.journal import Key
from bootcheck.model.stamps import new_id
from bootcheck.probes.process import boot_id

if TYPE_CHECKING:
    from bootcheck.checks.base import Source
    from bootcheck.gunicorn.master import Master
    from bootcheck.sinks.directory import ReportDirectory

SUBJECTS = ("SECRET_KEY", "DATABASE_URL")
"""Variables whose presence gives a discovered check its subject (`checks.DISCOVERED`): without one
of them, and nothing declared, no check is even loaded."""
CLIENTS = frozenset(
    (
        *("sqlalchemy.engine.base", "django.db.backends.base.base", "psycopg_pool.base", "redis.connection"),
        *("http.client", "httpcore._backends.sync", "psycopg", "psycopg2.extensions", "pymysql.connections"),
        *("MySQLdb.connections", "mysql.connector", "redis.asyncio.connection", "asyncpg.connection"),
    )
)
"""Modules of `guards.clients.LIBRARIES`, known here without loading it."""


def has_clients() -> bool:
    """Tell whether this process has loaded a library whose connections do not bear a fork."""
    return not CLIENTS.isdisjoint(sys.modules)


class Home:
    """One start of a server, as long as it runs the same code: for work that its processes share."""

    __slots__ = ("directory", "pid", "scope", "start")

    def __init__(self, directory: ReportDirectory, key: Key) -> None:
        """`key` is the master's."""
        self.directory = directory
        self.scope = new_id()
        self.pid = key.pid
        self.start = key.start


def attributes_of(cfg: Any, server_id: str, app_uri: str | None) -> dict[str, Any]:
    """Return the report attributes that all processes of one server start have in common."""
    return {
        "host.name": os.uname().nodename,
        "process.runtime.name": sys.implementation.name,
        "process.runtime.version": sys.version.split(maxsplit=1)[0],
        "process.working_directory": os.getcwd(),
        "bootcheck.server.id": server_id,
        "bootcheck.gunicorn.version": seams.version(),
        "bootcheck.gunicorn.worker_class": getattr(cfg, "worker_class_str", None),
        "bootcheck.gunicorn.workers": getattr(cfg, "workers", None),
        "bootcheck.gunicorn.threads": getattr(cfg, "threads", None),
        "bootcheck.gunicorn.preload": getattr(cfg, "preload_app", None),
        "bootcheck.gunicorn.timeout": getattr(cfg, "timeout", None),
        "bootcheck.gunicorn.graceful_timeout": getattr(cfg, "graceful_timeout", None),
        "bootcheck.gunicorn.app": app_uri,
    }


def head(role: str, key: Key, server_id: str) -> dict[str, Any]:
    """Return the fields of a journal's first line."""
    return {
        "v": journal.VERSION,
        "role": role,
        "pid": key.pid,
        "ppid": os.getppid(),
        "start": key.start,
        "boot_id": boot_id(),
        "host": os.uname().nodename,
        "server_id": server_id,
        "gunicorn": seams.version(),
    }


def store_boot(master: Master) -> None:
    """Store the boot report of a master, and say how its preflight came out."""
    now = time.time()
    report = bootreport.boot_report(master.ring.records, master.common, at=now, hidden=master.redactor.hidden)
    path = master.directory.store(bootreport.file_name(report, now), bootreport.encoded(report))
    done = sum(entry["outcome"] != "entered" for entry in report["checkpoints"])
    problems = sum(finding["severity"] != "info" for finding in report["findings"])
    what = "preflight passed" if not problems else f"preflight over with {problems} findings"
    master.console.note(f"{what} ({done} checkpoint{'' if done == 1 else 's'}), report {path or 'not stored'}")


def kind_of(exc: BaseException, app_uri: object) -> str:
    """Return the cause that an exception of a boot stands for."""
    if isinstance(exc, SystemExit):
        return "sys_exit"
    if seams.is_app_not_found(exc):
        return "app_not_found"
    if isinstance(exc, ModuleNotFoundError) and exc.name and isinstance(app_uri, str):
        module = app_uri.partition(":")[0]
        # A missing parent package of the app is the app that does not exist, too.
        if module == exc.name or module.startswith(f"{exc.name}."):
            return "app_not_found"
    return "exception"


def app_uri_of(arbiter: Any) -> str | None:
    """Return `module:attribute` as Gunicorn was given it, where it was given one.

    Without the arguments of a factory, `module:make("…")`: they are nobody's business.
    """
    uri = getattr(getattr(arbiter, "app", None), "app_uri", None)
    return str(uri).partition("(")[0] if uri else None


def sources_of(environ: Mapping[str, str], raw_env: Mapping[str, str]) -> dict[str, tuple[Source, ...]]:
    """Return every source of the variables that `raw_env` sets, the winning one last."""
    from bootcheck.checks.base import Source

    found: dict[str, tuple[Source, ...]] = {}
    for name, value in raw_env.items():
        mine = Source(label="raw_env in the Gunicorn configuration", value=value)
        outer = environ.get(name)
        found[name] = (mine,) if outer is None else (Source(label="the process's environment", value=outer), mine)
    return found


def unlink_pidfile(arbiter: Any) -> None:
    """Take away the pidfile that Gunicorn wrote before `on_starting`."""
    pidfile = getattr(arbiter, "pidfile", None)
    if pidfile is not None:
        pidfile.unlink()


def exit_status(exc: BaseException) -> int:
    """Return the status that a process unwound by this exception exits with."""
    if not isinstance(exc, SystemExit):
        return 1
    if isinstance(exc.code, int):
        return exc.code & 0xFF
    return int(exc.code is not None)
