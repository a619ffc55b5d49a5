"""One initialisation for all workers: tables and seed data on real databases, by real workers that start together."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid

import pytest

from tests.integration.harness import names_of, partly, wait_until

WORKERS = 4
DECLARED = """
import bootcheck
from bootcheck import checks

bootcheck.arm(globals(), checks=[checks.initialise("shop:init_database")])
"""
APP = """
import glob, os, time
import shop
with open("imported-%d" % os.getpid(), "w"):
    pass
def app(environ, start_response):
    start_response("200 OK", [])
    return [shop.count().encode()]
"""
SHOP = """
import glob, os, time
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, create_engine, func, select, text

engine = create_engine(os.environ["SHOP_URL"])
metadata = MetaData()
customers = Table("customers", metadata, Column("id", Integer, primary_key=True), Column("name", String(40)))
orders = Table("orders", metadata, Column("id", Integer, primary_key=True),
               Column("customer", ForeignKey("customers.id")))
calls = Table("calls", metadata, Column("id", Integer, primary_key=True), Column("pid", Integer))

def all_there(count):
    # Everybody has come to the same point: without a guard they would all go on together.
    end = time.monotonic() + 60
    while len(glob.glob("imported-*")) < count and time.monotonic() < end:
        time.sleep(0.01)
    assert len(glob.glob("imported-*")) >= count

def init_database():
    with open("calls", "a") as file:
        file.write("%d\\n" % os.getpid())
    all_there(4)
    before()
    metadata.create_all(engine)
    with engine.begin() as connection:
        if not connection.execute(select(func.count()).select_from(customers)).scalar():
            connection.execute(customers.insert(), [{"name": "first"}, {"name": "second"}])
        connection.execute(calls.insert(), {"pid": os.getpid()})

def before():
    pass

def count():
    with engine.connect() as connection:
        return "%d %d" % tuple(
            connection.execute(select(func.count()).select_from(table)).scalar() for table in (customers, calls)
        )
"""


DATABASES = ["postgresql", "sqlite"]


@pytest.fixture(params=DATABASES)
def shop_url(request, python, tmp_path):
    """An empty database of the test's own."""
    if "sqlalchemy" not in python.has:
        pytest.skip("sqlalchemy is not installed there")
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/shop.db"
        return
    if "psycopg" not in python.has:
        pytest.skip("psycopg is not installed there")
    postgres = request.getfixturevalue("postgres")
    name = f"shop_{uuid.uuid4().hex}"
    postgres.sql(f"CREATE DATABASE {name} OWNER app")
    try:
        yield postgres.url("postgresql+psycopg", user="app", database=name)
    finally:
        with contextlib.suppress(Exception):
            postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def shop(serve, shop_url):
    """Start four workers that all have the initialisation declared."""

    def start(source: str = SHOP, **options):
        return serve(
            app=APP,
            config=DECLARED,
            files={"shop.py": source},
            workers=WORKERS,
            environ={"SHOP_URL": shop_url},
            **options,
        )

    return start


def callers(server):
    """Return the pids of the processes that began the initialisation, in order."""
    path = server.home / "calls"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def outcomes(report):
    """Return the last outcome of each checkpoint, by name."""
    return {checkpoint["name"]: checkpoint["outcome"] for checkpoint in report["checkpoints"]}


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_four_workers_initialise_once(shop, preload):
    """One does it, phase by phase; the others wait and name it; nobody serves before it is done."""
    server = shop(SHOP.replace("all_there(4)", "all_there(1)") if preload else SHOP, options=["--preload"] * preload)
    server.wait_ready(WORKERS)
    assert server.get() == (200, b"2 1")
    assert server.stop() == 0

    (caller,) = callers(server)
    reports = {report["attributes"]["process.pid"]: report for report in server.reports("boot", "worker")}
    assert len(reports) == WORKERS
    did = outcomes(reports.pop(caller))
    expected = {"connectivity", "run", "table.customers", "table.orders", "table.calls", "tables", "transaction"}
    for name in {*expected, "returned", "health"}:
        assert did[f"initialisation.{name}"] == "passed", name
    for report in reports.values():
        (shared,) = [entry for entry in report["checkpoints"] if entry["name"] == "initialisation.shared"]
        assert (shared["outcome"], shared["detail"]["pid"]) == ("passed", caller)
        assert "initialisation.run" not in names_of(report)
    assert not server.reports("crash")


@pytest.mark.parametrize("shop_url", partly(DATABASES, "postgresql"), indirect=True)
def test_a_reload_initialises_once_more(shop):
    """HUP brings new code: one of the new workers does it again, and finds what is there."""
    server = shop()
    server.wait_ready(WORKERS)
    server.signal(signal.SIGHUP)
    server.wait_ready(2 * WORKERS)
    wait_until(lambda: len(server.workers()) == WORKERS, lambda: "the old workers' end" + server.story())
    assert server.get() == (200, b"2 2")
    assert server.stop() == 0

    first, second = callers(server)
    assert first != second
    assert not server.reports("crash")


@pytest.mark.parametrize("shop_url", partly(DATABASES, "postgresql"), indirect=True)
def test_a_replaced_worker_does_not_initialise(shop):
    """A worker that is started later finds the result."""
    server = shop()
    server.wait_ready(WORKERS)
    (caller,) = callers(server)
    os.kill(caller, signal.SIGTERM)
    server.wait_ready(WORKERS + 1)
    assert server.get() == (200, b"2 1")
    assert server.stop() == 0

    assert callers(server) == [caller]
    assert not server.reports("crash")


@pytest.mark.parametrize("shop_url", partly(DATABASES, "sqlite"), indirect=True)
def test_a_failed_initialisation_ends_the_server(shop):
    """The error of the one that ran it is told by all: each death has its report, and the server ends with 3."""
    server = shop(SHOP.replace("    pass\n", "    raise LookupError('no seed file')\n"))

    assert server.wait() == 3
    (caller,) = callers(server)
    found = {report["attributes"]["process.pid"]: report for report in server.reports("crash")}
    assert len(found) == WORKERS
    assert len(server.reports("crash")) == WORKERS
    verdict = found[caller]["verdict"]
    assert (verdict["cause"], verdict["code"]) == ("check_failed", "BC303")
    assert "no seed file" in verdict["summary"]
    (finding,) = [finding for finding in found[caller]["findings"] if finding["code"] == "BC303"]
    assert any("init_database" in item["text"] for item in finding["evidence"])
    assert outcomes(found[caller])["initialisation.run"] == "failed"
    for pid, report in found.items():
        assert report["step"] == "check.initialise" or report["verdict"]["cause"] == "sigterm"
        # A sibling that the end of the server overtook was told to end.
        assert report["verdict"]["cause"] in ("check_failed", "sigterm")
        if pid != caller and report["verdict"]["cause"] == "check_failed":
            assert f"process {caller}" in report["verdict"]["summary"]
    assert not server.leftovers()


@pytest.mark.parametrize("shop_url", partly(DATABASES, "sqlite"), indirect=True)
def test_another_worker_takes_over_from_a_killed_one(shop):
    """A worker that is killed in the middle costs its own boot only: the next one starts the work again."""
    kill = "    import signal, turn\n    if turn.first():\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    server = shop(SHOP.replace("    pass\n", kill))
    server.wait_ready(WORKERS)
    assert server.get() == (200, b"2 1")
    assert server.stop() == 0

    killed, second = callers(server)
    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("sigkill_external", "initialisation.run")
    assert report["attributes"]["process.pid"] == killed != second
