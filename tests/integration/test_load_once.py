"""Incident C: two requests find a model that is loaded lazily, both load it, and one gets a 500. Real threads."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess

import pytest

from tests.integration.harness import ARMED, SOURCE

APP = """
import threading, time
import bootcheck

arrived, both = [], threading.Event()
loads = []
library = {"busy": False}
model = None

def load():
    # A library that keeps its state in a global, as many do.
    loads.append(threading.get_ident())
    if library["busy"]:
        raise RuntimeError("Cannot copy out of meta tensor; no data!")
    library["busy"] = True
    both.wait(60)
    time.sleep(1.0)
    library["busy"] = False
    return "weights"
#DECORATE
def get_model():
    global model
    if model is None:
        model = load()
    return model

def first_page():
    return get_model()

def second_page():
    return get_model()

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/count":
        body = str(len(loads))
    else:
        arrived.append(path)
        if len(arrived) == 2:
            both.set()
        body = first_page() if path == "/first" else second_page()
    start_response("200 OK", [])
    return [body.encode()]
"""
ON = APP.replace("#DECORATE", "load = bootcheck.load_once(load, name='model')")
WATCHED = APP.replace("#DECORATE", "load = bootcheck.load_once(load, name='model', detect_only=True)")
GEVENT = (
    ON.replace("threading.Event()", "__import__('gevent.event').event.Event()")
    .replace("import threading, time", "import threading, time, gevent")
    .replace("time.sleep(1.0)", "gevent.sleep(1.0)")
)


def two_requests(server):
    """Send two requests at once; return their answers, lowest status first."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return sorted(pool.map(lambda path: server.get(path, limit=60.0), ("/first", "/second")))


def test_without_it_the_model_is_loaded_twice_and_one_request_fails(serve):
    """The incident as it was: a 500, and four seconds later everything works."""
    server = serve(app=APP, config=None, worker_class="gthread", options=["--threads", "4"], stored=False)
    answers = two_requests(server)

    assert answers[0] == (200, b"weights")
    assert answers[1][0] == 500
    assert server.get("/count") == (200, b"2")
    assert server.get("/first") == (200, b"weights")
    assert "Cannot copy out of meta tensor" in server.stderr


@pytest.mark.parametrize("kind", ["gthread", "gevent"])
def test_with_it_one_loads_and_both_are_served(serve, python, kind):
    """One load, no error; the journal has one step."""
    if python.lacks(kind):
        pytest.skip(python.lacks(kind))
    server = serve(
        app=GEVENT if kind == "gevent" else ON, worker_class=kind, options=["--threads", "4"] * (kind == "gthread")
    )
    server.wait_ready()

    assert two_requests(server) == [(200, b"weights"), (200, b"weights")]
    assert server.get("/count") == (200, b"1")
    (worker,) = server.workers()
    (journal,) = server.directory.glob(f"worker-{worker}-*.jsonl")
    (first,) = [line for line in journal.read_text().splitlines() if '"request.first"' in line]
    assert json.loads(first)["duration_ms"] >= 1000
    assert json.loads(first)["detail"]["after_ready_s"] >= 0
    assert journal.read_text().count('"name":"load.model","phase":"app","outcome":"passed"') == 1
    assert not server.reports("crash")


def test_with_detection_only_the_report_names_both_callers(serve, python):
    """The app fails as before; a warning says why, and a look at the worker has both stacks."""
    server = serve(app=WATCHED, config=ARMED, worker_class="gthread", options=["--threads", "4"])
    server.wait_ready()
    answers = two_requests(server)

    assert [status for status, _ in answers] == [200, 500]
    assert server.get("/count") == (200, b"2")
    server.wait_for_line(r"bootcheck: warning: model was loaded by 2 callers at once.*RuntimeError\. \[BC306")
    (worker,) = server.workers()
    done = subprocess.run(
        [python.path, "-m", "bootcheck", "dump", str(worker), "--seconds", "0.1"],
        env=server._environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    (snapshot,) = server.wait_for_reports("snapshot")
    (finding,) = [item for item in snapshot["findings"] if item["code"] == "BC306"]
    told = "\n".join(item["text"] for item in finding["evidence"])
    assert "first_page" in told
    assert "second_page" in told
    assert "raised RuntimeError" in told
