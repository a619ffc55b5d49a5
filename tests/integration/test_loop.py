"""Workers that die again and again: the server stops and says why, or slows down while somebody serves."""

from __future__ import annotations

import re
import textwrap

import pytest

from tests.integration.harness import HELLO, alive, functions_of, partly, wait_until

pytestmark = pytest.mark.wide

WAVES = 5
FATAL = {
    "exit-0": ("import sys\nsys.exit(0)", "sys_exit", "sys.exit"),
    "os-exit-1": ("import os\nos._exit(1)", "os_exit", "status 1"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "native_crash", "SIGSEGV"),
}
HANGS = {
    "sleep": "time.sleep(3600)",
    "holds-the-gil": "ctypes.PyDLL(None).sleep(3600)",
    "regular-expression": "re.match('(a+)+$', 'a' * 60 + 'b')",
}


@pytest.mark.parametrize("workers", partly([1, 4], 4))
@pytest.mark.parametrize("name", partly(list(FATAL), "exit-0", "segfault"))
def test_a_fatal_import_stops_the_server(serve, name, workers):
    """Plain Gunicorn starts such a worker again without end; here the server ends with 3 and the diagnosis."""
    body, cause, said = FATAL[name]
    server = serve(app=body + "\n" + HELLO, workers=workers, options=["--pid", "pidfile"])

    assert server.wait() == 3
    found = server.reports("crash")
    causes = [report["verdict"]["cause"] for report in found]
    # Those that the stop itself caught in their import were told to end.
    assert set(causes) <= {cause, "sigterm"}
    assert WAVES * workers <= causes.count(cause) <= (WAVES + 1) * workers
    assert len({report["attributes"]["process.pid"] for report in found}) == len(found)
    assert {report["step"] for report in found} <= {"app.load", "worker.boot"}
    stopped = re.search(r"^bootcheck: THE SERVER STOPS: .*(?:\n.*){0,3}", server.stderr, re.MULTILINE)
    assert stopped is not None
    assert said in stopped[0]
    assert server.stderr.count("Booting worker") <= (WAVES + 1) * workers
    assert not (server.home / "pidfile").exists()
    assert not server.leftovers()
    assert not server.processes()


def test_a_server_that_serves_is_never_stopped(serve):
    """One worker is ready, the other's import raises each time: the server goes on, slower and slower, and recovers."""
    app = """
        import os, time
        import turn
        if not turn.first():
            while not os.path.exists("go"):
                time.sleep(0.01)
            if not os.path.exists("cured"):
                raise ValueError("not yet")
    """
    server = serve(app=textwrap.dedent(app) + HELLO, workers=2)
    server.wait_ready()
    (server.home / "go").touch()
    server.wait_for_reports("crash", 3)
    server.wait_for_line(r"waiting [\d.]+ s before the next worker is started", count=3)
    assert server.get() == (200, b"hello")
    (server.home / "cured").touch()
    server.wait_ready(2)
    assert server.get() == (200, b"hello")
    assert server.stop() == 0

    found = server.reports("crash")
    assert {report["verdict"]["cause"] for report in found} == {"exception"}
    assert {report["attributes"]["process.exit.code"] for report in found} == {3}
    pauses = [float(text) for text in re.findall(r"waiting ([\d.]+) s before the next worker", server.stderr)]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1] <= 30
    assert "THE SERVER STOPS" not in server.stderr


def test_a_worker_that_made_it_starts_the_count_anew(serve):
    """More deaths than any five waves hold, with a ready worker in between: no loop."""
    app = """
        import os
        import turn
        me = next(n for n in range(100) if turn.first(str(n)))
        if me != 4 and me < 8:
            os._exit(9)
    """
    serving = HELLO.replace(
        "    start_response", '    if environ["PATH_INFO"] == "/die":\n        os._exit(9)\n    start_response', 1
    )
    server = serve(app=textwrap.dedent(app) + serving)
    server.wait_ready(1)
    server.get_in_vain("/die")
    server.wait_ready(2)
    assert server.get() == (200, b"hello")
    assert server.stop() == 0

    found = server.reports("crash")
    assert len(found) == 8
    assert {report["verdict"]["cause"] for report in found} == {"os_exit"}


@pytest.mark.parametrize("name", HANGS)
def test_a_boot_over_its_deadline_is_ended_with_its_stack(serve, name):
    """BOOTCHECK_BOOT_DEADLINE ends an import that hangs, in Python and in C code that holds the GIL."""
    app = f"""
        import ctypes, os, re, time
        import turn
        def never_comes_back():
            open("stuck-%d" % os.getpid(), "w").close()
            {HANGS[name]}
        if turn.first():
            never_comes_back()
    """
    server = serve(app=textwrap.dedent(app) + HELLO, environ={"BOOTCHECK_BOOT_DEADLINE": "4"})
    server.wait_for_reports()
    server.wait_ready()
    assert server.get() == (200, b"hello")
    assert server.stop() == 0

    report = server.death()
    (stuck,) = server.home.glob("stuck-*")
    pid = int(stuck.name.partition("-")[2])
    assert (report["verdict"]["cause"], report["verdict"]["code"]) == ("boot_deadline", "BC511")
    assert (report["role"], report["step"]) == ("worker", "app.load")
    assert report["attributes"]["process.pid"] == pid
    assert not report["attributes"]["bootcheck.ready"]
    assert "never_comes_back" in functions_of(report)
    assert "never_comes_back" in server.stderr
    assert not alive(pid)
    assert not server.leftovers()


@pytest.mark.parametrize("declared", ["in the configuration file", "at the step"])
@pytest.mark.parametrize("name", partly(list(HANGS), "holds-the-gil"))
def test_a_step_over_its_own_deadline_is_ended(serve, name, declared):
    """Per step, by name in the configuration file or where the step is opened; other steps take their time."""
    limit = ", deadline_s=3" if declared == "at the step" else ""
    app = f"""
        import ctypes, os, re, time
        import bootcheck
        import turn
        def never_comes_back():
            {HANGS[name]}
        with bootcheck.step("read settings", deadline_s=60):
            time.sleep(0.1)
        with bootcheck.step("load model"{limit}):
            if turn.first():
                never_comes_back()
    """
    config = (
        "" if limit else "import bootcheck\nbootcheck.arm(globals(), deadlines={'load model': 3, 'app.load': 60})\n"
    )
    server = serve(app=textwrap.dedent(app) + HELLO, **({"config": config} if config else {}))
    server.wait_for_reports()
    server.wait_ready()
    assert server.get() == (200, b"hello")
    assert server.stop() == 0

    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("boot_deadline", "load model")
    assert "load model for longer than its deadline of 3 s" in report["verdict"]["summary"]
    assert "never_comes_back" in functions_of(report)


def test_the_deadline_ends_with_ready(serve):
    """A request may take longer than a boot: the deadline is for boots only."""
    app = """
        import time
        def app(environ, start_response):
            time.sleep(6)
            start_response("200 OK", [])
            return [b"slow"]
    """
    server = serve(app=app, environ={"BOOTCHECK_BOOT_DEADLINE": "5"})
    server.wait_ready()
    (pid,) = server.workers()
    assert server.get(limit=60) == (200, b"slow")
    assert server.workers() == [pid]
    assert server.stop() == 0

    assert not server.reports("crash")


def test_children_of_a_boot_outlive_its_deadline(serve):
    """What a worker forks in its boot inherits no deadline, and can end."""
    app = """
        import os, subprocess, sys
        child = os.fork()
        if child == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert subprocess.run([sys.executable, "-c", "raise SystemExit(5)"]).returncode == 5
        helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(6); open('outlived', 'w').close()"])
    """
    server = serve(app=textwrap.dedent(app) + HELLO, environ={"BOOTCHECK_BOOT_DEADLINE": "5"})
    server.wait_ready()
    wait_until((server.home / "outlived").exists, lambda: "the helper's end" + server.story())
    assert server.stop() == 0

    assert not server.reports("crash")
