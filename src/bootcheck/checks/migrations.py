"""The database lacks migrations that the code expects.

What it means

BC302: the newest revision among the migration scripts is not the one that the database has.

How it looks

`relation "users" does not exist`, `no such column: users.email`, `Unknown column` in the first requests after a
deploy, and only there.

Why it happens

The deploy did not run `alembic upgrade head` (`flask db upgrade`), ran it against another database, or runs it
after the new workers have started.

What to do

Run the migrations before the server starts; the finding names the revisions that are missing.

How to know it is fixed

The checkpoint `migrations.current` has passed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment
from bootcheck.model.checkpoint import Phase
from bootcheck.model.encode import shorten
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.recorder import type_name

RULES: tuple[str, ...] = ("BC302",)

_PLACES = ("migrations", "alembic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """Compares the database's Alembic revision with the newest script."""

    name: ClassVar[str] = "migrations"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.DATABASE

    directory: str | None = None
    url_env: str = "DATABASE_URL"
    connect_timeout: float = 10.0

    def __post_init__(self) -> None:
        """Refuse unusable options."""
        if self.directory is not None:
            options.path("migrations", "directory", self.directory)
        options.variable("migrations", "url_env", self.url_env)
        options.number("migrations", "connect_timeout", self.connect_timeout, least=0.1)

    @property
    def subject(self) -> str:
        """The scripts' directory."""
        return self.directory or "alembic"

    @property
    def budget(self) -> float:
        """Connecting and reading one row."""
        return self.connect_timeout + 10.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield the revisions that the database lacks."""
        recorder = context.recorder
        if importlib.util.find_spec("alembic") is None:
            recorder.skipped("migrations.scripts", self.phase, "alembic is not installed")
            return
        directory = self._directory()
        if directory is None:
            recorder.skipped("migrations.scripts", self.phase, f"no script directory ({', '.join(_PLACES)}) here")
            return
        url = context.environ.get(self.url_env)
        if not url:
            recorder.skipped("migrations.scripts", self.phase, f"{self.url_env} is not set")
            return
        with recorder.step("migrations.scripts", self.phase, directory=directory) as step:
            scripts = importlib.import_module("alembic.script").ScriptDirectory(directory)
            heads = set(scripts.get_heads())
            step.detail(heads=sorted(heads))
        current = self._current(context, url)
        missing = [script.revision for script in scripts.iterate_revisions(tuple(heads), tuple(current) or "base")]
        if set(current) == heads or not missing:
            recorder.passed("migrations.current", self.phase, revision=sorted(current))
            return
        recorder.failed("migrations.current", self.phase, revision=sorted(current), missing=missing[:20])
        yield Finding(
            code="BC302",
            severity=Severity.ERROR,
            summary=f"The database lacks {len(missing)} migration{'s' if len(missing) > 1 else ''}: "
            f"it is at {', '.join(sorted(current)) or 'no revision'}, the code expects {', '.join(sorted(heads))}.",
            action=("Run `alembic upgrade head` (or `flask db upgrade`) before the server starts.",),
            evidence=(Evidence(source=directory, text=f"missing: {', '.join(missing[:20])}"),),
            confirm="alembic current",
        )

    def _directory(self) -> str | None:
        if self.directory is not None:
            return self.directory
        return next((place for place in _PLACES if os.path.isfile(os.path.join(place, "env.py"))), None)

    def _current(self, context: Context, url: str) -> set[str]:
        sqlalchemy: Any = importlib.import_module("sqlalchemy")
        migration: Any = importlib.import_module("alembic.runtime.migration")
        # The rewrite of postgres:// is the URL check's advice; here it must not hide the migrations.
        url = "postgresql" + url[len("postgres") :] if url.startswith("postgres://") else url
        with context.recorder.step("migrations.revision", self.phase):
            engine = sqlalchemy.create_engine(url, poolclass=importlib.import_module("sqlalchemy.pool").NullPool)
            try:
                with engine.connect() as connection:
                    return set(migration.MigrationContext.configure(connection).get_current_heads())
            except Exception as exc:  # noqa: BLE001 - a driver may raise anything
                text = context.recorder.redactor.mask(str(exc))
                msg = f"{type_name(exc)}: {shorten(text, 300)}"
                raise RuntimeError(msg) from None
            finally:
                engine.dispose()


def migrations(
    directory: str | os.PathLike[str] | None = None, *, url_env: str = "DATABASE_URL", connect_timeout: float = 10.0
) -> Migrations:
    """Compare the database's revision with the newest migration script (Alembic, Flask-Migrate).

    Args:
        directory: the folder with `env.py` and `versions/`; default: `migrations` or `alembic` here.
        url_env: the variable that holds the database's URL.
        connect_timeout: seconds.
    """
    place = None if directory is None else os.fspath(directory)
    return Migrations(directory=place, url_env=url_env, connect_timeout=connect_timeout)
