"""Who stopped the server: pid, uid and command of the sender, or what can be known without them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.harness import (
    HELLO,
    HELLO_ASGI,
    SOURCE,
    STUBBORN,
    TURN,
    Interpreter,
    alive,
    parent_of,
    partly,
    sleeps,
    wait_until,
)

BLOCKED = """
import os, time
def stuck():
    open("stuck-%d" % os.getpid(), "w").close()
    time.sleep(60)
stuck()
"""
SUPERVISOR = """
import signal, subprocess, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
child = subprocess.Popen(sys.argv[1:])
signal.sigwait({signal.SIGUSR1})
child.terminate()
sys.exit(child.wait() & 0xff)
"""
TERMINAL = """
import os, pty, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
pid, terminal = pty.fork()
if not pid:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    os.dup2(2, 1)
    os.execv(sys.argv[1], sys.argv[1:])
if not os.fork():
    try:
        while data := os.read(terminal, 4096):
            os.write(2, data.replace(b"\\r\\n", b"\\n"))
    except OSError:
        pass
    os._exit(0)
signal.sigwait({signal.SIGUSR1})
os.write(terminal, b"\\x03")
status = os.waitpid(pid, 0)[1]
os.wait()
sys.exit(os.waitstatus_to_exitcode(status) & 0xff)
"""
"""Runs a command at a terminal, and presses Ctrl-C there on SIGUSR1."""
NOT_THERE = "raise ModuleNotFoundError('none of that name', name='bootcheck_siginfo')\n"
CLASSES = ["sync", "uvicorn"]


@pytest.fixture
def extension(python: Interpreter) -> None:
    """The interpreter has bootcheck-siginfo; without it these tests say nothing."""
    if "bootcheck_siginfo" not in python.has:
        pytest.skip("bootcheck-siginfo is not installed there: pip install ./siginfo")


@contextlib.contextmanager
def shell(script: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script in a shell that lives until the end of the block."""
    process = subprocess.Popen(["sh", "-c", f"{script}\nread end", "sh", *arguments], stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def stuck(server, count=1) -> list[int]:
    """Return the pids of the processes that sleep in the app's import."""
    files = wait_until(
        lambda: found if len(found := list(server.home.glob("stuck-*"))) >= count else None,
        lambda: "a blocked import" + server.story(),
    )
    pids = sorted(int(path.name.partition("-")[2]) for path in files)
    wait_until(lambda: all(sleeps(pid) for pid in pids), lambda: "sleeping processes" + server.story())
    return pids


def app_of(kind: str, before: str) -> str:
    """Return an app for a worker class whose module does `before` first."""
    return before + (HELLO_ASGI if kind == "uvicorn" else HELLO)


def stop_line(server) -> str:
    """Return what bootcheck's line about the stop says after the signal's name."""
    (line,) = [line for line in server.own_lines if " stopped by SIG" in line]
    return line


def sender_of(report: dict[str, Any], kind: str = "sender") -> dict[str, Any]:
    """Return the attributes of a sender without their prefix."""
    prefix = "bootcheck.signal.sender." if kind == "sender" else "bootcheck.signal.order.sender."
    return {name[len(prefix) :]: value for name, value in report["attributes"].items() if str(name).startswith(prefix)}


def texts(report: dict[str, Any]) -> str:
    """Return the evidence, a line each."""
    return "\n".join(item["text"] for item in report["verdict"]["evidence"])


# -- after ready: one line, no report


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("name", partly(["TERM", "INT", "QUIT"], "TERM"))
def test_an_ordered_stop_is_one_line_with_its_sender(serve, extension, kind, name):
    """A shell stops a server that is ready: no death, and the line names the shell."""
    server = serve(worker_class=kind, options=["--graceful-timeout", "2"])
    server.wait_ready()
    with shell(f"kill -s {name} {server.pid}") as sent:
        assert server.wait() == 0

    line = stop_line(server)
    assert line.startswith(f"bootcheck: master {server.pid} stopped by SIG{name} from pid {sent.pid} (")
    assert f"uid {os.getuid()}, sh -c kill -s {name} {server.pid} read end" in line
    if name == "TERM":
        assert not server.reports()


def test_a_supervisor_is_named_as_the_parent(serve, extension, python):
    """The process that started the master is the one that stops it."""
    server = serve(prefix=[python.path, "supervisor.py"], files={"supervisor.py": SUPERVISOR})
    server.wait_ready()
    server.signal(signal.SIGUSR1)
    server.wait()

    assert f" stopped by SIGTERM from pid {server.pid} (its parent, uid {os.getuid()}, " in stop_line(server)
    assert "supervisor.py" in stop_line(server)


def test_a_reload_is_told_and_the_stop_after_it_too(serve, extension):
    """SIGHUP and SIGTERM each have a sender of their own."""
    server = serve()
    server.wait_ready()
    with shell(f"kill -s HUP {server.pid}") as reloading:
        server.wait_for_line(rf"^bootcheck: master {server.pid} got SIGHUP from pid {reloading.pid} \(")
        server.wait_ready(2)
    with shell(f"kill -s TERM {server.pid}") as stopping:
        assert server.wait() == 0

    assert f"SIGTERM from pid {stopping.pid} (" in stop_line(server)
    assert not server.reports()


def test_a_handler_that_the_app_sets_is_kept_and_seen_through(serve, extension):
    """What a hook puts in front of Gunicorn's handler runs, and the sender is known again a turn later."""
    config = """
        import bootcheck, signal
        def when_ready(server):
            def mine(signo, frame):
                open("mine", "a").write("x")
                server.signal(signo, frame)
            signal.signal(signal.SIGTERM, mine)
            turn = server.murder_workers
            def murder_workers():
                turn()
                open("turned", "w").close()
            server.murder_workers = murder_workers
        bootcheck.arm(globals())
    """
    server = serve(config=config)
    server.wait_ready()
    wait_until((server.home / "turned").exists, "a turn of the master's loop")
    with shell(f"kill {server.pid}") as sent:
        assert server.wait() == 0

    assert (server.home / "mine").read_text() == "x"
    assert f"SIGTERM from pid {sent.pid} (" in stop_line(server)


def test_getsignal_is_what_it_is_without_us(serve, extension):
    """In the master it is Gunicorn's own handler, in a ready worker the worker's."""
    config = """
        import bootcheck, signal
        from gunicorn.arbiter import Arbiter
        def when_ready(server):
            seen = [getattr(signal.getsignal(getattr(signal, "SIG" + name)), "__func__", None)
                    for name in ("TERM", "INT", "QUIT", "HUP", "USR2")]
            open("master", "w").write(str(set(seen) == {Arbiter.signal}))
        def pre_request(worker, request):
            seen = [getattr(signal.getsignal(getattr(signal, "SIG" + name)), "__func__", None)
                    for name in ("TERM", "INT", "QUIT")]
            own = [type(worker).handle_exit, type(worker).handle_quit, type(worker).handle_quit]
            open("worker", "w").write(str(seen == own))
        bootcheck.arm(globals())
    """
    server = serve(config=config)
    server.wait_ready()
    assert server.get()[0] == 200

    assert (server.home / "master").read_text() == "True"
    assert (server.home / "worker").read_text() == "True"
    assert server.stop() == 0


@pytest.mark.parametrize("ready", [True, False], ids=["ready", "boot"])
def test_a_burst_of_signals_breaks_nothing(serve, extension, ready):
    """Five hundred at once: the server stops as it does for one, and the first sender is named."""
    server = serve(app=None if ready else BLOCKED)
    server.wait_ready() if ready else stuck(server)
    with shell(f"i=0; while [ $i -lt 500 ]; do kill {server.pid} 2>/dev/null; i=$((i+1)); done") as sent:
        assert server.wait() == 0

    assert f"SIGTERM from pid {sent.pid} (" in stop_line(server)
    assert len(server.reports()) == (0 if ready else 1)


# -- in mid-boot: the report


@pytest.mark.parametrize("kind", CLASSES)
def test_a_stop_in_the_boot_names_the_masters_sender(serve, extension, kind):
    """The worker was stopped by its master, and the master by a shell: the report has both."""
    server = serve(app=app_of(kind, BLOCKED), worker_class=kind)
    stuck(server)
    with shell(f"kill {server.pid}") as sent:
        assert server.wait() == 0

    report = server.death()
    assert report["verdict"]["cause"] == "sigterm"
    assert sender_of(report)["pid"] == server.pid
    assert report["attributes"]["bootcheck.signal.origin"] == "master"
    assert report["attributes"]["bootcheck.signal.order.name"] == "SIGTERM"
    order = sender_of(report, "order")
    assert (order["pid"], order["uid"], order["origin"]) == (sent.pid, os.getuid(), "this namespace")
    assert order["command"].startswith("sh -c kill")
    assert f"SIGTERM sent by the master (pid {server.pid})" in texts(report)
    assert f"the master acted upon SIGTERM sent by pid {sent.pid}, uid {os.getuid()}: `sh -c" in texts(report)
    assert f"the master, which had got SIGTERM from pid {sent.pid} (" in report["verdict"]["summary"]
    assert report["verdict"]["missing"] == []


@pytest.mark.parametrize("kind", CLASSES)
def test_a_worker_stopped_from_elsewhere_names_the_sender(serve, extension, kind):
    """A TERM that the master did not send is no longer only `outside`."""
    server = serve(app=app_of(kind, BLOCKED), worker_class=kind)
    (pid,) = stuck(server)
    with shell(f"kill {pid}") as sent:
        (report, *_) = server.wait_for_reports()
    server.signal(signal.SIGQUIT)
    server.wait()

    assert report["attributes"]["process.pid"] == pid
    assert (sender_of(report)["pid"], sender_of(report)["origin"]) == (sent.pid, "this namespace")
    assert report["attributes"]["bootcheck.signal.origin"] == "outside"
    assert f"SIGTERM sent by pid {sent.pid}, uid {os.getuid()}: `sh -c kill {pid} read end sh`" in texts(report)
    assert "bootcheck.signal.order.name" not in report["attributes"]


@pytest.mark.parametrize("where", ["preload", "on_starting"])
def test_a_stop_before_gunicorn_has_handlers(serve, extension, where):
    """A master that is not up yet names the sender in its own report."""
    config = "import bootcheck\nbootcheck.arm(globals())\n"
    if where == "on_starting":
        hook = BLOCKED.replace("\nstuck()", "\ndef on_starting(server):\n    stuck()")
        config = hook + config
    server = serve(
        app=BLOCKED if where == "preload" else None,
        config=config,
        options=["--preload"] if where == "preload" else [],
    )
    stuck(server)
    with shell(f"kill {server.pid}") as sent:
        server.wait()

    report = server.death()
    assert (report["role"], report["verdict"]["cause"]) == ("master", "sigterm")
    assert (sender_of(report)["pid"], sender_of(report)["uid"]) == (sent.pid, os.getuid())
    assert f"got SIGTERM from pid {sent.pid} (uid {os.getuid()}, sh -c kill" in report["verdict"]["summary"]


def test_a_sender_that_is_gone_leaves_its_name_and_its_parent(serve, extension):
    """`kill` as a command of its own ends at once; who had started it is known all the same."""
    program = shutil.which("kill")
    assert program
    server = serve(app=BLOCKED, options=["--preload"])
    stuck(server)
    with shell(f"{program} {server.pid}; wait") as sent:
        server.wait()

    told = sender_of(server.death())
    assert told["origin"] == "this namespace"
    assert told["pid"] not in (sent.pid, server.pid)
    # A process that was reaped before the handler ran has nothing left but its pid.
    if "parent.pid" in told:
        assert told["parent.pid"] == sent.pid
        assert told["parent.command"].startswith("sh -c")


def test_a_kill_after_the_grace_period_names_who_began_the_stop(serve, extension):
    """The worker's end is the master's doing; that the master was told is somebody else's."""
    server = serve(app=STUBBORN, options=["--graceful-timeout", "1"])
    server.wait_ready()
    server.get_in_vain("/")
    wait_until((server.home / "busy").exists, "the request's arrival")
    with shell(f"kill {server.pid}") as sent:
        assert server.wait() == 0

    report = server.death()
    assert report["verdict"]["cause"] == "sigkill_graceful_timeout"
    assert sender_of(report, "order")["pid"] == sent.pid
    assert sender_of(report) == {}
    assert f"the master acted upon SIGTERM sent by pid {sent.pid}" in texts(report)


def test_a_master_killed_while_it_stops_is_told_with_the_order(serve, extension):
    """What an orchestrator does when its grace period ends: TERM, then KILL. The next start tells of both."""
    app = """
        import time, turn
        def app(environ, start_response):
            open("busy", "w").close()
            time.sleep(120)
    """
    server = serve(app=app, options=["--graceful-timeout", "60"], files={"turn.py": TURN})
    server.wait_ready()
    killed, workers = server.pid, server.workers()
    server.get_in_vain("/")
    wait_until((server.home / "busy").exists, "the request's arrival")
    with shell(f"kill {server.pid}") as sent:
        server.wait_for_line(r" stopped by SIGTERM from pid ")
        for pid in (server.pid, *workers):
            os.kill(pid, signal.SIGKILL)
        server.wait()
    wait_until(lambda: not server.processes(), "the end of all")
    server.start()
    server.wait_ready(2)
    assert server.stop() == 0

    (report,) = server.reports(role="master")
    assert (report["verdict"]["cause"], report["attributes"]["process.pid"]) == ("vanished", killed)
    assert f"it had been told to stop: SIGTERM sent by pid {sent.pid}, uid {os.getuid()}" in texts(report)


def test_secrets_among_the_senders_arguments_are_hidden(serve, extension):
    """A command line is text of somebody else's: masked like any other."""
    server = serve(app=BLOCKED)
    stuck(server)
    url = "postgres://shop:hunter2-secret@db/shop"
    with shell(f"kill {server.pid}", "--password=correct-horse-7", url, "x" * 300 + "hunter3-secret-that-is-cut"):
        assert server.wait() == 0

    report = server.death()
    assert "--password=***" in sender_of(report, "order")["command"]
    everything = server.stderr + "".join(path.read_text() for path in server.report_files())
    assert "correct-horse-7" not in everything
    assert "hunter2-secret" not in everything


# -- from outside the PID namespace


@pytest.fixture
def namespaces() -> list[str]:
    """The command that runs another one as PID 1 of a namespace of its own."""
    command = ["unshare", "--pid", "--fork", "--mount-proc"]
    try:
        done = subprocess.run([*command, "true"], capture_output=True, check=False, timeout=30)
    except OSError as exc:
        pytest.skip(f"no unshare: {exc}")
    if done.returncode:
        pytest.skip(f"no PID namespace can be made here: {done.stderr.decode().strip()}")
    return command


def inner_master(server) -> int:
    """Return the master's pid as the outer namespace numbers it."""
    return wait_until(
        lambda: next((pid for pid in server.processes() if parent_of(pid) == server.pid), None),
        lambda: "the inner master" + server.story(),
    )


@pytest.mark.parametrize("moment", ["ready", "boot", "preload"])
def test_a_signal_from_outside_the_container(serve, extension, namespaces, moment):
    """What `docker stop` and a kubelet do: the kernel shows no pid, and that is the evidence."""
    server = serve(
        app=None if moment == "ready" else BLOCKED,
        prefix=namespaces,
        options=["--preload"] if moment == "preload" else [],
    )
    if moment == "ready":
        server.wait_ready()
    else:
        wait_until(lambda: list(server.home.glob("stuck-*")), lambda: "a blocked import" + server.story())
    master = inner_master(server)
    wait_until(lambda: sleeps(master), "a sleeping master")
    os.kill(master, signal.SIGTERM)
    wait_until(lambda: not alive(master), lambda: "the master's end" + server.story())
    server.wait()

    if moment == "ready":
        assert "master 1 stopped by SIGTERM from outside this PID namespace (uid 0)" in stop_line(server)
        assert not server.reports()
        return
    report = server.death()
    told = sender_of(report, "order" if moment == "boot" else "sender")
    assert told == {"origin": "outside this PID namespace", "uid": 0}
    assert "SIGTERM sent from outside this PID namespace, uid 0: no process in here sent it" in texts(report)
    assert "it is PID 1 of its PID namespace" in texts(report)
    assert report["verdict"]["missing"] == []


@pytest.mark.parametrize("ready", [True, False], ids=["ready", "boot"])
def test_a_key_of_the_terminal_is_the_kernels(serve, extension, python, ready):
    """Ctrl-C comes from no process: no pid is made up for it."""
    server = serve(
        app=None if ready else BLOCKED,
        prefix=[python.path, "terminal.py"],
        files={"terminal.py": TERMINAL},
    )
    server.wait_ready() if ready else stuck(server)
    server.signal(signal.SIGUSR1)
    assert server.wait() == 0

    assert "stopped by SIGINT from the kernel" in stop_line(server)
    if ready:
        assert not server.reports()
        return
    report = server.death()
    # The terminal signals the whole group: the worker got its own.
    assert sender_of(report) == {"origin": "kernel"}
    assert "SIGINT sent by the kernel: a key of its terminal" in texts(report)
    assert sender_of(report, "order") in ({}, {"origin": "kernel"})


# -- without the extension


@pytest.fixture
def without(tmp_path) -> dict[str, str]:
    """An environment in which the extension cannot be imported."""
    folder = tmp_path / "hidden"
    folder.mkdir()
    (folder / "bootcheck_siginfo.py").write_text(NOT_THERE)
    return {"PYTHONPATH": f"{folder}{os.pathsep}{SOURCE}"}


def test_without_the_extension_the_stop_line_says_so(serve, without):
    """No pid is named but that of the parent, which is known without it."""
    server = serve(environ=without)
    server.wait_ready()
    with shell(f"kill {server.pid}") as sent:
        assert server.wait() == 0

    line = stop_line(server)
    assert "from an unknown sender (bootcheck-siginfo is not installed (pip install 'bootcheck[siginfo]'))" in line
    assert f"its parent is pid {os.getpid()}" in line
    assert f"pid {sent.pid}" not in line
    assert not server.reports()


@pytest.mark.parametrize("role", ["master", "worker"])
def test_without_the_extension_the_report_says_what_is_missing(serve, without, role):
    """An unknown is `missing`, and what is known of the process itself is evidence."""
    server = serve(app=BLOCKED, environ=without, options=["--preload"] if role == "master" else [])
    stuck(server)
    with shell(f"kill {server.pid}") as sent:
        server.wait()

    report = server.death()
    assert report["role"] == role
    (missing,) = report["verdict"]["missing"]
    whom = "who sent SIGTERM: " if role == "master" else "who sent the master SIGTERM: "
    assert missing == whom + "bootcheck-siginfo is not installed (pip install 'bootcheck[siginfo]')"
    assert report["incomplete"]
    assert sender_of(report, "sender" if role == "master" else "order") == {"origin": "unknown"}
    assert f"its parent is pid {os.getpid()}" in texts(report)
    assert str(sent.pid) not in re.findall(r"\d+", texts(report) + report["verdict"]["summary"])


def test_a_healthy_server_looks_for_the_extension_once(serve, tmp_path):
    """Where it is not installed, the search costs the master one failed import and its workers none."""
    folder = tmp_path / "counting"
    folder.mkdir()
    counted = "import os\nopen('looked', 'a').write('%d\\n' % os.getpid())\n" + NOT_THERE
    (folder / "bootcheck_siginfo.py").write_text(counted)
    server = serve(workers=3, environ={"PYTHONPATH": f"{folder}{os.pathsep}{SOURCE}"})
    server.wait_ready(3)
    server.signal(signal.SIGHUP)
    server.wait_ready(6)
    assert server.stop() == 0

    assert (server.home / "looked").read_text().split() == [str(server.pid)]


# -- what else has it


def test_the_masters_journal_has_the_order(serve, extension):
    """A sink of the user's own gets the stop when it comes, and the end with it."""
    config = """
        import bootcheck, json
        class Kept:
            def write(self, record, line):
                if record["t"] in ("stop", "end"):
                    with open("kept", "ab") as file:
                        file.write(line)
        bootcheck.arm(globals(), sinks=[Kept()])
    """
    server = serve(config=config)
    server.wait_ready()
    with shell(f"kill {server.pid}") as sent:
        assert server.wait() == 0

    records = [json.loads(line) for line in (server.home / "kept").read_bytes().splitlines()]
    (stop,) = [record for record in records if record["t"] == "stop"]
    (end,) = [record for record in records if record.get("order")]
    assert (stop["name"], stop["sender"]["pid"]) == ("SIGTERM", sent.pid)
    assert (end["t"], end["order"]["sender"]) == ("end", stop["sender"])


def test_the_line_of_an_ordered_stop_is_no_incident(serve, extension, python):
    """`analyze` finds nothing wrong in the log and the reports of a server that did as it was told."""
    server = serve()
    server.wait_ready()
    with shell(f"kill {server.pid}"):
        assert server.wait() == 0

    assert stop_line(server)
    done = subprocess.run(
        [sys.executable, "-m", "bootcheck", "analyze", str(server.home / "stderr"), str(server.directory)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
