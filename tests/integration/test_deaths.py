"""Deaths of real processes: each leaves one report, with the right cause, step and role."""

from __future__ import annotations

import os
import select
import signal
import time
from dataclasses import dataclass

import pytest

from tests.integration.harness import (
    HELLO,
    HELLO_ASGI,
    PATIENCE,
    STUBBORN,
    alive,
    functions_of,
    names_of,
    partly,
    sleeps,
    wait_until,
)

EVERY_CLASS = ("sync", "gthread", "gevent", "asgi", "uvicorn")
BLOCKED = """
import os, socket, threading, time
def stuck():
    open("stuck-%d" % os.getpid(), "w").close()
    {block}
stuck()
"""
BLOCKS = {
    "sleep": "time.sleep(60)",
    "recv": "ours, theirs = socket.socketpair(); ours.recv(1)",
    "lock": "lock = threading.Lock(); lock.acquire(); lock.acquire(timeout=60)",
}


def app_of(kind: str, before: str) -> str:
    """Return an app for a worker class whose module does `before` first."""
    return before + (HELLO_ASGI if kind in ("asgi", "uvicorn") else HELLO)


def stuck(server, count=1):
    """Return the pids of the processes that have reached the app's blocking call."""
    files = wait_until(
        lambda: found if len(found := list(server.home.glob("stuck-*"))) >= count else None,
        lambda: "a blocked import" + server.story(),
    )
    pids = sorted(int(path.name.partition("-")[2]) for path in files)
    # A signal that comes right before a system call is seen by Python only after it: wait until they sleep.
    wait_until(lambda: all(sleeps(pid) for pid in pids), lambda: "sleeping processes" + server.story())
    return pids


@dataclass(frozen=True)
class Fatal:
    """A module body that ends the process which imports it, and what must be said about it."""

    body: str
    cause: str
    master: int | None
    """What the master exits with; None where it starts another worker, whose import is fine."""
    code: int | None = None
    """What the dying process exits with."""
    signal: str | None = None
    kind: str | None = None
    """The exception's class."""

    @property
    def source(self) -> str:
        """The body, for the first process alone where the master goes on."""
        if self.master is not None:
            return self.body + "\n"
        lines = "\n".join("    " + line for line in self.body.splitlines())
        return f"import turn\nif turn.first():\n{lines}\n"


FATAL = {
    "exception": Fatal("raise ValueError('no such luck')", "exception", 3, code=3, kind="ValueError"),
    "missing-module": Fatal("import nowhere_to_be_found", "exception", 3, code=3, kind="ModuleNotFoundError"),
    "syntax": Fatal("def broken(:\n    pass", "exception", 3, code=3, kind="SyntaxError"),
    "memory-error": Fatal("raise MemoryError('too much')", "exception", 3, code=3, kind="MemoryError"),
    "exit-0": Fatal("import sys\nsys.exit(0)", "sys_exit", None, code=0),
    "exit-1": Fatal("import sys\nsys.exit(1)", "sys_exit", None, code=1),
    "exit-3": Fatal("import sys\nsys.exit(3)", "sys_exit", 3, code=3),
    "os-exit-0": Fatal("import os\nos._exit(0)", "os_exit", None, code=0),
    "os-exit-1": Fatal("import os\nos._exit(1)", "os_exit", None, code=1),
    "segfault": Fatal("import ctypes\nctypes.string_at(0)", "native_crash", None, signal="SIGSEGV"),
    "abort": Fatal("import os\nos.abort()", "native_crash", None, signal="SIGABRT"),
}


@pytest.mark.parametrize("name", partly(list(FATAL), "exit-0", "segfault", "syntax"))
def test_a_fatal_import_leaves_one_report(serve, name):
    """Whatever ends an import, its report has the cause, the step and the status."""
    fatal = FATAL[name]
    # Each of them under every class of worker: test_matrix.py.
    server = serve(app=app_of("sync", fatal.source))
    if fatal.master is None:
        server.wait_ready()
        assert server.get()[0] == 200
        assert server.stop() == 0
    else:
        assert server.wait() == fatal.master

    report = server.death()
    assert (report["role"], report["verdict"]["cause"], report["step"]) == ("worker", fatal.cause, "app.load")
    assert report["attributes"].get("process.exit.code") == fatal.code
    assert report["attributes"].get("bootcheck.exit.signal.name") == fatal.signal
    assert report["attributes"].get("exception.type") in (
        fatal.kind,
        "SystemExit" if fatal.cause == "sys_exit" else fatal.kind,
    )
    assert not report["attributes"]["bootcheck.ready"]
    if fatal.cause != "os_exit" and fatal.kind != "SyntaxError":
        files = {os.path.basename(frame["file"]) for stack in report["stacks"] for frame in stack["frames"]}
        assert "app.py" in files
    assert not server.leftovers()


@pytest.mark.parametrize(("target", "status"), [("app:nope", 4), ("nowhere:app", 3), ("nowhere.app:app", 3)])
@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_an_app_that_is_not_there_is_named(serve, target, status, preload):
    """A module or attribute that does not exist is its own cause, whoever looks for it."""
    server = serve(target=target, options=["--preload"] if preload else [])

    assert server.wait() == (1 if preload else status)
    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("app_not_found", "app.load")
    assert report["role"] == ("master" if preload else "worker")
    assert (
        target.partition(":")[0].partition(".")[0] in report["verdict"]["summary"]
        or "nope" in report["verdict"]["summary"]
    )
    assert not server.leftovers()


@pytest.mark.parametrize(
    ("body", "cause", "status"),
    [
        ("raise RuntimeError('the reason')", "exception", 1),
        ("raise ValueError('the reason')", "exception", 1),
        ("import sys\nsys.exit(7)", "sys_exit", 7),
        ("import sys\nsys.exit('the reason')", "sys_exit", 1),
    ],
    ids=["RuntimeError", "ValueError", "exit-7", "exit-text"],
)
def test_a_failed_preload_is_the_masters_death(serve, body, cause, status):
    """Gunicorn prints one line for a RuntimeError; the report has the traceback."""
    server = serve(
        app="def doomed():\n    " + body.replace("\n", "\n    ") + "\ndoomed()\n",
        options=["--preload", "--pid", "pidfile"],
    )

    assert server.wait() == status
    report = server.death()
    assert (report["role"], report["verdict"]["cause"], report["step"]) == ("master", cause, "app.load")
    assert "doomed" in functions_of(report)
    assert "doomed" in report["attributes"]["exception.stacktrace"]
    assert report["attributes"]["process.exit.code"] == status
    assert not (server.home / "pidfile").exists()
    assert not server.leftovers()


@pytest.mark.parametrize(
    "body",
    partly(
        ["import os\nos._exit(1)", "import ctypes\nctypes.string_at(0)", "import os\nos.abort()"],
        "import os\nos._exit(1)",
    ),
)
def test_a_master_that_disappears_in_its_preload_is_swept(serve, body):
    """What ends the master without a word is told by the next start."""
    fatal = "import turn\nif turn.first():\n    " + body.replace("\n", "\n    ") + "\n"
    server = serve(app=fatal + HELLO, options=["--preload"])
    server.wait()
    assert not server.reports("crash")
    server.start()
    server.wait_ready()
    assert server.stop() == 0

    report = server.death()
    assert (report["role"], report["step"]) == ("master", "app.load")
    assert report["verdict"]["cause"] == ("vanished" if "_exit" in body else "native_crash")
    assert report["attributes"]["process.pid"] != server.pid


@pytest.mark.parametrize("kind", partly(["sync", "gevent"], "sync"))
@pytest.mark.parametrize("block", partly(list(BLOCKS), "recv", "lock"))
def test_sigterm_in_an_import_ends_it_at_once(serve, kind, block):
    """A worker stopped in a blocking import is gone long before its import would end, and says where it was."""
    server = serve(app=app_of(kind, BLOCKED.format(block=BLOCKS[block])), worker_class=kind)
    (pid,) = stuck(server)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid), "the worker's end", 10)
    (report, *_) = server.wait_for_reports()
    server.signal(signal.SIGQUIT)
    server.wait(20)

    assert (report["verdict"]["cause"], report["step"], report["role"]) == ("sigterm", "app.load", "worker")
    assert report["attributes"]["process.pid"] == pid
    assert report["attributes"]["bootcheck.exit.signal.name"] == "SIGTERM"
    assert report["attributes"]["bootcheck.signal.origin"] == "outside"
    assert "stuck" in functions_of(report)
    assert len([one for one in server.reports() if one["attributes"]["process.pid"] == pid]) == 1


@pytest.mark.parametrize("signo", partly([signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], signal.SIGTERM))
@pytest.mark.parametrize("kind", partly(["sync", "uvicorn"], "sync"))
def test_a_server_stopped_in_boot_stops_at_once(serve, kind, signo):
    """The master's stop reaches workers in their import; each leaves a report that names the master."""
    server = serve(app=app_of(kind, BLOCKED.format(block=BLOCKS["sleep"])), worker_class=kind, workers=2)
    pids = stuck(server, 2)

    server.signal(signo)
    assert server.wait(20) == 0
    found = server.reports()
    assert sorted(report["attributes"]["process.pid"] for report in found) == pids
    assert {report["verdict"]["cause"] for report in found} == {"sigterm"}
    assert {report["step"] for report in found} == {"app.load"}
    assert {report["attributes"]["bootcheck.signal.origin"] for report in found} == {"master"}
    assert not server.leftovers()


def test_an_import_that_swallows_the_stop_is_ended_anyway(serve):
    """SystemExit caught by the app's own code does not keep the worker alive."""
    body = BLOCKED.format(
        block="while True:\n        try:\n            time.sleep(60)\n        except BaseException:\n            pass"
    )
    server = serve(app=body + HELLO)
    (pid,) = stuck(server)
    os.kill(pid, signal.SIGTERM)

    wait_until(lambda: not alive(pid), "the worker's end", 10)
    (report, *_) = server.wait_for_reports()
    assert (report["verdict"]["cause"], report["step"]) == ("sigterm", "app.load")
    assert report["attributes"]["process.exit.code"] == 143


def test_sigterm_right_after_the_fork_is_never_lost(serve, tmp_path):
    """A stop signal in the first milliseconds of a worker ends it, and each end has its report."""
    config = """
        import os, bootcheck
        workers = 12
        _born = os.open("born", os.O_RDWR)
        _expected = []
        def pre_fork(server, worker):
            if worker.age <= 12:
                _expected.append(True)
        def _tell():
            if _expected:
                os.write(_born, b"%d\\n" % os.getpid())
        os.register_at_fork(after_in_child=_tell, after_in_parent=_expected.clear)
        bootcheck.arm(globals())
    """
    home = tmp_path / "server"
    home.mkdir()
    os.mkfifo(home / "born")
    pids = []
    with open(os.open(home / "born", os.O_RDWR), "rb", buffering=0) as born:
        server = serve(home=home, app="import time\ntime.sleep(0.3)\n" + HELLO, config=config)
        told = b""
        while len(pids) < 12:
            ready, _, _ = select.select([born], [], [], PATIENCE)
            assert ready, "no worker was born" + server.story()
            told += born.read(4096)
            *lines, told = told.split(b"\n")
            for pid in map(int, lines):
                time.sleep(len(pids) % 5 / 1000)
                os.kill(pid, signal.SIGTERM)
                pids.append(pid)
    wait_until(lambda: not any(alive(pid) for pid in pids), lambda: "the workers' ends" + server.story(), 30)
    server.wait_for_reports("crash", 12)
    server.wait_ready(12)
    # Gunicorn up to 23 may start one too many: a stop in the middle of its boot would be a death as well.
    wait_until(
        lambda: server.stderr.count("Booting worker") == 12 + len(server.reports("boot", "worker")),
        lambda: "the last boot" + server.story(),
    )
    assert server.stop() == 0

    found = server.reports()
    assert {report["attributes"]["process.pid"] for report in found} == set(pids)
    assert len(found) == 12
    assert {report["verdict"]["cause"] for report in found} == {"sigterm"}
    assert all(report["step"] for report in found)


@pytest.mark.parametrize("kind", partly(["sync", "gevent", "uvicorn"], "sync", "uvicorn"))
def test_sigkill_from_outside(serve, kind):
    """A SIGKILL that the master did not send is called just that, with the step in which it came."""
    server = serve(
        app=app_of(
            kind, "import turn\nif turn.first():" + BLOCKED.format(block=BLOCKS["sleep"]).replace("\n", "\n    ") + "\n"
        ),
        worker_class=kind,
    )
    (pid,) = stuck(server)
    os.kill(pid, signal.SIGKILL)
    server.wait_ready()
    assert server.stop() == 0

    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("sigkill_external", "app.load")
    assert report["attributes"]["process.pid"] == pid
    assert report["attributes"]["bootcheck.exit.signal.name"] == "SIGKILL"


def test_a_request_over_the_timeout_is_gunicorns_timeout(serve):
    """The timeout's victim is reported as timed out, whatever status it ends with, with the request's stack."""
    app = """
        import time
        def slow():
            time.sleep(60)
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/slow":
                slow()
            start_response("200 OK", [])
            return [b"hello"]
    """
    server = serve(app=app, options=["--timeout", "3"])
    server.wait_ready()
    (pid,) = server.workers()
    server.get_in_vain("/slow")
    server.wait_for_reports()
    server.wait_ready(2)
    assert server.stop() == 0

    report = server.death()
    assert (report["verdict"]["cause"], report["role"]) == ("gunicorn_timeout", "worker")
    assert report["attributes"]["process.pid"] == pid
    assert report["attributes"]["bootcheck.ready"]
    assert "slow" in functions_of(report)


@pytest.mark.parametrize("kind", partly(["gevent", "asgi"], "asgi"))
def test_a_blocked_loop_is_gunicorns_timeout(serve, kind):
    """Python code that never yields starves the heartbeat of an asynchronous worker."""
    if kind == "asgi":
        app = "def slow():\n    while True:\n        pass\n" + HELLO_ASGI.replace(
            '    await send({"type": "http.response.start"',
            '    if scope["path"] == "/slow":\n        slow()\n    await send({"type": "http.response.start"',
        )
    else:
        app = "def slow():\n    while True:\n        pass\n" + HELLO.replace(
            "    start_response", "    if environ['PATH_INFO'] == '/slow':\n        slow()\n    start_response"
        )
    server = serve(app=app, worker_class=kind, options=["--timeout", "3"])
    server.wait_ready()
    server.get_in_vain("/slow")
    server.wait_for_reports()
    server.wait_ready(2)
    server.stop()

    report = server.death()
    assert report["verdict"]["cause"] == "gunicorn_timeout"
    assert report["attributes"]["bootcheck.ready"]


def test_the_kill_after_the_grace_period(serve):
    """A worker that the master kills at the end of its stop is no victim of memory or of strangers."""
    server = serve(app=STUBBORN, options=["--graceful-timeout", "1"])
    server.wait_ready()
    server.get_in_vain("/")
    wait_until((server.home / "busy").exists, "the request's arrival")
    assert server.stop() == 0

    report = server.death()
    assert report["verdict"]["cause"] == "sigkill_graceful_timeout"
    assert report["attributes"]["bootcheck.ready"]
    assert not server.leftovers()


@pytest.mark.parametrize("hook", ["post_fork", "post_worker_init"])
@pytest.mark.parametrize("kind", partly(["sync", "gevent"], "sync"))
def test_an_exception_in_a_users_hook(serve, hook, kind):
    """An exception of the user's own hook ends the boot as it does without bootcheck, and is reported."""
    arguments = "server, worker" if hook == "post_fork" else "worker"
    config = f"""
        import bootcheck
        def {hook}({arguments}):
            raise LookupError("hook of the user")
        bootcheck.arm(globals())
    """
    server = serve(config=config, worker_class=kind)

    assert server.wait() == 3
    report = server.death()
    assert (report["verdict"]["cause"], report["role"]) == ("exception", "worker")
    assert report["attributes"]["exception.type"] == "LookupError"
    assert report["step"] == ("worker.boot" if hook == "post_fork" else "worker.post_worker_init")
    assert hook in functions_of(report)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("os._exit(1)", "os_exit"),
        ("ctypes.string_at(0)", "native_crash"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "sigkill_external"),
    ],
)
def test_a_death_in_a_request(serve, body, cause):
    """A worker that dies after it was ready is reported, with no step open."""
    app = f"""
        import ctypes, os, signal
        def app(environ, start_response):
            if environ["PATH_INFO"] == "/die":
                die()
            start_response("200 OK", [])
            return [b"hello"]
        def die():
            {body}
    """
    server = serve(app=app)
    server.wait_ready()
    server.get_in_vain("/die")
    server.wait_for_reports()
    server.wait_ready(2)
    assert server.get()[0] == 200
    assert server.stop() == 0

    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == (cause, None)
    assert report["attributes"]["bootcheck.ready"]
    if cause == "native_crash":
        assert "die" in functions_of(report)


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
def test_sigterm_to_a_master_that_is_not_up(serve, preload):
    """A stop in mid-boot leaves the master's report, with or without handlers of Gunicorn's own."""
    config = "import bootcheck\nbootcheck.arm(globals())\n"
    if not preload:
        config = (
            "import bootcheck, os, time\ndef on_starting(server):\n"
            "    open('stuck-%d' % os.getpid(), 'w').close()\n    time.sleep(60)\nbootcheck.arm(globals())\n"
        )
    server = serve(
        app=BLOCKED.format(block=BLOCKS["sleep"]) if preload else None,
        config=config,
        options=["--pid", "pidfile", *(["--preload"] if preload else [])],
    )
    stuck(server)
    server.signal(signal.SIGTERM)

    assert server.wait(20) in (-signal.SIGTERM, 143)
    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("master", "sigterm")
    assert report["step"] == ("app.load" if preload else "server.boot")
    assert ("stuck" if preload else "on_starting") in functions_of(report)
    assert not (server.home / "pidfile").exists()
    assert not server.leftovers()


def test_two_workers_that_fail_together_end_the_server_cleanly(serve):
    """The second failure does not break the stop that the first one caused."""
    app = """
        import os, time, glob
        open("here-%d" % os.getpid(), "w").close()
        # Both are there before either fails.
        end = time.monotonic() + 20
        while len(glob.glob("here-*")) < 4 and time.monotonic() < end:
            time.sleep(0.005)
        raise ValueError("together")
    """
    server = serve(app=app, workers=4, options=["--pid", "pidfile", "--graceful-timeout", "10"])

    assert server.wait(30) == 3
    assert not (server.home / "pidfile").exists()
    found = server.reports()
    assert [report["verdict"]["cause"] for report in found] == ["exception"] * 4
    assert len({report["fingerprint"] for report in found}) == 1
    assert not server.leftovers()


def test_a_server_that_was_killed_whole_is_told_by_the_next_start(serve):
    """Master and workers killed at once: the next start writes one report for each, with its last step."""
    app = (
        "import turn\nif turn.first('a') or turn.first('b'):"
        + BLOCKED.format(block=BLOCKS["sleep"]).replace("\n", "\n    ")
        + "\n"
        + HELLO
    )
    server = serve(app=app, workers=2)
    pids = stuck(server, 2)
    everybody = {server.pid, *pids}
    os.kill(server.pid, signal.SIGSTOP)
    for pid in (*pids, server.pid):
        os.kill(pid, signal.SIGKILL)
    server.wait()
    wait_until(lambda: not server.processes(), "the end of all")
    assert not server.reports("crash")
    server.start()
    server.wait_ready(2)
    server.stop()
    server.start()
    server.wait_ready(4)
    server.stop()

    found = {report["attributes"]["process.pid"]: report for report in server.reports("crash")}
    assert set(found) == everybody
    assert len(server.reports("crash")) == 3
    assert {report["verdict"]["cause"] for report in found.values()} == {"vanished"}
    assert {found[pid]["step"] for pid in pids} == {"app.load"}
    assert not server.leftovers()


def test_a_master_killed_alone_leaves_one_report(serve):
    """Its workers notice and end by themselves, which is no death; the master's is told at the next start."""
    server = serve(workers=2)
    server.wait_ready(2)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    wait_until(lambda: not server.processes(), "the workers' end", 30)
    killed = server.pid
    server.start()
    server.wait_ready(4)
    assert server.stop() == 0

    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("master", "vanished")
    assert report["attributes"]["process.pid"] == killed
    assert not server.leftovers()


LIFESPANS = {
    "failed": 'await receive(); await send({"type": "lifespan.startup.failed", "message": "no luck"}); return',
    "raises": 'await receive(); raise ValueError("no luck")',
}


def lifespan_app(first: str) -> str:
    """Return an ASGI app that does this in its lifespan."""
    return f"""
import asyncio, os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await starting(receive, send)
        return
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"hello"}})
async def starting(receive, send):
    {first}
"""


def test_uvicorn_lifespan_that_reports_failure(serve):
    """`lifespan.startup.failed` is a failed boot; its message is the evidence."""
    server = serve(app=lifespan_app(LIFESPANS["failed"]), worker_class="uvicorn")

    assert server.wait() == 3
    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("exception", "app.lifespan")
    assert "no luck" in report["attributes"]["exception.message"]


def test_asgi_lifespan_that_reports_failure(serve, python):
    """The same for Gunicorn's own class, where Gunicorn takes it as a failure."""
    server = serve(app=lifespan_app(LIFESPANS["failed"]), worker_class="asgi")
    if python.gunicorn < (26,):
        pytest.skip("Gunicorn 25 serves on")

    assert server.wait() == 3
    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("exception", "app.lifespan")
    assert "no luck" in report["attributes"]["exception.message"]


_STARTED_IN_STEPS = """
    await receive()
    import bootcheck
    try:
        with bootcheck.step("open cache"):
            pass
        with bootcheck.step("load data"):
            with bootcheck.step("load model"):
                raise RuntimeError("no luck")
    except RuntimeError as exc:
        await send({"type": "lifespan.startup.failed", "message": str(exc)})
"""


@pytest.mark.parametrize("kind", ["asgi", "uvicorn"])
def test_a_step_that_failed_in_a_lifespan_is_named(serve, python, kind):
    """The innermost one, although the app took the exception and reported in its own words."""
    if kind == "asgi" and python.gunicorn < (26,):
        pytest.skip("Gunicorn 25 serves on")
    server = serve(app=lifespan_app(_STARTED_IN_STEPS), worker_class=kind)

    assert server.wait() == 3
    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("exception", "load model")


_AS_STARLETTE = """
    import traceback
    await receive()
    try:
        raise SystemExit(7)
    except BaseException:
        await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
        raise
"""


def test_a_framework_reports_an_exit_as_if_it_were_an_exception(serve):
    """Starlette's way: what the app did is told, and not in which words the framework says so."""
    server = serve(app=lifespan_app(_AS_STARLETTE), worker_class="uvicorn")

    assert server.wait() == 3
    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("sys_exit", "app.lifespan")
    assert "sys.exit(7)" in report["verdict"]["summary"]


@pytest.mark.parametrize("kind", ["asgi", "uvicorn"])
def test_an_app_without_lifespan_is_ready(serve, kind):
    """Where the lifespan is only `auto`, an app that raises does not support it, and serves."""
    server = serve(app=lifespan_app(LIFESPANS["raises"]), worker_class=kind)
    server.wait_ready()
    assert server.get() == (200, b"hello")
    server.stop()

    assert not server.reports("crash")


def test_asgi_lifespan_that_raises_where_it_is_required(serve):
    """With `asgi_lifespan on` a raise is a failed boot."""
    server = serve(app=lifespan_app(LIFESPANS["raises"]), worker_class="asgi", options=["--asgi-lifespan", "on"])

    assert server.wait() == 3
    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("exception", "app.lifespan")
    assert report["attributes"]["exception.type"] == "ValueError"
    assert report["attributes"]["exception.message"] == "no luck"


@pytest.mark.parametrize("kind", partly(["asgi", "uvicorn"], "asgi"))
@pytest.mark.parametrize("block", ["await asyncio.sleep(60)", "__import__('time').sleep(60)"], ids=["await", "block"])
def test_sigterm_in_a_lifespan_that_hangs(serve, kind, block):
    """A worker is not ready before its lifespan has started: a stop ends it at once and says so."""
    hang = "open('stuck-%d' % os.getpid(), 'w').close(); " + block
    server = serve(app=lifespan_app(hang), worker_class=kind)
    (pid,) = stuck(server)
    assert not server.reports("boot", "worker")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid), lambda: "the worker's end" + server.story(), 10)
    server.wait_for_reports()
    server.signal(signal.SIGQUIT)
    server.wait(20)

    (report,) = [one for one in server.reports() if one["attributes"]["process.pid"] == pid]
    assert (report["verdict"]["cause"], report["step"]) == ("sigterm", "app.lifespan")
    assert report["attributes"]["bootcheck.exit.signal.name"] == "SIGTERM"


def test_a_step_of_the_apps_own_is_named(serve):
    """The innermost step is the user's where the user has one."""
    app = """
        import bootcheck
        with bootcheck.step("load model", rows=3):
            raise ValueError("cannot read it")
    """
    server = serve(app=app)

    assert server.wait() == 3
    report = server.death()
    assert report["step"] == "load model"
    assert "load model" in names_of(report)
