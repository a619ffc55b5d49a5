"""The five incidents that bootcheck exists for: run, killed, and told afterwards, from reports and from logs alone."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from bootcheck.analysis.pattern import GAP
from tests.integration.harness import Server, wait_until
from tests.integration.test_end_to_end import command

HANGS = """
import os, time
open("here-%d" % os.getpid(), "w").close()
print("Model imports completed successfully", flush=True)
def initialise_database():
    time.sleep(600)
initialise_database()
"""
SHARED_POOL = """
import os
OWNER = os.getpid()
class OperationalError(Exception):
    pass
def query():
    if os.getpid() != OWNER:
        raise OperationalError(2014, "Commands out of sync; you can't run this command now")
def app(environ, start_response):
    try:
        query()
    except OperationalError:
        import logging
        logging.getLogger("gunicorn.error").exception("Error handling request %s", environ["PATH_INFO"])
        start_response("500 Internal Server Error", [])
        return [b""]
    start_response("200 OK", [])
    return [b"ok"]
"""
LAZY_MODEL = """
import logging
def load():
    raise NotImplementedError("Cannot copy out of meta tensor; no data!")
def app(environ, start_response):
    if environ["PATH_INFO"] == "/health":
        start_response("200 OK", [])
        return [b"ok"]
    load()
"""
LOADS = """
import time
open("loading", "w").close()
def load_model():
    time.sleep(600)
load_model()
"""
SEGFAULT = """
def app(environ, start_response):
    if environ["REQUEST_METHOD"] == "POST" or environ["PATH_INFO"] == "/predict":
        import ctypes
        ctypes.string_at(0)
    start_response("200 OK", [])
    return [b"ok"]
"""


@pytest.fixture
def told(python, tmp_path):
    """Run `bootcheck analyze` on places, and return the incidents and the Markdown report."""

    def run(*places: object, options: tuple[str, ...] = ()) -> tuple[list[dict[str, Any]], str]:
        words = [str(place) for place in places]
        answer = command(python, "analyze", "--format", "json", *options, *words, cwd=tmp_path)
        report = command(python, "analyze", "--format", "markdown", *options, *words, cwd=tmp_path)
        assert answer.returncode == report.returncode, answer.stderr + report.stderr
        return json.loads(answer.stdout)["incidents"], report.stdout

    return run


def plain(serve, app: str, **options: Any) -> Server:
    """Start the server as its team had it: without bootcheck."""
    return serve(app=app, config=None, stored=False, **options)


def log(server: Server) -> object:
    """Return what the server printed."""
    return server.home / "stderr"


def test_a_all_workers_die_together(serve, told):
    """Reports: one incident of four, in step app.load, stopped from outside through the master."""
    server = serve(app=HANGS, workers=4)
    wait_until(lambda: len(list(server.home.glob("here-*"))) >= 4 or None, server.story)
    server.signal(signal.SIGTERM)
    server.wait()
    incidents, report = told(server.directory, log(server))
    workers = next(incident for incident in incidents if incident["processes"][0]["role"] == "worker")

    assert (workers["cause"], workers["cause_class"], workers["count"]) == ("sigterm", "external-stop", 4)
    assert "app.load" in workers["summary"]
    assert "All 4 died within" in report
    assert "In this order: worker" in report
    assert "in step app.load until death" in report


def test_a_from_the_log_alone(serve, told):
    """Two starts that hang, each stopped by a supervisor without patience: one incident, that it repeats, no guess."""
    server = plain(serve, HANGS, workers=2, options=["--graceful-timeout", "4"])
    for start in (1, 2):
        wait_until(lambda start=start: len(list(server.home.glob("here-*"))) >= 2 * start or None, server.story)
        server.stop()
        (server.home / "stderr").rename(server.home / f"start-{start}.log")
        if start == 1:
            # Far enough apart to be told from each other in whole seconds.
            time.sleep(GAP + 1)
            server.start()
    (incident,), report = told(*server.home.glob("start-*.log"))

    assert (incident["cause_class"], incident["count"]) == ("shutdown-timeout", 4)
    assert "It happened twice" in report
    assert "known from logs only" in report
    assert "No boot that became ready" in report


def test_b_workers_share_the_masters_connection(serve, told):
    """The log of the requests that fail is enough for the cause."""
    server = plain(serve, SHARED_POOL, workers=2, options=["--preload"])
    server.get("/")
    server.stop()
    (incident,), report = told(log(server))

    assert (incident["code"], incident["cause_class"]) == ("BC201", "db-forked-connection")
    assert "Dispose of the engine after the fork" in report
    assert "1 time, fingerprint" in report


def test_c_the_first_request_finds_no_model(serve, told):
    """A lazy load that another thread has begun: told from the log of the request."""
    server = plain(serve, LAZY_MODEL)
    server.get("/health")
    server.get("/predict")
    server.stop()
    (incident,), report = told(log(server))

    assert incident["cause_class"] == "app-startup-race"
    assert "Load the model before the worker is ready" in report
    assert "Cannot copy out of meta tensor" in report


def test_d_the_pod_is_killed_while_it_loads(serve, told):
    """A SIGKILL that the master saw: the step, the seconds, and the probe refuted by its own settings."""
    server = serve(app=LOADS)
    wait_until(lambda: (server.home / "loading").exists() or None, server.story)
    os.kill(server.workers()[0], signal.SIGKILL)
    server.wait_for_reports("crash", 1)
    (incident,), report = told(server.directory, options=("--probe", "10,30,15"))

    assert (incident["cause"], incident["cause_class"]) == ("sigkill_external", "external-stop")
    assert "app.load" in incident["summary"]
    assert "**A liveness or startup probe killed it**: refuted" in report
    assert "10 s + 15 × 30 s = 7.7 min" in report
    assert "in step app.load until death" in report


def test_d_when_everything_is_killed_nothing_is_guessed(serve, told):
    """Journals that stop: how long they lived is unknown, and so nothing is refuted by it."""
    server = serve(app=LOADS)
    wait_until(lambda: (server.home / "loading").exists() or None, server.story)
    worker = server.workers()[0]
    for pid in (server.pid, worker):
        os.kill(pid, signal.SIGKILL)
    server.wait()
    wait_until(lambda: not os.path.exists(f"/proc/{worker}") or None, server.story)
    (incident,), report = told(server.directory, options=("--probe", "10,30,15"))

    assert (incident["cause"], incident["count"]) == ("vanished", 2)
    assert "**A liveness or startup probe killed it**: open" in report
    assert "How long the server had run is not known" in report


@pytest.mark.parametrize("armed", [True, False], ids=["reports", "log-alone"])
def test_e_a_segfault_in_the_first_post(serve, told, armed):
    """From the report: the request and the stack; from the log alone: the signal."""
    server = serve(app=SEGFAULT) if armed else plain(serve, SEGFAULT)
    server.wait_for_line("Booting worker")
    server.get_in_vain("/predict")
    server.wait_for_line("SIGSEGV|signal 11")
    server.stop()
    (incident,), report = told(*([server.directory] if armed else []), log(server))

    assert (incident["cause"], incident["cause_class"], incident["count"]) == ("native_crash", "native-crash", 1)
    assert ("GET /predict" in incident["summary"]) is armed
    assert "BC509" in report
    assert ("agrees with" in report) is armed
