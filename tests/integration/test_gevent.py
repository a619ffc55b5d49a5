"""A gevent app with psycopg: greenlets go on while a query waits, because the master imported no driver."""

from __future__ import annotations

import json
import threading
import uuid

import pytest

from tests.integration.harness import PATIENCE, names_of, wait_until

pytestmark = pytest.mark.wide

CONFIG = """
import json, os, sys
import bootcheck

def pre_fork(server, worker):
    with open("master.json", "w") as file:
        json.dump([os.getpid(), sorted(sys.modules)], file)

bootcheck.arm(globals())
"""
APP = """
import os, time
import psycopg
URL = os.environ["DATABASE_URL"].replace("+psycopg", "")
LOCK = int(os.environ["LOCK"])
def app(environ, start_response):
    body = b"hello"
    if environ["PATH_INFO"] == "/wait":
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(%s), pg_sleep(0.1)", (LOCK,))
        body = b"waited"
    start_response("200 OK", [])
    return [body]
"""
DRIVERS = {"psycopg", "psycopg2", "sqlalchemy", "psycopg_binary", "psycopg_c"}


@pytest.mark.parametrize("declared", [False, True], ids=["discovered", "declared"])
def test_greenlets_switch_while_a_query_waits(serve, python, postgres, declared):
    """One worker answers other requests while a query of the first one waits in the database."""
    if "psycopg" not in python.has:
        pytest.skip("psycopg is not installed there")
    lock = uuid.uuid4().int % 2**62
    config = CONFIG
    if declared:
        config = config.replace("(globals())", "(globals(), checks=[bootcheck.checks.database()])")
        config = config.replace("import bootcheck\n", "import bootcheck, bootcheck.checks\n")
    server = serve(
        app=APP,
        config=config,
        worker_class="gevent",
        environ={"DATABASE_URL": postgres.url(user="app", database="app"), "LOCK": str(lock)},
    )
    server.wait_ready()
    answer: list[tuple[int, bytes]] = []
    # Such locks are known in one database only.
    with postgres.connect(database="app") as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (lock,))
        client = threading.Thread(target=lambda: answer.append(server.get("/wait", limit=PATIENCE * 2)))
        client.start()
        try:
            waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = %s"
            wait_until(
                lambda: holder.execute(waits, (lock % 2**32,)).fetchone()[0],
                lambda: "a query that waits" + server.story(),
            )
            others = [server.get() for _ in range(3)]
            assert not answer
        finally:
            holder.execute("SELECT pg_advisory_unlock(%s)", (lock,))
            client.join()
    assert server.stop() == 0

    assert others == [(200, b"hello")] * 3
    assert answer == [(200, b"waited")]
    pid, modules = json.loads((server.home / "master.json").read_text())
    assert pid == server.pid
    assert not DRIVERS & {name.partition(".")[0] for name in modules}
    # It was the driver's own connection that the preflight opened, in its child.
    (master,) = server.reports("boot", "master")
    assert {"database.login", "database.select"} <= set(names_of(master))
    assert [finding for finding in master["findings"] if finding["severity"] == "error"] == []
    assert not server.reports("crash")


@pytest.mark.parametrize("kind", ["sync", "gevent"])
def test_the_master_loads_no_driver_for_any_database(serve, python, postgres, mariadb, kind, tmp_path):  # noqa: PLR0917
    """PostgreSQL, MariaDB and SQLite are all asked in the child: the master has none of their modules afterwards."""
    if not {"psycopg", "pymysql"} <= python.has:
        pytest.skip("psycopg or pymysql is not installed there")
    config = CONFIG.replace(
        "(globals())",
        '(globals(), checks=[bootcheck.checks.database(url_env=name) for name in ("PG_URL", "MY_URL", "LITE_URL")])',
    ).replace("import bootcheck\n", "import bootcheck, bootcheck.checks\n")
    (tmp_path / "lite.db").touch()
    server = serve(
        config=config,
        worker_class=kind,
        environ={
            "PG_URL": postgres.url(user="app", database="app"),
            "MY_URL": mariadb.url(),
            "LITE_URL": f"sqlite:///{tmp_path}/lite.db",
        },
    )
    server.wait_ready()
    assert server.stop() == 0

    _, modules = json.loads((server.home / "master.json").read_text())
    assert not (DRIVERS | {"pymysql", "MySQLdb", "sqlite3", "_sqlite3"}) & {name.partition(".")[0] for name in modules}
    (master,) = server.reports("boot", "master")
    assert names_of(master).count("database.select") >= 3
