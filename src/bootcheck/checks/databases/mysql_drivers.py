"""PyMySQL, mysqlclient, MySQL's and MariaDB's own connectors behind one face; loaded in the preflight child only."""

from __future__ import annotations

import importlib
import importlib.util
import math
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bootcheck.checks.databases.failure import NO_DRIVER, TLS, Failure, of_mysql_error, of_network
from bootcheck.checks.databases.network import Place
from bootcheck.checks.databases.session import Row
from bootcheck.checks.urls import DatabaseUrl

SOCKETS = ("/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock")  # noqa: S108
"""Where the C libraries look when the host is `localhost`."""
LOST = frozenset({2006, 2013, 2055})
"""The connection ended without an answer."""
_MODULES = frozenset({"pymysql", "MySQLdb", "mysql", "mariadb", "_mysql_connector"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to log in, and as whom."""

    url: DatabaseUrl = field(repr=False)
    place: Place
    connection: socket.socket | None = None
    """Already connected; only for a driver that takes one."""
    seconds: float = 10.0
    encrypt: bool = False
    """Demand TLS where the URL does not."""

    @property
    def tls(self) -> dict[str, str]:
        """The files and switches of the URL, as `ca`, `cert`, `key`, `capath`, `cipher`, `check_hostname`."""
        names = ("ca", "cert", "key", "capath", "cipher", "check_hostname")
        return {name: self.url.query[f"ssl_{name}"] for name in names if self.url.query.get(f"ssl_{name}")}


class Handle:
    """A connection of any of the drivers."""

    driver: ClassVar[str]
    takes_socket: ClassVar[bool] = False
    prefers_tls: ClassVar[bool] = True
    """Uses TLS where the server offers it, without being told to."""
    socket_for_localhost: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        self._connection = self._connect(target)

    def _connect(self, target: Target) -> Any:
        raise NotImplementedError

    def query(self, sql: str) -> Sequence[Row]:
        """Run one statement and return its rows as texts."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            rows = cursor.fetchall() if cursor.description else []
        finally:
            cursor.close()
        return [tuple(map(_text, row)) for row in rows]

    def close(self) -> None:
        """Say goodbye and close."""
        self._connection.close()

    def judge(self, exc: BaseException) -> Failure | None:
        """Return what an exception of the driver means."""
        return judge(exc, "The server")

    def peer(self) -> str | None:
        """Return the address that the connection leads to, where the driver tells its descriptor."""
        number = getattr(self._connection, "fileno", None)
        try:
            with socket.socket(fileno=socket.dup(number())) as connection:  # type: ignore[misc]
                return str(connection.getpeername()[0])
        except (OSError, TypeError, AttributeError):
            return None


class PyMySQL(Handle):
    """PyMySQL: pure Python, takes a socket that is already connected."""

    driver = "pymysql"
    takes_socket = True
    socket_for_localhost = False

    def _connect(self, target: Target) -> Any:
        import pymysql

        try:
            connection = pymysql.connections.Connection(
                **_basics(target),
                connect_timeout=max(target.seconds, 0.1),
                ssl=_checked(target.tls) or None,
                autocommit=True,
                defer_connect=True,
            )
        except OSError as exc:
            # Nothing was connected yet: only the files for TLS have been read.
            summary = f"The files of {', '.join(f'ssl_{name}' for name in target.tls)} cannot be used."
            raise Failure(TLS, summary, text=f"{type(exc).__name__}: {exc}") from exc
        if target.connection is not None:
            target.connection.settimeout(None)
        connection.connect(target.connection)
        return connection


class MySQLdb(Handle):
    """mysqlclient."""

    driver = "MySQLdb"
    prefers_tls = False

    def _connect(self, target: Target) -> Any:
        import MySQLdb

        more: dict[str, Any] = {"ssl": _checked(target.tls)} if target.tls else {}
        mode = "REQUIRED" if target.encrypt else target.url.query.get("ssl_mode")
        if mode:
            more["ssl_mode"] = mode
        return MySQLdb.connect(
            **_basics(target),
            connect_timeout=math.ceil(target.seconds),
            autocommit=True,
            **more,
        )


class MySQLConnector(Handle):
    """mysql-connector-python."""

    driver = "mysql.connector"

    def _connect(self, target: Target) -> Any:
        connector = importlib.import_module("mysql.connector")
        names = ("ssl_ca", "ssl_cert", "ssl_key", "ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")
        given = {name: target.url.query[name] for name in names if target.url.query.get(name)}
        more = {name: value if name in names[:3] else _true(value) for name, value in given.items()}
        return connector.connect(
            **_basics(target),
            connection_timeout=math.ceil(target.seconds),
            autocommit=True,
            **more,
        )


class MariaDBConnector(Handle):
    """MariaDB's connector."""

    driver = "mariadb"
    prefers_tls = False

    def _connect(self, target: Target) -> Any:
        connector = importlib.import_module("mariadb")
        names = ("ssl_ca", "ssl_cert", "ssl_key")
        more: dict[str, Any] = {name: target.url.query[name] for name in names if target.url.query.get(name)}
        if target.encrypt:
            more["ssl"] = True
        connection = connector.connect(
            **_basics(target),
            connect_timeout=math.ceil(target.seconds),
            **more,
        )
        connection.autocommit = True
        return connection


_KNOWN: dict[str, type[Handle]] = {
    "mysqldb": MySQLdb,
    "pymysql": PyMySQL,
    "mysqlconnector": MySQLConnector,
    "mariadbconnector": MariaDBConnector,
}
"""By the name in a URL, SQLAlchemy's default first."""
_SAME = {"aiomysql": "pymysql", "asyncmy": "pymysql"}


def choose(named: str | None) -> type[Handle]:
    """Return the driver that the URL names if it can be loaded, else another one; raises Failure if there is none."""
    first = _SAME.get(named or "", named)
    for name in sorted(_KNOWN, key=lambda candidate: candidate != first):
        driver = _KNOWN[name]
        try:
            __import__(driver.driver)
        except ImportError:
            continue
        return driver
    raise Failure(
        NO_DRIVER,
        "No driver for MySQL is installed, so nothing can be asked.",
        actions=("pip install pymysql (or mysqlclient), the one that the URL names.",),
    )


def judge(exc: BaseException, server: str) -> Failure | None:
    """Return the failure of an exception of any of the drivers, None for other exceptions."""
    original = getattr(exc, "original_exception", None)
    if isinstance(original, OSError):
        return of_network(original, server)
    if isinstance(exc, OSError):
        return of_network(exc, server)
    if type(exc).__module__.partition(".")[0] not in _MODULES:
        return None
    first = exc.args[0] if exc.args else None
    number = next((item for item in (getattr(exc, "errno", None), first) if type(item) is int), None)
    text = str(exc.args[1]) if len(exc.args) > 1 else str(exc)
    return Failure(of_mysql_error(number), f"{server} answers with error {number}.", text=text, number=number)


def missing_part(exc: BaseException) -> str | None:
    """Return the package that a driver asks for at this login, or None."""
    # PyMySQL says so with a bare RuntimeError: sha256 logins without TLS need it.
    if isinstance(exc, RuntimeError) and importlib.util.find_spec("cryptography") is None:
        return "cryptography"
    return None


def _basics(target: Target) -> dict[str, Any]:
    url, place = target.url, target.place
    where = {"host": place.host, "port": place.port} if place.path is None else {"unix_socket": place.path}
    charset = url.query.get("charset")
    given = {"user": url.username, "password": url.password, "database": url.database, "charset": charset}
    return {**where, **{name: value for name, value in given.items() if value}}


def _checked(tls: dict[str, str]) -> dict[str, Any]:
    return {name: _true(value) if name == "check_hostname" else value for name, value in tls.items()}


def _true(value: str) -> bool:
    return value.lower() in ("1", "true", "yes", "on")


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else str(value)
