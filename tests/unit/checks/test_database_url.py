"""What a database URL may have wrong, each fact with a checkpoint that turns red, the password never shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.checks.base import Moment
from bootcheck.checks.database_url import DatabaseUrlCheck, database_url, discover
from bootcheck.checks.drivers import Installation
from bootcheck.model.errors import CheckOptionError
from bootcheck.model.finding import Severity
from bootcheck.testing import Outcome, Result, Server, run_check

SECRET_LETTERS = "ψωφξδλ"


class Installed(Installation):
    """An installation that a test describes."""

    def __init__(self, *modules: str, sqlalchemy: tuple[int, ...] | None = (2, 0, 30), dialects: tuple[str, ...] = ()):
        self.modules = {"sqlite3", *modules}
        self.sqlalchemy = sqlalchemy
        self.names = frozenset(dialects)

    def has(self, module: str) -> bool:
        """Tell whether the test named it."""
        return module in self.modules

    def version(self, distribution: str) -> tuple[int, ...] | None:
        """Return the version that the test named."""
        return self.sqlalchemy if distribution == "sqlalchemy" else None

    def dialects(self) -> frozenset[str]:
        """Return the entry points that the test named."""
        return self.names


NEW = Installed("psycopg", "psycopg2", "MySQLdb", "pymysql")
BARE = Installed(sqlalchemy=None)


def ask(url: str | None, installed: Installation = NEW, *, discovered: bool = False, required: bool = True) -> Result:
    """Run the check on one URL."""
    check = replace(database_url(required=required), installation=installed, discovered=discovered)
    return run_check(check, {} if url is None else {"DATABASE_URL": url}, declared=not discovered)


def everything(result: Result) -> str:
    """Return all that a run says, as one text."""
    findings = [finding.as_dict() for finding in result.findings]
    return json.dumps([findings, [point.as_record() for point in result.checkpoints]], ensure_ascii=False)


def test_a_good_url_passes_every_point():
    """Presence, form, scheme, driver, credentials, host, port and name are facts of their own."""
    result = ask("postgresql+psycopg://u:hunter2@db:5432/shop?sslmode=require")

    assert result
    names = {point.name.rpartition(".")[2] for point in result.checkpoints if point.outcome is Outcome.PASSED}
    facts = {"present", "parse", "expanded", "scheme", "driver", "credentials", "host", "port", "database"}
    assert facts <= names
    assert "hunter2" not in everything(result)


@pytest.mark.parametrize(("url", "code"), [(None, "BC101"), ("", "BC102"), (" ", "BC102")])
def test_a_missing_url(url, code):
    """A required URL that is missing or empty is an error, an optional one is a note."""
    result = ask(url)

    assert result.codes == (code,)
    assert result.outcome("database_url.present") is Outcome.FAILED
    assert ask(url, required=False)
    assert ask(url, required=False).outcome("database_url.present") is Outcome.SKIPPED


def test_a_similar_variable_is_named():
    """DATABASE_URI is offered where DATABASE_URL is missing."""
    result = run_check(database_url(), {"DATABASE_URI": "postgresql://u:hunter2@h/d"})

    assert "DATABASE_URI is set" in result.findings[0].summary
    assert "hunter2" not in everything(result)


@pytest.mark.parametrize(
    ("installed", "severity"),
    [
        (NEW, Severity.ERROR),
        (Installed("psycopg2", sqlalchemy=(1, 4, 0)), Severity.ERROR),
        (Installed("psycopg2", sqlalchemy=()), Severity.ERROR),
        (Installed("psycopg2", sqlalchemy=(1, 3, 24)), Severity.WARNING),
        (Installed("psycopg2", "django", sqlalchemy=None), Severity.WARNING),
    ],
)
def test_the_postgres_scheme(installed, severity):
    """SQLAlchemy 1.4 and later refuse postgres://, and the rewrite is offered with the password hidden."""
    result = ask("postgres://u:hunter2@h:5432/d", installed)

    assert result.codes == ("BC110",)
    assert result.findings[0].severity is severity
    assert "postgresql://u:***@h:5432/d" in result.findings[0].action[0]
    assert result.outcome("database_url.scheme") is Outcome.FAILED
    assert "hunter2" not in everything(result)


def test_a_driver_stays_in_the_rewrite():
    """postgres+psycopg2:// becomes postgresql+psycopg2://."""
    assert "postgresql+psycopg2://h/d" in ask("postgres+psycopg2://h/d").findings[0].action[0]


def test_all_faults_are_told_at_once():
    """A wrong scheme does not hide the missing driver, the password or the missing name."""
    result = ask("postgres://u:a@b@h", Installed())

    assert result.codes == ("BC110", "BC112", "BC113", "BC111")


@pytest.mark.parametrize(
    ("url", "point"),
    [
        ("postgresql://u:p@h:port/d", "port"),
        ("postgresql://u:p@h:70000/d", "port"),
        ("postgresql://u:p@::1:5432/d", "host"),
        ("postgresql://u:p@one:1,two:2/d", "host"),
        ("postgresql://u:p@h/d\n", "parse"),
        ("'postgresql://u:p@h/d'", "parse"),
        ("u:p@h/d", "parse"),
        ("postgresql://u:p@${HOST}/d", "expanded"),
        ("postgresql://u:p@h/", "database"),
        ("mysql://u:p@h", "database"),
    ],
)
def test_a_malformed_url(url, point):
    """Each fault of form turns its own checkpoint red."""
    result = ask(url)

    assert result.codes == ("BC111",)
    assert result.outcome(f"database_url.{point}") is Outcome.FAILED
    assert result.findings[0].action


def test_what_urllib_forgives_is_a_warning_without_sqlalchemy():
    """Django's packages strip white space; SQLAlchemy does not."""
    django = Installed("psycopg", "django", sqlalchemy=None)

    assert ask("postgresql://u:p@h/d\n", django).findings[0].severity is Severity.WARNING
    assert ask("postgresql://u:p@h/d\n").findings[0].severity is Severity.ERROR
    assert ask("postgresql://u:p@one:1,two:2/d", django)


@pytest.mark.parametrize(
    ("url", "installed", "pip"),
    [
        ("postgresql://h/d", Installed(), "pip install psycopg2-binary"),
        ("postgresql://h/d", Installed(sqlalchemy=(2, 1, 0)), 'pip install "psycopg[binary]"'),
        ("postgresql+psycopg://h/d", Installed(), 'pip install "psycopg[binary]"'),
        ("postgresql+asyncpg://h/d", Installed("psycopg2"), "pip install asyncpg"),
        ("mysql://h/d", Installed(), "pip install mysqlclient"),
        ("mysql+pymysql://h/d", Installed(), "pip install pymysql"),
        ("bigquery://p/d", Installed(), "pip install sqlalchemy-bigquery"),
        ("postgres://h/d", Installed("django", sqlalchemy=None), "pip install psycopg2-binary"),
    ],
)
def test_a_missing_driver(url, installed, pip):
    """The exact pip line is given for the driver that this URL needs."""
    result = ask(url, installed)

    found = next(finding for finding in result.findings if finding.code == "BC112")
    assert pip in found.action
    assert found.severity is Severity.ERROR
    assert result.outcome("database_url.driver") is Outcome.FAILED


def test_an_installed_driver_is_offered():
    """Where another driver is there, the URL that would use it comes first."""
    result = ask("postgresql://u:hunter2@h/d", Installed("psycopg"))

    assert result.codes == ("BC112",)
    assert "postgresql+psycopg://u:***@h/d" in result.findings[0].action[0]
    assert result.findings[0].action[1] == "pip install psycopg2-binary"


def test_a_blocking_driver_is_not_offered_for_an_async_one():
    """In place of asyncpg stands psycopg, never psycopg2."""
    assert ask("postgresql+asyncpg://h/d", Installed("psycopg2")).findings[0].action == ("pip install asyncpg",)
    assert "+psycopg://" in ask("postgresql+asyncpg://h/d", Installed("psycopg")).findings[0].action[0]


def test_a_stand_in_for_mysqldb_is_possible():
    """PyMySQL can call itself MySQLdb, so its presence leaves a doubt."""
    result = ask("mysql://h/d", Installed("pymysql"))

    assert result.codes == ("BC112",)
    assert result.findings[0].severity is Severity.WARNING
    assert result.findings[0].against


def test_django_takes_any_driver():
    """Without SQLAlchemy one of the drivers is enough."""
    assert ask("postgresql://h/d", Installed("psycopg", "django", sqlalchemy=None))
    assert ask("mysql://h/d", Installed("pymysql", "django", sqlalchemy=None))
    assert ask("postgis://h/d", Installed("psycopg2", "django", sqlalchemy=None))


@pytest.mark.parametrize("char", list("@/?#%"))
def test_an_unescaped_character_in_the_password(char):
    """It is named with its code, and the password is not shown."""
    result = ask(f"postgresql://u:ψω{char}φξ@h/d", Installed("psycopg2", sqlalchemy=None))

    assert result.codes == ("BC113",)
    assert f"{char} (write %{ord(char):02X})" in result.findings[0].summary
    assert result.outcome("database_url.credentials") is Outcome.FAILED
    assert not set(everything(result)) & set(SECRET_LETTERS)


def test_what_sqlalchemy_reads_is_no_error_there():
    """With SQLAlchemy only the @ breaks the URL; the others are a note, and no alarm."""
    assert ask("postgresql://u:p@s@h/d").findings[0].severity is Severity.ERROR
    note = ask("postgresql://u:p/s@h/d")

    assert [finding.severity for finding in note.findings] == [Severity.INFO]
    assert note.outcome("database_url.credentials") is Outcome.PASSED
    assert ask("postgresql://u:p:s@h/d")
    assert ask("postgresql://u:p%2Fs@h/d")
    assert ask("postgresql://u@h/d").outcome("database_url.credentials") is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("url", "installed", "suggestion"),
    [
        ("postgresq://h/d", NEW, "postgresql://h/d"),
        ("postgre://h/d", NEW, "postgresql://h/d"),
        ("mysq+pymysql://h/d", NEW, "mysql+pymysql://h/d"),
        ("PostgreSQL://h/d", NEW, "postgresql://h/d"),
        ("postgresql+pyscopg2://h/d", NEW, "postgresql+psycopg2://h/d"),
        ("pgsql://h/d", NEW, "postgresql://h/d"),
        ("mysql2://h/d", NEW, "mysql://h/d"),
        ("foo://h/d", NEW, None),
        ("mongodb://h/d", NEW, None),
    ],
)
def test_an_unknown_scheme(url, installed, suggestion):
    """A dialect or driver that nothing knows gets the nearest one."""
    result = ask(url, installed)

    assert result.codes == ("BC114",)
    assert result.outcome("database_url.scheme") is Outcome.FAILED
    if suggestion:
        assert suggestion in result.findings[0].action[0]


def test_a_dialect_of_another_package():
    """Entry points of installed packages count, also those that bring a driver."""
    assert ask("bigquery://p/d", Installed(dialects=("bigquery",)))
    assert ask("strange://h/d", Installed(dialects=("strange",)))
    assert ask("postgresql+strange://h/d", Installed("psycopg2", dialects=("postgresql.strange",)))
    assert ask("strange+odd://h/d", Installed(dialects=("strange.odd",)))


def test_sqlite_forms(tmp_path):
    """Relative, absolute and in memory are right; two slashes and a missing directory are not."""
    there = f"sqlite:///{tmp_path}/x.db"
    assert ask(there)
    assert ask("sqlite://")
    assert ask("sqlite:///:memory:")
    assert ask("sqlite:///x.db")

    for url, hint in (
        ("sqlite://x.db", "two slashes"),
        (f"sqlite:///{tmp_path}/no/x.db", "does not exist"),
        (f"sqlite:///{str(tmp_path)[1:]}/x.db", "does not exist"),
        (f"sqlite:///{tmp_path}", "names the directory"),
    ):
        result = ask(url)
        assert result.codes == ("BC111",), url
        assert hint in result.findings[0].summary
        assert result.outcome("database_url.file") is Outcome.FAILED


def test_three_slashes_where_four_were_meant(tmp_path):
    """A relative path that exists from the root gets its fourth slash."""
    found = ask(f"sqlite:///{str(tmp_path)[1:]}/x.db").findings[0]

    assert found.severity is Severity.ERROR
    assert f"sqlite:////{str(tmp_path)[1:]}/x.db" in found.action[0]


def test_flask_sqlalchemy_places_relative_paths_itself():
    """A relative path is not judged where the app's instance folder decides."""
    result = ask("sqlite:///no/such/x.db", Installed("flask_sqlalchemy"))

    assert result
    assert result.outcome("database_url.file") is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("url", "installed"),
    [
        ("mongodb://u:p@h/d", BARE),
        ("mongodb://u:p@h/d", NEW),
        ("redis://h:6379/0", BARE),
        ("postgresql://u:p@h/d", BARE),
        ("surreal://h/d", BARE),
        ("postgresql://u:p@h/d", Installed("asyncpg", "psycopg")),
        ("bigquery://p/d", NEW),
        ("postgresql://u:p/w@h/d", NEW),
    ],
)
def test_no_false_alarm_where_nobody_asked(url, installed):
    """A discovered URL that the app may well use is a note at most, and no checkpoint turns red."""
    result = ask(url, installed, discovered=True)

    assert all(finding.severity is Severity.INFO for finding in result.findings)
    assert all(point.outcome is not Outcome.FAILED for point in result.checkpoints)


@given(st.text(alphabet=SECRET_LETTERS + "@:/?#%&=+", min_size=1, max_size=20), st.booleans())
def test_no_letter_of_a_password_is_shown(secret, bare):
    """Neither findings nor checkpoints hold a piece of the password, whatever it is made of."""
    scheme = "postgres" if bare else "postgresql"
    said = everything(ask(f"{scheme}://user:{secret}@h:5432/d", BARE if bare else NEW))
    said += everything(ask(f"{scheme}://user:{SECRET_LETTERS[0]}{secret.replace('@', '')}/d", BARE if bare else NEW))

    assert not set(said) & set(SECRET_LETTERS)


def test_it_is_discovered_where_the_variable_is_set():
    """The twin that somebody declared has the same subject."""
    (found,) = discover({"DATABASE_URL": "postgresql://h/d"}, Server())

    assert found.discovered
    assert found.subject == database_url().subject == "DATABASE_URL"
    assert list(discover({"DATABASE_URL": " "}, Server())) == []
    assert list(discover({}, Server())) == []
    assert DatabaseUrlCheck.moment is Moment.MASTER
    assert found.budget > 0


def test_options_are_validated():
    """A URL in the place of the variable's name is refused without being quoted."""
    with pytest.raises(CheckOptionError, match="is not the name of a variable"):
        database_url("postgresql://u:p@h/d?x=y")
    with pytest.raises(CheckOptionError, match="True or False"):
        database_url(required=1)
