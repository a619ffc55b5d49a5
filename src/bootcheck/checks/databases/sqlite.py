"""SQLite: a file that the workers' user must be able to read, write and lock. Nothing is created."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from bootcheck.checks.databases.asked import Asked
from bootcheck.checks.databases.deadline import Deadline, Lane
from bootcheck.checks.databases.failure import (
    NO_DATABASE,
    OTHER,
    PRIVILEGE,
    READ_ONLY,
    TIMEOUT,
    Failure,
)
from bootcheck.checks.databases.interview import Connections, Granted
from bootcheck.checks.databases.session import Row, Session, create_drop, opened, unknown
from bootcheck.checks.drivers import Installation
from bootcheck.model.checkpoint import Phase

_MAGIC = b"SQLite format 3\0"
_BUSY, _LOCKED, _READONLY, _CANTOPEN, _NOTADB, _CORRUPT, _FULL = 5, 6, 8, 14, 26, 11, 13
_CODES = {_BUSY: TIMEOUT, _LOCKED: TIMEOUT, _READONLY: READ_ONLY, _CANTOPEN: PRIVILEGE}
_WORDS = {
    _BUSY: "another process holds its lock",
    _LOCKED: "another connection holds its lock",
    _READONLY: "it can only be read",
    _CANTOPEN: "it cannot be opened",
    _NOTADB: "it is no SQLite database (or an encrypted one)",
    _CORRUPT: "it is damaged",
    _FULL: "the disk is full",
}


def connect(asked: Asked, deadline: Deadline) -> Session | None:
    """Return a session, or None for a file that does not exist yet and can be created; raises Failure."""
    path = asked.url.sqlite_path
    if path is not None and not os.path.isabs(path) and not os.path.exists(path) and _moved_by_flask():
        reason = "Flask-SQLAlchemy places relative paths below the app's instance folder"
        asked.recorder.skipped("database.file", Phase.DATABASE, reason, path=path)
        return None
    if path is not None and not _look_at(path, asked):
        return None
    lane = Lane()
    where = path or ":memory:"
    with asked.recorder.step("database.login", Phase.DATABASE, file=where):
        try:
            handle = opened(
                lambda: File(path, asked.url.query, deadline.left),
                lambda exc: judge(exc, where) or unknown(exc, where),
                lane=lane,
                deadline=deadline,
                server=where,
            )
        except BaseException:
            lane.close()
            raise
    session = Session(handle=handle, lane=lane, server=where, deadline=Deadline(max(asked.connect_timeout, 5.0)))
    try:
        with asked.recorder.step("database.select", Phase.DATABASE):
            # Reads the header and the schema: a file of another kind fails here.
            session.query("SELECT count(*) FROM sqlite_master")
    except BaseException:
        session.close()
        raise
    return session


def _look_at(path: str, asked: Asked) -> bool:
    """Tell whether the file exists; raises Failure where it neither exists nor can be created."""
    recorder = asked.recorder
    folder = os.path.dirname(os.path.abspath(path))
    with recorder.step("database.file", Phase.DATABASE, path=path) as step:
        if os.path.exists(path):
            step.detail(exists=True, bytes=os.path.getsize(path))
            if not os.access(path, os.R_OK):
                raise Failure(PRIVILEGE, f"The workers' user may not read {path}.", actions=(_OWNER,))
            return True
        if not os.path.isdir(folder):
            raise Failure(NO_DATABASE, f"{path} cannot be created: there is no folder {folder}.")
        if not os.access(folder, os.W_OK | os.X_OK):
            closed = f"{path} cannot be created: the workers' user may not write to {folder}."
            raise Failure(PRIVILEGE, closed, actions=(_OWNER,))
        step.detail(exists=False, creatable=True)
    recorder.skipped("database.select", Phase.DATABASE, "the file does not exist yet; its first use creates it")
    return False


def _moved_by_flask() -> bool:
    return Installation().has("flask_sqlalchemy")


_OWNER = "Give file and folder to the user that Gunicorn's workers run as; SQLite also writes beside the file."


class File:
    """A connection of sqlite3 that never creates the file."""

    driver = "sqlite3"

    def __init__(self, path: str | None, query: Any, seconds: float) -> None:
        if path is None:
            target, uri = ":memory:", False
        else:
            mode = "ro" if query.get("mode") == "ro" or not os.access(path, os.W_OK) else "rw"
            target, uri = f"file:{quote(os.path.abspath(path))}?mode={mode}", True
        self._connection = sqlite3.connect(
            target, uri=uri, timeout=max(seconds, 0.1), isolation_level=None, check_same_thread=False
        )

    def query(self, sql: str) -> Sequence[Row]:
        """Run one statement and return its rows as texts."""
        rows = self._connection.execute(sql).fetchall()
        return [tuple(None if value is None else str(value) for value in row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def judge(self, exc: BaseException) -> Failure | None:
        """Return what an exception of sqlite3 means."""
        return judge(exc, "The database file")


class Dialect:
    """SQLite asks the file system rather than a server."""

    def __init__(self, asked: Asked) -> None:
        self._path = asked.url.sqlite_path

    def version(self, session: Session) -> str:
        """Return the library's version."""
        return f"SQLite {session.value('SELECT sqlite_version()')}"

    def tls(self, session: Session) -> dict[str, Any]:
        """Nothing leaves the machine."""
        del session
        return {}

    def read_only(self, session: Session) -> str | None:
        """Ask the file system, for the file and for the folder of its journal."""
        if str(session.value("PRAGMA query_only")) == "1":
            return "query_only is on"
        if self._path is None:
            return None
        if not os.access(self._path, os.W_OK):
            return "the workers' user may not write to the file"
        if not os.access(os.path.dirname(os.path.abspath(self._path)), os.W_OK | os.X_OK):
            return "the workers' user may not write beside the file, where SQLite keeps its journal"
        return None

    def privilege(self, session: Session, name: str) -> Granted:
        """There are no users: who can write the file can do everything."""
        reason = self.read_only(session)
        needs_writing = name in ("create", "write")
        return Granted(granted=reason is None or not needs_writing, where=self._path or "memory")

    def connections(self, session: Session) -> Connections | None:
        """There is no limit."""
        del session
        return None

    def transaction(self, session: Session, end: str) -> str | None:
        """Take the write lock; what is rolled back was really written to the journal."""
        session.query("BEGIN IMMEDIATE")
        try:
            if end == "ROLLBACK":
                session.query("CREATE TABLE bootcheck_rollback (n INTEGER)")
        except Failure:
            session.query("ROLLBACK")
            raise
        session.query(end)
        if end == "ROLLBACK" and session.query("SELECT 1 FROM sqlite_master WHERE name = 'bootcheck_rollback'"):
            raise Failure(OTHER, "A table is still there after ROLLBACK.")
        return None

    def create_drop(self, session: Session, table: str) -> None:
        """Do it in one transaction: also a process that is killed in the middle leaves nothing."""
        create_drop(session, table, begin="BEGIN IMMEDIATE")


def judge(exc: BaseException, what: str) -> Failure | None:
    """Return the failure of an exception of sqlite3; older Pythons do not tell the number."""
    if not isinstance(exc, sqlite3.Error):
        return None
    number = getattr(exc, "sqlite_errorcode", None)
    primary = None if number is None else number & 0xFF
    words = _WORDS.get(primary or 0, str(exc))
    return Failure(_CODES.get(primary or 0, OTHER), f"{what} cannot be used: {words}.", text=str(exc), number=number)
