"""Pending migrations, found in real script directories against real SQLite files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.migrations import MigrationsCheck, discover, find_scripts, migrations
from bootcheck.model.errors import CheckOptionError
from bootcheck.testing import Outcome, Result, Server, run_check

pytest.importorskip("alembic", reason="Alembic is not installed")

SCRIPT = """
revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None

def upgrade():
    raise AssertionError("a check must not migrate")

def downgrade():
    raise AssertionError("a check must not migrate")
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A script directory with three revisions: a1, then b2, then c3."""
    folder = tmp_path / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text("raise AssertionError('a check must not run env.py')\n")
    (folder / "script.py.mako").write_text("")
    for revision, down in (("a1", None), ("b2", "a1"), ("c3", "b2")):
        write(folder, revision, down)
    return folder


def write(folder: Path, revision: str, down: str | None) -> None:
    """Add one revision."""
    (folder / "versions" / f"{revision}_.py").write_text(SCRIPT.format(revision=revision, down=down))


def database_at(folder: Path, *revisions: str, table: str = "alembic_version") -> str:
    """Make a SQLite file that is at these revisions; return its URL."""
    path = folder / "app.db"
    connection = sqlite3.connect(path)
    connection.execute(f"CREATE TABLE {table} (version_num VARCHAR(32) NOT NULL)")
    connection.executemany(f"INSERT INTO {table} VALUES (?)", [(revision,) for revision in revisions])
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


def ask(scripts: Path, url: str, **options: str) -> Result:
    """Run the declared check."""
    return run_check(migrations(str(scripts), **options), {"DATABASE_URL": url})


def test_a_database_at_the_newest_revision_passes(scripts, tmp_path):
    """Every fact is a checkpoint, and neither env.py nor a migration was run."""
    result = ask(scripts, database_at(tmp_path, "c3"))

    assert result
    for name in ("scripts", "heads", "current", "pending"):
        assert result.outcome(f"migrations.{name}") is Outcome.PASSED


def test_pending_migrations_are_named_in_order(scripts, tmp_path):
    """Those that the database lacks, oldest first."""
    result = ask(scripts, database_at(tmp_path, "a1"))

    assert result.codes == ("BC302",)
    assert result.outcome("migrations.pending") is Outcome.FAILED
    assert "b2, c3" in result.findings[0].summary
    assert "2 migration(s)" in result.findings[0].summary


def test_an_empty_database_lacks_all(scripts, tmp_path):
    """No revision at all."""
    result = ask(scripts, database_at(tmp_path))

    assert "3 migration(s)" in result.findings[0].summary


def test_a_database_ahead_of_the_code_is_told_from_one_behind(scripts, tmp_path):
    """A rollback of the release left a revision that the scripts do not know."""
    result = ask(scripts, database_at(tmp_path, "d4"))

    assert result.codes == ("BC302",)
    assert "d4" in result.findings[0].summary
    assert "do not know" in result.findings[0].summary


def test_several_heads_are_a_warning(scripts, tmp_path):
    """Two branches, each with a migration."""
    write(scripts, "c4", "b2")
    result = ask(scripts, database_at(tmp_path, "c3", "c4"))

    assert [(finding.code, finding.severity) for finding in result.findings] == [("BC302", "warning")]
    assert result.outcome("migrations.heads") is Outcome.FAILED
    assert result.outcome("migrations.pending") is Outcome.PASSED


def test_another_table_of_versions(scripts, tmp_path):
    """env.py may call it as it likes; the check has to be told."""
    url = database_at(tmp_path, "c3", table="shop_version")

    assert ask(scripts, url, version_table="shop_version")
    assert ask(scripts, url).codes == ("BC302",)


def test_a_script_that_cannot_be_loaded_is_evidence(scripts, tmp_path):
    """A syntax error in a migration stops `alembic upgrade` as well."""
    (scripts / "versions" / "broken_.py").write_text("def upgrade(:\n")
    result = ask(scripts, database_at(tmp_path, "c3"))

    assert result.codes == ("BC302",)
    assert result.outcome("migrations.scripts") is Outcome.FAILED
    assert "SyntaxError" in result.findings[0].evidence[0].text


def test_a_database_that_does_not_answer_is_no_second_alarm(scripts, closed_url):
    """Why it does not is the finding of database(...); here it is a doubt, without a password."""
    pytest.importorskip("pymysql", reason="PyMySQL is not installed")
    result = ask(scripts, closed_url)

    assert [(finding.code, finding.severity) for finding in result.findings] == [("BC302", "warning")]
    assert result.outcome("migrations.current") is Outcome.FAILED
    assert "hunter22-of-the-tests" not in str([finding.as_dict() for finding in result.findings])


def test_a_sqlite_file_that_does_not_exist_is_not_created(scripts, tmp_path):
    """Its first use will create it."""
    result = ask(scripts, f"sqlite:///{tmp_path}/new.db")

    assert result.outcome("migrations.current") is Outcome.SKIPPED
    assert not (tmp_path / "new.db").exists()


def test_a_directory_that_is_none_is_an_error_where_it_was_named(tmp_path, monkeypatch):
    """A path with a slip; without a path there is simply nothing to compare."""
    monkeypatch.chdir(tmp_path)

    assert ask(tmp_path / "migrashuns", "sqlite://").codes == ("BC302",)
    unnamed = run_check(migrations(), {"DATABASE_URL": "sqlite://"})
    assert unnamed
    assert unnamed.outcome("migrations.scripts") is Outcome.SKIPPED


def test_a_discovered_check_only_warns(scripts, tmp_path, monkeypatch):
    """A deployment may migrate after the start, on purpose."""
    monkeypatch.chdir(tmp_path)
    environ = {"DATABASE_URL": database_at(tmp_path, "a1")}
    (check,) = discover(environ, Server())
    result = run_check(check, environ)

    assert [(finding.code, finding.severity) for finding in result.findings] == [("BC302", "warning")]
    assert list(discover({}, Server())) == []


def test_the_directory_is_found_where_it_usually_is(scripts, tmp_path):
    """Flask-Migrate's, the one that alembic.ini names, and never Django's."""
    assert find_scripts(str(tmp_path)) == str(scripts)
    elsewhere = tmp_path / "deep" / "scripts"
    elsewhere.parent.mkdir()
    scripts.rename(elsewhere)
    assert find_scripts(str(tmp_path)) is None
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/deep/scripts\n")
    assert find_scripts(str(tmp_path)) == str(elsewhere)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = package:scripts\n")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_initial.py").write_text("")
    assert find_scripts(str(tmp_path)) is None


def test_options_that_cannot_be_meant_are_refused():
    """At the line that gives them."""
    with pytest.raises(CheckOptionError, match="directory"):
        migrations("")
    with pytest.raises(CheckOptionError, match="seconds"):
        migrations(seconds=0)
    assert MigrationsCheck.moment is Moment.PREFLIGHT


@pytest.fixture
def closed_url() -> str:
    """A URL to a port that refuses, with a password."""
    import socket

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
    return f"mysql+pymysql://app:hunter22-of-the-tests@127.0.0.1:{port}/app"
