"""`bootcheck dump` against real servers: what a living process does, and that it goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bootcheck.guards.snapshot import SIGNAL
from bootcheck.gunicorn.dump import Look, look
from tests.integration.harness import ARMED, PATIENCE, SOURCE, Server, alive, functions_of, partly, sleeps, wait_until
from tests.integration.test_boot import nobody, public_home  # noqa: F401 - fixtures
from tests.unit.children import forked

pytestmark = pytest.mark.wide

APP = """
import ctypes, os, signal, socket, threading, time
def search():
    while True:
        sum(range(100))
def hang():
    # PyDLL keeps the GIL: no Python runs in this process until it comes back.
    ctypes.PyDLL(None).sleep(1000)
def grind():
    # One C call that never looks at signals.
    sum(range(10**15))
def waiting():
    time.sleep(1000)
def slow():
    # A system call of each kind: one that goes on after a signal by itself, one that Python repeats.
    here, there = socket.socketpair()
    threading.Timer(0.05, there.send, (b"x",)).start()
    assert here.recv(1) == b"x"
    time.sleep(0.05)
def deep(calls):
    return deep(calls - 1) if calls else time.sleep(0)
def churn():
    # Frames and threads come and go all the time: who reads them without holding the GIL reads what is freed.
    def work():
        while True:
            thread = threading.Thread(target=deep, args=(30,))
            thread.start()
            deep(40)
            thread.join()
    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
def crash():
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(1000)
def app(environ, start_response):
    path = environ["PATH_INFO"][1:]
    if path == "spin":
        threading.Thread(target=search, name="search", daemon=True).start()
    elif path:
        globals()[path]()
    start_response("200 OK", [])
    return [b"hello"]
"""
ASGI = """
import asyncio
async def waiting():
    await asyncio.sleep(1000)
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/waiting":
        await waiting()
    await asyncio.sleep(0.05 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
OPTIONS = ("--graceful-timeout", "5")
ALL = ("sync", "gthread", "gevent", "asgi", "uvicorn")
QUICK = 0.05


def app_for(kind: str) -> str:
    """Return the app that a worker class can run."""
    return ASGI if kind in ("asgi", "uvicorn") else APP


def asked(server: Server, pid: int, seconds: float = QUICK) -> Look:
    """Look at a process without the cost of a command; its report must be valid and stored."""
    found = look(pid, seconds=seconds, directory=None, environ={})
    assert found.problem is None, found.problem + server.story()
    assert found.report in server.reports("snapshot")
    return found


def command(*arguments: object, environ: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Run `bootcheck dump` as a user does; return code, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "bootcheck", "dump", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE), **(environ or {})},
        timeout=PATIENCE * 2,
    )
    return done.returncode, done.stdout, done.stderr


def stuck_in(server: Server, path: str, function: str, *, answered: bool = True) -> Look:
    """Send a request that stays in a function; return a look that sees it there."""
    client = threading.Thread(target=server.get_in_vain, args=(path,), daemon=True)
    client.start()
    (worker,) = server.workers()

    def seen() -> Look | None:
        found = look(worker, seconds=QUICK, directory=None, environ={})
        if found.report is None or found.report["attributes"]["bootcheck.snapshot.python_answered"] is not answered:
            return None
        return found if any(function in name for name in functions_of(found.report)) else None

    return wait_until(seen, lambda: f"{function} on a stack" + server.story(), PATIENCE)


@pytest.fixture
def sleeper() -> Iterator[int]:
    """A process that has nothing to do with bootcheck."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()


# -- what a look sees


@pytest.mark.parametrize("kind", partly(["sync", "gthread"], "gthread"))
def test_a_thread_that_spins_is_named_with_its_function(serve, kind):
    """Incident B in one command: which thread burns the CPU, and where; code 1."""
    server = serve(app=APP, worker_class=kind, options=OPTIONS).wait_ready()
    server.get("/spin")
    (worker,) = server.workers()

    code, out, err = command(worker)

    assert (code, err) == (1, "")
    (report,) = server.reports("snapshot")
    busiest = report["attributes"]["bootcheck.threads"][0]
    assert busiest["python_name"] == "search"
    assert busiest["place"].startswith("search (app.py:")
    assert busiest["wanted_percent"] > 50
    assert report["stacks"][0]["thread"] == "search"
    assert report["stacks"][0]["native_id"] == busiest["native_id"] != worker
    assert report["verdict"]["cause"] == "none"
    assert report["incomplete"] is False
    summary = out.partition("\n\n")[0].replace("\n", " ")
    assert f"thread search ({busiest['native_id']}) used " in summary
    assert "in search (app.py:" in summary
    assert server.get()[0] == 200
    assert server.stop() == 0
    assert server.reports("crash") == []
    assert server.leftovers() == []


def test_greenlets_that_wait_are_shown(serve):
    """Of the thread, only the hub can be seen."""
    server = serve(app=APP, worker_class="gevent", options=OPTIONS).wait_ready()

    report = stuck_in(server, "/waiting", "waiting").report

    (found,) = [stack for stack in report["stacks"] if "waiting" in str(stack["frames"][0:4])]
    assert found["thread"].startswith("greenlet ")
    assert server.get()[0] == 200
    (request,) = report["attributes"]["bootcheck.requests"]
    assert (request["method"], request["path"]) == ("GET", "/waiting")


@pytest.mark.parametrize("kind", partly(["asgi", "uvicorn"], "asgi"))
def test_tasks_that_wait_are_shown(serve, kind):
    """The thread itself is in the loop's select."""
    server = serve(app=ASGI, worker_class=kind, options=OPTIONS).wait_ready()

    report = stuck_in(server, "/waiting", "waiting").report

    (found,) = [stack for stack in report["stacks"] if any("waiting" in f["function"] for f in stack["frames"])]
    assert found["thread"].startswith("task ")
    assert [frame["function"].rpartition(".")[2] for frame in found["frames"][1:3]] == ["waiting", "app"]
    assert server.get()[0] == 200
    (request,) = report["attributes"]["bootcheck.requests"]
    assert (request["method"], request["path"]) == ("GET", "/waiting")


def test_native_code_that_keeps_the_gil_is_seen_through(serve):
    """No Python runs; the stacks come all the same, and what only Python knows is missing, not guessed."""
    server = serve(app=APP, worker_class="gthread", options=(*OPTIONS, "--threads", "3")).wait_ready()
    (worker,) = server.workers()

    found = stuck_in(server, "/hang", "hang", answered=False)

    report = found.report
    assert found.conspicuous
    assert report["incomplete"] is True
    assert any("only Python knows" in text for text in report["verdict"]["missing"])
    main = next(stack for stack in report["stacks"] if stack["thread"] == "MainThread")
    assert main["native_id"] == worker
    assert report["attributes"]["bootcheck.ready"] is True
    os.kill(worker, signal.SIGKILL)
    (death,) = server.wait_for_reports("crash")
    assert death["verdict"]["cause"] == "sigkill_external"
    assert death["stacks"] == []


def test_a_c_call_that_burns_the_cpu_in_the_main_thread(serve):
    """The main thread is known although Python does not run."""
    server = serve(app=APP, options=OPTIONS).wait_ready()
    (worker,) = server.workers()

    report = stuck_in(server, "/grind", "grind", answered=False).report

    assert report["stacks"][0]["native_id"] == worker
    assert report["attributes"]["bootcheck.threads"][0]["place"].startswith("grind (app.py:")
    assert "runs no Python" in report["verdict"]["summary"]
    os.kill(worker, signal.SIGKILL)
    server.wait_for_reports("crash")


def test_a_thread_that_runs_is_not_read_from_c_unless_forced(serve):
    """To read a moving thread's frames can end the process; a C call that keeps the GIL looks the same from outside."""
    server = serve(app=APP, worker_class="gthread", options=(*OPTIONS, "--threads", "3")).wait_ready()
    (worker,) = server.workers()
    threading.Thread(target=server.get_in_vain, args=("/grind",), daemon=True).start()

    def silent() -> Look | None:
        found = look(worker, seconds=0.3, directory=None, environ={})
        return found if found.report and not found.report["attributes"]["bootcheck.snapshot.python_answered"] else None

    careful = wait_until(silent, "a worker whose Python is silent")
    forced = look(worker, seconds=0.3, directory=None, environ={}, force=True)

    assert [stack["thread"] for stack in careful.report["stacks"]] == ["MainThread"]
    assert any("--force" in text for text in careful.report["verdict"]["missing"])
    assert careful.report["attributes"]["bootcheck.threads"][0]["native"] is None
    assert forced.report["stacks"][0]["native_id"] != worker
    assert "grind" in functions_of(forced.report)
    os.kill(worker, signal.SIGKILL)
    server.wait_for_reports("crash")


def test_a_boot_that_hangs_is_seen_in_its_step(serve):
    """Before ready the step is named; the app's import is on the stack."""
    server = serve(app="import time\ndef loading():\n    time.sleep(1000)\nloading()\n")
    journal = wait_until(
        lambda: next(
            (path for path in server.directory.glob("worker-*.jsonl") if b"app.load" in path.read_bytes()), None
        ),
        lambda: "a worker that loads its app" + server.story(),
    )
    worker = int(journal.name.split("-")[1])

    report = wait_until(
        lambda: r if "loading" in functions_of(r := asked(server, worker).report) else None, "the app's import"
    )

    assert report["step"] == "app.load"
    assert report["attributes"]["bootcheck.ready"] is False
    assert "in step app.load" in report["verdict"]["summary"]
    assert alive(worker)


@pytest.mark.parametrize("kind", partly(ALL, "gevent", "asgi"))
def test_a_master_and_its_worker_in_one_command(serve, kind):
    """Several pids, one JSON document; both go on, and stop in order afterwards."""
    server = serve(app=app_for(kind), worker_class=kind, options=OPTIONS).wait_ready()
    (worker,) = server.workers()
    server.get()

    code, out, err = command(worker, server.pid, worker, "--seconds", "0.3", "--format", "json")

    assert (code, err) == (0, ""), out
    told = json.loads(out)
    assert [item["pid"] for item in told["snapshots"]] == [worker, server.pid]
    assert [item["report"]["role"] for item in told["snapshots"]] == ["worker", "master"]
    assert [Path(item["path"]).is_file() for item in told["snapshots"]] == [True, True]
    for item in told["snapshots"]:
        attributes = item["report"]["attributes"]
        assert item["report"]["incomplete"] is False
        assert attributes["process.pid"] == item["pid"]
        assert attributes["bootcheck.ready"] is True
        assert attributes["bootcheck.gunicorn.worker_class"]
        assert attributes["process.memory.usage"] > 1 << 20
        assert attributes["process.unix.file_descriptor.count"] > 3
        assert attributes["process.thread.count"] == len(attributes["bootcheck.threads"])
    assert server.get()[0] == 200
    assert server.stop() == 0
    assert server.reports("crash") == []
    assert server.leftovers() == []


# -- it disturbs nothing


@pytest.mark.parametrize("kind", partly(ALL, "gthread", "uvicorn"))
def test_a_worker_under_load_answers_every_request(serve, kind):
    """Twenty looks while clients ask without a pause: all answers are 200."""
    server = serve(app=app_for(kind), worker_class=kind, options=("--graceful-timeout", "20")).wait_ready()
    (worker,) = server.workers()
    over = threading.Event()
    answers: list[object] = []

    def client(path: str) -> None:
        while not over.is_set():
            try:
                answers.append(server.get(path, limit=PATIENCE)[0])
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is not 200
                answers.append(exc)

    clients = [threading.Thread(target=client, args=(path,)) for path in ("/", "/slow", "/slow")]
    for thread in clients:
        thread.start()
    try:
        for _ in range(20):
            asked(server, worker, 0.01)
    finally:
        over.set()
        for thread in clients:
            thread.join()

    assert set(answers) == {200}
    assert server.workers() == [worker]
    assert server.stop() == 0
    assert server.reports("crash") == []


def test_a_worker_whose_threads_come_and_go_survives_any_number_of_looks(serve):
    """A dump by faulthandler ends such a process within a few dozen."""
    server = serve(app=APP, options=OPTIONS).wait_ready()
    (worker,) = server.workers()
    server.get("/churn")

    found = [look(worker, seconds=0.01, directory=None, environ={}) for _ in range(40)]

    assert [one.problem for one in found] == [None] * 40
    assert server.workers() == [worker]
    assert server.get()[0] == 200
    assert server.reports("crash") == []


def test_a_crash_after_a_look_is_told_with_its_own_stack(serve):
    """What was asked for stands in another file than what a fault leaves."""
    server = serve(app=APP, worker_class="gthread", options=OPTIONS).wait_ready()
    (worker,) = server.workers()
    for _ in range(3):
        asked(server, worker)
    server.get_in_vain("/crash")

    (death,) = server.wait_for_reports("crash")

    assert death["verdict"]["cause"] == "native_crash"
    assert death["attributes"]["process.pid"] == worker
    assert "crash" in functions_of(death)
    assert [path for path in server.leftovers() if f"-{worker}-" in path] == []


@pytest.mark.parametrize("role", ["worker", "master"])
def test_the_signal_sent_by_hand_leaves_a_report_too(serve, role):
    """The process makes it itself: `kill -41` in a container without this command."""
    server = serve(app=APP, options=OPTIONS).wait_ready()
    (worker,) = server.workers()
    pid = worker if role == "worker" else server.pid
    os.kill(pid, SIGNAL)

    (report,) = server.wait_for_reports("snapshot")

    assert (report["role"], report["attributes"]["process.pid"]) == (role, pid)
    assert report["stacks"][0]["thread"] == "MainThread"
    assert report["stacks"][0]["native_id"] == pid
    assert report["stacks"][0]["frames"]
    assert report["attributes"]["bootcheck.threads"][0]["cpu_percent"] is None
    server.wait_for_line(rf"bootcheck: snapshot of {role} {pid}, report \S+snapshot-")
    assert asked(server, pid).report["report_id"] != report["report_id"]
    assert server.get()[0] == 200


def test_what_a_worker_forks_is_neither_shown_nor_ended(serve):
    """A child by multiprocessing inherits the handler; it stays quiet, and its parent's file empty."""
    app = """
    import os, time
    def app(environ, start_response):
        pid = os.fork()
        if pid == 0:
            time.sleep(1000)
        start_response("200 OK", [])
        return [str(pid).encode()]
    """
    server = serve(app=app, options=OPTIONS).wait_ready()
    (worker,) = server.workers()
    child = int(server.get()[1])
    # It has ended its own part of the fork once it sleeps in the app's code.
    wait_until(lambda: sleeps(child), "the child's sleep")
    os.kill(child, SIGNAL)
    try:
        code, _, err = command(child, "--seconds", "0.1")

        assert code == 2
        assert "has no journal" in err
        assert alive(child)
        assert server.reports("snapshot") == []
        (journal,) = server.directory.glob(f"worker-{worker}-*.jsonl")
        fd = json.loads(journal.read_text().partition("\n")[0])["dump"]["fd"]
        assert os.stat(f"/proc/{worker}/fd/{fd}").st_size == 0
    finally:
        os.kill(child, signal.SIGKILL)


# -- whom it leaves alone


def test_a_foreign_process_is_not_touched(sleeper, tmp_path):
    """The signal would end it: it is described from outside, with code 2."""
    code, out, err = command(sleeper, "--seconds", "0.1", environ={"BOOTCHECK_DIR": str(tmp_path)})

    assert code == 2
    assert err.startswith(f"bootcheck: process {sleeper} has no journal in {tmp_path}, ")
    assert "--dir" in err
    assert "Command    sleep 600" in out
    assert f"S sleep ({sleeper})" in out
    assert alive(sleeper)


def test_a_journal_alone_is_not_enough(sleeper, tmp_path):
    """The kernel's word is needed too: it does not catch the signal."""
    from bootcheck.model.journal import Key
    from bootcheck.probes.process import boot_id, start_ticks

    key = Key("worker", sleeper, start_ticks(sleeper))
    head = {"t": "head", "role": "worker", "pid": sleeper, "boot_id": boot_id(), "dump": {"number": SIGNAL, "fd": 3}}
    (tmp_path / key.file_name).write_text(json.dumps(head) + "\n")
    (tmp_path / key.dump_name).touch()

    code, _, err = command(sleeper, "--dir", tmp_path, "--seconds", "0.1")

    assert code == 2
    assert f"does not catch signal {SIGNAL}" in err
    assert alive(sleeper)


def test_a_pid_that_is_none_any_more(tmp_path):
    """Gone, or dead and not yet reaped: each is said."""
    process = subprocess.Popen(["true"])
    wait_until(lambda: not alive(process.pid), "its end")
    zombie = command(process.pid, "--seconds", "0.1")
    process.wait()
    gone = command(process.pid, "--seconds", "0.1")

    assert (zombie[0], gone[0]) == (2, 2)
    assert "only waits to be reaped" in zombie[2]
    assert gone[2] == f"bootcheck: there is no process {process.pid}.\n"
    assert gone[1] == ""


def test_a_thread_is_no_process(serve):
    """Its process is named."""
    server = serve(app=APP, options=OPTIONS).wait_ready()
    server.get("/spin")
    (worker,) = server.workers()
    tid = next(int(name) for name in os.listdir(f"/proc/{worker}/task") if int(name) != worker)

    code, _, err = command(tid, "--seconds", "0.1")

    assert (code, err) == (2, f"bootcheck: {tid} is a thread of process {worker}.\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_told_whom_to_be(serve):
    """Without the right to see the journal nothing is sent."""
    server = serve(app=APP, options=OPTIONS).wait_ready()
    (worker,) = server.workers()

    def as_nobody() -> dict[str, Any]:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        return look(worker, seconds=0.1, directory=None, environ={}).as_dict()

    told, _ = forked(as_nobody)

    assert told["report"] is None
    assert "belongs to uid 0" in told["problem"]
    assert "as that user or as root" in told["problem"]
    assert told["seen"]["threads"][0]["native_id"] == worker
    assert server.get()[0] == 200
    assert server.reports("snapshot") == []


def test_a_worker_that_dropped_its_privileges(serve, public_home, nobody):  # noqa: F811
    """It can write to its open file still, on disk; by hand, it cannot make a report, and says so."""
    who, prefix = nobody
    user = ("--user", str(who.pw_uid), "--group", str(who.pw_gid))
    server = serve(home=public_home, options=(*OPTIONS, *user), prefix=prefix).wait_ready()
    (worker,) = server.workers()
    assert len(list(server.directory.glob("*.dump"))) == 1

    assert asked(server, worker).report["stacks"][0]["native_id"] == worker
    os.kill(worker, SIGNAL)
    server.wait_for_line(rf"bootcheck: snapshot of worker {worker}, report not stored")
    assert asked(server, worker).report["incomplete"] is False
    assert server.get()[0] == 200


def test_a_directory_that_was_removed(serve):
    """The process serves on; the command says what became of its files."""
    server = serve(app=APP, options=OPTIONS, stored=False).wait_ready()
    (worker,) = server.workers()
    shutil.rmtree(server.directory)

    code, out, err = command(worker, "--seconds", "0.1")

    assert code == 2
    assert err == (
        f"bootcheck: the report directory of process {worker} was removed while it runs: {server.directory}.\n"
    )
    assert "From /proc alone" in out
    assert server.get()[0] == 200


MINE = """
import signal

def mine(signo, frame):
    with open("called", "a") as file:
        file.write("x")

signal.signal(signal.SIGRTMIN + 7, mine)
"""


@pytest.mark.parametrize("where", ["config", "app"])
def test_an_app_that_uses_the_signal_itself_keeps_it(serve, where):
    """Before arming or in its import: it is not replaced, not called, and the command says so."""
    config = MINE + ARMED if where == "config" else ARMED
    server = serve(app=MINE + APP if where == "app" else APP, config=config, options=OPTIONS).wait_ready()
    (worker,) = server.workers()

    code, _, err = command(worker, "--seconds", "0.1")

    assert code == 2
    assert f"does not answer signal {SIGNAL}: the app handles this signal itself" in err
    assert not (server.home / "called").exists()
    os.kill(worker, SIGNAL)
    wait_until((server.home / "called").exists, "the app's own handler")
    assert server.get()[0] == 200


def test_two_commands_at_once_take_turns(serve):
    """Each gets an answer of its own."""
    server = serve(app=APP, options=OPTIONS).wait_ready()
    (worker,) = server.workers()
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "bootcheck", "dump", str(worker), "--seconds", "0.1", "--format", "json"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    told = [json.loads(process.communicate(timeout=PATIENCE * 2)[0])["snapshots"][0] for process in commands]

    assert [item["problem"] for item in told] == [None] * 3
    assert all(item["report"]["stacks"][0]["frames"] for item in told)
    assert len(server.reports("snapshot")) == 3


@pytest.mark.parametrize("arguments", [(), ("x",), ("0",), ("1", "--seconds", "0"), ("1", "--seconds", "soon")])
def test_what_cannot_be_meant_is_refused(arguments: tuple[str, ...]):
    """With the usage, code 2."""
    code, out, err = command(*arguments)

    assert (code, out) == (2, "")
    assert "usage: bootcheck dump" in err


def test_the_help_says_what_the_codes_mean():
    """And how to name the directory."""
    code, out, _ = command("--help")

    assert code == 0
    for words in ("--dir DIR", "--seconds S", "Exit codes: 0 looked"):
        assert words in out


def test_analyze_and_show_know_a_snapshot(serve, capsys):
    """It is no incident, and it can be read again."""
    from bootcheck.cli import main

    server = serve(app=APP, options=OPTIONS).wait_ready()
    server.get("/spin")
    (worker,) = server.workers()
    path = asked(server, worker, 0.3).path
    assert path is not None

    assert main(["show", path]) == 0
    shown = capsys.readouterr().out
    assert "is alive" in shown
    assert "Threads (2, CPU over 0." in shown
    assert main(["analyze", str(server.directory)]) == 0
    assert "Nothing wrong" in capsys.readouterr().out
