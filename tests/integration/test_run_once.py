"""One worker does it: eight workers of one server, two servers on one real database, holders killed and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid

import pytest

from tests.integration.harness import FULL, names_of, wait_until

pytestmark = pytest.mark.wide

WORKERS = 8
APP = """
import os, time
import bootcheck

def seed():
    with open(os.environ["CALLS"], "a") as file:
        file.write("%d\\n" % os.getpid())
    act()
    return {"rows": 3}

def act():
    time.sleep(0.3)

value = bootcheck.run_once("seed", seed OPTIONS)

def app(environ, start_response):
    start_response("200 OK", [])
    return [str(value["rows"]).encode()]
"""
FIRST_ONLY = """
def act():
    try:
        os.close(os.open(os.environ["CALLS"] + ".first", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    os.kill(os.getpid(), {signo})
"""


def app(options="", act=""):
    """Return an app that seeds once."""
    plain = APP.replace(" OPTIONS", f", {options}" if options else "")
    return plain if not act else plain.replace("\nvalue =", f"\n{act}\nvalue =")


@pytest.fixture
def calls(tmp_path):
    """The file in which each call leaves its pid, shared by servers."""
    return tmp_path / "calls"


def pids(calls):
    """Return who did the work, in order."""
    return [int(line) for line in calls.read_text().split()] if calls.exists() else []


def up(server, count):
    """Wait until so many workers have said that they are ready; on a slow disk not each leaves its report."""
    server.wait_for_line(r"^bootcheck: worker \d+ ready after", count=count)
    return server


def seeded(report):
    """Return the detail of the step that seeded, or waited for it."""
    (entry,) = [item for item in report["checkpoints"] if item["name"] == "once.seed" and item["outcome"] == "passed"]
    return entry["detail"]


@pytest.mark.parametrize("kind", ["sync", "gevent"] if FULL else ["sync"])
def test_eight_workers_do_it_once(serve, calls, kind):
    """All have the value; a worker that comes later finds it; a reload, which brings new code, does it again."""
    server = serve(app=app(), workers=WORKERS, worker_class=kind, environ={"CALLS": str(calls)})
    up(server, WORKERS)
    (caller,) = pids(calls)

    assert server.get() == (200, b"3")
    told = [seeded(report) for report in server.reports("boot", "worker")]
    assert [detail["did"] for detail in told].count(True) <= 1
    assert {detail["pid"] for detail in told} <= {caller}
    os.kill(server.workers()[0], signal.SIGTERM)
    up(server, WORKERS + 1)
    assert pids(calls) == [caller]
    server.signal(signal.SIGHUP)
    up(server, 2 * WORKERS + 1)
    assert len(pids(calls)) == 2
    wait_until(lambda: len(server.workers()) == WORKERS, "the old workers' end")
    assert server.stop() == 0
    assert not server.reports("crash")


def test_another_start_of_the_server_does_it_again(serve, calls):
    """And a scope is for all starts of a deployment."""
    server = up(serve(app=app(), workers=2, environ={"CALLS": str(calls)}), 2)
    server.stop()
    up(server.start(), 4)
    server.stop()
    assert len(pids(calls)) == 2

    scoped = up(serve(app=app("scope='release-7'"), workers=2, environ={"CALLS": str(calls)}), 2)
    scoped.stop()
    up(scoped.start(), 4)
    assert len(pids(calls)) == 3


def test_a_worker_that_was_killed_in_the_middle_is_succeeded(serve, calls):
    """Its death is one report with that step; the next one does it, and nobody hangs."""
    server = serve(app=app(act=FIRST_ONLY.format(signo=int(signal.SIGKILL))), workers=4, environ={"CALLS": str(calls)})
    up(server, 4)

    (death,) = server.wait_for_reports("crash")
    assert (death["verdict"]["cause"], death["step"]) == ("sigkill_external", "once.seed")
    killed, successor = pids(calls)
    assert death["attributes"]["process.pid"] == killed
    assert killed != successor
    assert server.get() == (200, b"3")
    assert server.stop() == 0


def test_a_worker_that_was_stopped_is_named_by_the_others(serve, calls):
    """They end with who has it, in the time that was said; the server stops as with any boot failure."""
    server = serve(
        app=app("timeout_s=1", act=FIRST_ONLY.format(signo=int(signal.SIGSTOP))),
        workers=3,
        options=["--graceful-timeout", "1"],
        environ={"CALLS": str(calls)},
    )

    assert server.wait() == 3
    (stopped,) = pids(calls)
    told = [report for report in server.reports("crash") if report["attributes"]["process.pid"] != stopped]
    failed = [report for report in told if report["verdict"]["cause"] == "exception"]
    assert failed
    for report in failed:
        assert report["step"] == "once.seed"
        assert report["attributes"]["exception.type"] == "bootcheck.model.errors.OnceHeld"
        assert (
            f"process {stopped} on {os.uname().nodename} has had it since" in report["attributes"]["exception.message"]
        )
        assert [item["code"] for item in report["findings"]] == ["BC307"]


# -- two servers on one database

LOCKS = {
    "psycopg": "lock=os.environ['SHOP_URL']",
    "engine": "lock=__import__('sqlalchemy').create_engine(os.environ['SHOP_URL'])",
    "function": "lock=lambda: __import__('psycopg').connect(os.environ['SHOP_URL'].replace('+psycopg', ''))",
    "psycopg2": "lock=os.environ['SHOP_URL'].replace('+psycopg', '+psycopg2')",
}


@pytest.fixture
def shop_url(postgres):
    """An empty database of the test's own."""
    name = f"once_{uuid.uuid4().hex}"
    postgres.sql(f"CREATE DATABASE {name} OWNER app")
    try:
        yield postgres.url("postgresql+psycopg", user="app", database=name)
    finally:
        with contextlib.suppress(Exception):
            postgres.sql(f"DROP DATABASE {name} WITH (FORCE)")


def two(serve, python, source, environ, *, workers=3, options=()):
    """Start two servers at once, in directories of their own."""
    for needed in ("psycopg", "psycopg2", "sqlalchemy"):
        if needed not in python.has:
            pytest.skip(f"{needed} is not installed there")
    return [serve(app=source, workers=workers, environ=environ, options=options) for _ in range(2)]


@pytest.mark.parametrize("how", LOCKS if FULL else ["psycopg"])
def test_two_servers_on_one_postgresql_do_it_once(serve, python, calls, shop_url, how):
    """Six workers of two servers, the table made by whoever is first: one call, one value for all."""
    source = app(f"scope='r1', {LOCKS[how]}")
    servers = two(serve, python, source, {"CALLS": str(calls), "SHOP_URL": shop_url})
    for server in servers:
        up(server, 3)

    (caller,) = pids(calls)
    told = [seeded(report) for server in servers for report in server.reports("boot", "worker")]
    assert [detail["did"] for detail in told].count(True) <= 1
    assert {(detail["pid"], detail["host"]) for detail in told} <= {(caller, os.uname().nodename)}
    for server in servers:
        assert server.get() == (200, b"3")
        assert server.stop() == 0
        assert not server.reports("crash")
    # A third server, later, finds it done.
    server = up(serve(app=source, environ={"CALLS": str(calls), "SHOP_URL": shop_url}), 1)
    assert server.get() == (200, b"3")
    assert pids(calls) == [caller]


def test_a_holder_on_postgresql_that_was_killed_is_succeeded(serve, python, calls, shop_url):
    """Its connection ends with it, and somebody in either server takes over."""
    source = app(f"scope='r1', {LOCKS['psycopg']}", act=FIRST_ONLY.format(signo=int(signal.SIGKILL)))
    servers = two(serve, python, source, {"CALLS": str(calls), "SHOP_URL": shop_url}, workers=2)
    for server in servers:
        up(server, 2)

    killed, successor = pids(calls)
    assert killed != successor
    deaths = [report for server in servers for report in server.reports("crash")]
    assert [report["attributes"]["process.pid"] for report in deaths] == [killed]
    for server in servers:
        assert server.get() == (200, b"3")


def test_a_holder_on_postgresql_that_was_stopped_is_named(serve, python, calls, shop_url):
    """By the workers of the other machine, in time: pid, host, since when."""
    source = app(f"scope='r1', timeout_s=1.5, {LOCKS['psycopg']}", act=FIRST_ONLY.format(signo=int(signal.SIGSTOP)))
    options = ["--graceful-timeout", "1"]
    servers = two(serve, python, source, {"CALLS": str(calls), "SHOP_URL": shop_url}, workers=2, options=options)
    assert [server.wait() for server in servers] == [3, 3]

    (stopped,) = pids(calls)
    for server in servers:
        failed = [report for report in server.reports("crash") if report["verdict"]["cause"] == "exception"]
        for report in failed:
            assert f"process {stopped} on {os.uname().nodename} has had it since" in str(report["verdict"])
            assert "p@ss" not in str(report)
    assert any(server.reports("crash") for server in servers)


def test_mariadb_keeps_the_work_apart_by_database(python, calls, mariadb, monkeypatch):
    """Its locks are the server's: another database is another work; a URL and an engine are the same."""
    if not {"pymysql", "sqlalchemy"} <= python.has:
        pytest.skip("pymysql or sqlalchemy is not installed there")
    import sqlalchemy

    import bootcheck

    ran = []
    engine = sqlalchemy.create_engine(mariadb.url())
    key = f"seed-{uuid.uuid4().hex}"

    def once(lock):
        return bootcheck.run_once(key, lambda: ran.append(1) or len(ran), lock=lock)

    try:
        assert [once(mariadb.url()), once(engine), once(mariadb.url("mysql+mysqldb"))] == [1, 1, 1]
        assert once(mariadb.url(user="boss", database="other")) == 2
        assert not engine.pool.checkedout()
    finally:
        engine.dispose()
        mariadb.sql("DROP TABLE app.bootcheck_run_once", "DROP TABLE other.bootcheck_run_once")


def test_work_that_outlives_its_session_is_marked_all_the_same(python, postgres, shop_url):
    """A firewall, a restart of the server: it is done, and nobody does it again."""
    if "psycopg" not in python.has:
        pytest.skip("psycopg is not installed there")
    import bootcheck

    def work():
        ended = postgres.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{shop_url.rpartition('/')[2]}' AND pid <> pg_backend_pid()"
        )
        return len(ended)

    assert bootcheck.run_once("seed", work, lock=shop_url) == 1
    assert bootcheck.run_once("seed", lambda: "again", lock=shop_url) == 1


def test_every_way_to_name_a_postgresql_is_the_same_lock(python, shop_url):
    """A URL of either driver, an engine, a function: the first one did it, and the engine's pool is not touched."""
    if not {"psycopg", "psycopg2", "sqlalchemy"} <= python.has:
        pytest.skip("a driver is not installed there")
    import psycopg
    import sqlalchemy

    import bootcheck

    ran = []
    engine = sqlalchemy.create_engine(shop_url)
    bare = shop_url.replace("+psycopg", "")
    locks = [shop_url, engine, shop_url.replace("+psycopg", "+psycopg2"), bare, lambda: psycopg.connect(bare)]
    try:
        got = [bootcheck.run_once("seed", lambda: ran.append(1) or len(ran), lock=lock) for lock in locks]
    finally:
        engine.dispose()

    assert got == [1] * 5
    assert engine.pool.checkedout() == 0


def test_a_database_that_grants_no_table_says_which_one(python, mariadb, postgres):
    """With the statement that makes it."""
    import bootcheck

    for url in (mariadb.url(user="reader"), postgres.url("postgresql", user="reader", database="app")):
        with pytest.raises(bootcheck.BootcheckError, match="make it once: CREATE TABLE IF NOT EXISTS"):
            bootcheck.run_once("seed", list, lock=url)


def test_names_are_checkpoints(serve, calls):
    """The step stands inside the app's import."""
    server = serve(app=app(), environ={"CALLS": str(calls)})
    (report,) = server.wait_for_reports("boot", role="worker")
    names = names_of(report)

    assert names.index("app.load") < names.index("once.seed")
