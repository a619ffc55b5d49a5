"""The database does not let the app in, or not far enough.

What it means

BC210: nothing accepts connections at the address. BC211: the host name does not resolve. BC212: the server does
not answer in time, or accepts the login and then no query. BC213: it refuses user or password. BC214: the
database does not exist. BC215: a limit of connections is reached, or nearly. BC216: client and server do not
agree on TLS. BC217: the server is starting, recovering or shutting down. BC218: the user lacks a privilege.
BC219: the server cannot be written: a standby, or a session that only reads. BC220: any other error.

How it looks

Without this check: workers that boot, and fail or hang at the first query; `connection refused`, `could not
translate host name`, `FATAL: password authentication failed`, `sorry, too many clients already`,
`Access denied for user`, `the database system is starting up`, in the server's language. The finding goes by
SQLSTATE or error number, and quotes the server's words as evidence only.

Why it happens

The database's container starts later than the app's; a secret was rotated; a migration user's rights were given
to nobody else; the pools of all workers together are larger than the server's limit; a failover left the URL
pointing at a standby; a firewall drops packets instead of refusing them.

What to do

The finding says it for its case. For a database that only starts more slowly than the app, wait for it:
`checks.database(wait=30)` tries again with growing pauses. For an app that only reads: `read_only_ok=True`.
For privileges that the app needs: `privileges=("create", "write")`, or `ddl="create-drop"`, which really creates
and drops a table with a random name.

How to know it is fixed

`bootcheck check` ends with 0, and the checkpoints `database.dns`, `.tcp` (or `.socket`), `.login`, `.select`,
`.version`, `.tls`, `.privilege.*`, `.connections`, `.writable`, `.commit`, `.rollback` have passed, each with its
duration. The check opens one connection per start of the server, and leaves nothing in the database.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from bootcheck.checks import drivers, options
from bootcheck.checks.base import Context, Moment, Server
from bootcheck.checks.databases.asked import PRIVILEGES, Asked
from bootcheck.checks.databases.deadline import Deadline
from bootcheck.checks.databases.failure import Failure, Masker
from bootcheck.checks.databases.interview import Dialect, Interview
from bootcheck.checks.databases.session import Session
from bootcheck.checks.urls import DatabaseUrl, UrlProblem, parse
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding

RULES: tuple[str, ...] = (
    "BC210",
    "BC211",
    "BC212",
    "BC213",
    "BC214",
    "BC215",
    "BC216",
    "BC217",
    "BC218",
    "BC219",
    "BC220",
)

FAMILIES: Mapping[str, str] = {
    "postgresql": "postgresql",
    "cockroachdb": "postgresql",
    "redshift": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
}
"""The backend of a URL, and the family that speaks to it."""

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCheck:
    """Asks whether the database lets the app in, and far enough."""

    name: ClassVar[str] = "database"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.DATABASE

    url_env: str = "DATABASE_URL"
    url: str | None = field(default=None, repr=False)
    connect_timeout: float = 10.0
    wait: float = 0.0
    ddl: str | None = None
    privileges: tuple[str, ...] | None = None
    read_only_ok: bool = False
    require_tls: bool = False
    discovered: bool = False
    """Nobody said that the app uses the URL as it stands."""
    url_is_judged: bool = field(default=False, repr=False, compare=False)
    """A check database_url of the same variable says it if the URL cannot be read."""

    def __post_init__(self) -> None:
        """Refuse options that cannot be meant."""
        options.variable("database", "url_env", self.url_env)
        options.number("database", "connect_timeout", self.connect_timeout, least=0.1, most=600)
        options.number("database", "wait", self.wait, most=3600)
        options.flag("database", "read_only_ok", self.read_only_ok)
        options.flag("database", "require_tls", self.require_tls)
        if self.url is not None and not isinstance(self.url, str):
            options.refuse("database", "url", "is no text", "Give a URL, or name its variable: url_env='DATABASE_URL'.")
        if self.ddl is not None:
            options.one_of("database", "ddl", self.ddl, ("create-drop",))
        if self.privileges is not None:
            for name in options.texts("database", "privileges", self.privileges):
                options.one_of("database", "privileges", name, PRIVILEGES)

    @property
    def subject(self) -> str:
        """The variable, or the address of a URL that was given."""
        if self.url is None:
            return self.url_env
        try:
            return parse(self.url).masked
        except UrlProblem:
            return "url"

    @property
    def budget(self) -> float:
        """The wait, one connection, and the questions."""
        return self.wait + 2 * max(self.connect_timeout, 5.0) + 3.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is wrong; every phase is a checkpoint `database.<phase>`."""
        text = context.environ.get(self.url_env, "") if self.url is None else self.url
        if not text:
            yield from self._nothing_to_ask(context)
            return
        try:
            url = parse(text)
        except UrlProblem as problem:
            yield from self._unreadable(context, problem)
            return
        family = FAMILIES.get(url.backend)
        if family is None:
            reason = f"bootcheck does not speak to {url.backend} databases"
            context.recorder.skipped("database.connect", Phase.DATABASE, reason, dialect=url.dialect)
            return
        context.recorder.redactor.learn([url.password] if url.password else [])
        asked = Asked(
            url=url,
            recorder=context.recorder,
            environ=context.environ,
            mask=Masker(context.recorder.redactor.mask, url.password),
            facts=context.facts,
            workers=context.server.workers,
            connect_timeout=self.connect_timeout,
            ddl=self.ddl,
            privileges=self.privileges,
            read_only_ok=self.read_only_ok,
            require_tls=self.require_tls,
        )
        yield from self._ask(asked, family)

    def _ask(self, asked: Asked, family: str) -> Iterator[Finding]:
        try:
            session = self._connected(asked, family)
        except Failure as failure:
            yield failure.finding(asked.url.masked, asked.mask, confirm=_confirm(asked.url, self.url_env))
            return
        if session is None:
            return
        asked.facts.setdefault("database.host", asked.url.effective_host or session.server)
        asked.facts.setdefault("database.port", asked.url.effective_port)
        try:
            yield from Interview(asked, session, _dialect(asked, family)).findings()
        finally:
            session.close()

    def _connected(self, asked: Asked, family: str) -> Session | None:
        """Connect, again and again while the reason may pass and `wait` lasts."""
        if not self.wait:
            return _connect(asked, family, Deadline(self.connect_timeout))
        patience = Deadline(self.wait)
        pause, attempts = _FIRST_PAUSE, 0
        with asked.recorder.step("database.wait", Phase.DATABASE, at_most_s=self.wait) as step:
            while True:
                attempts += 1
                step.detail(attempts=attempts)
                try:
                    return _connect(asked, family, Deadline(self.connect_timeout))
                except Failure as failure:
                    if not failure.transient or patience.left <= 0:
                        raise
                    pause = min(pause, max(patience.left, 0.01))
                    asked.recorder.passed(
                        "database.retry",
                        Phase.DATABASE,
                        after=failure.code,
                        why=failure.summary,
                        pause_s=round(pause, 3),
                        left_s=round(patience.left, 1),
                    )
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _nothing_to_ask(self, context: Context) -> Iterator[Finding]:
        name = self.url_env
        if self.discovered:
            context.recorder.skipped("database.connect", Phase.DATABASE, f"{name} is not set")
            return
        context.recorder.failed("database.connect", Phase.DATABASE, variable=name)
        empty = self.url is not None or name in context.environ
        yield Finding(
            code="BC102" if empty else "BC101",
            summary=f"{name} is {'empty' if empty else 'not set'}, and database(...) asks the database it names.",
            action=(f"Set {name} to a URL such as postgresql://user:password@host:5432/name.",),
        )

    def _unreadable(self, context: Context, problem: UrlProblem) -> Iterator[Finding]:
        if self.url_is_judged or self.discovered:
            context.recorder.skipped("database.connect", Phase.DATABASE, "the URL cannot be read")
            return
        context.recorder.failed("database.connect", Phase.DATABASE, problem=problem.explanation)
        yield Finding(
            code=problem.code,
            summary=f"The URL in {self.url_env} cannot be read: {problem.explanation}.",
            action=(problem.action,),
            evidence=(Evidence(source=self.url_env, text=problem.explanation),),
        )


def database(  # noqa: PLR0913 - options by keyword, each with its default
    url_env: str = "DATABASE_URL",
    *,
    url: str | None = None,
    connect_timeout: float = 10.0,
    wait: float = 0.0,
    ddl: str | None = None,
    privileges: tuple[str, ...] | None = None,
    read_only_ok: bool = False,
    require_tls: bool = False,
) -> DatabaseCheck:
    """Connect to the database before any worker is forked, and ask what the app will need.

    Args:
        url_env: The variable with the URL.
        url: The URL itself, in place of a variable.
        connect_timeout: Seconds for name, connection and login together.
        wait: Seconds to try again while the reason may pass: refused, no name, no answer, too many connections,
            starting. 0 asks once.
        ddl: "create-drop" really creates and drops a table with a random name.
        privileges: What the user must be granted: "connect", "usage", "create", "write", "temporary". Without it
            create and write are looked at, and their lack is information.
        read_only_ok: A standby or a session that only reads is fine.
        require_tls: The connection must be encrypted.
    """
    return DatabaseCheck(
        url_env=url_env,
        url=url,
        connect_timeout=connect_timeout,
        wait=wait,
        ddl=ddl,
        privileges=privileges if privileges is None else options.texts("database", "privileges", privileges),
        read_only_ok=read_only_ok,
        require_tls=require_tls,
    )


def discover(environ: Mapping[str, str], server: Server) -> Iterator[DatabaseCheck]:
    """Yield the check where DATABASE_URL is set and a driver for it is there; a missing one is database_url's."""
    del server
    try:
        url = parse(environ.get("DATABASE_URL", ""))
    except UrlProblem:
        return
    installed = drivers.Installation()
    known = drivers.DRIVERS.get(url.backend, {})
    named = known.get(url.driver or "")
    wanted = [named] if named is not None else list(known.values())
    if url.backend not in FAMILIES or not known or any(installed.has(driver.module) for driver in wanted):
        yield DatabaseCheck(discovered=True)


def _connect(asked: Asked, family: str, deadline: Deadline) -> Session | None:
    if family == "postgresql":
        from bootcheck.checks.databases import postgresql

        return postgresql.connect(asked, deadline)
    if family == "mysql":
        from bootcheck.checks.databases import mysql

        return mysql.connect(asked, deadline)
    from bootcheck.checks.databases import sqlite

    return sqlite.connect(asked, deadline)


def _dialect(asked: Asked, family: str) -> Dialect:
    if family == "postgresql":
        from bootcheck.checks.databases import postgresql

        return postgresql.DIALECT
    if family == "mysql":
        from bootcheck.checks.databases import mysql

        return mysql.DIALECT
    from bootcheck.checks.databases import sqlite

    return sqlite.Dialect(asked)


def _confirm(url: DatabaseUrl, variable: str) -> str | None:
    """Return a command that shows the same without the password in it."""
    if FAMILIES.get(url.backend) == "postgresql" and url.scheme in ("postgresql", "postgres"):
        return f'psql "${variable}" -c "SELECT 1"'
    return f"bootcheck check  # with {variable} set as the workers see it"
