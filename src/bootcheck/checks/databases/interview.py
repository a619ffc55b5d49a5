"""The questions to a database that lets us in, in the same order for every family; each is a checkpoint."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from bootcheck.checks.databases.asked import Asked
from bootcheck.checks.databases.failure import PRIVILEGE, READ_ONLY, TIMEOUT, TLS, TOO_MANY, Failure
from bootcheck.checks.databases.session import Session
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity

T = TypeVar("T")

_UNKNOWN = frozenset({"42883", "42P01", "42704", "42703", "0A000"})
"""SQLSTATEs of a server that speaks the protocol but lacks the function: CockroachDB, Redshift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """How many connections this user may have at once, and how many of them are taken."""

    limit: int
    in_use: int
    bound_by: str
    """The setting that sets the limit."""
    idle_timeout_s: float | None = None
    """Seconds after which the server ends an idle session; None for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Whether a privilege is there; None where the server does not tell."""

    granted: bool | None
    where: str
    """The schema, database or tables meant."""
    lacking: tuple[str, ...] = ()
    """Tables without it, at most a few."""


class Dialect(Protocol):
    """How one family is asked."""

    def version(self, session: Session) -> str:
        """Return the server's product and version."""

    def tls(self, session: Session) -> dict[str, Any]:
        """Return `in_use` and what was negotiated; empty where the connection never leaves the machine."""

    def read_only(self, session: Session) -> str | None:
        """Return why nothing can be written here, or None."""

    def privilege(self, session: Session, name: str) -> Granted:
        """Return whether the user has a privilege of `asked.PRIVILEGES`."""

    def connections(self, session: Session) -> Connections | None:
        """Return limit and use, or None where the server has no limit."""

    def transaction(self, session: Session, end: str) -> str | None:
        """Begin, do something that leaves nothing, `COMMIT` or `ROLLBACK`; return why it could not be tried, or None.

        Raises Failure if the server did not do what it said.
        """

    def create_drop(self, session: Session, table: str) -> None:
        """Create a table, write a row, read it, drop it; leave nothing, also after a failure."""


@dataclass(frozen=True, slots=True)
class Interview:
    """One session, asked everything."""

    asked: Asked
    session: Session
    dialect: Dialect

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong; stops early when the server no longer answers."""
        for failure in self.session.unreachable:
            yield replace(failure.finding(self.session.server, self.asked.mask), severity=Severity.WARNING)
        for question in (self._version, self._tls, self._privileges, self._connections, self._writing):
            try:
                yield from question()
            except Failure as failure:
                yield failure.finding(self.session.server, self.asked.mask)
                if failure.code == TIMEOUT:
                    return

    def _step(self, name: str, ask: Callable[[], T], describe: Callable[[T], dict[str, Any]]) -> T | None:
        with self.asked.recorder.step(name, Phase.DATABASE) as step:
            try:
                answer = ask()
            except Failure as failure:
                if failure.sqlstate not in _UNKNOWN:
                    raise
                step.detail(unknown=f"the server does not know the question (SQLSTATE {failure.sqlstate})")
                return None
            step.detail(**describe(answer))
            return answer

    def _version(self) -> Iterator[Finding]:
        version = self._step(
            "database.version", lambda: self.dialect.version(self.session), lambda text: {"version": text}
        )
        if version:
            self.asked.facts.setdefault("database.server_version", version)
        yield from ()

    def _tls(self) -> Iterator[Finding]:
        recorder = self.asked.recorder
        tls = self.dialect.tls(self.session)
        if not tls:
            recorder.skipped("database.tls", Phase.DATABASE, "the connection does not leave the machine")
        elif tls.get("in_use"):
            recorder.passed("database.tls", Phase.DATABASE, **{key: value for key, value in tls.items() if value})
        elif self.asked.require_tls:
            recorder.failed("database.tls", Phase.DATABASE, in_use=False)
            yield Finding(
                code=TLS,
                summary=f"The connection to {self.session.server} is not encrypted, and require_tls demands it.",
                action=("Ask for it in the URL: ?sslmode=verify-full (PostgreSQL) or ?ssl_ca=… (MySQL).",),
                evidence=(Evidence(source=self.session.server, text="no TLS in use"),),
            )
        else:
            recorder.skipped("database.tls", Phase.DATABASE, "client and server agreed on no encryption")

    def _privileges(self) -> Iterator[Finding]:
        asked_for = set(self.asked.privileges or ())
        if self.asked.ddl:
            asked_for.add("create")
        names = ("create", "write") if self.asked.privileges is None else self.asked.privileges
        for name in dict.fromkeys((*names, *asked_for)):
            yield from self._privilege(name, required=name in asked_for)

    def _privilege(self, name: str, *, required: bool) -> Iterator[Finding]:
        recorder, checkpoint = self.asked.recorder, f"database.privilege.{name}"
        try:
            answer = self.dialect.privilege(self.session, name)
        except Failure as failure:
            if failure.sqlstate not in _UNKNOWN:
                recorder.failed(checkpoint, Phase.DATABASE, error=str(failure))
                raise
            answer = Granted(granted=None, where="")
        if answer.granted:
            recorder.passed(checkpoint, Phase.DATABASE, where=answer.where)
        elif answer.granted is None:
            recorder.skipped(checkpoint, Phase.DATABASE, "the server does not tell")
        else:
            if required:
                recorder.failed(checkpoint, Phase.DATABASE, where=answer.where, lacking=list(answer.lacking))
            else:
                recorder.skipped(checkpoint, Phase.DATABASE, f"not granted on {answer.where}; nobody asked for it")
            yield self._lacking(name, answer, required=required)

    def _lacking(self, name: str, answer: Granted, *, required: bool) -> Finding:
        what = {
            "connect": "log in to",
            "usage": "use",
            "create": "create tables in",
            "write": "insert, update and delete in",
            "temporary": "create temporary tables in",
        }[name]
        advice = "Grant it, or leave the privilege to the user that runs migrations."
        if name == "create" and self.asked.url.backend == "postgresql":
            advice += " PostgreSQL 15 and later let only its owner create in the schema public."
        return Finding(
            code=PRIVILEGE,
            severity=Severity.ERROR if required else Severity.INFO,
            summary=f"User {self.asked.user} may not {what} {answer.where}.",
            action=(advice,),
            evidence=tuple(Evidence(source=self.session.server, text=f"not on {table}") for table in answer.lacking),
        )

    def _connections(self) -> Iterator[Finding]:
        found = self._step(
            "database.connections",
            lambda: self.dialect.connections(self.session),
            lambda answer: {} if answer is None else asdict(answer),
        )
        if found is None:
            return
        facts = self.asked.facts
        facts.setdefault("database.pooler", self.session.pooler)
        facts.setdefault("database.max_connections", found.limit)
        facts.setdefault("database.connections_in_use", found.in_use)
        facts.setdefault("database.max_connections_bound_by", found.bound_by)
        facts.setdefault("database.idle_timeout_s", found.idle_timeout_s)
        free, server = max(found.limit - found.in_use, 0), self.session.server
        if free < self.asked.workers and not self.session.pooler:
            used = f"{found.in_use} of {found.limit} in use ({found.bound_by})"
            yield Finding(
                code=TOO_MANY,
                severity=Severity.WARNING,
                summary=f"{server} has {free} free connection(s) for {self.asked.workers} worker(s).",
                action=("Raise the limit, close connections that nobody uses, or put a pooler in front.",),
                evidence=(Evidence(source=server, text=used),),
                against=("the instance that this start replaces may still hold its connections",),
            )

    def _writing(self) -> Iterator[Finding]:
        recorder = self.asked.recorder
        with recorder.step("database.writable", Phase.DATABASE) as step:
            reason = self.dialect.read_only(self.session)
            if reason is not None:
                step.detail(reason=reason)
                if not self.asked.read_only_ok:
                    step.fail()
        if reason is not None:
            for name in ("commit", "rollback"):
                recorder.skipped(f"database.{name}", Phase.DATABASE, reason)
            if not self.asked.read_only_ok:
                failure = Failure(READ_ONLY, f"{self.session.server} cannot be written: {reason}.")
                yield failure.finding(self.session.server, self.asked.mask)
            return
        for end in ("COMMIT", "ROLLBACK"):
            self._step(f"database.{end.lower()}", partial(self.dialect.transaction, self.session, end), _untried)
        if self.asked.ddl == "create-drop":
            table = f"bootcheck_{secrets.token_hex(6)}"
            with recorder.step("database.create_drop", Phase.DATABASE, table=table):
                self.dialect.create_drop(self.session, table)


def _untried(reason: str | None) -> dict[str, Any]:
    return {} if reason is None else {"untried": reason}
