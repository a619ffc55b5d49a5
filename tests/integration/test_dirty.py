"""Gunicorn's dirty arbiter and dirty workers: a report for each death, and none for an orderly end."""

from __future__ import annotations

import os
import re
import signal
import textwrap

import pytest

from tests.integration.harness import ARMED, names_of, parent_of, wait_until

APP = """
import json, sys

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

    def start(init="pass", before="", *, workers=1, config="", app=APP, **options):
        tasks = TASKS.replace("{before}", textwrap.dedent(before)).replace(
            "{init}", textwrap.indent(textwrap.dedent(init), " " * 8).lstrip()
        )
        files = {"tasks.py": tasks, **options.pop("files", {})}
        settings = f"dirty_apps = ['tasks:Tasks']\ndirty_workers = {workers}\n"
        # The place of Gunicorn's pidfile goes by the name: servers of one name end each other's dirty arbiter.
        name = f"proc_name = {tmp_path.name + str(os.getpid())!r}\n"
        return serve(app=app, config=settings + name + textwrap.dedent(config) + ARMED, files=files, **options)

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


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], ids=["TERM", "INT", "QUIT"])
def test_a_healthy_life_leaves_boot_reports_only(dirty, signo):
    """Boot, tasks and an orderly stop: each process that became ready has a boot report, nobody a death."""
    server = wait_dirty(dirty(workers=2), 2)
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
    os.kill(pid, signal.SIGTTIN)
    wait_dirty(server, 2)
    os.kill(pid, signal.SIGTTOU)
    server.wait_for_line(r"Dirty worker exited", count=2)
    server.signal(signal.SIGTTIN)
    server.wait_for_reports("boot", 3, role="worker")

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


@pytest.mark.parametrize("name", INIT_FAILURES)
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
