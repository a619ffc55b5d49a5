"""A logged-in connection as the questions see it: SQL in, rows of texts out, nothing waits for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from bootcheck.checks.databases.deadline import Deadline, Lane, TimedOut
from bootcheck.checks.databases.failure import OTHER, TIMEOUT, Failure, statement_summary

Row = tuple[Any, ...]
H = TypeVar("H")


class Handle(Protocol):
    """A driver's connection, wrapped: one method each for what the questions need."""

    @property
    def driver(self) -> str:
        """The module that made it."""

    def query(self, sql: str) -> Sequence[Row]:
        """Run one statement without parameters and return its rows, empty if it has none."""

    def close(self) -> None:
        """Say goodbye and close."""

    def judge(self, exc: BaseException) -> Failure | None:
        """Return what a driver's exception means, or None for one that is no database error."""


@dataclass(slots=True)
class Session:
    """A handle in its lane, under one deadline for all questions together."""

    handle: Handle
    lane: Lane
    server: str
    """The address in words, for findings."""
    deadline: Deadline
    tls: dict[str, Any] = field(default_factory=dict)
    """`in_use`, and where known `protocol`, `cipher`, `verified`."""
    unreachable: list[Failure] = field(default_factory=list)
    """Other hosts of the URL that do not accept connections."""
    pooler: bool | None = None
    """True where a pooler stands between us and the server; None where that cannot be known."""

    def query(self, sql: str) -> list[Row]:
        """Return the rows; raises Failure for whatever goes wrong."""
        try:
            return list(self.lane.call(lambda: self.handle.query(sql), max(self.deadline.left, 0.05)))
        except TimedOut:
            raise Failure(
                TIMEOUT,
                f"{self.server} accepted the login but does not answer queries.",
                against=("a pooler without a free server connection looks the same",),
            ) from None
        except Exception as exc:
            failure = self.handle.judge(exc)
            if failure is None:
                raise
            failure.summary = statement_summary(failure.code, self.server)
            raise failure from exc

    def value(self, sql: str) -> Any:
        """Return the first column of the first row, or None."""
        rows = self.query(sql)
        return rows[0][0] if rows and rows[0] else None

    def close(self) -> None:
        """Close the connection, or leave it to the end of the process if the server says nothing."""
        self.lane.close(self.handle.close)


def opened(
    connect: Callable[[], H],
    judge: Callable[[BaseException], Failure],
    *,
    lane: Lane,
    deadline: Deadline,
    server: str,
) -> H:
    """Run a driver's connect in the lane; raises Failure, at the deadline at the latest."""
    try:
        return lane.call(connect, deadline.left)
    except TimedOut:
        raise mute(server, deadline.seconds) from None
    except Failure:
        raise
    except Exception as exc:
        raise judge(exc) from exc


def create_drop(session: Session, table: str, *, begin: str) -> None:
    """Create, fill, read and drop a table in one transaction, where the server can take DDL back."""
    session.query(begin)
    try:
        session.query(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, note TEXT)")
        session.query(f"INSERT INTO {table} VALUES (1, 'bootcheck')")  # noqa: S608 - our own name
        found = session.value(f"SELECT note FROM {table} WHERE id = 1")  # noqa: S608
        session.query(f"DROP TABLE {table}")
    except Failure:
        session.query("ROLLBACK")
        raise
    session.query("COMMIT")
    if found != "bootcheck":
        raise Failure(OTHER, "A row that was just written could not be read.")


def mute(server: str, seconds: float) -> Failure:
    """Return the failure of a server that accepts a connection and then says nothing."""
    return Failure(
        TIMEOUT,
        f"{server} accepts the connection and does not answer the login within {seconds:g} s.",
        actions=("Make sure that the port is the database's own: a proxy or another service may listen there.",),
    )


def unknown(exc: BaseException, server: str) -> Failure:
    """Return the failure for an exception without a code that could be read."""
    return Failure(OTHER, f"{server} cannot be used: {type(exc).__name__}.", text=str(exc))
