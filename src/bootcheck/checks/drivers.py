"""Which Python package a database URL needs, and what is installed: found by name, without importing anything."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bootcheck.checks.urls import CANONICAL, DatabaseUrl

ASYNC = frozenset({"asyncpg", "psycopg_async", "aiomysql", "asyncmy", "aiosqlite", "aioodbc", "oracledb_async"})
"""Drivers of async engines only."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver by the name that stands after the `+` of a URL."""

    name: str
    module: str
    """Its top-level module."""
    requirement: str
    """What pip installs."""

    def serves_like(self, other: Driver) -> bool:
        """Tell whether an engine made for the other one, blocking or async, could use this one."""
        # SQLAlchemy's psycopg dialect is both.
        return self.name == "psycopg" or (self.name in ASYNC) == (other.name in ASYNC)

    @property
    def pip(self) -> str:
        """The command that installs it."""
        quote = '"' if "[" in self.requirement else ""
        return f"pip install {quote}{self.requirement}{quote}"


def _drivers(*rows: tuple[str, str, str]) -> Mapping[str, Driver]:
    return MappingProxyType({name: Driver(name, module, requirement) for name, module, requirement in rows})


_POSTGRESQL = _drivers(
    ("psycopg2", "psycopg2", "psycopg2-binary"),
    ("psycopg", "psycopg", "psycopg[binary]"),
    ("psycopg_async", "psycopg", "psycopg[binary]"),
    ("asyncpg", "asyncpg", "asyncpg"),
    ("pg8000", "pg8000", "pg8000"),
    ("psycopg2cffi", "psycopg2cffi", "psycopg2cffi"),
)
_MYSQL = _drivers(
    ("mysqldb", "MySQLdb", "mysqlclient"),
    ("pymysql", "pymysql", "pymysql"),
    ("mysqlconnector", "mysql", "mysql-connector-python"),
    ("mariadbconnector", "mariadb", "mariadb"),
    ("aiomysql", "aiomysql", "aiomysql"),
    ("asyncmy", "asyncmy", "asyncmy"),
    ("cymysql", "cymysql", "cymysql"),
    ("pyodbc", "pyodbc", "pyodbc"),
)
DRIVERS: Mapping[str, Mapping[str, Driver]] = MappingProxyType(
    {
        "postgresql": _POSTGRESQL,
        "mysql": _MYSQL,
        "mariadb": _MYSQL,
        "sqlite": _drivers(
            ("pysqlite", "sqlite3", "a Python built with SQLite"),
            ("aiosqlite", "aiosqlite", "aiosqlite"),
            ("pysqlcipher", "sqlcipher3", "sqlcipher3"),
        ),
        "mssql": _drivers(
            ("pyodbc", "pyodbc", "pyodbc"),
            ("pymssql", "pymssql", "pymssql"),
            ("aioodbc", "aioodbc", "aioodbc"),
            ("mssqlpython", "mssql_python", "mssql-python"),
        ),
        "oracle": _drivers(
            ("cx_oracle", "cx_Oracle", "cx_Oracle"),
            ("oracledb", "oracledb", "oracledb"),
            ("oracledb_async", "oracledb", "oracledb"),
        ),
    }
)
"""The dialects that SQLAlchemy itself brings, and their drivers."""

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "access": "sqlalchemy-access",
        "awsathena": "PyAthena",
        "bigquery": "sqlalchemy-bigquery",
        "clickhouse": "clickhouse-sqlalchemy",
        "clickhousedb": "clickhouse-connect",
        "cockroachdb": "sqlalchemy-cockroachdb",
        "databricks": "databricks-sqlalchemy",
        "duckdb": "duckdb-engine",
        "firebird": "sqlalchemy-firebird",
        "hana": "sqlalchemy-hana",
        "ibm_db_sa": "ibm_db_sa",
        "libsql": "sqlalchemy-libsql",
        "redshift": "sqlalchemy-redshift",
        "snowflake": "snowflake-sqlalchemy",
        "trino": "trino",
        "vertica": "vertica-python",
    }
)
"""Dialects that another package brings to SQLAlchemy."""

FOREIGN = frozenset(
    (
        *("mongodb", "mongodb+srv", "redis", "rediss", "neo4j", "bolt", "cassandra", "couchbase", "couchdb"),
        *("http", "https", "amqp", "amqps", "prisma", "file", "jdbc", "ldap", "elasticsearch", "memcached"),
    )
)
"""Schemes of things that are no SQL database."""

_OLD_DEFAULTS = {"postgresql": "psycopg2", "oracle": "cx_oracle"}
_DEFAULTS = {
    "postgresql": "psycopg",
    "oracle": "oracledb",
    "mysql": "mysqldb",
    "mariadb": "mysqldb",
    "sqlite": "pysqlite",
    "mssql": "pyodbc",
}


class Installation:
    """What is installed beside bootcheck; nothing is imported to find out."""

    def has(self, module: str) -> bool:
        """Tell whether a top-level module could be imported."""
        try:
            return importlib.util.find_spec(module) is not None
        except (ImportError, ValueError, AttributeError):
            # A module that was loaded by hand has no spec, but it is there.
            return True

    def version(self, distribution: str) -> tuple[int, ...] | None:
        """Return the numbers of an installed version, or None where the distribution is not installed."""
        from importlib import metadata

        try:
            text = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            return None
        except Exception:  # noqa: BLE001 - broken metadata of other people's packages
            text = ""
        return _numbers(text)

    def dialects(self) -> frozenset[str]:
        """Return the names of the dialects that other packages bring to SQLAlchemy."""
        from importlib import metadata

        try:
            return frozenset(point.name for point in metadata.entry_points(group="sqlalchemy.dialects"))
        except Exception:  # noqa: BLE001 - broken metadata of other people's packages
            return frozenset()


def known_schemes() -> tuple[str, ...]:
    """Return every dialect that a URL may sensibly name, for SQLAlchemy or for Django."""
    return (*DRIVERS, *ELSEWHERE, *(name for name in CANONICAL if name != "postgres"))


def candidates(url: DatabaseUrl, sqlalchemy: tuple[int, ...] | None) -> tuple[Driver, ...]:
    """Return the drivers of which one must be installed; several where nothing says which one is used."""
    drivers = DRIVERS.get(url.backend, {})
    if sqlalchemy is None:
        if url.driver:
            return (drivers[url.driver],) if url.driver in drivers else ()
        return tuple(drivers.values())
    new = _DEFAULTS.get(url.backend, "")
    old = _OLD_DEFAULTS.get(url.backend, new)
    # SQLAlchemy 2.1 exchanged two of its defaults; of an unknown version either may be right.
    defaults = (new, old) if not sqlalchemy else (old,) if sqlalchemy < (2, 1) else (new,)
    names = (url.driver,) if url.driver else tuple(dict.fromkeys(defaults))
    return tuple(drivers[name] for name in names if name in drivers)


def _numbers(text: str) -> tuple[int, ...]:
    numbers = []
    for part in text.split(".")[:3]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
