"""The database URL does not say what its author meant, or needs a driver that is not installed.

What it means

BC110: the URL begins with postgres://, which SQLAlchemy has refused since 1.4. BC111: the text is not a
database URL at all: no scheme, a port that is no number, white space or quotation marks in it, a template
marker, a missing host or database name, a SQLite path with the wrong number of slashes. BC112: the driver
that the URL asks for is not installed. BC113: the password holds a character that must be percent-encoded,
so that the host, the port or the password itself is read wrongly. BC114: nothing knows a dialect of this name.

How it looks

`NoSuchModuleError: Can't load plugin: sqlalchemy.dialects:postgres` (BC110, BC114),
`ArgumentError: Could not parse SQLAlchemy URL from given URL string`, `ValueError: invalid literal for int()
with base 10` (BC111), `ModuleNotFoundError: No module named 'psycopg2'` or `'MySQLdb'` (BC112), a host name
that begins with the end of the password in `could not translate host name "…@db.example.com"` (BC113).

Why it happens

Platforms still hand out postgres:// URLs; a generated password was pasted between two separators without
encoding; the driver was left out of the requirements, or the image was built without it; a template was
never rendered.

What to do

Write `dialect+driver://user:password@host:port/name`. Rewrite postgres:// as postgresql://. Encode the password:
`python -c "import getpass, urllib.parse; print(urllib.parse.quote(getpass.getpass(), safe=''))"`.
Install the driver that the finding names. A SQLite file is sqlite:///relative/path or sqlite:////absolute/path.

How to know it is fixed

`bootcheck check` ends with 0, and the checkpoints `database_url.parse`, `.scheme`, `.driver`, `.credentials`,
`.host`, `.port`, `.database` (for SQLite `.file`) have passed. Neither the password nor a part of it is ever shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from bootcheck.checks import drivers, options
from bootcheck.checks.base import Context, Moment, Server
from bootcheck.checks.drivers import Installation
from bootcheck.checks.spelling import near_names
from bootcheck.checks.url_judge import Judge
from bootcheck.checks.urls import UrlProblem, parse
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity

RULES: tuple[str, ...] = ("BC110", "BC111", "BC112", "BC113", "BC114")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrlCheck:
    """Asks whether a variable holds a database URL that the installed packages understand."""

    name: ClassVar[str] = "database_url"
    moment: ClassVar[Moment] = Moment.MASTER
    phase: ClassVar[Phase] = Phase.ENVIRONMENT

    variable: str = "DATABASE_URL"
    required: bool = True
    discovered: bool = False
    """Nobody said that the variable is for a SQL database, or that the app uses the URL as it stands."""
    connects: bool = field(default=False, repr=False, compare=False)
    """A declared check connects to it: a URL that cannot be read stops the start, whoever looks first."""
    installation: Installation = field(default_factory=Installation, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a variable's name that cannot be one."""
        options.variable("database_url", "variable", self.variable)
        options.flag("database_url", "required", self.required)

    @property
    def subject(self) -> str:
        """The variable."""
        return self.variable

    @property
    def budget(self) -> float:
        """Nothing here waits."""
        return 2.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is wrong with the URL."""
        text = context.environ.get(self.variable, "")
        if not text.strip():
            yield from self._absent(context)
            return
        context.recorder.passed("database_url.present", self.phase, variable=self.variable)
        sqlalchemy = self.installation.version("sqlalchemy")
        try:
            url = parse(text)
        except UrlProblem as problem:
            yield self._unreadable(context, problem, sqlalchemy)
            return
        context.recorder.passed("database_url.parse", self.phase, url=url.masked)
        if url.scheme.lower() in drivers.FOREIGN and self.discovered:
            context.recorder.skipped("database_url.scheme", self.phase, f"{url.scheme}:// is no SQL database")
            return
        judge = Judge(
            recorder=context.recorder,
            phase=self.phase,
            variable=self.variable,
            discovered=self.discovered,
            installation=self.installation,
            url=url,
            sqlalchemy=sqlalchemy,
        )
        yield from judge.findings()

    def _absent(self, context: Context) -> Iterator[Finding]:
        if not self.required:
            context.recorder.skipped("database_url.present", self.phase, "not set; it is optional")
            return
        is_set = self.variable in context.environ
        near = near_names(self.variable, context.environ)
        context.recorder.failed("database_url.present", self.phase, variable=self.variable, near=list(near))
        yield Finding(
            code="BC102" if is_set else "BC101",
            summary=f"{self.variable} is {'empty' if is_set else 'not set'}, and it should hold the database's URL."
            + (f" {near[0]} is set: a misspelling?" if near else ""),
            action=(f"Set {self.variable} to a URL such as postgresql://user:password@host:5432/name.",),
            evidence=(Evidence(source="environment", text=f"{self.variable} is {'empty' if is_set else 'not set'}"),),
        )

    def _unreadable(self, context: Context, problem: UrlProblem, sqlalchemy: tuple[int, ...] | None) -> Finding:
        fact = problem.kind if problem.kind in ("port", "host") else "parse"
        context.recorder.failed(f"database_url.{fact}", self.phase, problem=problem.kind)
        # Django's URL packages strip white space, SQLAlchemy takes it into the database's name.
        harmless = problem.kind == "space" and sqlalchemy is None
        return Finding(
            code=problem.code,
            severity=Severity.WARNING if harmless else Severity.ERROR,
            summary=f"{self.variable} cannot be read as a database URL: {problem.explanation}.",
            action=(problem.action,),
            evidence=(Evidence(source=self.variable, text=f"{problem.explanation} (the value is not shown)"),),
            declared=self.connects,
        )


def database_url(variable: str = "DATABASE_URL", *, required: bool = True) -> DatabaseUrlCheck:
    """Check the text of a database URL and its driver, without connecting.

    Args:
        variable: the environment variable that holds the URL.
        required: False accepts that it is not set.
    """
    return DatabaseUrlCheck(variable=variable, required=required)


def discover(environ: Mapping[str, str], server: Server) -> Iterator[DatabaseUrlCheck]:  # noqa: ARG001 - one signature for all
    """Yield a check of `DATABASE_URL` where it is set."""
    if environ.get("DATABASE_URL", "").strip():
        yield DatabaseUrlCheck(discovered=True)
