"""`bootcheck watch` beside real servers: each death as it comes, and the incidents at the end."""

from __future__ import annotations

import os
import signal

from tests.integration.harness import HELLO, wait_until
from tests.integration.watchers import watching

DOOMED = "def doomed():\n    raise LookupError('no such region')\ndoomed()\n"
LOADS = "import time\nopen('loading', 'w').close()\ntime.sleep(600)\n"


def test_each_death_as_it_comes_and_the_incidents_at_the_end(serve):
    """One object a line for programs; 1, as somebody died; the directory did not exist yet."""
    server = serve(app=DOOMED, run=False)
    with watching("watch", server.directory, "--format", "json") as watcher:
        server.start()
        assert server.wait() == 3
        deaths = len(server.reports())
        told = watcher.until(lambda: found if len(found := watcher.events("death")) >= deaths else None)
        assert watcher.end() == 1
        (end,) = watcher.events("incidents")

    assert {(one["code"], one["cause"], one["cause_class"]) for one in told} == {
        ("BC501", "exception", "app-exception")
    }
    assert sorted(one["report_id"] for one in told) == sorted(report["report_id"] for report in server.reports())
    assert all("no such region" in one["summary"] and one["action"] for one in told)
    assert [(one["code"], one["count"]) for one in end["incidents"]] == [("BC501", deaths)]


def test_a_healthy_server_is_a_line_per_boot(serve):
    """0 at SIGTERM; what lay there before is counted and not told."""
    server = serve().wait_ready()
    server.stop()
    with watching("watch", server.directory) as watcher:
        server.start()
        server.wait_for_reports("boot", 2, role="worker")
        watcher.until(lambda: watcher.out.count(" is ready") >= 2)
        server.stop()
        assert watcher.end(signal.SIGTERM) == 0
        out, err = watcher.out, watcher.err

    assert "(2 reports before)" in err
    assert out.count("worker ") == 1
    assert "Nobody died while this was watched." in out


def test_a_server_that_is_killed_with_everything_in_it(serve):
    """Nobody is left to write a report: the journals tell, and the sweep of the next start tells nothing new."""
    server = serve(app=LOADS)
    wait_until(lambda: (server.home / "loading").exists() or None, server.story)
    worker = server.workers()[0]
    with watching("watch", server.directory) as watcher:
        for pid in (server.pid, worker):
            os.kill(pid, signal.SIGKILL)
        server.wait()
        watcher.until(lambda: watcher.out.count("died: ") >= 2)
        (server.home / "app.py").write_text(HELLO)
        server.start().wait_ready()
        watcher.until(lambda: "is ready" in watcher.out)
        server.stop()
        assert watcher.end() == 1
        out = watcher.out

    assert len(server.reports("crash")) == 2
    assert out.count("died: ") == 2
    assert f"worker {worker}" in out
    assert "in step app.load" in " ".join(out.split())
    assert "2 processes died alike." in out


def test_what_cannot_be_watched():
    """2, and the right way."""
    with watching("watch", __file__) as watcher:
        assert watcher.end(None) == 2
        assert "bootcheck analyze" in watcher.err
