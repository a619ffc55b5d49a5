"""An app, or a whole server, whose files may not grow (RLIMIT_FSIZE): no file takes a line."""

from __future__ import annotations

import pytest

from tests.integration.harness import HELLO, partly
from tests.integration.test_deaths import EVERY_CLASS, app_of

LIMITING = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"


@pytest.mark.parametrize("kind", partly(EVERY_CLASS, "sync", "asgi"))
def test_a_worker_that_may_not_write_files_is_ready_and_stops(serve, kind):
    """A sandbox is no failed boot: its end leaves no report."""
    server = serve(app=app_of(kind, LIMITING), worker_class=kind)
    # Its boot report is lost, too: the master listens before it forks, and the backlog waits for the worker.
    server.wait_for_line("Listening at")
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert not server.reports("crash")
    assert not server.leftovers()


def test_a_worker_that_fails_there_leaves_one_report_with_its_reason(serve):
    """The master writes what the worker could not."""
    server = serve(app=LIMITING + "raise OSError('no room')\n" + HELLO)
    assert server.wait() == 3

    found = server.reports("crash", "worker")
    assert found
    assert len(found) == len({report["attributes"]["process.pid"] for report in found})
    for report in found:
        assert (report["verdict"]["cause"], report["step"]) == ("exception", "app.load")
        assert "no room" in report["verdict"]["summary"]
    assert not server.leftovers()
