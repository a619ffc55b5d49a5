"""Tags of the app's own, on every report: boot, crash and snapshot, before ready and after, in every worker."""

from __future__ import annotations

import os
import signal

import pytest

from bootcheck.gunicorn.dump import look
from tests.integration.harness import ARMED, PATIENCE, partly, wait_until

APP = """
import os, signal, time, bootcheck
bootcheck.annotate("release", "1.0")
bootcheck.annotate("release", "2.0")
class Rude:
    def __str__(self):
        raise ZeroDivisionError
    __repr__ = __str__
bootcheck.annotate("rude", Rude())
bootcheck.annotate("db_password", "not-to-be-seen")
bootcheck.annotate("url", "postgres://app:not-to-be-seen@db/x")
def app(environ, start_response):
    path = environ["PATH_INFO"][1:]
    if path:
        bootcheck.annotate("tenant", path)
    if path == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(1000)
    if path == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    start_response("200 OK", [])
    return [b"hello"]
"""
CONFIG = 'import bootcheck\nbootcheck.annotate("host_group", "blue")\nbootcheck.annotate("release", "0")\n' + ARMED


@pytest.mark.parametrize("kind", partly(["sync", "gthread", "gevent"], "sync"))
@pytest.mark.parametrize("preload", [False, True], ids=["plain", "preload"])
def test_a_tag_is_on_every_report_of_its_process(serve, kind, preload):
    """Set in the configuration, at import and in a request: boot, snapshot and crash reports have what held then."""
    server = serve(
        app=APP, config=CONFIG, worker_class=kind, options=("--graceful-timeout", "1", *(["--preload"] * preload))
    ).wait_ready()
    (worker,) = server.workers()
    (boot,) = server.reports("boot", "worker")
    (master,) = server.wait_for_reports("boot", role="master")
    server.get("/first")
    server.get("/second")
    snapshot = look(worker, seconds=0.05, directory=None, environ={}).report
    server.get_in_vain("/segv")
    (crash,) = server.wait_for_reports("crash")
    server.wait_ready(2)

    set_at_import = {"release": "2.0", "db_password": "***", "url": "postgres://app:***@db/x"}
    rude = "<Rude whose repr raised ZeroDivisionError>"
    everywhere = {"host_group": "blue", "rude": rude, **set_at_import}
    assert boot["annotations"] == everywhere
    assert snapshot["annotations"] == {**everywhere, "tenant": "second"}
    assert crash["annotations"] == {**everywhere, "tenant": "segv"}
    assert crash["verdict"]["cause"] == "native_crash"
    assert master["annotations"] == (everywhere if preload else {"host_group": "blue", "release": "0"})
    # A worker that comes later has the master's, not its predecessor's.
    assert server.reports("boot", "worker")[-1]["annotations"] == everywhere
    written = "".join(path.read_text() for path in server.report_files())
    assert "not-to-be-seen" not in written + server.stderr


def test_a_killed_worker_and_a_master_found_by_a_sweep_have_their_tags(serve):
    """SIGKILL leaves no time; the journal had them already."""
    server = serve(app=APP, config=CONFIG).wait_ready()
    server.get_in_vain("/kill")
    (killed,) = server.wait_for_reports("crash")
    server.wait_ready(2)
    (worker,) = server.workers()
    server.get("/late")
    os.kill(server.pid, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    server.wait()
    wait_until(lambda: not server.processes(), "the end of all", PATIENCE)
    server.start()
    swept = server.wait_for_reports("crash", 3)

    assert killed["annotations"]["tenant"] == "kill"
    found = {report["role"]: report["annotations"] for report in swept if report["report_id"] != killed["report_id"]}
    assert found["worker"]["tenant"] == "late"
    assert found["master"] == {"host_group": "blue", "release": "0"}


def test_a_tag_per_request_bounds_the_journal_and_says_so(serve):
    """A million tenants neither fill the disk nor pass an old one off as the last."""
    app = """
    import bootcheck
    def app(environ, start_response):
        for number in range(5000):
            bootcheck.annotate("tenant", number)
            bootcheck.annotate(f"name-{number}", "x")
        start_response("200 OK", [])
        return [b"hello"]
    """
    server = serve(app=app).wait_ready()
    server.get()
    (worker,) = server.workers()
    (journal,) = server.directory.glob(f"worker-{worker}-*.jsonl")
    size = journal.stat().st_size
    snapshot = look(worker, seconds=0.05, directory=None, environ={}).report
    os.kill(worker, signal.SIGKILL)
    (crash,) = server.wait_for_reports("crash")

    assert size < 1 << 20
    assert snapshot["annotations"]["tenant"] == 4999
    assert len(snapshot["annotations"]) <= 101
    assert "2000 changes were kept" in crash["annotations"]["bootcheck.annotations"]
    assert server.stderr.count("only 100 annotations are kept") == 1
