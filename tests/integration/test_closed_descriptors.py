"""An app whose import closes every descriptor, as code that makes a daemon does: Gunicorn's and ours with them."""

from __future__ import annotations

import signal

import pytest

from tests.integration.harness import HELLO, partly
from tests.integration.test_deaths import EVERY_CLASS, app_of

CLOSING = "import os\nos.closerange(3, 1024)\n"


@pytest.mark.parametrize("kind", partly(EVERY_CLASS, "sync", "asgi"))
def test_a_worker_without_its_sockets_dies_with_the_reason(serve, kind):
    """Its report has the cause, who closed what, and the next step; the worker after it serves."""
    server = serve(
        app=app_of(kind, "import os, turn\nif turn.first():\n    os.closerange(3, 1024)\n"), worker_class=kind
    )
    server.wait_ready()
    assert server.get()[0] == 200
    assert server.stop() == 0

    report = server.death()
    verdict = report["verdict"]
    # Gunicorn's own asgi worker keeps what its loop raises to itself, and ends with 0.
    assert verdict["cause"] == ("os_exit" if kind == "asgi" else "exception")
    assert report["step"] == ("app.lifespan" if kind == "uvicorn" else "worker.boot")
    assert not report["attributes"]["bootcheck.ready"]
    assert "What runs in step app.load had closed its descriptors." in verdict["summary"]
    assert "somebody had closed its descriptor in step app.load" in [item["text"] for item in verdict["evidence"]]
    assert "os.closerange" in verdict["action"][0]
    assert server.stderr.count("was closed by somebody else, perhaps with descriptors that others need") == 1
    assert not server.leftovers()


def test_a_server_whose_every_worker_does_so_stops(serve):
    """None of them was ready: without the breaker Gunicorn starts twenty a second, without end."""
    server = serve(app=CLOSING + HELLO)

    assert server.wait() == 3
    found = server.reports()
    assert {report["verdict"]["cause"] for report in found} == {"exception"}
    assert len(found) == len({report["attributes"]["process.pid"] for report in found}) == 5
    assert not server.reports("boot", "worker")
    assert not server.leftovers()


def test_a_preload_that_does_so_harms_nobody(serve):
    """Gunicorn opens its sockets later: workers become ready, deaths are reported, a stop is none."""
    server = serve(app=CLOSING + HELLO, options=["--preload"])
    server.wait_ready()
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert not server.reports("crash")
    assert len(server.reports("boot", "worker")) == 1
    assert not server.leftovers()


CLOSES_OURS = """
import os, turn
if not turn.first():
    raise RuntimeError("no second one")
for number in map(int, os.listdir("/proc/self/fd")):
    try:
        if number > 2 and "bootcheck" in os.readlink(f"/proc/self/fd/{number}"):
            os.close(number)
    except OSError:
        pass
"""


def test_a_worker_that_serves_counts_as_ready_without_our_files(serve):
    """The app closed what is bootcheck's alone: a worker that cannot boot afterwards does not stop the server."""
    server = serve(app=CLOSES_OURS + HELLO)
    server.wait_ready()
    assert server.get()[0] == 200
    server.signal(signal.SIGTTIN)
    server.wait_for_reports()
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert {report["verdict"]["cause"] for report in server.reports()} == {"exception"}
    assert not server.leftovers()
