"""What is installed is found out without importing it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from bootcheck.checks.drivers import DRIVERS, Installation, candidates
from bootcheck.checks.urls import parse


def test_modules_are_found_without_an_import(tmp_path, monkeypatch):
    """A module that would end the process when imported is found, and not imported."""
    tmp_path.joinpath("deadly_driver.py").write_text("raise SystemExit(9)", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()

    assert Installation().has("deadly_driver")
    assert not Installation().has("no_such_driver")
    assert "deadly_driver" not in sys.modules


def test_a_module_without_a_spec_counts_as_there(monkeypatch):
    """A stand-in that the app put into sys.modules is there."""
    stand_in = type(sys)("stand_in_driver")
    stand_in.__spec__ = None
    monkeypatch.setitem(sys.modules, "stand_in_driver", stand_in)

    assert Installation().has("stand_in_driver")


def test_a_version_is_read_from_metadata_alone():
    """The whole question of a URL loads neither SQLAlchemy nor a driver."""
    script = (
        "import sys\n"
        "from bootcheck.checks.database_url import database_url\n"
        "from bootcheck.testing import run_check\n"
        "result = run_check(database_url(), {'DATABASE_URL': 'postgresql://u:p@h/d'})\n"
        "assert result.outcome('database_url.driver')\n"
        "loaded = {'sqlalchemy', 'psycopg', 'psycopg2', 'MySQLdb', 'django', 'flask'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    source = Path(importlib.import_module("bootcheck").__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(source)}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_versions(tmp_path, monkeypatch):
    """Release candidates and broken metadata are survived."""
    for name, version in (("one", "2.0.30"), ("two", "2.1.0rc1"), ("three", "weird")):
        folder = tmp_path / f"bctest_{name}-{version}.dist-info"
        folder.mkdir()
        folder.joinpath("METADATA").write_text(f"Name: bctest-{name}\nVersion: {version}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    assert Installation().version("bctest-one") == (2, 0, 30)
    assert Installation().version("bctest-two") == (2, 1, 0)
    assert Installation().version("bctest-three") == ()
    assert Installation().version("bctest-none") is None


@pytest.mark.parametrize(
    ("text", "sqlalchemy", "modules"),
    [
        ("postgresql://h/d", (2, 0, 30), ["psycopg2"]),
        ("postgresql://h/d", (1, 4, 0), ["psycopg2"]),
        ("postgresql://h/d", (2, 1, 0), ["psycopg"]),
        ("postgresql://h/d", (), ["psycopg", "psycopg2"]),
        ("postgresql+psycopg://h/d", (2, 0, 30), ["psycopg"]),
        ("postgresql+asyncpg://h/d", (2, 0, 30), ["asyncpg"]),
        ("mysql://h/d", (2, 0, 30), ["MySQLdb"]),
        ("mariadb://h/d", (2, 0, 30), ["MySQLdb"]),
        ("mysql+pymysql://h/d", (2, 0, 30), ["pymysql"]),
        ("oracle://h/d", (2, 0, 30), ["cx_Oracle"]),
        ("oracle://h/d", (2, 1, 0), ["oracledb"]),
        ("mssql://h/d", (2, 0, 30), ["pyodbc"]),
        ("sqlite:///x", (2, 0, 30), ["sqlite3"]),
        ("postgresql+nope://h/d", (2, 0, 30), []),
        ("foo://h/d", (2, 0, 30), []),
        ("mysql+pymysql://h/d", None, ["pymysql"]),
        ("postgis://h/d", None, [driver.module for driver in DRIVERS["postgresql"].values()]),
    ],
)
def test_the_driver_of_a_url(text, sqlalchemy, modules):
    """SQLAlchemy's version decides the default; without SQLAlchemy any driver will do."""
    assert [driver.module for driver in candidates(parse(text), sqlalchemy)] == modules


def test_the_defaults_are_those_of_the_installed_sqlalchemy():
    """The table agrees with SQLAlchemy itself."""
    engine = pytest.importorskip("sqlalchemy.engine")
    version = Installation().version("sqlalchemy")
    for dialect in DRIVERS:
        (wanted,) = candidates(parse(f"{dialect}://"), version)
        assert engine.make_url(f"{dialect}://").get_dialect().driver == wanted.name


def test_pip_lines():
    """A requirement with an extra is quoted, so that every shell takes it."""
    assert DRIVERS["postgresql"]["psycopg"].pip == 'pip install "psycopg[binary]"'
    assert DRIVERS["mysql"]["mysqldb"].pip == "pip install mysqlclient"


def test_dialects_of_other_packages(tmp_path, monkeypatch):
    """Entry points are read from metadata, and broken ones of other people are survived."""
    folder = tmp_path / "bctest_dialect-1.0.dist-info"
    folder.mkdir()
    folder.joinpath("METADATA").write_text("Name: bctest-dialect\nVersion: 1.0\n", encoding="utf-8")
    points = folder / "entry_points.txt"
    points.write_text("[sqlalchemy.dialects]\nbctest = nowhere:Dialect\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    assert "bctest" in Installation().dialects()

    def broken(**_: str) -> None:
        raise ValueError

    monkeypatch.setattr("importlib.metadata.entry_points", broken)
    monkeypatch.setattr("importlib.metadata.version", broken)
    assert Installation().dialects() == frozenset()
