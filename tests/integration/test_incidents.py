"""The five incidents that bootcheck exists for: run, killed, and told afterwards, from logs alone and from reports.

Each runs as its team had it, and with bootcheck looking on without preventing anything.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bootcheck.analysis.pattern import GAP
from bootcheck.cli import main
from tests.integration.harness import FULL, Server, wait_until

HANGS = """
import os, socket
open("here-%d" % os.getpid(), "w").close()
print("Model imports completed successfully", flush=True)

def initialise_database():
    # A driver that waits for the server's first word; it never comes.
    with socket.create_connection(("127.0.0.1", int(os.environ["DB_PORT"]))) as connection:
        connection.recv(1)

initialise_database()
"""
CHECKED = """
import bootcheck
from bootcheck import checks

bootcheck.arm(globals(), checks=[checks.database("DB_URL", connect_timeout=0.5)])
"""
POOL = """
import os
from sqlalchemy import create_engine, text

engine = create_engine(os.environ["POOL_URL"], pool_size=4, max_overflow=0)

def seed():
    held = [engine.connect() for _ in range(4)]
    for connection in held:
        connection.execute(text("SELECT 1"))
        connection.close()

seed()

def app(environ, start_response):
    n = int(environ["PATH_INFO"].strip("/"))
    with engine.connect() as connection:
        answer = connection.execute(text("SELECT :n, SLEEP(0.003)"), {"n": n}).first()[0]
    start_response("200 OK", [])
    return [str(answer).encode()]
"""
RAW = """
import os, pymysql
from sqlalchemy.engine import make_url

url = make_url(os.environ["POOL_URL"])
connection = pymysql.connect(
    host=url.host, port=url.port, user=url.username, password=url.password, database=url.database
)

def app(environ, start_response):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchall()
    start_response("200 OK", [])
    return [b"ok"]
"""
LAZY_MODEL = """
import threading, time
both, loading, model = threading.Barrier(2), threading.Lock(), None

def load():
    # A library that keeps its state in a global, as many do.
    if not loading.acquire(blocking=False):
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    both.wait(60)
    time.sleep(0.2)  # who is inside for less does not load
    loading.release()
    return "weights"
#WATCH
def get_model():
    global model
    if model is None:
        model = load()
    return model

def app(environ, start_response):
    if environ["PATH_INFO"] == "/first":
        get_model()
    elif environ["PATH_INFO"] == "/second":
        while not loading.locked():
            pass
        try:
            get_model()
        finally:
            both.wait(60)
    start_response("200 OK", [])
    return [b"ok"]
"""
WATCH = "import bootcheck\nload = bootcheck.load_once(load, name='model', detect_only=True)\n"
LIFESPAN = """
import os, time, traceback

def load_model():
    open("here-%d" % os.getpid(), "w").close()
    time.sleep(float(os.environ["LOADS"]))

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        try:
            load_model()
        except BaseException:
            # As Starlette does.
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
"""
LOADS = """
import time
open("here-0", "w").close()
def load_model():
    time.sleep(600)
load_model()
"""
SEGFAULT = """
def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST":
        import ctypes
        ctypes.string_at(0)
    start_response("200 OK", [])
    return [b"ok"]
"""
LIFE = GAP + 0.2
"""Seconds after which the supervisor of incident A loses patience: what is nearer together is one wave."""
STARTS = 4 if FULL else 2


@pytest.fixture
def told(capsys) -> Callable[..., tuple[list[dict[str, Any]], str]]:
    """Run `bootcheck analyze` on places, and return the incidents and the Markdown report."""

    def run(*places: object, options: Sequence[str] = ()) -> tuple[list[dict[str, Any]], str]:
        capsys.readouterr()
        words = ["analyze", *options, *map(str, places)]
        code = main([*words, "--format", "json"])
        answer = json.loads(capsys.readouterr().out)
        assert main([*words, "--format", "markdown"]) == code == bool(answer["incidents"])
        return answer["incidents"], capsys.readouterr().out

    return run


def plain(serve, app: str, **options: Any) -> Server:
    """Start the server as its team had it: without bootcheck."""
    return serve(app=app, config=None, stored=False, **options)


def log(server: Server) -> object:
    """Return what the server printed."""
    return server.home / "stderr"


def wait_for_workers(server: Server, count: int) -> None:
    """Wait until so many workers are where they will stand until they die."""
    wait_until(lambda: len(list(server.home.glob("here-*"))) >= count, server.story)


def test_a_all_workers_die_together_again_and_again(serve, told, python, mute_server):
    """One incident of four workers a wave, with the interval; the reports know the step, and what the preflight saw."""
    if "psycopg" not in python.has:
        pytest.skip("psycopg is not installed there")
    url = f"postgresql+psycopg://app:secret@127.0.0.1:{mute_server}/app"
    environ = {"DB_PORT": str(mute_server), "DB_URL": url, "BOOTCHECK_ENFORCE": "observe"}
    options = {"workers": 4, "environ": environ}
    bare = plain(serve, HANGS, options=["--graceful-timeout", "3"], **options)
    armed = serve(app=HANGS, config=CHECKED, **options)
    for start in range(1, STARTS + 1):
        for server in (bare, armed):
            wait_for_workers(server, 4 * start)
        time.sleep(LIFE)
        for server in (bare, armed):
            server.signal(signal.SIGTERM)
        for server in (bare, armed):
            server.wait()
            if start < STARTS:
                server.start()
    count = 4 * STARTS
    again = "It happened twice, " if STARTS == 2 else f"It came {STARTS} times, "

    (incident,), report = told(log(bare))
    assert (incident["cause_class"], incident["count"]) == ("shutdown-timeout", count)
    assert any("its start hangs" in action for action in incident["action"])
    assert again in report
    assert "known from logs only" in report
    incidents, report = told(armed.directory)
    workers = next(one for one in incidents if one["processes"][0]["role"] == "worker")
    assert (workers["code"], workers["cause"], workers["cause_class"]) == ("BC505", "sigterm", "external-stop")
    assert workers["count"] == count
    assert "in step app.load" in workers["summary"]
    assert again in report
    assert any(item["text"].startswith("BC212 database-timeout: ") for item in workers["evidence"])
    assert "database" in workers["action"][0]


def test_b_workers_share_the_masters_connection(serve, told, python, mariadb):
    """The log of the requests that fail is enough for the cause; observing, the reports name the connection."""
    if not {"sqlalchemy", "pymysql"} <= python.has:
        pytest.skip("SQLAlchemy or PyMySQL is not installed there")
    url = {"POOL_URL": mariadb.url("mysql+pymysql")}
    bare = plain(serve, POOL, workers=4, options=["--preload", "--graceful-timeout", "1"], environ=url)
    armed = serve(
        app=RAW, workers=2, options=["--preload"], environ={**url, "BOOTCHECK_ENFORCE": "observe"}
    ).wait_ready(2)
    bare.wait_for_line("Booting worker", count=4)

    def corrupt(clients: ThreadPoolExecutor) -> bool:
        list(clients.map(bare.get_in_vain, (f"/{number}" for number in range(1, 17))))
        return "Error handling request" in bare.stderr

    with ThreadPoolExecutor(8) as clients:
        wait_until(lambda: corrupt(clients), bare.story)
    armed.get_in_vain("/")
    bare.stop()
    armed.stop()

    incidents, report = told(log(bare))
    shared = next(one for one in incidents if one["cause_class"] == "db-forked-connection")
    assert shared["code"] == "BC201"
    assert "Dispose of the engine after the fork" in shared["action"][0]
    assert "Dispose of the engine after the fork" in report
    incidents, report = told(armed.directory, options=("--fail-on", "warning"))
    assert {one["code"] for one in incidents} == {"BC202"}
    assert {one["cause_class"] for one in incidents} == {"db-forked-connection"}
    assert all("app.connection, a raw PyMySQL connection to " in one["summary"] for one in incidents)
    assert all("Open the connection in each worker" in one["action"][0] for one in incidents)
    # So do the console's own lines.
    incidents, _ = told(log(armed), options=("--fail-on", "warning"))
    assert "BC202" in {one["code"] for one in incidents}


def test_c_the_first_request_finds_no_model(serve, told):
    """Two requests load a lazy model at once: told from the log, and by the watch of a server that serves on."""
    bare = plain(serve, LAZY_MODEL, options=["--threads", "4"])
    armed = serve(app=LAZY_MODEL.replace("#WATCH", WATCH), options=["--threads", "4"])
    for server in (bare, armed):
        with ThreadPoolExecutor(2) as clients:
            list(clients.map(server.get_in_vain, ("/first", "/second")))
        server.wait_for_line("Cannot copy out of meta tensor")

    armed.wait_for_line("loaded by 2 callers at once")
    for places in ((log(bare),), (armed.directory,), (armed.directory, log(armed))):
        (incident,), report = told(*places, options=("--fail-on", "warning"))
        assert (incident["code"], incident["cause_class"], incident["count"]) == ("BC306", "app-startup-race", 1)
        assert any("before the worker is ready" in action for action in incident["action"])
        assert "NotImplementedError" in report
    bare.stop()
    armed.stop()


def test_d_the_start_is_stopped_while_it_loads(serve, told):
    """Uvicorn says that the start-up has begun, and not that it is over: the order to stop came in between."""
    options = {"worker_class": "uvicorn", "environ": {"LOADS": "1.5"}}
    bare, armed = plain(serve, LIFESPAN, **options), serve(app=LIFESPAN, **options)
    for server in (bare, armed):
        wait_for_workers(server, 1)
        server.signal(signal.SIGTERM)
    for server in (bare, armed):
        server.wait()

    for places in ((log(bare),), (armed.directory,), (armed.directory, log(armed))):
        (incident,), _ = told(*places)
        assert (incident["code"], incident["cause"], incident["cause_class"]) == ("BC505", "sigterm", "external-stop")
        assert "in step app.lifespan" in incident["summary"]
        assert incident["count"] == 1
        assert "Find who stops the server" in incident["action"][0]


def test_d_the_pod_is_killed_while_it_loads(serve, told):
    """A SIGKILL that the master saw: the step, the seconds, and the probe refuted by its own settings."""
    bare, armed = plain(serve, LOADS, options=["--graceful-timeout", "1"]), serve(app=LOADS)
    for server in (bare, armed):
        wait_for_workers(server, 1)
        os.kill(server.workers()[0], signal.SIGKILL)
    armed.wait_for_reports("crash", 1)
    bare.wait_for_line("SIGKILL|signal 9")
    (incident,), report = told(armed.directory, options=("--probe", "10,30,15"))

    assert (incident["cause"], incident["cause_class"]) == ("sigkill_external", "external-stop")
    assert "app.load" in incident["summary"]
    assert "**A liveness or startup probe killed it**: refuted" in report
    assert "10 s + 15 × 30 s = 7.7 min" in report
    assert "in step app.load until death" in report
    # The master alone does not know whether it was memory, and says so.
    (incident,), _ = told(log(bare))
    assert (incident["code"], incident["cause_class"], incident["confidence"]) == ("BC508", "oom-kill", "medium")
    assert "kernel" in incident["summary"]
    assert incident["against"]


def test_d_when_everything_is_killed_nothing_is_guessed(serve, told):
    """Journals that stop: how long they lived is unknown, and so nothing is refuted by it."""
    server = serve(app=LOADS)
    wait_for_workers(server, 1)
    worker = server.workers()[0]
    for pid in (server.pid, worker):
        os.kill(pid, signal.SIGKILL)
    server.wait()
    wait_until(lambda: not os.path.exists(f"/proc/{worker}") or None, server.story)
    (incident,), report = told(server.directory, options=("--probe", "10,30,15"))

    assert (incident["cause"], incident["count"]) == ("vanished", 2)
    assert "**A liveness or startup probe killed it**: open" in report
    assert "How long the server had run is not known" in report


def test_e_a_segfault_in_the_first_post(serve, told):
    """From the report: the request and the stack; from the log alone: the signal."""
    bare, armed = plain(serve, SEGFAULT), serve(app=SEGFAULT)
    for server in (bare, armed):
        server.wait_for_line("Booting worker")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", "/predict", b"{}")
        with pytest.raises((OSError, http.client.HTTPException)):
            connection.getresponse()
        connection.close()
        server.wait_for_line("SIGSEGV|signal 11")
        # A stop while its successor boots would be a second death.
        assert server.get() == (200, b"ok")
        server.stop()

    (incident,), report = told(log(bare))
    assert (incident["code"], incident["cause_class"], incident["count"]) == ("BC509", "native-crash", 1)
    assert "SIGSEGV" in incident["summary"]
    assert "agrees with" not in report
    (incident,), report = told(armed.directory, log(armed))
    assert (incident["code"], incident["cause_class"], incident["count"]) == ("BC509", "native-crash", 1)
    assert "POST /predict" in incident["summary"]
    assert any("ctypes" in item["text"] for item in incident["evidence"])
    assert "ctypes" in incident["action"][0]
    assert "agrees with" in report
