"""Gunicorn's dirty arbiter and dirty workers: a report for each death, and none for an orderly end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tests.integration.harness import ARMED, SOURCE, names_of, parent_of, partly, wait_until

STUCK_FROM = (3, 12)
"""From here on a dirty worker that has had a task does not stop in time, with or without us."""
APP = """

def app(environ, start_response):
    path = environ["PATH_INFO"]
    said = b"hello"
    if path != "/":
        from gunicorn.dirty import get_dirty_client
        try:
            said = str(get_dirty_client().execute("tasks:Tasks", path[1:])).encode()
        except Exception as exc:
            said = type(exc).__name__.encode()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said]
"""
TASKS = """
import ctypes, os, signal, sys, time
from gunicorn.dirty import DirtyApp
{before}

class Tasks(DirtyApp):
    def init(self):
        open("init-%d" % os.getpid(), "w").close()
        {init}

    def pid(self):
        return os.getpid()

    def segfault(self):
        ctypes.string_at(0)

    def hold(self):
        ctypes.PyDLL(None).sleep(30)  # keeps the GIL: no heartbeat
"""


@pytest.fixture
def dirty(serve, python, tmp_path):
    """Start a server with dirty workers, whose app does `init` when it starts."""
    if python.gunicorn < (25,):
        pytest.skip("Gunicorn has dirty workers from 25 on")

    def start(init="pass", before="", *, workers=1, web=1, config="", app=APP, armed=ARMED, **options):
        tasks = TASKS.replace("{before}", textwrap.dedent(before)).replace(
            "{init}", textwrap.indent(textwrap.dedent(init), " " * 8).lstrip()
        )
        files = {"tasks.py": tasks, **options.pop("files", {})}
        settings = f"dirty_apps = ['tasks:Tasks']\ndirty_workers = {workers}\n"
        # The place of Gunicorn's pidfile goes by the name: servers of one name end each other's dirty arbiter.
        name = f"proc_name = {tmp_path.name + str(os.getpid())!r}\n"
        config = settings + name + textwrap.dedent(config) + armed
        return serve(app=app, config=config, files=files, workers=web, **options)

    return start


def arbiter_of(server):
    """Return the pid of the dirty arbiter."""
    return int(server.wait_for_line(r"Spawned dirty arbiter \(pid: (\d+)\)")[1])


def dirty_workers(server):
    """Return the living dirty workers."""
    web = set(server.workers()) | {server.pid}
    return [pid for pid in server.processes() if pid not in web and parent_of(pid) in web]


def wait_dirty(server, count=1):
    """Wait until so many dirty workers have left their boot report."""
    server.wait_ready()
    server.wait_for_reports("boot", count, role="dirty-worker")
    return server


def inits(server):
    """Return the pids of the processes in which the dirty app's `init` began."""
    return sorted(int(path.name.partition("-")[2]) for path in server.home.glob("init-*"))


def analyzed(*paths):
    """Return the incidents that `bootcheck analyze` finds."""
    command = [sys.executable, "-m", "bootcheck", "analyze", "--format", "json", *map(str, paths)]
    told = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONPATH": str(SOURCE)}, check=False)
    return json.loads(told.stdout)["incidents"]


@pytest.mark.parametrize(
    "signo",
    partly([signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], signal.SIGTERM, signal.SIGQUIT),
    ids=["TERM", "INT", "QUIT"],
)
def test_a_healthy_life_leaves_boot_reports_only(dirty, python, signo):
    """Boot, tasks and an orderly stop: each process that became ready has a boot report, nobody a death."""
    server = wait_dirty(dirty(workers=2), 2)
    if python.python < STUCK_FROM:
        assert server.get("/pid")[1].decode() in {str(pid) for pid in dirty_workers(server)}

    assert server.stop(signo) == 0

    assert not server.reports("crash")
    assert len(server.reports("boot", "dirty-arbiter")) == 1
    for boot in server.reports("boot", "dirty-worker"):
        names = names_of(boot)
        assert {"worker.boot", "app.load", "dirty.app.init", "worker.dirty_worker_init"} <= set(names)
        assert boot["attributes"]["process.parent_pid"] == arbiter_of(server)
    assert not server.leftovers()


def test_reload_and_a_changed_number_of_workers_leave_no_death(dirty):
    """HUP, TTIN and TTOU, for the master and for the dirty arbiter."""
    server = wait_dirty(dirty(init="time.sleep(0.5)"))
    pid = arbiter_of(server)
    server.signal(signal.SIGHUP)
    server.wait_for_line("Reloading dirty workers")
    server.wait_for_line(r"Dirty worker exited")
    # Gunicorn's loop that ends one too many keeps the number it began with: a TTIN meanwhile, and it never ends.
    time.sleep(1)
    os.kill(pid, signal.SIGTTIN)
    wait_dirty(server, 2)
    os.kill(pid, signal.SIGTTOU)
    server.wait_for_line(r"Dirty worker exited", count=2)
    server.signal(signal.SIGTTIN)
    server.wait_for_reports("boot", 3, role="worker")

    def settled():
        # A TTOU may end one too many, and another is started: stopped in mid-boot it would be a death.
        booted = {boot["attributes"]["process.pid"] for boot in server.reports("boot", "dirty-worker")}
        return (living := dirty_workers(server)) and booted.issuperset(living)

    wait_until(settled, lambda: "dirty workers that are ready" + server.story())
    assert server.stop() == 0
    assert not server.reports("crash")
    assert not server.leftovers()


INIT_FAILURES = {
    "exception": ("raise ValueError('no such luck')", "exception", 3),
    "os-exit": ("os._exit(9)", "os_exit", 9),
    "sys-exit": ("sys.exit(5)", "sys_exit", 5),
    "sys-exit-text": ("sys.exit('no such luck')", "sys_exit", 1),
    "not-an-exception": ("raise KeyboardInterrupt", "exception", 1),
    "segfault": ("ctypes.string_at(0)", "native_crash", None),
}


@pytest.mark.parametrize("name", partly(list(INIT_FAILURES), "exception", "sys-exit-text", "segfault"))
def test_an_init_that_fails_leaves_one_report(dirty, name):
    """A dirty worker that dies while its app starts is one death, and the next one is started."""
    body, cause, code = INIT_FAILURES[name]
    server = wait_dirty(dirty(init=f"import turn\nif turn.first(): {body}"))

    assert server.stop() == 0
    report = server.death()
    assert (report["role"], report["verdict"]["cause"], report["step"]) == ("dirty-worker", cause, "dirty.app.init")
    assert report["attributes"].get("process.exit.code") == code
    assert report["attributes"]["bootcheck.dirty.apps"] == ["tasks:Tasks"]
    assert not report["attributes"]["bootcheck.ready"]
    assert not server.leftovers()


def test_a_socket_that_cannot_be_made_is_the_exception_that_it_raised(dirty):
    """Gunicorn catches it, and the dirty worker exits with status 0."""
    hook = """
        def dirty_worker_init(worker):
            import turn
            if turn.first():
                worker.socket_path = "/nowhere/worker.sock"
        """
    server = wait_dirty(dirty(config=hook))
    assert server.stop() == 0
    report = server.death()
    assert (report["role"], report["verdict"]["cause"], report["step"]) == ("dirty-worker", "exception", "worker.boot")
    assert report["attributes"]["exception.type"] == "FileNotFoundError"
    assert report["attributes"]["process.exit.code"] == 0


def test_an_app_that_cannot_be_imported(dirty):
    """A module that Gunicorn does not find, and one whose own import fails, are two causes."""
    server = dirty(config="dirty_apps = ['nowhere:Tasks']").wait_ready()
    report = server.wait_for_reports("crash", role="dirty-worker")[0]
    assert (report["verdict"]["cause"], report["step"]) == ("app_not_found", "app.load")

    server = dirty(before="import missing_dependency").wait_ready()
    report = server.wait_for_reports("crash", role="dirty-worker")[0]
    assert (report["verdict"]["cause"], report["step"]) == ("exception", "app.load")
    assert "missing_dependency" in str(report["attributes"]["bootcheck.exception.chain"])


@pytest.mark.wide
def test_a_start_that_always_fails_is_slowed_and_stops_nobody(dirty):
    """Web workers serve on; pauses between the starts grow; each start is one report, the banner comes once."""
    server = dirty(init="raise ValueError('no such luck')").wait_ready()
    server.wait_for_reports("crash", 3, role="dirty-worker")
    assert server.get()[0] == 200
    server.stop()

    reports = server.reports("crash")
    # Plain Gunicorn starts it 50 times a second.
    assert len(reports) == len(inits(server)) < 10
    assert {(report["verdict"]["cause"], report["role"]) for report in reports} == {("exception", "dirty-worker")}
    assert server.stderr.count("growing pauses") == 1
    assert len(re.findall(r"^-{80}$", server.stderr, re.MULTILINE)) == 2
    assert not server.leftovers()
    for inputs in ([server.directory], [server.directory, server.home / "stderr"], [server.home / "stderr"]):
        (incident,) = analyzed(*inputs)
        assert incident["count"] == len(reports)
        assert {process["role"] for process in incident["processes"]} == {"dirty-worker"}


def test_a_log_without_us_tells_of_dirty_workers(dirty):
    """Each traceback of a dirty worker is one death of it, and none of the web worker beside it."""
    server = dirty(init="raise ValueError('no such luck')", environ={"BOOTCHECK_DISABLE": "1"})
    server.wait_for_line("Dirty worker failed to boot", count=5)
    server.stop()
    (incident,) = analyzed(server.home / "stderr")
    assert incident["cause"] == "exception"
    assert incident["count"] == server.stderr.count("Exception in dirty worker process")
    assert {process["role"] for process in incident["processes"]} == {"dirty-worker"}


@pytest.mark.wide
def test_a_reload_ends_a_pause(dirty):
    """What HUP brings is tried at once."""
    server = dirty(init="if not os.path.exists('fixed'): raise ValueError('no such luck')").wait_ready()
    server.wait_for_reports("crash", 4, role="dirty-worker")
    (server.home / "fixed").touch()
    os.kill(arbiter_of(server), signal.SIGHUP)
    wait_dirty(server)


@pytest.mark.parametrize(
    ("how", "cause", "name"),
    [
        (signal.SIGKILL, "sigkill_external", "SIGKILL"),
        (signal.SIGSEGV, "native_crash", "SIGSEGV"),
        ("/segfault", "native_crash", "SIGSEGV"),
        ("/hold", "gunicorn_timeout", "SIGKILL"),
    ],
    ids=["SIGKILL", "SIGSEGV", "task", "timeout"],
)
def test_a_dirty_worker_that_dies_in_its_work(dirty, python, how, cause, name):
    """A dirty worker that was ready leaves one report, and another takes its place."""
    server = wait_dirty(dirty(config="dirty_timeout = 2"))
    if how == "/segfault" and python.python >= (3, 12):
        pytest.skip("from Python 3.12 on a dirty worker that had a task blocks its arbiter's stop")
    (pid,) = dirty_workers(server)
    if isinstance(how, str):
        server.get_in_vain(how)
    else:
        os.kill(pid, how)
    wait_dirty(server, 2)

    assert server.stop() == 0
    report = server.death()
    assert (report["role"], report["verdict"]["cause"], report["step"]) == ("dirty-worker", cause, None)
    assert report["attributes"]["process.pid"] == pid
    assert report["attributes"]["bootcheck.exit.signal.name"] == name
    assert report["attributes"]["bootcheck.ready"]
    if cause == "gunicorn_timeout":
        assert "dirty arbiter" in report["verdict"]["summary"]
        assert "hold" in str(report["stacks"])
    if how == "/segfault":
        assert "segfault" in str(report["stacks"])
    assert not server.leftovers()


def test_a_killed_dirty_arbiter_leaves_one_report(dirty):
    """The master reports it and starts another; its orphans, which Gunicorn leaves alone, are no deaths."""
    server = wait_dirty(dirty())
    pid = arbiter_of(server)
    (orphan,) = dirty_workers(server)
    os.kill(pid, signal.SIGKILL)
    server.wait_for_reports("boot", 2, role="dirty-arbiter")
    wait_dirty(server, 2)
    os.kill(orphan, signal.SIGTERM)
    wait_until(lambda: orphan not in server.processes(), "the orphan's end")

    assert server.stop() == 0
    report = server.death()
    assert (report["role"], report["verdict"]["cause"], report["step"]) == ("dirty-arbiter", "sigkill_external", None)
    assert report["attributes"]["process.pid"] == pid
    assert not server.leftovers()


def test_a_dirty_arbiter_that_cannot_start_is_slowed(dirty):
    """An exception of the user's hook has its traceback in the report; the server serves on."""
    server = dirty(config="def on_dirty_starting(arbiter): raise ValueError('no such luck')\n").wait_ready()
    server.wait_for_reports("crash", 3, role="dirty-arbiter")
    assert server.get()[0] == 200
    server.stop()

    reports = server.reports("crash")
    assert len(reports) < 10
    for report in reports:
        assert (report["verdict"]["cause"], report["step"]) == ("exception", "dirty.on_dirty_starting")
        assert report["attributes"]["process.exit.code"] == 255
    assert not server.leftovers()


def test_a_stop_in_the_middle_of_an_init(dirty):
    """A stop of the server ends an init that would have taken long, and reports it."""
    server = dirty(init="time.sleep(60)").wait_ready()
    (pid,) = wait_until(lambda: inits(server), "a dirty worker's init")
    assert server.stop() == 0

    report = server.death()
    assert (report["role"], report["verdict"]["cause"], report["step"]) == ("dirty-worker", "sigterm", "dirty.app.init")
    assert report["attributes"]["process.pid"] == pid
    assert "from the dirty arbiter" in report["verdict"]["summary"]
    assert not server.leftovers()


def test_a_dirty_worker_that_does_not_stop_is_killed_and_reported(dirty, python):
    """Over its grace period the dirty arbiter kills it, and waits to see how it ended."""
    if python.python >= STUCK_FROM:
        pytest.skip("there the dirty arbiter itself is stuck first, see the next test")
    server = wait_dirty(dirty(config="dirty_graceful_timeout = 1\ndirty_timeout = 60"))
    server.get_in_vain("/hold")
    assert server.stop() == 0

    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("dirty-worker", "sigkill_graceful_timeout")
    assert "dirty_graceful_timeout" in report["verdict"]["summary"]
    assert not server.leftovers()


def test_a_dirty_pool_that_python_holds_at_its_stop_is_one_report(dirty, python):
    """From 3.12 on a server waits for its connections at a close: Gunicorn's own stop then ends by SIGKILL."""
    if python.python < STUCK_FROM:
        pytest.skip("Python closes a server without waiting before 3.12")
    server = wait_dirty(dirty(config="graceful_timeout = 2"))
    server.get("/pid")
    assert server.stop() == 0

    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("dirty-arbiter", "sigkill_graceful_timeout")
    assert "3.12" in str(report["verdict"]["action"])
    # An orphan that ends sees the socket closed before its parent is gone: then the next start removes its files.
    wait_until(lambda: not server.processes(), lambda: "the end of the orphans" + server.story())
    server.start()
    wait_dirty(server, 2)
    assert server.stop() == 0
    assert len(server.reports("crash")) == 1
    assert not server.leftovers()


def test_a_forked_helper_of_a_dirty_worker_is_nobodys_death(dirty):
    """What a dirty worker forks itself may crash: neither reported nor written into its parent's files."""
    server = wait_dirty(
        dirty(
            init="""
            import multiprocessing
            helper = multiprocessing.get_context("fork").Process(target=ctypes.string_at, args=(0,))
            helper.start()
            helper.join()
            open("helper", "w").write(str(helper.exitcode))
            """
        )
    )
    assert (server.home / "helper").read_text() == "-11"
    assert server.stop() == 0
    assert not server.reports("crash")
    assert not server.leftovers()


@pytest.mark.wide
def test_a_killed_master_takes_its_dirty_processes_along(dirty):
    """The dirty arbiter notices and stops; the next start reports the master alone."""
    server = wait_dirty(dirty())
    master = server.pid
    os.kill(master, signal.SIGKILL)
    server.wait()
    wait_until(lambda: not server.processes(), lambda: "the end of all" + server.story())
    server.start()
    wait_dirty(server, 2)
    assert server.stop() == 0
    assert [report["attributes"]["process.pid"] for report in server.reports("crash")] == [master]
    assert not server.leftovers()


def test_the_deadline_of_a_boot_is_not_for_dirty_apps(dirty):
    """A dirty app may load for longer than a web worker may; a step of its own can have a deadline."""
    server = wait_dirty(dirty(init="time.sleep(2)", environ={"BOOTCHECK_BOOT_DEADLINE": "1.5"}))
    assert server.stop() == 0
    assert not server.reports("crash")

    server = dirty(
        init="import turn\nif turn.first(): time.sleep(60)",
        armed="import bootcheck\nbootcheck.arm(globals(), deadlines={'dirty.app.init': 1})",
    )
    wait_dirty(server)
    assert server.stop() == 0
    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("dirty-worker", "boot_deadline")


POOL = """
import json, os
from sqlalchemy import create_engine, text

engine = create_engine(os.environ["DATABASE_URL"])

def whose(connection=None):
    if connection is not None:
        return connection.execute(text("SELECT pg_backend_pid()")).scalar()
    with engine.connect() as connection:
        return whose(connection)

held, idle = engine.connect(), engine.connect()
with open("warmed", "w") as file:
    json.dump([whose(held), whose(idle)], file)
idle.close()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(whose()).encode()]
"""


@pytest.mark.parametrize("web", partly([1, 2], 2))
def test_a_pool_of_a_preloaded_app_is_not_shared(dirty, python, postgres, web):
    """What the import connected reaches no dirty worker; a single web worker keeps what it has without us."""
    if not {"sqlalchemy", "psycopg"} <= python.has:
        pytest.skip("SQLAlchemy and psycopg are not installed there")
    init = """
        import app
        held = None
        try:
            held = app.whose(app.held)
        except Exception:
            pass
        with open("dirty", "w") as file:
            file.write("%s %s" % (held, app.whose()))
        """
    url = postgres.url(user="app", database="app", query="sslmode=disable")
    server = wait_dirty(dirty(init=init, app=POOL, options=["--preload"], environ={"DATABASE_URL": url}, web=web))
    server.wait_ready(web)
    warmed = json.loads((server.home / "warmed").read_text())
    held, fresh = (server.home / "dirty").read_text().split()
    assert held not in [str(pid) for pid in warmed]
    assert int(fresh) not in warmed
    boot = server.reports("boot", "dirty-worker")[0]
    assert "neutralised" in {guard["action"] for guard in boot["guards"]}
    assert "BC201" in {finding["code"] for finding in boot["findings"]}
    mine = int(server.get()[1])
    assert (mine in warmed) == (web == 1)

    assert server.stop() == 0
    # From Python 3.12 on Gunicorn's dirty processes may block each other's stop: a death of another kind.
    deaths = {report["verdict"]["cause"] for report in server.reports("crash")}
    assert deaths <= ({"sigkill_graceful_timeout"} if python.python >= (3, 12) else set())


CLIENTS = """
import os
import psycopg
from psycopg_pool import ConnectionPool

raw = psycopg.connect(os.environ["URL"], autocommit=True)
pool = ConnectionPool(os.environ["URL"], min_size=1, open=True, timeout=20)
pool.wait()
WHOSE = "select pg_backend_pid()"

def whose():
    with pool.connection() as connection:
        return connection.execute(WHOSE).fetchone()[0]

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%d %d" % (raw.execute(WHOSE).fetchone()[0], whose())).encode()]
"""


def test_every_client_is_made_good_or_cut_off_in_a_dirty_worker(dirty, python, postgres):
    """One web worker keeps its raw connection; the dirty worker cannot use it, and has a pool that works."""
    pytest.importorskip("psycopg_pool")
    if "psycopg" not in python.has:
        pytest.skip("psycopg is not installed there")
    init = """
        import app
        try:
            raw = app.raw.execute("select 1").fetchone()
        except Exception as exc:
            raw = type(exc).__name__
        with open("dirty.part", "w") as file:
            file.write("%s %s" % (raw, app.whose()))
        os.rename("dirty.part", "dirty")
        """
    url = postgres.url("postgresql", user="app", database="app", query="sslmode=disable")
    server = wait_dirty(dirty(init=init, app=CLIENTS, options=["--preload"], environ={"URL": url}))
    raw, pooled = (server.home / "dirty").read_text().split()
    status, answer = server.get()
    server.stop()
    boot = server.reports("boot", "dirty-worker")[0]

    assert raw == "OperationalError"
    assert status == 200
    # The one web worker goes on with what the import opened.
    assert pooled not in answer.decode().split()
    assert {"cut", "neutralised", "renewed"} <= {guard["action"] for guard in boot["guards"]}
