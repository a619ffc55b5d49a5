"""A driver's connection in a global is shared by all workers.

What it means

BC202: under `preload_app` the import of the app opened a connection with a driver (psycopg, psycopg2, PyMySQL,
mysqlclient, MySQL Connector) and kept it in a module or in an object that a module holds. Every worker
inherits the same socket. No pool looks after it, so that nothing can replace it.

How it looks

Without bootcheck: most requests get another request's rows, often with status 200 and no error at all. With
bootcheck the server does not start (exit code 78); under `BOOTCHECK_ENFORCE=observe`, and where a connection
like this is opened after the start, workers that use it get "the connection is closed" or "server has gone
away": never another request's rows.

Why it happens

A socket has one conversation. Two workers that use it write into each other's queries and read each other's
answers. A driver does not look at the process it runs in.

What to do

Open the connection in each worker: in a `post_worker_init` hook, or at its first use. Or use a pool that bootcheck
can renew: a SQLAlchemy engine, Django's connections. If the import only needs it for a moment, close it there.
With one worker nothing is shared: it is reported and left alone. To start all the same, set
`BOOTCHECK_ENFORCE=observe`.

How to know it is fixed

The server starts, and the master's boot report holds no BC202.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bootcheck.guards.clients.base import CUT, Claim, Found, kind_of
from bootcheck.probes.engines import fileno_of
from bootcheck.probes.heap import Name, own

RULES: tuple[str, ...] = ("BC202",)

CLASSES = (
    ("psycopg._connection_base", "BaseConnection"),
    ("psycopg.connection", "BaseConnection"),
    ("psycopg2.extensions", "connection"),
    ("pymysql.connections", "Connection"),
    ("MySQLdb.connections", "Connection"),
    ("mysql.connector.abstracts", "MySQLConnectionAbstract"),
)
RENEWED: tuple[Name, ...] = ()
LIBRARIES = {"MySQLdb": "mysqlclient", "pymysql": "PyMySQL", "mysql": "MySQL Connector/Python"}


def claims(found: Found) -> Iterator[Claim]:
    """Yield every open connection of a driver; what a pool owns has been claimed before."""
    for name in CLASSES:
        for connection in found.get(name, ()):
            fd = fileno_of(connection)
            port = _port_of(connection) if fd is None else None
            if fd is not None or port is not None:
                top = name[0].partition(".")[0]
                yield Claim(
                    fd=-1 if fd is None else fd,
                    library=LIBRARIES.get(top, top),
                    owner=kind_of(connection),
                    remedy=CUT,
                    thing=connection,
                    port=port,
                    inner=connection,
                    raw=True,
                )


def _port_of(connection: Any) -> int | None:
    """Return the server's port of an open connection whose descriptor stays hidden.

    MySQL Connector's half in C never tells it, mysqlclient not in the middle of a query.
    """
    port = own(connection, "_port") if own(connection, "_cmysql") is not None else getattr(connection, "port", None)
    return port if type(port) is int and getattr(connection, "open", True) else None


def renew(found: Found, dead: set[int]) -> dict[str, int]:  # noqa: ARG001
    """Do nothing: its next use fails, and says so."""
    return {}
