"""A ledger in a database: servers on several machines do something once.

The lock is an advisory one of the connection's session, so the database frees it when the holder's
connection ends. Who has it, and what came of it, stands in the table `bootcheck_run_once`, which is made
where it is missing, under a lock of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import parse_qs, unquote, urlsplit

from bootcheck.guards.once import State, age
from bootcheck.model.errors import BootcheckError
from bootcheck.recorder import current

TABLE = "bootcheck_run_once"
_COLUMNS = "status, pid, host, began, EPOCH, result, error"
_MAX_NAME = 200
_CONNECT = 10
"""Seconds for a connection by URL."""


class PostgreSQL:
    """How PostgreSQL says it."""

    schema = (
        f"CREATE TABLE IF NOT EXISTS {TABLE} (name varchar(250) PRIMARY KEY, status varchar(20) NOT NULL, pid bigint, "
        "host varchar(250), began timestamptz NOT NULL, result text, error text)"
    )
    exists = f"SELECT 1 WHERE to_regclass('{TABLE}') IS NOT NULL"
    clock = "SELECT extract(epoch FROM clock_timestamp())::float8"
    epoch = "extract(epoch FROM began)::float8"
    write = (
        f"INSERT INTO {TABLE} (name, status, pid, host, began, result, error) "  # noqa: S608 - a name of ours
        "VALUES (%s, %s, %s, %s, clock_timestamp(), %s, %s) ON CONFLICT (name) DO UPDATE SET status = excluded.status, "
        "pid = excluded.pid, host = excluded.host, began = excluded.began, result = excluded.result, "
        "error = excluded.error"
    )
    lock = "SELECT pg_try_advisory_lock(%s)"
    unlock = "SELECT pg_advisory_unlock(%s)"

    def key(self, name: str, database: object) -> Any:  # noqa: ARG002 - its locks are the database's own
        """Return what the lock of a name is called."""
        return int.from_bytes(_digest(name), "big", signed=True)


class MySQL:
    """How MySQL and MariaDB say it."""

    schema = (
        f"CREATE TABLE IF NOT EXISTS {TABLE} (name varchar(250) PRIMARY KEY, status varchar(20) NOT NULL, pid bigint, "
        "host varchar(250), began timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), result longtext, error longtext)"
    )
    exists = f"SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{TABLE}'"  # noqa: S608
    clock = "SELECT UNIX_TIMESTAMP(CURRENT_TIMESTAMP(6))"
    epoch = "UNIX_TIMESTAMP(began)"
    write = (
        f"REPLACE INTO {TABLE} (name, status, pid, host, began, result, error) "  # noqa: S608 - as above
        "VALUES (%s, %s, %s, %s, CURRENT_TIMESTAMP(6), %s, %s)"
    )
    lock = "SELECT GET_LOCK(%s, 0)"
    unlock = "SELECT RELEASE_LOCK(%s)"

    def key(self, name: str, database: object) -> Any:
        """Return what the lock of a name is called: the server's databases share one set of names."""
        return f"bootcheck:{_digest(f'{database}.{name}').hex()}"


DIALECTS: dict[str, Callable[[], PostgreSQL | MySQL]] = {"postgresql": PostgreSQL, "mysql": MySQL, "mariadb": MySQL}


class Database:
    """The ledger, over one connection of its own."""

    strict = True
    longest_pause = 0.5

    def __init__(self, target: Any, seconds: float) -> None:
        """`target` is an engine, a URL, or a function that returns a new DBAPI connection; `seconds` for the table."""
        self._target = target
        dialect, self._connection = connect(target)
        self._sql = DIALECTS[dialect]()
        self._database = self._one("SELECT DATABASE()") if isinstance(self._sql, MySQL) else None
        try:
            self._make_table(seconds)
        except BaseException:
            self.close()
            raise

    def usable(self) -> bool:
        """Always: what is wrong with the database is raised."""
        return True

    def since(self) -> float:
        """Return when this process began, by the database's clock."""
        return float(self._one(self._sql.clock)) - age()

    def generation(self) -> int:
        """Return 0: who wants it done anew gives it another name."""
        return 0

    def lock(self, name: str) -> bool:
        """Take the advisory lock of a name, if it is free."""
        return bool(self._one(self._sql.lock, self._sql.key(name, self._database)))

    def unlock(self, name: str) -> None:
        """Give it back; where the connection is lost, it is free already."""
        with suppress(Exception):
            self._one(self._sql.unlock, self._sql.key(name, self._database))

    def state(self, name: str, generation: int) -> State:  # noqa: ARG002
        """Return what the table says of a name."""
        columns = _COLUMNS.replace("EPOCH", self._sql.epoch)
        rows = self._rows(f"SELECT {columns} FROM {TABLE} WHERE name = %s", _short(name))  # noqa: S608 - names of ours
        if not rows:
            return State(status="new")
        status, pid, host, began, at, result, error = rows[0]
        return State(
            status=str(status),
            pid=None if pid is None else int(pid),
            host=str(host or ""),
            at=float(at),
            began=f"{began} (the database's time)",
            value=None if result is None else json.loads(result),
            error=str(error or ""),
        )

    def say(self, name: str, generation: int, status: str, *, value: Any = None, error: str = "") -> None:  # noqa: ARG002
        """Write the row of a name."""
        result = json.dumps(value) if status == "done" else None
        masked = current().redactor.mask(error) or None
        row = (_short(name), status, os.getpid(), os.uname().nodename, result, masked)
        try:
            self._rows(self._sql.write, *row)
        except Exception:
            if status == "running":
                raise
            # The session was lost while the work went on, and the lock with it: what came of it can still be said.
            self.close()
            _, self._connection = connect(self._target)
            self._rows(self._sql.write, *row)

    def close(self) -> None:
        """End the session, and with it every lock."""
        with suppress(Exception):
            self._connection.close()

    def _make_table(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._rows(self._sql.exists):
            # CREATE TABLE IF NOT EXISTS is no protection from others who do the same at the same moment.
            if not self.lock(TABLE):
                if time.monotonic() >= until:
                    msg = f"another session has been making the table {TABLE} for {seconds:g} s. Look for it there."
                    raise BootcheckError(msg)
                time.sleep(0.05)
                continue
            try:
                if not self._rows(self._sql.exists):
                    self._create()
            finally:
                self.unlock(TABLE)

    def _create(self) -> None:
        try:
            self._rows(self._sql.schema)
        except Exception as exc:
            msg = f"the table {TABLE} cannot be made: {exc}. Grant the right, or make it once: {self._sql.schema}"
            raise BootcheckError(current().redactor.mask(msg)) from exc

    def _one(self, sql: str, *values: Any) -> Any:
        return self._rows(sql, *values)[0][0]

    def _rows(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else ()
        finally:
            cursor.close()


def connect(target: Any) -> tuple[str, Any]:
    """Return the dialect and a new autocommitting connection that nobody else uses."""
    engine = getattr(target, "sync_engine", target)
    if hasattr(engine, "dialect") and hasattr(engine, "pool"):
        if engine is not target:
            _refuse("an async engine needs a loop that nobody runs here")
        dialect = _known(str(engine.dialect.name))
        # A pool of its own, made as the engine's: nothing that another process may share, and the app's
        # pool keeps its connections.
        borrowed = engine.pool.recreate().connect()
        borrowed.detach()
        connection = getattr(borrowed, "dbapi_connection", None) or borrowed.connection
    elif isinstance(target, str):
        scheme = target.partition("://")[0].partition("+")[0]
        dialect = _known("postgresql" if scheme == "postgres" else scheme)
        connection = _by_url(dialect, target)
    elif callable(target):
        connection = target()
        module = type(connection).__module__.partition(".")[0]
        dialect = "mysql" if module.lower() in ("pymysql", "mysqldb", "mysql", "mariadb") else "postgresql"
    else:
        _refuse(f"{type(target).__name__} is none")
    connection.rollback()
    # A property of PostgreSQL's drivers, a method of MySQL's.
    if callable(getattr(connection, "autocommit", None)):
        connection.autocommit(True)
    else:
        connection.autocommit = True
    return dialect, connection


def _known(dialect: str) -> str:
    if dialect not in DIALECTS:
        _refuse(f"{dialect or 'this URL'} has no advisory locks that bootcheck knows")
    return dialect


def _refuse(why: str) -> NoReturn:
    msg = (
        f"lock= takes a directory, a SQLAlchemy engine, a URL of PostgreSQL or MySQL, or a function that returns a "
        f"new DBAPI connection: {why}."
    )
    raise BootcheckError(msg)


def _by_url(dialect: str, url: str) -> Any:
    drivers = _PSYCOPG if dialect == "postgresql" else _MYSQL
    named = url.partition("://")[0].partition("+")[2]
    for name in sorted(drivers, key=lambda driver: driver.lower() != named.lower()):
        try:
            module = __import__(name)
        except ImportError:
            continue
        return drivers[name](module, url)
    msg = f"lock= is a URL of {dialect}, and none of its drivers is installed: {', '.join(drivers)}. Install one."
    raise BootcheckError(msg)


def _libpq(module: Any, url: str) -> Any:
    # A host that vanishes without a word is noticed; libpq reads the rest of the URL itself.
    given = parse_qs(urlsplit(url).query)
    patience = {"connect_timeout": _CONNECT, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
    options = {name: value for name, value in patience.items() if name not in given}
    return module.connect(f"postgresql://{url.partition('://')[2]}", **options)


def _mysql(module: Any, url: str) -> Any:
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    given: dict[str, Any] = {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "database": unquote(parts.path.strip("/")),
        "unix_socket": query.get("unix_socket"),
        "connect_timeout": _CONNECT,
    }
    return module.connect(**{name: value for name, value in given.items() if value})


_PSYCOPG: dict[str, Callable[[Any, str], Any]] = {"psycopg": _libpq, "psycopg2": _libpq}
_MYSQL: dict[str, Callable[[Any, str], Any]] = {"pymysql": _mysql, "MySQLdb": _mysql}


def _digest(name: str) -> bytes:
    return hashlib.blake2b(f"bootcheck.run_once:{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest()


def _short(name: str) -> str:
    """Return a name that fits its column and is no other's."""
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}:{_digest(name).hex()}"
