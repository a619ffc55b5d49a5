"""The database lacks migrations that the code brings.

What it means

BC302: the newest revision of the Alembic scripts (Flask-Migrate uses Alembic) is not the one that the database is
at. Either migrations are pending, or the database is ahead of the code, or the scripts have several heads.

How it looks

`UndefinedTable: relation "..." does not exist`, `UndefinedColumn`, `(1146) Table '...' doesn't exist`,
`(1054) Unknown column`, at the first request that needs it; nothing at the start.

Why it happens

The deployment started the new code before `alembic upgrade head`, the migration job failed unseen, or an older
release was rolled back onto a database that had been migrated. Two branches were merged, each with a migration.

What to do

Run `alembic upgrade head` (Flask-Migrate: `flask db upgrade`) before the servers start, as a step of its own. With
several heads: `alembic merge heads`. If the database is ahead, deploy the code that knows its revision, or
downgrade with it.

How to know it is fixed

`alembic current` names the revision of `alembic heads`, and the checkpoints `migrations.scripts`,
`migrations.heads`, `migrations.current` and `migrations.pending` have passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment, Server
from bootcheck.checks.databases.deadline import Lane, TimedOut
from bootcheck.checks.databases.failure import Masker
from bootcheck.checks.drivers import Installation
from bootcheck.checks.urls import UrlProblem, parse
from bootcheck.model.checkpoint import Phase
from bootcheck.model.encode import shorten
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.recorder import type_name

RULES: tuple[str, ...] = ("BC302",)

_USUAL = ("migrations", "alembic", "db/migrations", "src/migrations")
"""Where script directories usually are, below the working directory."""
_BLOCKING = {"asyncpg": "psycopg", "psycopg_async": "psycopg", "aiomysql": "pymysql", "asyncmy": "pymysql"}
"""Drivers of async engines, and a blocking one for the same server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationsCheck:
    """Asks whether the database is at the newest revision of the scripts."""

    name: ClassVar[str] = "migrations"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.DATABASE

    directory: str | None = None
    url_env: str = "DATABASE_URL"
    version_table: str = "alembic_version"
    version_table_schema: str | None = None
    seconds: float = 20.0
    discovered: bool = False
    installation: Installation = field(default_factory=Installation, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse options that cannot be meant."""
        options.variable("migrations", "url_env", self.url_env)
        options.number("migrations", "seconds", self.seconds, least=0.5, most=600)
        if self.directory is not None:
            options.path("migrations", "directory", self.directory)

    @property
    def subject(self) -> str:
        """The script directory."""
        return self.directory or "migrations"

    @property
    def budget(self) -> float:
        """Reading the scripts and one connection."""
        return self.seconds + 3.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is wrong; every fact is a checkpoint `migrations.<fact>`."""
        recorder = context.recorder
        if not (self.installation.has("alembic") and self.installation.has("sqlalchemy")):
            recorder.skipped("migrations.scripts", Phase.DATABASE, "Alembic is not installed")
            return
        directory = self.directory or find_scripts(os.getcwd())
        if directory is None or not os.path.isfile(os.path.join(directory, "env.py")):
            yield from self._no_scripts(context, directory)
            return
        scripts, finding = self._read(directory, context)
        if finding is not None:
            yield finding
        if scripts is None:
            return
        heads = tuple(scripts.get_heads())
        if len(heads) > 1:
            recorder.failed("migrations.heads", Phase.DATABASE, heads=list(heads))
            yield _several_heads(directory, heads)
        else:
            recorder.passed("migrations.heads", Phase.DATABASE, heads=list(heads))
        yield from self._compare(scripts, heads, context)

    def _no_scripts(self, context: Context, directory: str | None) -> Iterator[Finding]:
        if self.directory is None:
            context.recorder.skipped("migrations.scripts", Phase.DATABASE, "there is no Alembic script directory here")
            return
        context.recorder.failed("migrations.scripts", Phase.DATABASE, directory=directory)
        yield Finding(
            code="BC302",
            summary=f"{directory} is no Alembic script directory: it holds no env.py.",
            action=("Name the directory that `alembic init` or `flask db init` made.",),
        )

    def _read(self, directory: str, context: Context) -> tuple[Any, Finding | None]:
        from alembic.script import ScriptDirectory

        with context.recorder.step("migrations.scripts", Phase.DATABASE, directory=directory) as step:
            try:
                scripts = ScriptDirectory(directory)
                step.detail(revisions=sum(1 for _ in scripts.walk_revisions()))
            except Exception as exc:  # noqa: BLE001 - each script is a module of the app's
                step.fail(error=type_name(exc))
                text = f"{type_name(exc)}: {context.recorder.redactor.mask(shorten(str(exc), 400))}"
                return None, Finding(
                    code="BC302",
                    severity=self._severity,
                    summary=f"The migration scripts in {directory} cannot be read.",
                    action=("Correct the script that the evidence names; `alembic history` fails in the same way.",),
                    evidence=(Evidence(source=directory, text=text),),
                    confirm="alembic history",
                )
        return scripts, None

    def _compare(self, scripts: Any, heads: tuple[str, ...], context: Context) -> Iterator[Finding]:
        recorder = context.recorder
        url, reason = _engine_url(context.environ.get(self.url_env, ""), self.installation)
        if url is None:
            recorder.skipped("migrations.current", Phase.DATABASE, reason)
            return
        lane = Lane()
        try:
            with recorder.step("migrations.current", Phase.DATABASE) as step:
                current = lane.call(lambda: self._current(url), self.seconds)
                step.detail(current=list(current))
        except TimedOut:
            yield self._unasked(context, f"no answer within {self.seconds:g} s")
            return
        except Exception as exc:  # noqa: BLE001 - SQLAlchemy's, the driver's, the dialect's
            password = parse(context.environ[self.url_env]).password
            masker = Masker(recorder.redactor.mask, password)
            yield self._unasked(context, f"{type_name(exc)}: {masker(shorten(str(exc), 400))}")
            return
        finally:
            lane.close()
        yield from self._pending(scripts, heads, current, context)

    def _pending(
        self, scripts: Any, heads: tuple[str, ...], current: tuple[str, ...], context: Context
    ) -> Iterator[Finding]:
        unknown = [revision for revision in current if not _knows(scripts, revision)]
        if unknown:
            context.recorder.failed("migrations.pending", Phase.DATABASE, unknown=unknown)
            yield Finding(
                code="BC302",
                severity=self._severity,
                summary=f"The database is at revision {', '.join(unknown)}, which the scripts here do not know.",
                action=("Deploy the code that brings this revision, or downgrade the database with that code.",),
                evidence=(Evidence(source=self.version_table, text=f"current: {', '.join(current)}"),),
                confirm="alembic current",
            )
            return
        pending = _between(scripts, current, heads)
        if not pending:
            context.recorder.passed("migrations.pending", Phase.DATABASE, current=list(current))
            return
        context.recorder.failed("migrations.pending", Phase.DATABASE, pending=pending, current=list(current))
        shown = ", ".join(pending[:5]) + (f" and {len(pending) - 5} more" if len(pending) > 5 else "")
        yield Finding(
            code="BC302",
            severity=self._severity,
            summary=f"{len(pending)} migration(s) are pending: {shown}.",
            action=("alembic upgrade head (Flask-Migrate: flask db upgrade), before the servers start.",),
            evidence=(
                Evidence(source=self.version_table, text=f"current: {', '.join(current) or 'none'}"),
                Evidence(source=scripts.dir, text=f"head: {', '.join(heads)}"),
            ),
            confirm="alembic current",
        )

    def _current(self, url: Any) -> tuple[str, ...]:
        import sqlalchemy
        from alembic.runtime.migration import MigrationContext

        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
        try:
            with engine.connect() as connection:
                settings = {"version_table": self.version_table, "version_table_schema": self.version_table_schema}
                return tuple(MigrationContext.configure(connection, opts=settings).get_current_heads())
        finally:
            engine.dispose()

    def _unasked(self, context: Context, text: str) -> Finding:
        context.recorder.skipped("migrations.pending", Phase.DATABASE, "the database could not be asked")
        return Finding(
            code="BC302",
            # Why the database does not answer is the finding of database(...).
            severity=Severity.WARNING,
            summary="Whether migrations are pending is not known: the database could not be asked.",
            action=("Look at the findings of the check database.",),
            evidence=(Evidence(source=self.url_env, text=text),),
            missing=("the revision that the database is at",),
            confidence="low",
        )

    @property
    def _severity(self) -> Severity:
        return Severity.WARNING if self.discovered else Severity.ERROR


def migrations(
    directory: str | None = None,
    *,
    url_env: str = "DATABASE_URL",
    version_table: str = "alembic_version",
    version_table_schema: str | None = None,
    seconds: float = 20.0,
) -> MigrationsCheck:
    """Compare the database's Alembic revision with the scripts, before any worker is forked.

    Args:
        directory: The script directory (with env.py). Without it alembic.ini and the usual places are looked at.
        url_env: The variable with the database's URL.
        version_table: What env.py calls the table with the revision.
        version_table_schema: The schema of that table, where it is not the default one.
        seconds: How long the database may take to answer.
    """
    return MigrationsCheck(
        directory=directory if directory is None else options.path("migrations", "directory", directory),
        url_env=url_env,
        version_table=version_table,
        version_table_schema=version_table_schema,
        seconds=seconds,
    )


def discover(environ: Mapping[str, str], server: Server) -> Iterator[MigrationsCheck]:
    """Yield the check where Alembic, a script directory and DATABASE_URL are there."""
    del server
    if environ.get("DATABASE_URL") and Installation().has("alembic") and find_scripts(os.getcwd()) is not None:
        yield MigrationsCheck(discovered=True)


def find_scripts(root: str) -> str | None:
    """Return the script directory that alembic.ini names, or one of the usual ones that has an env.py."""
    named = _from_ini(os.path.join(root, "alembic.ini"), root)
    folders: list[str] = [*([named] if named else ()), *(os.path.join(root, usual) for usual in _USUAL)]
    for folder in folders:
        # Django's `migrations` packages have no env.py.
        if os.path.isfile(os.path.join(folder, "env.py")) and os.path.isdir(os.path.join(folder, "versions")):
            return folder
    return None


def _from_ini(path: str, root: str) -> str | None:
    import configparser

    parser = configparser.ConfigParser(defaults={"here": root}, interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
        location = parser.get("alembic", "script_location")
    except (OSError, configparser.Error, UnicodeDecodeError):
        return None
    folder: str = location.replace("%(here)s", root).strip()
    # `package:folder` would have to be imported.
    return os.path.join(root, folder) if ":" not in folder else None


def _engine_url(text: str, installation: Installation) -> tuple[Any, str]:
    """Return a URL that a blocking engine takes, or None and why there is none."""
    from sqlalchemy.engine import make_url

    try:
        parsed = parse(text)
        # SQLAlchemy no longer knows the name postgres; database_url says so.
        url = make_url(text if parsed.dialect != "postgres" else "postgresql" + text[len("postgres") :])
    except UrlProblem:
        return None, "there is no URL that can be read"
    except Exception as exc:  # noqa: BLE001 - SQLAlchemy's ArgumentError, ValueError of a port
        return None, f"SQLAlchemy cannot read the URL: {type(exc).__name__}"
    driver = _BLOCKING.get(parsed.driver or "")
    if driver is not None:
        if not installation.has(driver):
            return None, f"{parsed.driver} is for async engines, and {driver} is not installed"
        url = url.set(drivername=f"{parsed.backend}+{driver}")
    if parsed.driver == "aiosqlite":
        url = url.set(drivername="sqlite")
    if parsed.sqlite_path is not None and not os.path.exists(parsed.sqlite_path):
        return None, "the SQLite file does not exist yet"
    return url, ""


def _knows(scripts: Any, revision: str) -> bool:
    from alembic.util import CommandError

    try:
        return bool(scripts.get_revision(revision))
    except CommandError:
        return False


def _between(scripts: Any, current: tuple[str, ...], heads: tuple[str, ...]) -> list[str]:
    """Return the revisions that the heads bring and the current ones do not have, oldest first."""
    applied = {item.revision for item in scripts.iterate_revisions(current, "base")} if current else set()
    wanted = [item.revision for item in scripts.iterate_revisions(heads, "base")] if heads else []
    return [revision for revision in reversed(wanted) if revision not in applied]


def _several_heads(directory: str, heads: tuple[str, ...]) -> Finding:
    return Finding(
        code="BC302",
        severity=Severity.WARNING,
        summary=f"The migration scripts in {directory} have {len(heads)} heads: {', '.join(heads)}.",
        action=("alembic merge heads", "alembic upgrade heads, where the branches are meant"),
        evidence=(Evidence(source=directory, text=f"heads: {', '.join(heads)}"),),
        confirm="alembic heads",
    )
