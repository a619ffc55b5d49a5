"""A preloaded app whose pool is warm when its workers are forked: every answer is the right one.

Plain Gunicorn's half of each pair shows that the test would see the corruption.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.integration.corruption import ask
from tests.integration.harness import partly, wait_until

pytestmark = pytest.mark.wide

REQUESTS = 1_000
FEWER = 400  # ten workers that end after 40
MODULES = {
    "postgresql+psycopg": "psycopg",
    "postgresql+psycopg2": "psycopg2",
    "mysql+pymysql": "pymysql",
    "mysql+mysqldb": "MySQLdb",
}
APP = """
import json, os, threading
from sqlalchemy import create_engine, text
from sqlalchemy.orm import scoped_session, sessionmaker

URL = os.environ["DATABASE_URL"]
POSTGRES = URL.startswith("postgresql")
SELECT = text("SELECT CAST(:n AS integer), pg_sleep(0.003)" if POSTGRES else "SELECT :n, SLEEP(0.003)")
SESSION = text("SELECT pg_backend_pid()" if POSTGRES else "SELECT CONNECTION_ID()")

engine = create_engine(URL, pool_size=5, max_overflow=5)
Session = scoped_session(sessionmaker(engine))

def warm():
    held = [engine.connect() for _ in range(int(os.environ["WARM"]))]
    sessions = [connection.execute(SESSION).scalar() for connection in held]
    for connection in held:
        connection.close()
    return sessions

def beat():
    while True:
        try:
            with engine.connect() as connection:
                line = "%d" % connection.execute(SESSION).scalar()
        except Exception as exc:
            line = "error %r" % exc
        with open("beats", "a") as file:
            file.write(line.replace("\\n", " ") + "\\n")
        threading.Event().wait(0.005)

def ask(n):
    with engine.connect() as connection:
        return connection.execute(SELECT, {"n": n}).first()[0]

def ask_session(n):
    try:
        return Session.execute(SELECT, {"n": n}).first()[0]
    finally:
        Session.remove()

def whose():
    with engine.connect() as connection:
        return connection.execute(SESSION).scalar()

with open("warmed", "w") as file:
    json.dump(warm(), file)
if "HEARTBEAT" in os.environ:
    threading.Thread(target=beat, daemon=True).start()
if "OPEN_SESSION" in os.environ:
    Session.execute(SESSION)
    ask = ask_session

def app(environ, start_response):
    try:
        path = environ["PATH_INFO"].strip("/")
        status, body = "200 OK", str(whose() if path == "whose" else ask(int(path)))
    except Exception as exc:
        status, body = "500 Internal Server Error", "%s: %s" % (type(exc).__name__, exc)
    start_response(status, [("Content-Type", "text/plain")])
    return [body.encode("utf-8", "replace")]
"""


@pytest.fixture(params=partly(list(MODULES), "postgresql+psycopg", "mysql+pymysql"))
def url(request, python):
    """A URL of a real server for each driver that the interpreter has; encryption would hide rows that are mixed up."""
    if not {"sqlalchemy", MODULES[request.param]} <= python.has:
        pytest.skip(f"sqlalchemy or {MODULES[request.param]} is not installed there")
    if request.param.startswith("postgresql"):
        server = request.getfixturevalue("postgres")
        return server.url(request.param, user="app", database="app", query="sslmode=disable")
    return request.getfixturevalue("mariadb").url(request.param)


@pytest.fixture
def pooled(serve, url):
    """Start the app under --preload with its pool warm."""

    def start(*, workers: int = 4, warm: int = 5, options=(), environ=None):
        return serve(
            app=APP,
            workers=workers,
            options=["--preload", "--timeout", "60", *options],
            environ={"DATABASE_URL": url, "WARM": str(warm), **(environ or {})},
        )

    return start


def plain(pooled, **options):
    """Start it without bootcheck. A worker that waits for its neighbour's answer must not delay the stop."""
    environ = {"BOOTCHECK_DISABLE": "1", **options.pop("environ", {})}
    return pooled(environ=environ, options=["--graceful-timeout", "1"], **options)


def guards(server):
    """Return what was done in each worker that became ready, by its pid."""
    return {
        report["attributes"]["process.pid"]: [guard for guard in report["guards"] if guard["name"] == "fresh_pools"]
        for report in server.reports("boot", "worker")
    }


def beats(server):
    """Return the master's own queries: the sessions in which they ran, and those that failed."""
    lines = (server.home / "beats").read_text().splitlines()
    return [line for line in lines if not line.startswith("error")], [
        line for line in lines if line.startswith("error")
    ]


def test_every_worker_answers_with_its_own_rows(pooled):
    """1,000 requests over four workers: no wrong row, no error; the reports say what was done."""
    server = pooled()
    server.wait_ready(4)
    warmed = set(json.loads((server.home / "warmed").read_text()))
    seen = {int(server.get("/whose")[1]) for _ in range(20)}
    answers = ask(server, REQUESTS)
    assert server.stop() == 0

    assert (answers.right, answers.bad) == (REQUESTS, [])
    # The database itself tells the workers' sessions from those that the import opened.
    assert seen.isdisjoint(warmed)
    done = guards(server)
    assert len(done) == 4
    for records in done.values():
        assert [(record["action"], record["connections"]) for record in records] == [("closed", 5)]
        assert "***" in records[0]["owner"]
    assert not server.reports("crash"), server.story()


def test_without_bootcheck_the_same_requests_go_wrong(pooled, url):
    """Plain Gunicorn mixes answers up; if it did not, the test before would prove nothing."""
    # MySQL's drivers notice a mixed-up answer and reconnect: one burst of errors after a fork, then silence.
    rounds, workers, warm = (3, 4, 1) if url.startswith("postgresql") else (12, 8, 5)
    for _ in range(rounds):
        server = plain(pooled, workers=workers, warm=warm)
        server.wait_for_line("Booting worker", count=workers)
        answers = ask(server, REQUESTS, until_bad=True)
        server.stop()
        assert server.own_lines == []
        if answers.bad:
            return

    pytest.fail(f"{rounds} rounds of {REQUESTS} requests without a wrong answer")


@pytest.mark.parametrize("url", partly(list(MODULES), "mysql+pymysql"), indirect=True)
def test_the_masters_own_connections_live_on(pooled):
    """A thread of the master that uses the same engine sees no error while workers answer, end and are replaced."""
    server = pooled(environ={"HEARTBEAT": "1"}, options=["--max-requests", "40"])
    server.wait_ready(4)
    answers = ask(server, FEWER)
    server.wait_ready(10)
    # A stop in the middle of a boot is a death, and not what is looked for here.
    wait_until(
        lambda: server.stderr.count("Booting worker") == len(server.reports("boot", "worker")),
        lambda: "the last replacement" + server.story(),
    )
    before = len(beats(server)[0])
    wait_until(lambda: len(beats(server)[0]) > before + 20, lambda: "more heartbeats" + server.story())
    (sessions, failed), warmed = beats(server), json.loads((server.home / "warmed").read_text())
    assert server.stop() == 0

    assert (answers.right, answers.bad) == (FEWER, [])
    assert failed == []
    # The very connections that the import opened, not new ones.
    assert {int(session) for session in sessions} <= set(warmed)
    actions = Counter(record["action"] for records in guards(server).values() for record in records)
    assert set(actions) <= {"neutralised", "invalidated"}
    assert actions["neutralised"] >= 10 * 5
    # A worker that another one's last request had replaced may be in the middle of its boot at the stop.
    assert {report["verdict"]["cause"] for report in server.reports("crash")} <= {"sigterm"}, server.story()


@pytest.mark.parametrize("url", partly(list(MODULES), "postgresql+psycopg"), indirect=True)
def test_a_session_left_open_at_import_is_clean(pooled):
    """A scoped session that the import never closed serves each worker with a connection of its own."""
    server = pooled(environ={"OPEN_SESSION": "1"}, warm=1)
    server.wait_ready(4)
    answers = ask(server, FEWER)
    assert server.stop() == 0

    assert (answers.right, answers.bad) == (FEWER, [])
    done = guards(server)
    assert len(done) == 4
    for records in done.values():
        assert [record["action"] for record in records] == ["neutralised", "invalidated"]
    assert not server.reports("crash"), server.story()


@pytest.mark.parametrize("url", ["postgresql+psycopg"], indirect=True)
def test_without_bootcheck_an_open_session_is_shared(pooled):
    """The same on plain Gunicorn: the first requests of two workers share one connection."""
    for _ in range(4):
        server = plain(pooled, environ={"OPEN_SESSION": "1"}, warm=1)
        server.wait_for_line("Booting worker", count=4)
        answers = ask(server, REQUESTS, until_bad=True)
        server.stop()
        if answers.bad:
            return

    pytest.fail("4 rounds without a wrong answer")


@pytest.mark.parametrize("url", partly(list(MODULES), "postgresql+psycopg"), indirect=True)
def test_one_worker_keeps_what_it_inherited(pooled):
    """With one worker the inherited connection works: it is used, and the report says that it was seen."""
    server = pooled(workers=1, warm=1)
    server.wait_ready()
    status, session = server.get("/whose")
    answers = ask(server, 50)
    warmed = json.loads((server.home / "warmed").read_text())
    assert server.stop() == 0

    assert (status, [int(session)]) == (200, warmed)
    assert (answers.right, answers.bad) == (50, [])
    ((record,),) = guards(server).values()
    assert record["action"] == "reported"
    (worker,) = server.reports("boot", "worker")
    assert [(item["code"], item["severity"]) for item in worker["findings"] if item["code"] == "BC201"] == [
        ("BC201", "info")
    ]
