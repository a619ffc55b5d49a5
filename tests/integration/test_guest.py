"""A guest in somebody's process: what the app, the operator and the platform have set up stays as it was."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.integration.harness import ARMED, HELLO, alive, wait_until

pytestmark = pytest.mark.wide

NO_MEMFD = "import os\nif hasattr(os, 'memfd_create'):\n    del os.memfd_create\n"
"""As `sitecustomize`: Python as some distributors build it."""


def test_without_anonymous_files_a_healthy_life_is_no_death(serve):
    """Recycled workers and an ordered stop leave nothing; a kill leaves one report."""
    server = serve(
        app=HELLO, files={"sitecustomize.py": NO_MEMFD}, options=["--max-requests", "1"], environ={"TMPDIR": None}
    )
    server.wait_ready()
    for number in range(8):
        assert server.get()[0] == 200
        server.wait_ready(number + 2)
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    server.wait_for_reports()
    server.wait_ready(10)
    assert server.stop() == 0

    assert server.death()["verdict"]["cause"] == "sigkill_external"
    assert not server.leftovers()


@pytest.mark.parametrize("kind", ["sync", "gthread"])
def test_a_master_that_gevent_patched_sees_its_workers_die(serve, python, kind):
    """`monkey.patch_all()` in the configuration file: gevent's loop reaps, and only its own `waitpid` knows."""
    if "gevent" not in python.has:
        pytest.skip("gevent is not installed")
    config = "from gevent import monkey\nmonkey.patch_all()\n" + ARMED
    server = serve(app=HELLO, config=config, worker_class=kind, options=["--graceful-timeout", "60"]).wait_ready()
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    server.wait_ready(2)
    began = time.monotonic()
    assert server.stop() == 0

    assert server.death()["verdict"]["cause"] == "sigkill_external"
    assert time.monotonic() - began < 55, "the stop waited for a worker that was gone"
    assert not server.leftovers()


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_handlers_that_the_app_sets_in_its_import_stay(serve, kind):
    """Plain Gunicorn keeps them: a dump at USR2 must not become the death of the worker."""
    app = """
        import faulthandler, os, signal
        dump = open("dump", "wb")
        faulthandler.register(signal.SIGUSR2, file=dump)
        signal.signal(signal.SIGHUP, lambda *_: open("hup", "w").close())
        def mine(signo, frame):
            open("term", "w").close()
            os._exit(0)
        signal.signal(signal.SIGTERM, mine)
        def app(environ, start_response):
            start_response("200 OK", [])
            return [b"hello"]
    """
    server = serve(app=app, worker_class=kind).wait_ready()
    (worker,) = server.workers()
    for signo, mark in ((signal.SIGUSR2, "dump"), (signal.SIGHUP, "hup")):
        os.kill(worker, signo)
        path = server.home / mark
        wait_until(lambda path=path, mark=mark: path.exists() and (mark == "hup" or path.stat().st_size), mark)
    assert server.get() == (200, b"hello")
    assert server.workers() == [worker]
    os.kill(worker, signal.SIGTERM)
    wait_until((server.home / "term").exists, "the app's own handler")
    server.wait_ready(2)
    assert server.stop() == 0

    assert not server.reports("crash")


def test_secrets_that_the_app_reads_in_its_import_are_hidden(serve):
    """As `load_dotenv()` does: they were not there when the server was armed."""
    app = """
        import os
        os.environ["API_TOKEN"] = "tok-4711-of-the-file"
        raise RuntimeError("login with " + os.environ["API_TOKEN"] + " refused")
    """
    server = serve(app=app)
    assert server.wait() == 3

    assert server.death()["verdict"]["cause"] == "exception"
    # Gunicorn's own log has the traceback as it always had; ours must not add to it.
    told = [line for line in server.stderr.splitlines() if "BOOTCHECK" in line or "bootcheck" in line]
    assert not any("tok-4711-of-the-file" in line for line in told)
    assert all(b"tok-4711-of-the-file" not in path.read_bytes() for path in server.report_files())


def test_checks_count_although_stdout_is_closed(serve):
    """`gunicorn … >&-`: sys.stdout is None, and the declared check must refuse all the same."""
    config = "import bootcheck\nfrom bootcheck import checks\nbootcheck.arm(globals(), checks=[checks.env('NEEDED')])\n"
    server = serve(app=HELLO, config=config, prefix=["sh", "-c", 'exec "$0" "$@" >&-'])

    assert server.wait() == 78
    assert server.death()["verdict"]["cause"] == "check_failed"


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--worker-class", "nosuch"], "nosuch"), (["--error-logfile", "/nonexistent/log"], "/nonexistent/log")],
    ids=["worker class", "log"],
)
def test_a_configuration_that_gunicorn_cannot_use_is_a_death(serve, options, word):
    """It ended before it was ready: one report, and what Gunicorn said."""
    server = serve(app=HELLO, options=options)

    assert server.wait() == 1
    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("master", "exception")
    assert word in report["attributes"]["exception.message"]
    assert not server.leftovers()


def test_a_configuration_file_is_a_module_as_under_gunicorn(serve):
    """A dataclass in it looks for the module of its name."""
    theirs = """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class Size:
            workers: int = 1
        workers = Size().workers
    """
    server = serve(
        app=HELLO,
        config=theirs,
        config_file="gunicorn.conf.py",
        name_config=False,
        options=["-c", "python:bootcheck.conf"],
    ).wait_ready()
    assert server.get() == (200, b"hello")
    assert server.stop() == 0


def test_faults_are_printed_where_python_was_told_to(serve):
    """`PYTHONFAULTHANDLER=1`: the dump is on stderr as ever, and in the report; also of a forked child."""
    app = """
        import faulthandler, os, signal
        def crash():
            os.kill(os.getpid(), signal.SIGSEGV)
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/child":
                pid = os.fork()
                if pid == 0:
                    crash()
                os.waitpid(pid, 0)
            elif environ["PATH_INFO"] == "/crash":
                crash()
            start_response("200 OK", [])
            return [b"hello"]
    """
    server = serve(app=app, environ={"PYTHONFAULTHANDLER": "1"}).wait_ready()
    assert server.get("/child")[0] == 200
    wait_until(lambda: server.stderr.count("Fatal Python error") == 1, lambda: "the child's" + server.story())
    (worker,) = server.workers()
    server.get_in_vain("/crash")
    wait_until(lambda: not alive(worker), "the crash")
    server.wait_for_reports()
    server.wait_ready(2)
    assert server.stop() == 0

    assert server.stderr.count("Fatal Python error") == 2
    assert server.death()["verdict"]["cause"] == "native_crash"


def test_steps_of_requests_have_an_end(serve):
    """A step in every request fills no disk, and a worker that is idle when it is killed was in none of them."""
    app = """
        import bootcheck
        def app(environ, start_response):
            for _ in range(100):
                with bootcheck.step("request"):
                    pass
            start_response("200 OK", [])
            return [b"hello"]
    """
    server = serve(app=app).wait_ready()
    (worker,) = server.workers()
    for _ in range(40):
        assert server.get()[0] == 200
    (journal,) = server.directory.glob(f"worker-{worker}-*.jsonl")
    assert journal.stat().st_size < 1_500_000
    os.kill(worker, signal.SIGKILL)
    server.wait_for_reports()
    server.wait_ready(2)
    assert server.stop() == 0

    assert server.death()["step"] is None
    assert server.stderr.count("records no more steps") == 1
