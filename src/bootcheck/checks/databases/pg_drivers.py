"""psycopg and psycopg2 behind one face; loaded in the preflight child only, never in the master."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bootcheck.checks.databases.failure import Failure, of_sqlstate
from bootcheck.checks.databases.session import Row

PREFERENCE = ("psycopg", "psycopg2")
_SAME = {"psycopg_async": "psycopg", "aiopg": "psycopg2"}


class Psycopg:
    """A connection of psycopg 3."""

    driver = "psycopg"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        import psycopg

        # A pooler in transaction mode knows no prepared statements.
        self._connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)
        self.backend_pid = int(self._connection.info.backend_pid)
        self.tls = {"in_use": bool(getattr(self._connection.pgconn, "ssl_in_use", False))}

    def query(self, sql: str) -> Sequence[Row]:
        """Run one statement and return its rows."""
        cursor = self._connection.execute(sql)
        return cursor.fetchall() if cursor.description is not None else []

    def close(self) -> None:
        """Say goodbye and close."""
        self._connection.close()

    def judge(self, exc: BaseException) -> Failure | None:
        """Return what an exception of the driver means."""
        return judge(exc, str(exc))


class Psycopg2:
    """A connection of psycopg2."""

    driver = "psycopg2"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        import psycopg2

        self._connection = psycopg2.connect(**parameters)
        self._connection.autocommit = True
        info = self._connection.info
        self.backend_pid = int(info.backend_pid)
        self.tls = {"in_use": bool(info.ssl_in_use)}
        if info.ssl_in_use:
            self.tls |= {"protocol": info.ssl_attribute("protocol"), "cipher": info.ssl_attribute("cipher")}

    def query(self, sql: str) -> Sequence[Row]:
        """Run one statement and return its rows."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description is not None else []

    def close(self) -> None:
        """Say goodbye and close."""
        self._connection.close()

    def judge(self, exc: BaseException) -> Failure | None:
        """Return what an exception of the driver means."""
        return judge(exc, str(exc))


def choose(named: str | None) -> type[Psycopg | Psycopg2] | None:
    """Return the driver that the URL names if it can be loaded, else another one, else None."""
    known: dict[str, type[Psycopg | Psycopg2]] = {"psycopg": Psycopg, "psycopg2": Psycopg2}
    first = _SAME.get(named or "", named)
    for name in sorted(PREFERENCE, key=lambda candidate: candidate != first):
        try:
            # psycopg without a libpq is found, and fails at import.
            __import__(name)
        except ImportError:
            continue
        return known[name]
    return None


def judge(exc: BaseException, summary: str) -> Failure | None:
    """Return the failure of an exception of either driver, None for any other exception."""
    if type(exc).__module__.partition(".")[0] not in PREFERENCE:
        return None
    sqlstate = getattr(exc, "sqlstate", None) or getattr(exc, "pgcode", None)
    diagnosis = getattr(exc, "diag", None)
    text = getattr(diagnosis, "message_primary", None) or str(exc)
    return Failure(of_sqlstate(sqlstate), summary, text=text, sqlstate=sqlstate)
