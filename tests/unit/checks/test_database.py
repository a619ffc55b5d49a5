"""The check database: its options, what it does without a server, and SQLite."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from bootcheck.checks import drivers
from bootcheck.checks.base import Moment
from bootcheck.checks.database import DatabaseCheck, database, discover
from bootcheck.model.errors import CheckOptionError
from bootcheck.testing import Outcome, Result, Server, run_check
from tests.unit.checks.users import unprivileged

SECRET = "hunter22-of-the-tests"


def everything(result: Result) -> str:
    """Return all that a run says, as one text."""
    findings = [finding.as_dict() for finding in result.findings]
    return json.dumps([findings, [point.as_record() for point in result.checkpoints]], ensure_ascii=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A SQLite database with one table."""
    path = tmp_path / "app.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE account (id INTEGER PRIMARY KEY)")
    connection.commit()
    connection.close()
    return path


# -- options


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"connect_timeout": 0}, "connect_timeout"),
        ({"wait": -1}, "wait"),
        ({"wait": "30"}, "wait"),
        ({"ddl": "drop"}, "create-drop"),
        ({"privileges": "create"}, "list"),
        ({"privileges": ("creat",)}, "Did you mean 'create'"),
        ({"read_only_ok": "yes"}, "True or False"),
        ({"require_tls": 1}, "True or False"),
        ({"url_env": "A=B"}, "variable"),
        ({"url": 5}, "url"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options, says):
    """At the line that gives it, with what to write."""
    with pytest.raises(CheckOptionError, match=says):
        database(**options)


def test_it_runs_in_the_preflight_child():
    """The master opens no connection and imports no driver."""
    assert DatabaseCheck.moment is Moment.PREFLIGHT


def test_the_budget_covers_what_it_may_do():
    """The wait, one more connection and the questions."""
    assert database().budget >= 20
    assert database(wait=60, connect_timeout=5).budget >= 70


def test_a_url_that_is_given_is_never_shown():
    """Not in the subject, not in the repr."""
    check = database(url=f"postgresql://app:{SECRET}@db/app")

    assert SECRET not in check.subject
    assert SECRET not in repr(check)
    assert check.subject == "postgresql://app:***@db/app"


# -- without a server


def test_a_variable_that_is_not_set():
    """A declared database without a URL is an error; a discovered one cannot be."""
    missing = run_check(database(), {})
    empty = run_check(database(), {"DATABASE_URL": ""})

    assert missing.codes == ("BC101",)
    assert empty.codes == ("BC102",)
    assert missing.outcome("database.connect") is Outcome.FAILED
    assert run_check(DatabaseCheck(discovered=True), {}).codes == ()


def test_a_url_that_cannot_be_read():
    """A declared check says it; for a discovered one database_url does."""
    environ = {"DATABASE_URL": f"postgresql://app:{SECRET}@db:port/app"}
    declared = run_check(database(), environ)

    assert declared.codes == ("BC111",)
    assert SECRET not in everything(declared)
    discovered = run_check(DatabaseCheck(discovered=True), environ)
    assert discovered.codes == ()
    assert discovered.outcome("database.connect") is Outcome.SKIPPED


@pytest.mark.parametrize("scheme", ["oracle", "mssql+pyodbc", "mongodb", "clickhouse"])
def test_a_database_that_is_not_spoken_to_is_no_alarm(scheme):
    """It is skipped, with the reason."""
    result = run_check(database(), {"DATABASE_URL": f"{scheme}://app:{SECRET}@db/app"})

    assert result
    assert result.outcome("database.connect") is Outcome.SKIPPED
    assert SECRET not in everything(result)


def test_without_a_driver_for_mysql_it_says_so(monkeypatch):
    """A declared check cannot ask: that is an error with the pip line."""
    for name in ("pymysql", "MySQLdb", "mysql", "mysql.connector", "mariadb"):
        monkeypatch.setitem(sys.modules, name, None)
    result = run_check(database(), {"DATABASE_URL": f"mysql://app:{SECRET}@127.0.0.1/app"})

    assert result.codes == ("BC112",)
    assert "pip install" in " ".join(result.findings[0].action)


def test_it_is_discovered_where_a_driver_is_there(monkeypatch):
    """DATABASE_URL and a driver, without importing anything; a missing driver is database_url's finding."""
    installed = {"psycopg2"}
    monkeypatch.setattr(drivers.Installation, "has", lambda self, module: module in installed)

    def found(url: str) -> list[DatabaseCheck]:
        return list(discover({"DATABASE_URL": url}, Server()))

    assert found("postgresql://db/app") == [DatabaseCheck(discovered=True)]
    assert found("postgresql+psycopg2://db/app") == [DatabaseCheck(discovered=True)]
    assert found("postgresql+psycopg://db/app") == []
    assert found("mysql://db/app") == []
    assert found("oracle://db/app") == [DatabaseCheck(discovered=True)]
    assert found("mongodb://db/app") == [DatabaseCheck(discovered=True)]
    assert found("not a url") == []
    assert list(discover({}, Server())) == []


# -- SQLite


def test_a_file_that_is_fine_passes_every_phase(file):
    """And keeps its content, byte for byte."""
    before = file.read_bytes()
    result = run_check(database(privileges=("create", "write")), {"DATABASE_URL": f"sqlite:///{file}"})

    assert result
    names = {point.name for point in result.checkpoints if point.outcome is Outcome.PASSED}
    assert names >= {
        "database.file",
        "database.login",
        "database.select",
        "database.version",
        "database.privilege.create",
        "database.privilege.write",
        "database.writable",
        "database.commit",
        "database.rollback",
    }
    assert result.facts["database.server_version"].startswith("SQLite 3")
    assert file.read_bytes() == before
    assert os.listdir(file.parent) == [file.name]


def test_a_table_is_created_and_dropped_where_asked_for(file):
    """And nothing of it is left."""
    result = run_check(database(ddl="create-drop"), {"DATABASE_URL": f"sqlite:///{file}"})

    assert result.outcome("database.create_drop") is Outcome.PASSED
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("account",)]
    connection.close()


def test_a_file_that_does_not_exist_yet_is_not_created(tmp_path):
    """Its first use will; here the folder is looked at."""
    path = tmp_path / "new.db"
    result = run_check(database(), {"DATABASE_URL": f"sqlite:///{path}"})

    assert result
    assert result.outcome("database.file") is Outcome.PASSED
    assert not path.exists()


def test_a_missing_folder_is_named(tmp_path):
    """The file can never be created there: BC214."""
    result = run_check(database(), {"DATABASE_URL": f"sqlite:///{tmp_path}/no/app.db"})

    assert result.codes == ("BC214",)
    assert result.outcome("database.file") is Outcome.FAILED
    assert f"{tmp_path}/no" in result.findings[0].summary


def test_a_folder_that_the_workers_may_not_write_is_named(tmp_path):
    """It is the workers' user that counts: BC218."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    environ = {"DATABASE_URL": f"sqlite:///{folder}/app.db"}
    if os.geteuid():
        result = run_check(database(), environ)
    else:
        for parent in folder.parents:
            # pytest's own folders are closed to others; only root can come here.
            if not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
        result = unprivileged(database(), environ)

    assert result.codes == ("BC218",)
    assert str(folder) in result.findings[0].summary


def test_a_file_of_another_kind_is_named(tmp_path):
    """A text file is no database: BC220, and it stays as it is."""
    path = tmp_path / "app.db"
    path.write_text("this is no database, whatever its name may be" * 50)
    result = run_check(database(), {"DATABASE_URL": f"sqlite:///{path}"})

    assert result.codes == ("BC220",)
    assert result.outcome("database.select") is Outcome.FAILED
    assert path.read_text().startswith("this is no database")


def test_a_locked_file_is_named(file):
    """Another process that holds the write lock: commit and rollback fail, within the connect timeout."""
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        result = run_check(database(connect_timeout=0.3), {"DATABASE_URL": f"sqlite:///{file}"})
    finally:
        holder.execute("ROLLBACK")
        holder.close()

    assert result.codes
    assert set(result.codes) <= ({"BC212"} if sys.version_info >= (3, 11) else {"BC212", "BC220"})


def test_a_database_in_memory_has_nothing_to_fail():
    """It is asked all the same."""
    result = run_check(database(ddl="create-drop"), {"DATABASE_URL": "sqlite://"})

    assert result
    assert result.outcome("database.select") is Outcome.PASSED


@pytest.mark.parametrize("name", ["a b.db", "100%.db", "q?.db", "ü.db", "a#b.db"])
def test_a_file_of_any_name_is_opened(tmp_path, name):
    """Characters that mean something in a URI are quoted."""
    path = tmp_path / name
    sqlite3.connect(path).close()
    path.touch()
    url = f"sqlite:///{tmp_path}/{name.replace('%', '%25').replace('?', '%3F').replace('#', '%23')}"
    result = run_check(database(), {"DATABASE_URL": url})

    assert result.outcome("database.select") is Outcome.PASSED
    assert os.listdir(tmp_path) == [name]
