"""What was going on when a worker died: its request, its last log lines, its imports, its native code."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from tests.integration.harness import partly, wait_until

EVERY_CLASS = ("sync", "gthread", "gevent", "asgi", "uvicorn")

WSGI = """
import os, signal, sys, time
import turn

{head}

def act(method, path, query):
    {act}

def app(environ, start_response):
    act(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""
ASGI = """
import asyncio, os, signal, sys, time
import turn

{head}

def act(method, path, query):
    {act}

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({{"type": "lifespan.startup.complete"}})
            else:
                await send({{"type": "lifespan.shutdown.complete"}})
                return
    act(scope["method"], scope["path"], scope["query_string"])
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"hello"}})
"""
NATIVE = """
#include <Python.h>
static PyObject *predict(PyObject *self, PyObject *args) { *(volatile int *)8 = 1; Py_RETURN_NONE; }
static PyMethodDef methods[] = {{"predict", predict, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fastmath", "", -1, methods};
PyMODINIT_FUNC PyInit_fastmath(void) { return PyModule_Create(&module); }
"""


def app_of(kind, act, head=""):
    """Return an app of a worker class whose every request does `act` first."""
    source = ASGI if kind in ("asgi", "uvicorn") else WSGI
    return source.format(head=head, act="\n    ".join(act.strip().splitlines()))


def ask(server, method, path, body=None):
    """Send a request whose answer may never come, from a thread of its own; return the thread."""

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            connection.request(method, path, body=body, headers={"Connection": "close"})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


def reached(server, name="reached"):
    """Wait until the app has made this file."""
    return wait_until((server.home / name).exists, lambda: f"the file {name}{server.story()}")


def evidence_of(report):
    """Return the texts of a verdict's evidence."""
    return [item["text"] for item in report["verdict"]["evidence"]]


def build_native(home, python):
    """Compile a module that writes to an address which is not ours; None where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return None
    ask_python = "import sysconfig as s; print(s.get_path('include')); print(s.get_config_var('EXT_SUFFIX'))"
    include, suffix = subprocess.run(
        [python.path, "-c", ask_python], capture_output=True, text=True, check=True
    ).stdout.split()
    if not os.path.exists(f"{include}/Python.h"):
        return None
    home.mkdir(parents=True, exist_ok=True)
    (home / "fastmath.c").write_text(NATIVE, encoding="utf-8")
    subprocess.run(
        [compiler, "-shared", "-fPIC", f"-I{include}", "-o", f"fastmath{suffix}", "fastmath.c"], cwd=home, check=True
    )
    return "fastmath"


@pytest.mark.parametrize("kind", partly(EVERY_CLASS, "gthread", "uvicorn"))
def test_a_native_crash_in_a_request_names_the_request_and_the_suspect(serve, tmp_path, python, kind):
    """A C fault on the first POST: method, path without query, Python frames, and the module to look at."""
    home = tmp_path / "server"
    if build_native(home, python) is None:
        pytest.skip("no C compiler, or no headers of this Python")
    act = "if method == 'POST' and turn.first():\n    fastmath.predict()"
    server = serve(
        home=home,
        worker_class=kind,
        app=app_of(kind, act, head="import fastmath"),
        environ={"OMP_NUM_THREADS": "3"},
    )
    server.wait_ready()
    assert server.get("/before")[0] == 200
    ask(server, "POST", "/predict/7?token=hunter2hunter2", body=b"secret-body")
    server.wait_for_reports("crash")
    assert server.get("/after")[0] == 200

    report = server.death()
    attributes = report["attributes"]
    assert (report["verdict"]["cause"], attributes["bootcheck.exit.signal.name"]) == ("native_crash", "SIGSEGV")
    assert (attributes["http.request.method"], attributes["url.path"]) == ("POST", "/predict/7")
    assert attributes["bootcheck.requests.count"] == 1
    assert 0 <= attributes["bootcheck.requests"][0]["running_s"] < 60
    assert "POST /predict/7" in report["verdict"]["summary"]
    assert any("POST /predict/7" in text for text in evidence_of(report))
    assert "act" in [frame["function"] for frame in report["stacks"][0]["frames"]]

    suspects = attributes["bootcheck.native.suspects"]
    assert suspects[0]["package"] == "fastmath"
    assert "fastmath" in attributes["bootcheck.native.modules"]
    assert any("suspect fastmath" in text for text in evidence_of(report))
    assert attributes["bootcheck.native.variables"]["OMP_NUM_THREADS"] == "3"
    assert attributes["bootcheck.native.libraries"]
    assert attributes["host.arch"] == os.uname().machine
    assert attributes["process.cpu.time"] > 0
    text = "".join(path.read_text() for path in server.report_files()) + server.stderr
    assert "secret-body" not in text
    assert "hunter2" not in text


ENDS = {
    "os_exit": ("os._exit(7)", "os_exit"),
    "sigkill": ("os.kill(os.getpid(), signal.SIGKILL)", "sigkill_external"),
    "abort": ("os.abort()", "native_crash"),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", partly(EVERY_CLASS, "asgi"))
def test_whatever_ends_a_worker_in_a_request_its_report_names_it(serve, kind, end):
    """No Python code runs at these ends; the memory that the master shares has the request all the same."""
    act, cause = ENDS[end]
    server = serve(worker_class=kind, app=app_of(kind, f"if path == '/slow' and turn.first():\n    {act}"))
    server.wait_ready()
    for _ in range(3):
        assert server.get("/fine")[0] == 200
    ask(server, "GET", "/slow")
    server.wait_for_reports("crash")

    report = server.death()
    assert report["verdict"]["cause"] == cause
    assert [(item["method"], item["path"]) for item in report["attributes"]["bootcheck.requests"]] == [("GET", "/slow")]


@pytest.mark.parametrize("kind", partly(["sync", "gevent", "asgi", "uvicorn"], "asgi"))
def test_a_request_that_gunicorn_times_out_is_named(serve, kind):
    """The abort unwinds the request before the process ends; it was in flight all the same."""
    # Without gevent's patched sleep and without an await the loop itself is blocked.
    act = "if path == '/slow':\n    end = time.monotonic() + 60\n    while time.monotonic() < end:\n        sum([1])"
    server = serve(worker_class=kind, app=app_of(kind, act), options=["--timeout", "2"])
    server.wait_ready()
    assert server.get("/fine")[0] == 200
    ask(server, "GET", "/slow")
    server.wait_for_reports("crash")

    report = server.death()
    attributes = report["attributes"]
    assert report["verdict"]["cause"] == "gunicorn_timeout"
    assert (attributes["http.request.method"], attributes["url.path"]) == ("GET", "/slow")
    assert attributes["bootcheck.requests"][0]["running_s"] > 1
    assert attributes["process.thread.count"] >= 1
    assert attributes["process.unix.file_descriptor.count"] > 3
    assert attributes["process.memory.usage"] > 1 << 20


def test_a_request_that_leaves_by_sys_exit_is_named(serve, python):
    """SystemExit unwinds it before the worker ends, where Gunicorn lets it through."""
    server = serve(app=app_of("sync", "if path == '/slow' and turn.first():\n    sys.exit(9)"))
    server.wait_ready()
    ask(server, "GET", "/slow").join(30)
    if python.gunicorn >= (22,):
        # From 22 on the sync worker swallows it: nothing died, and nothing is in flight at a later death.
        pid = server.workers()[0]
        os.kill(pid, signal.SIGKILL)
        report = server.wait_for_reports("crash")[0]
        assert report["attributes"]["bootcheck.requests"] == []
        return
    report = server.wait_for_reports("crash")[0]
    assert report["verdict"]["cause"] == "sys_exit"
    assert report["attributes"]["url.path"] == "/slow"


@pytest.mark.parametrize("kind", partly(["gthread", "gevent", "asgi", "uvicorn"], "uvicorn"))
def test_many_requests_at_once_are_counted(serve, kind):
    """Those with a place of their own and the newest are named, all are counted, finished ones are gone."""
    if kind in ("asgi", "uvicorn"):
        app = app_of(kind, "pass").replace(
            'act(scope["method"], scope["path"], scope["query_string"])',
            'open("in-" + scope["path"].strip("/"), "w").close()\n'
            '    await asyncio.sleep(60 if scope["path"] != "/fine" else 0)',
        )
    else:
        app = app_of(kind, "open('in-' + path.strip('/'), 'w').close()\nif path != '/fine':\n    time.sleep(60)")
    options = ["--threads", "16", "--timeout", "120"] if kind == "gthread" else ["--timeout", "120"]
    server = serve(worker_class=kind, app=app, options=[*options, "--graceful-timeout", "1"])
    server.wait_ready()
    for number in range(12):
        # A request that is answered may still be about to end when the next one begins.
        assert server.get("/fine")[0] == 200
        ask(server, "GET", f"/r{number}")
        reached(server, f"in-r{number}")
    os.kill(server.workers()[0], signal.SIGKILL)
    report = server.wait_for_reports("crash")[0]

    attributes = report["attributes"]
    paths = [item["path"] for item in attributes["bootcheck.requests"]]
    assert attributes["bootcheck.requests.count"] == 12
    assert paths[0] == "/r0"
    assert paths[-3:] == ["/r9", "/r10", "/r11"]
    assert len(set(paths)) == len(paths) in (7, 8)
    assert "/fine" not in paths
    assert "and 11 more" in report["verdict"]["summary"]
    assert "url.path" not in attributes


def test_an_idle_worker_had_no_request(serve):
    """An empty list says that there was none; a finished request leaves nothing."""
    server = serve()
    server.wait_ready()
    with socket.create_connection(("127.0.0.1", server.port), 20) as client:
        client.sendall(b"GET /done HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
        with client.makefile("rb") as answer:
            # To its end: a worker closes the connection when it is through with the request.
            assert answer.read().startswith(b"HTTP/1.1 200 ")
    os.kill(server.workers()[0], signal.SIGKILL)
    attributes = server.wait_for_reports("crash")[0]["attributes"]

    assert (attributes["bootcheck.requests"], attributes["bootcheck.requests.count"]) == ([], 0)
    assert attributes["process.unix.file_descriptor.count"] is None
    assert attributes["bootcheck.process.memory.last_checkpoint"]["bytes"] > 1 << 20


def test_a_secret_in_a_path_is_hidden(serve):
    """What the environment hides, what looks like a token and what follows `reset` never reach a report."""
    server = serve(
        app=app_of("sync", "if path.startswith('/reset') and turn.first():\n    os._exit(1)"),
        environ={"API_SECRET": "swordfish-in-a-path"},
    )
    server.wait_ready()
    ask(server, "GET", "/reset/a1b2c3/swordfish-in-a-path/0123456789abcdef0123456789abcdef/plain")
    report = server.wait_for_reports("crash")[0]
    assert report["attributes"]["url.path"] == "/reset/***/***/***/plain"
    assert "swordfish" not in server.stderr


# -- log lines


def test_the_last_log_lines_of_a_killed_worker_are_there(serve):
    """What the app and Gunicorn logged, in order, without secrets; before and after ready."""
    head = """
import logging
logging.basicConfig(level=logging.INFO)
log = logging.getLogger("shop")
log.info("loading %d models", 3)
"""
    act = (
        "log.info('quiet in a request')\n"
        "log.warning('stock of %s is low, password=%s', 'tea', 'hunter2hunter2')\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('cannot divide')\n"
        "os.kill(os.getpid(), signal.SIGKILL) if turn.first() else None"
    )
    server = serve(app=app_of("sync", act, head=head))
    server.wait_ready()
    ask(server, "GET", "/")
    lines = server.wait_for_reports("crash")[0]["attributes"]["bootcheck.log"]

    told = [(line["level"], line["logger"], line["text"]) for line in lines]
    assert ("INFO", "shop", "loading 3 models") in told
    assert ("WARNING", "shop", "stock of tea is low, password=***") in told
    assert ("ERROR", "shop", "cannot divide [ZeroDivisionError: division by zero]") in told
    assert not any("quiet" in text for _, _, text in told)
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)


def test_an_app_without_logging_configuration_keeps_pythons_last_resort(serve):
    """Its warnings still go to stderr as they are, and no logger has a handler more than before."""
    act = "log.warning('bare words')\nprint('HANDLERS', logging.getLogger().handlers, file=sys.stderr)"
    server = serve(app=app_of("sync", act, head="import logging\nlog = logging.getLogger('shop')"))
    server.wait_ready()
    assert server.get()[0] == 200
    server.wait_for_line(r"^bare words$")
    server.wait_for_line(r"^HANDLERS \[\]$")


# -- what an import takes


SLOW = "import time\ntime.sleep({seconds})\n"


def test_the_slowest_imports_are_in_the_boot_report(serve):
    """With their own time, not that of what they import."""
    files = {
        "outer.py": "import inner\n" + SLOW.format(seconds=0.05),
        "inner.py": SLOW.format(seconds=0.2),
    }
    server = serve(app=app_of("sync", "pass", head="import outer"), files=files)
    server.wait_ready()
    report = server.reports("boot", "worker")[0]
    slowest = {item["module"]: item for item in report["attributes"]["bootcheck.imports"]}
    assert slowest["inner"]["self_ms"] >= 200
    assert 50 <= slowest["outer"]["self_ms"] < slowest["inner"]["self_ms"]
    assert slowest["outer"]["total_ms"] >= 250


def test_under_preload_the_masters_boot_report_has_them(serve):
    """There the app is imported in the master."""
    server = serve(
        app=app_of("sync", "pass", head="import inner"),
        files={"inner.py": SLOW.format(seconds=0.1)},
        options=["--preload"],
    )
    server.wait_ready()
    report = server.reports("boot", "master")[0]
    assert "inner" in [item["module"] for item in report["attributes"]["bootcheck.imports"]]


@pytest.mark.parametrize("signo", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_killed_in_an_import_names_the_chain(serve, signo):
    """The modules that were being imported, outermost first, and the slow ones that were done."""
    files = {
        "quick.py": SLOW.format(seconds=0.1),
        "outer.py": "import quick\nimport inner\n",
        "inner.py": "import turn, time\nif turn.first():\n    open('reached', 'w').close()\n    time.sleep(60)\n",
    }
    server = serve(app=app_of("sync", "pass", head="import outer"), files=files)
    reached(server)
    os.kill(server.workers()[0], signo)
    report = server.wait_for_reports("crash")[0]
    attributes = report["attributes"]
    assert [item["module"] for item in attributes["bootcheck.importing"]] == ["app", "outer", "inner"]
    assert any("app > outer > inner" in text for text in evidence_of(report))
    assert "quick" in [item["module"] for item in attributes["bootcheck.imports"]]
    assert attributes["bootcheck.requests"] == []


def test_an_import_that_raises_names_the_chain(serve):
    """The exception has unwound it by then."""
    files = {"outer.py": "import inner\n", "inner.py": "raise ValueError('no')\n"}
    server = serve(app="import outer\n", files=files)
    server.wait()
    attributes = server.death()["attributes"]
    assert [item["module"] for item in attributes["bootcheck.importing"]] == ["app", "outer", "inner"]


def test_a_traceback_of_an_import_looks_as_it_did(serve):
    """Python leaves importlib out between a module and what it imports; nothing of ours stands there either."""
    server = serve(app="import broken\n", files={"broken.py": "raise ValueError('as ever')\n"})
    server.wait()
    trace = server.stderr[server.stderr.index("Traceback") : server.stderr.index("ValueError: as ever")]
    assert "probes" not in trace
    lines = [line.strip() for line in trace.splitlines() if "^" not in line]
    assert "broken.py" in lines[lines.index("import broken") + 1]


# -- previous lives


def test_a_report_tells_of_the_lives_before(serve):
    """In this master, and in an earlier one that used the same directory."""
    act = "if path == '/die':\n    os._exit(5)"
    server = serve(app=app_of("sync", act))
    for start in range(2):
        server.wait_for_line("Listening at", count=start + 1)
        for number in range(2):
            have = 2 * start + number
            server.wait_for_reports("boot", have + start + 1, role="worker")
            ask_at_last_port(server)
            server.wait_for_reports("crash", have + 1)
        server.wait_for_reports("boot", 2 * start + start + 3, role="worker")
        server.stop()
        if not start:
            server.start()
    lives = server.reports("crash")[-1]["attributes"]["bootcheck.previous_lives"]
    assert (lives["ended"], lives["deaths"]) == (1, 1)
    assert (lives["last"][0]["cause"], lives["last"][0]["exit"]) == ("os_exit", "exit 5")
    assert lives["last"][0]["uptime_s"] >= 0
    assert lives["earlier_starts"]["deaths"] == 2
    assert [life["exit"] for life in lives["earlier_starts"]["last"]] == ["exit 5", "exit 5"]


def test_a_masters_own_death_tells_of_the_starts_before(serve):
    """Under preload it is the master that fails, again and again."""
    server = serve(app="raise ValueError('no')\n", options=["--preload"])
    server.wait()
    server.start()
    server.wait()
    first, second = (report["attributes"]["bootcheck.previous_lives"] for report in server.reports("crash", "master"))
    assert first["earlier_starts"]["deaths"] == 0
    assert [life["cause"] for life in second["earlier_starts"]["last"]] == ["exception"]


def ask_at_last_port(server):
    """Ask the latest start of a server to die."""
    import re

    port = int(re.findall(r"Listening at: http://127\.0\.0\.1:(\d+)", server.stderr)[-1])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", "/die")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()
