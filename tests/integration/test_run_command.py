"""`bootcheck run -- COMMAND`: what its server gets, what its starter sees, and what a death leaves."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import (
    ARMED,
    HELLO_ASGI,
    PATIENCE,
    Server,
    alive,
    as_from_a_terminal,
    parent_of,
    partly,
    wait_until,
)
from tests.integration.servers import free_port

pytestmark = pytest.mark.wide

GUNICORN_READY = r"Booting worker with pid"
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
SLEEP = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
print("up", file=sys.stderr, flush=True)
while True:
    time.sleep(0.05)
"""
CRASH = """
import ctypes, os, sys
print("the last words; password=hunter2hunter2", file=sys.stderr, flush=True)
os.kill(os.getpid(), 11) if "kill" in sys.argv else ctypes.string_at(0)
"""
HEARS = """
import os, signal, sys, time
STOPS = {signal.SIGTERM}
def hear(signo, frame):
    os.write(2, b"heard " + signal.Signals(signo).name.encode() + b"\\n")
    if signo in STOPS:
        os._exit(0)
for name in sys.argv[1:]:
    signal.signal(getattr(signal, "SIG" + name), hear)
print("up", file=sys.stderr, flush=True)
while True:
    time.sleep(0.05)
"""


@functools.cache
def namespaces() -> bool:
    """Tell whether this machine lets us make PID namespaces."""
    return (
        shutil.which("unshare") is not None
        and not subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode
    )


needs_namespaces = pytest.mark.skipif(not namespaces(), reason="PID namespaces are not permitted here")


@pytest.fixture
def below(serve, python) -> Callable[..., Server]:
    """Start a server below `bootcheck run`; `command` is another one than Gunicorn."""

    def start(
        command: Sequence[str] | None = None,
        *,
        outer: Sequence[str] = (),
        options: Sequence[str] = (),
        script: str | None = None,
        run: bool = True,
        **more: Any,
    ) -> Server:
        parent = [*outer, python.path, "-m", "bootcheck", "run", *options, "--"]
        if script is not None:
            more["files"] = {**more.get("files", {}), "script.py": script}
            command = [python.path, "script.py", *(command or ())]
        if command is not None:
            more["config"] = None
        gunicorn = more.pop("gunicorn", ())
        server = serve(run=False, prefix=parent, options=gunicorn, **more)
        if command is not None:
            server._arguments = [*parent, *command]
        return server.start() if run else server

    return start


def child_of(server: Server) -> int:
    """Return the pid of the server below the parent."""
    (child,) = wait_until(server.workers, lambda: "the child" + server.story())
    return child


def inner(server: Server) -> int:
    """Return the outer pid of the parent that is PID 1 in its namespace."""
    return child_of(server)


def below_of(pid: int, server: Server) -> list[int]:
    """Return the living children of a process."""
    return [one for one in server.processes() if parent_of(one) == pid]


def zombies_of(pid: int) -> list[int]:
    """Return the children of a process that wait to be reaped."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        if parent_of(int(entry)) == pid and not alive(int(entry)) and os.path.exists(f"/proc/{entry}"):
            found.append(int(entry))
    return found


def nothing_written(server: Server) -> bool:
    """Tell whether there is neither a report nor a directory for one."""
    return not server.directory.exists() and "BOOTCHECK_REPORT" not in server.stderr


# -- an ordered stop is no death -------------------------------------------------------------------


@pytest.mark.parametrize(
    "signo",
    partly([signal.SIGTERM, signal.SIGINT, signal.SIGQUIT], signal.SIGTERM, signal.SIGQUIT),
    ids=lambda signo: signo.name,
)
def test_an_armed_server_stops_as_told_and_leaves_no_crash(below, signo):
    """The signal is passed on, the exit status is the server's, and its sender is named."""
    server = below(workers=2).wait_ready(2)

    assert server.stop(signo) == 0
    assert not server.reports("crash")
    assert not server.leftovers()
    assert f"bootcheck: {signo.name} from pid {os.getpid()} (uid {os.geteuid()}): " in server.stderr


def test_a_plain_gunicorn_that_is_stopped_leaves_nothing(below):
    """Not even a directory."""
    server = below(config=None)
    server.wait_for_line(GUNICORN_READY)

    assert server.stop() == 0
    assert nothing_written(server)


def test_a_plain_uvicorn_ends_by_the_signal_that_it_was_sent(below, python):
    """It raises the signal again after its graceful stop: whoever waits for the parent sees the same end."""
    if "uvicorn" not in python.has:
        pytest.skip("uvicorn is not installed there")
    server = below([python.path, "-m", "uvicorn", "--port", str(free_port()), "app:app"], app=HELLO_ASGI)
    server.wait_for_line("Application startup complete")
    plain = subprocess.Popen(
        [python.path, "-m", "uvicorn", "--port", str(free_port()), "app:app"],
        cwd=server.home, stderr=subprocess.PIPE,
    )  # fmt: skip
    while b"startup complete" not in plain.stderr.readline():
        pass
    plain.send_signal(signal.SIGTERM)
    plain.communicate(timeout=PATIENCE)

    assert server.stop() == plain.returncode
    assert nothing_written(server)


def test_an_end_with_status_0_is_none(below):
    """A job that is done."""
    server = below(script="print('done')")

    assert server.wait() == 0
    assert nothing_written(server)


def test_switched_off_it_still_runs_passes_on_and_reaps(below):
    """BOOTCHECK_DISABLE=1: everything that a parent is for, and not a word."""
    server = below(workers=1, config=None, environ={"BOOTCHECK_DISABLE": "1"})
    server.wait_for_line(GUNICORN_READY)
    os.kill(child_of(server), signal.SIGKILL)

    assert server.wait() == -signal.SIGKILL
    assert nothing_written(server)
    assert "bootcheck" not in server.stderr
    assert not server.processes()


# -- signals ---------------------------------------------------------------------------------------

PASSED_ON = ("HUP", "USR1", "USR2", "TTIN", "TTOU", "WINCH", "CONT", "INT", "QUIT")


def test_every_signal_is_passed_on(below):
    """One at a time, a second INT too; at last TERM, which ends it."""
    server = below([*PASSED_ON, "TERM"], script=HEARS)
    server.wait_for_line("^up$")
    for name in PASSED_ON:
        server.signal(getattr(signal, f"SIG{name}"))
        server.wait_for_line(f"^heard SIG{name}$")
    server.signal(signal.SIGINT)
    server.wait_for_line("^heard SIGINT$", count=2)

    assert server.stop() == 0
    assert re.findall("^heard SIG(.*)$", server.stderr, re.MULTILINE) == [*PASSED_ON, "INT", "TERM"]


def test_hup_reloads_and_the_server_serves_on(below):
    """The new worker answers; nothing is reported."""
    server = below().wait_ready()
    master = child_of(server)
    before = below_of(master, server)
    server.signal(signal.SIGHUP)
    server.wait_ready(2)
    wait_until(lambda: not set(before) & set(server.processes()), "the old worker's end")

    assert server.get() == (200, b"hello")
    assert child_of(server) == master
    assert server.stop() == 0
    assert not server.reports("crash")


def test_the_server_gets_the_mask_and_the_dispositions_that_it_would_have_alone(below, python):
    """Blocked or ignored signals would break every process that it starts."""
    script = "print([line for line in open('/proc/self/status') if line[:6] in ('SigBlk', 'SigIgn')])"
    server = below(script=script)
    server.wait()
    alone = subprocess.run(
        [python.path, "script.py"], cwd=server.home, capture_output=True, text=True, check=True,
        preexec_fn=as_from_a_terminal,
    )  # fmt: skip

    assert server.stdout == alone.stdout


def test_sockets_that_systemd_passes_are_still_for_the_server(below):
    """LISTEN_PID names the process that was started: it is one further down now."""
    script = "import os; print(os.environ['LISTEN_PID'] == str(os.getpid()))"
    server = below(script=script, outer=("sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"))

    assert server.wait() == 0
    assert server.stdout == "True\n"


# -- PID 1 -----------------------------------------------------------------------------------------

ORPHAN = """
import os, time

def app(environ, start_response):
    if os.fork() == 0:
        if os.fork() == 0:
            while not os.path.exists("go"):
                time.sleep(0.02)
            os._exit(5)
        os._exit(0)
    os.wait()
    start_response("200 OK", [])
    return [b""]
"""


@needs_namespaces
def test_pid_1_passes_term_on_and_reaps_orphans(below):
    """In a PID namespace of its own: no zombie stays, TERM ends the server, and its exit code is the parent's."""
    server = below(outer=NAMESPACE, app=ORPHAN, config=None)
    parent = inner(server)
    (master,) = wait_until(lambda: below_of(parent, server), lambda: "the master" + server.story())
    server.get()
    (orphan,) = wait_until(
        lambda: [pid for pid in below_of(parent, server) if pid != master], "the orphan, adopted by PID 1"
    )
    (server.home / "go").touch()
    wait_until(lambda: not os.path.exists(f"/proc/{orphan}"), lambda: "the orphan to be reaped" + server.story())

    assert not zombies_of(parent)
    os.kill(parent, signal.SIGTERM)
    assert server.wait() == 0
    assert nothing_written(server)
    assert "bootcheck: SIGTERM from outside this container's PID namespace; passed on to pid" in server.stderr


@needs_namespaces
@pytest.mark.parametrize(("script", "code"), [("import sys; sys.exit(7)", 7), (CRASH, 139)], ids=["exit", "signal"])
def test_pid_1_ends_with_the_status_of_its_server(below, script, code):
    """It cannot die by a signal of its own, so a signal is 128 + n, as in every shell."""
    server = below(outer=NAMESPACE, script=script)

    assert server.wait() == code
    assert server.death()["role"] == "master"


@needs_namespaces
def test_pid_1_reports_the_sigkill_of_an_armed_master(below):
    """Its journal becomes the one report, and the workers are gone before PID 1 is."""
    server = below(outer=NAMESPACE, workers=2).wait_ready(2)
    (master,) = below_of(inner(server), server)
    os.kill(master, signal.SIGKILL)

    assert server.wait() == 137
    death = server.death()
    assert (death["role"], death["verdict"]["cause"]) == ("master", "sigkill_external")
    assert not server.leftovers()


# -- deaths of an armed Gunicorn -------------------------------------------------------------------


def test_a_killed_master_has_one_report_and_the_next_start_adds_none(below):
    """With the exact status at once; its workers end, and their journals go without a report."""
    server = below(workers=2).wait_ready(2)
    master = child_of(server)
    os.kill(master, signal.SIGKILL)

    assert server.wait() == -signal.SIGKILL
    assert not server.processes()
    death = server.death()
    assert (death["role"], death["verdict"]["cause"], death["verdict"]["code"]) == (
        "master", "sigkill_external", "BC506",
    )  # fmt: skip
    assert death["attributes"]["process.pid"] == master
    assert death["attributes"]["bootcheck.ready"] is True
    assert death["attributes"]["bootcheck.exit.signal.name"] == "SIGKILL"
    assert death["attributes"]["bootcheck.process.memory.peak"] > 1 << 20
    assert death["verdict"]["missing"] == []
    assert "server.boot" in [checkpoint["name"] for checkpoint in death["checkpoints"]]
    assert not server.leftovers()
    server.start().wait_ready(4)
    assert server.stop() == 0
    assert server.death() == death


def test_workers_that_were_killed_with_their_master_have_their_own_reports(below):
    """Three processes were killed from outside: three deaths, each with its exact status."""
    server = below(workers=2).wait_ready(2)
    master = child_of(server)
    workers = below_of(master, server)
    for pid in (master, *workers):
        os.kill(pid, signal.SIGKILL)

    assert server.wait() == -signal.SIGKILL
    deaths = server.reports("crash")
    assert {death["attributes"]["process.pid"] for death in deaths} == {master, *workers}
    assert {death["verdict"]["cause"] for death in deaths} == {"sigkill_external"}
    assert not server.leftovers()


def test_a_worker_s_death_is_the_master_s_to_report(below):
    """The parent has nothing to add."""
    server = below().wait_ready()
    (worker,) = below_of(child_of(server), server)
    os.kill(worker, signal.SIGKILL)
    server.wait_for_reports("crash")
    server.wait_ready(2)

    assert server.stop() == 0
    assert server.death()["role"] == "worker"


@pytest.mark.parametrize(
    ("config", "app", "code", "role"),
    [
        (
            "import bootcheck\nfrom bootcheck import checks\nbootcheck.arm(globals(), checks=[checks.env('NEEDED')])\n",
            None, 78, "master",
        ),
        ("import bootcheck\nbootcheck.arm(globals())\n", "raise ValueError('no')\n", 3, "worker"),
        ("preload_app = True\nimport bootcheck\nbootcheck.arm(globals())\n", "raise ValueError('no')\n", 1, "master"),
    ],
    ids=["refused", "worker", "preload"],
)  # fmt: skip
def test_a_start_that_fails_keeps_its_code_and_its_one_report(below, config, app, code, role):
    """The server has told its end itself."""
    server = below(config=config, app=app)

    assert server.wait() == code
    assert server.death()["role"] == role
    assert not server.leftovers()


def test_a_stop_in_mid_boot_is_told_by_the_master_alone(below):
    """Under preload the import is the master's; TERM is passed on, and the report is `sigterm`."""
    server = below(
        config="preload_app = True\nimport bootcheck\nbootcheck.arm(globals())\n",
        app="import sys, time\nprint('loading', file=sys.stderr, flush=True)\ntime.sleep(600)\n",
    )
    server.wait_for_line("^loading$")

    assert server.stop() == -signal.SIGTERM
    assert (server.death()["role"], server.death()["verdict"]["cause"]) == ("master", "sigterm")


def test_a_shell_in_between_changes_no_count(below, python):
    """`sh -c` that waits for its server: the master's journal is found below it, and its reports are its own."""
    gunicorn = f"{python.path} {Path(python.path).with_name('gunicorn')} -c bootcheck.conf.py --bind 127.0.0.1:0"
    server = below(run=False)
    before, own = server._arguments[: server._arguments.index("--") + 1], ["sh", "-c"]
    server._arguments = [*before, *own, f"{gunicorn} app:app; exit $?"]
    server.start().wait_ready()
    (master,) = below_of(child_of(server), server)
    os.kill(master, signal.SIGKILL)

    assert server.wait() == 137
    death = server.death()
    assert (death["attributes"]["process.pid"], death["verdict"]["cause"]) == (master, "sigkill_external")
    assert not server.processes()
    server._arguments[-1] = f"{gunicorn} gone:app; exit $?"
    server.start()
    assert server.wait() == 3
    assert sorted(one["role"] for one in server.reports("crash")) == ["master", "worker"]


def test_a_master_that_a_fault_ends_is_folded_with_its_stack(below):
    """The fault file lies beside the journal."""
    server = below(
        config="""
        import bootcheck
        def when_ready(server):
            import ctypes
            ctypes.string_at(0)
        bootcheck.arm(globals())
        """
    )

    assert server.wait() == -signal.SIGSEGV
    death = server.death()
    assert (death["role"], death["verdict"]["cause"]) == ("master", "native_crash")
    assert "when_ready" in [frame["function"] for frame in death["stacks"][0]["frames"]]


# -- daemons and successors ------------------------------------------------------------------------


def test_a_daemon_that_is_slow_to_take_over_is_no_death(below):
    """The command has ended with 0, and the records of its first life still lie there."""
    config = f"""
    import time
    from bootcheck.gunicorn.master import Master
    quick = Master._reopen_as_daemon
    def slow(self):
        time.sleep(1.5)
        quick(self)
    Master._reopen_as_daemon = slow
    {ARMED.replace(chr(10), chr(10) + " " * 4)}
    """
    server = below(config=config, gunicorn=["--daemon", "--log-file", "daemon.log"])
    server.wait_for_line(r"^bootcheck: the server goes on as pid \d+")
    server.wait_ready()

    assert server.stop() == 0
    assert not server.reports("crash")
    assert not server.leftovers()


@pytest.mark.parametrize("armed", [True, False], ids=["armed", "plain"])
def test_a_server_that_becomes_a_daemon_is_followed(below, armed):
    """The command ends with 0 at once; the parent stays with the daemon, and passes the stop on to it."""
    more = {} if armed else {"config": None}
    server = below(gunicorn=["--daemon", "--pid", "pidfile", "--log-file", "daemon.log"], **more)
    server.wait_for_line(r"^bootcheck: the server goes on as pid \d+")
    pidfile = server.home / "pidfile"
    daemon = int(wait_until(lambda: pidfile.exists() and pidfile.read_text().strip(), "the pidfile"))
    wait_until(lambda: "Booting worker" in (server.home / "daemon.log").read_text(), "the worker")
    if armed:
        server.wait_ready()

    assert server.returncode is None
    assert parent_of(daemon) == server.pid
    assert server.stop() == 0
    assert not server.processes(), server.story()
    assert not server.reports("crash")


def test_a_daemon_that_is_killed_has_its_one_report(below):
    """It is no child that the parent made, and its status is known all the same."""
    server = below(gunicorn=["--daemon", "--pid", "pidfile", "--log-file", "daemon.log"])
    server.wait_ready()
    daemon = int((server.home / "pidfile").read_text())
    server.wait_for_line(f"^bootcheck: the server goes on as pid {daemon};")
    os.kill(daemon, signal.SIGKILL)

    assert server.wait() == -signal.SIGKILL
    death = server.death()
    assert (death["attributes"]["process.pid"], death["verdict"]["cause"]) == (daemon, "sigkill_external")
    assert not server.processes()


def test_a_helper_that_outlives_a_job_is_not_waited_for(below):
    """A job that started an agent is done when it is done."""
    script = """
    import os, subprocess
    helper = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print(helper.pid)
    """
    server = below(script=textwrap.dedent(script))
    try:
        assert server.wait() == 0
    finally:
        helper = int(server.stdout)
        assert alive(helper)
        os.kill(helper, signal.SIGKILL)
        wait_until(lambda: not server.processes(), "the helper's end")
    assert nothing_written(server)


@pytest.mark.parametrize("armed", [True, False], ids=["armed", "plain"])
def test_an_upgraded_server_is_followed_by_its_parent(below, armed):
    """USR2, then the old master is stopped: the new one serves on, and the parent's TERM ends it."""
    server = below(bind=f"127.0.0.1:{free_port()}", **({} if armed else {"config": None}))
    server.wait_for_line(GUNICORN_READY)
    old = child_of(server)
    server.signal(signal.SIGUSR2)
    server.wait_for_line(GUNICORN_READY, count=2)
    (new,) = wait_until(
        lambda: [pid for pid in below_of(old, server) if b"GUNICORN_PID" in Path(f"/proc/{pid}/environ").read_bytes()],
        "the new master",
    )
    if armed:
        server.wait_ready(2)
    os.kill(old, signal.SIGTERM)
    server.wait_for_line(f"^bootcheck: the server goes on as pid {new};")

    assert server.get() == (200, b"hello")
    assert server.stop() == 0
    assert not server.processes()
    assert not server.reports("crash")


# -- servers without bootcheck ---------------------------------------------------------------------


def test_a_fault_in_a_plain_server_is_reported_with_its_last_lines(below):
    """Stderr is a file here: its end is evidence, with secrets masked."""
    server = below(script=CRASH)

    assert server.wait() == -signal.SIGSEGV
    death = server.death()
    assert (death["role"], death["verdict"]["cause"], death["step"]) == ("master", "native_crash", None)
    assert death["attributes"]["bootcheck.ready"] is None
    lines = [item["text"] for item in death["verdict"]["evidence"] if item["source"] == "stderr"]
    assert len(lines) == 1
    assert lines[0].startswith("the last words")
    assert "hunter2" not in json.dumps(death)
    assert death["redaction"]["hidden_count"] >= 1


@pytest.mark.parametrize("kind", ["gunicorn", "uvicorn", "granian"])
def test_the_sigkill_of_a_plain_server_is_reported(below, python, kind):
    """Whatever it is."""
    if kind != "gunicorn" and importlib.util.find_spec(kind) is None:
        pytest.skip(f"{kind} is not installed")
    if kind == "gunicorn":
        server = below(config=None, workers=2)
        server.wait_for_line(GUNICORN_READY, count=2)
    elif kind == "uvicorn":
        server = below([sys.executable, "-m", "uvicorn", "--port", str(free_port()), "app:app"], app=HELLO_ASGI)
        server.wait_for_line("Application startup complete")
    else:
        server = below([sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(free_port()), "app:app"])
        wait_until(lambda: "Started worker" in server.stdout, lambda: "a worker of Granian" + server.story())
    child = child_of(server)
    os.kill(child, signal.SIGKILL)

    assert server.wait() == -signal.SIGKILL
    assert not server.processes()
    death = server.death()
    assert (death["attributes"]["process.pid"], death["verdict"]["cause"]) == (child, "sigkill_external")
    assert kind in death["attributes"]["process.command_line"]


def test_an_exit_code_of_a_plain_server_is_os_exit(below):
    """Plain Gunicorn ends with 3 where its app raises, and the traceback is in its last lines."""
    server = below(config=None, app="raise ValueError('mars')\n")

    assert server.wait() == 3
    death = server.death()
    assert death["verdict"]["cause"] == "os_exit"
    assert death["attributes"]["process.exit.code"] == 3
    assert any("mars" in item["text"] for item in death["verdict"]["evidence"])


def test_analyze_reads_the_parents_reports(below, python):
    """As those of a server."""
    server = below(script=CRASH)
    server.wait()
    told = subprocess.run(
        [python.path, "-m", "bootcheck", "analyze", "--format", "json", str(server.directory)],
        capture_output=True, text=True, check=False, env=server._environ,
    )  # fmt: skip
    (incident,) = json.loads(told.stdout)["incidents"]

    assert told.returncode == 1
    assert (incident["cause_class"], incident["count"]) == ("native-crash", 1)
    assert incident["summary"] == server.death()["verdict"]["summary"]


def test_a_signal_that_did_not_come_through_the_parent_is_sigterm(below):
    """Somebody stopped the server behind its back."""
    server = below(script="import time, sys\nprint('up', file=sys.stderr, flush=True)\ntime.sleep(600)\n")
    server.wait_for_line("^up$")
    os.kill(child_of(server), signal.SIGTERM)

    assert server.wait() == -signal.SIGTERM
    death = server.death()
    assert (death["verdict"]["cause"], death["attributes"]["bootcheck.exit.signal.name"]) == ("sigterm", "SIGTERM")
    assert "did not come through its parent" in death["verdict"]["summary"]


def test_an_order_that_ends_in_a_fault_is_a_death_all_the_same(below):
    """And the report says who had ordered."""
    script = SLEEP.replace("sys.exit(0)", "os.kill(os.getpid(), 11)")
    server = below(script=script)
    server.wait_for_line("^up$")

    assert server.stop() == -signal.SIGSEGV
    death = server.death()
    assert death["verdict"]["cause"] == "native_crash"
    assert any("SIGTERM from pid" in item["text"] for item in death["verdict"]["evidence"])


def test_what_does_not_end_when_asked_is_killed_after_the_grace(below):
    """A dead server leaves no process behind that holds its port."""
    script = """
    import os, signal, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        print("deaf", file=sys.stderr, flush=True)
        time.sleep(600)
    time.sleep(600)
    """
    server = below(script=textwrap.dedent(script), options=["--grace", "0.3"])
    server.wait_for_line("^deaf$")
    os.kill(child_of(server), signal.SIGKILL)

    assert server.wait() == -signal.SIGKILL
    assert not server.processes()


# -- memory ----------------------------------------------------------------------------------------

MEMORY = Path("/sys/fs/cgroup/memory")
HOG = """
import time
held = []
while True:
    held.append(b"x" * (4 << 20))
"""
ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory control group with a limit of 150 MB."""
    path = MEMORY / f"bootcheck-test-{os.getpid()}"
    try:
        path.mkdir()
        (path / "memory.limit_in_bytes").write_text(str(150 << 20))
    except OSError as exc:
        pytest.skip(f"no memory control group can be made here: {exc.strerror}")
    yield path
    wait_until(lambda: not (path / "cgroup.procs").read_text(), "the end of all processes in the group")
    path.rmdir()


def test_a_server_that_the_kernel_killed_for_memory_is_oom(below, group):
    """The counter of the control group tells it from any other SIGKILL."""
    server = below(script=HOG, outer=("sh", "-c", ENTER, str(group)))

    assert server.wait() == -signal.SIGKILL
    death = server.death()
    assert (death["verdict"]["cause"], death["verdict"]["code"]) == ("oom", "BC508")
    assert death["attributes"]["bootcheck.process.memory.peak"] > 100 << 20


def test_a_kill_in_the_same_group_is_no_oom(below, group):
    """Only a count that rose says memory."""
    server = below(script=SLEEP, outer=("sh", "-c", ENTER, str(group)))
    server.wait_for_line("^up$")
    os.kill(child_of(server), signal.SIGKILL)

    assert server.wait() == -signal.SIGKILL
    assert server.death()["verdict"]["cause"] == "sigkill_external"


def test_the_master_of_an_armed_server_that_ran_out_of_memory_is_oom(below, group):
    """Folded from its journal, with the count that only its parent could still read."""
    hook = "def when_ready(server):\n    held = []\n    while True:\n        held.append(b'x' * (4 << 20))\n"
    server = below(
        config=f"{hook}\nimport bootcheck\nbootcheck.arm(globals())\n", outer=("sh", "-c", ENTER, str(group))
    )

    assert server.wait() == -signal.SIGKILL
    death = server.death()
    assert (death["role"], death["verdict"]["cause"]) == ("master", "oom")
    assert death["attributes"]["bootcheck.cgroup.memory.limit"] == 150 << 20


def test_a_memory_kill_further_down_is_said(below, group):
    """A plain server's worker is nobody's child here, but the count is the whole group's."""
    script = f"""
    import os, time, signal, sys
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
    if os.fork() == 0:
        {HOG.strip().replace(chr(10), chr(10) + "        ")}
    os.wait()
    time.sleep(600)
    """
    server = below(script=textwrap.dedent(script), outer=("sh", "-c", ENTER, str(group)))
    server.wait_for_line("^bootcheck: the kernel killed 1 process of this control group for memory$")

    assert server.stop() == 0
    assert nothing_written(server)


# -- stderr and terminals --------------------------------------------------------------------------


def test_tail_keeps_the_last_lines_of_a_pipe(below):
    """Everything is passed on, the last fifty lines stand in the report, secrets masked."""
    script = """
    import os, sys
    for number in range(20000):
        print("line", number, file=sys.stderr)
    print("TOKEN=abcdefabcdef", file=sys.stderr, flush=True)
    os._exit(9)
    """
    server = below(script=textwrap.dedent(script), options=["--tail"])

    assert server.wait() == 9
    assert re.findall(r"^line (\d+)$", server.stderr, re.MULTILINE) == [str(number) for number in range(20000)]
    lines = [item["text"] for item in server.death()["verdict"]["evidence"] if item["source"] == "stderr"]
    assert len(lines) == 50
    assert lines[-2] == "line 19999"
    assert "abcdefabcdef" not in lines[-1]


def test_tail_passes_signals_on_while_the_server_writes(below):
    """A server that never stops writing can be stopped."""
    script = """
    import signal, sys
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(0))
    while True:
        print("noise" * 100, file=sys.stderr)
    """
    server = below(script=textwrap.dedent(script), options=["--tail"])
    server.wait_for_line("^(noise)+$")

    assert server.stop() == 0


class Typist:
    """A terminal with `bootcheck run` in its foreground."""

    def __init__(self, server: Server, arguments: Sequence[str]) -> None:
        self.ours, theirs = os.openpty()
        self.process = subprocess.Popen(
            arguments, cwd=server.home, env=server._environ, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True, preexec_fn=_controlling_terminal,  # noqa: PLW1509 - no thread here
        )  # fmt: skip
        os.close(theirs)
        self.shown = b""

    def end(self) -> int:
        """Wait for the end, forced where it does not come, and return the status."""
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self.ours)

    def wait_for(self, text: bytes) -> None:
        """Read until a text is on the screen."""
        while text not in self.shown:
            assert select.select([self.ours], [], [], PATIENCE)[0], f"{text!r} is not shown: {self.shown!r}"
            try:
                piece = os.read(self.ours, 4096)
            except OSError:
                piece = b""
            assert piece, f"the terminal was closed before {text!r}: {self.shown!r}"
            self.shown += piece

    def press(self, key: bytes) -> None:
        """Press a key."""
        os.write(self.ours, key)


def _controlling_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    as_from_a_terminal()


TERMINAL = """
import os, signal, sys, time
count = 0
def hear(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, hear)
print("terminal", sys.stdin.isatty(), sys.stderr.isatty(), os.tcgetpgrp(0) == os.getpgrp(), flush=True)
while not count:
    time.sleep(0.05)
time.sleep(0.5)
print("keys", count, flush=True)
"""


@pytest.mark.parametrize("options", [[], ["--tail"]], ids=["as it is", "tail"])
def test_a_terminal_stays_one_and_ctrl_c_comes_once(below, options):
    """The server is in its foreground, as without a parent."""
    server = below(script=TERMINAL, options=options, run=False)
    typist = Typist(server, server._arguments)
    typist.wait_for(b"terminal True True True")
    typist.press(b"\x03")
    typist.wait_for(b"keys 1")

    assert typist.end() == 0
    assert not server.directory.exists()


def test_ctrl_c_that_ends_a_server_is_no_death(below):
    """It ends by SIGINT, so its parent does, and nothing is reported."""
    script = "import time, signal\nsignal.signal(2, signal.SIG_DFL)\nprint('up', flush=True)\ntime.sleep(600)\n"
    server = below(script=script, run=False)
    typist = Typist(server, server._arguments)
    typist.wait_for(b"up")
    typist.press(b"\x03")

    assert typist.end() == -signal.SIGINT
    assert not server.directory.exists()


def test_ctrl_z_stops_both_and_fg_continues_both(below):
    """A shell gets its prompt back, and the server goes on in the foreground after `fg`."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    script = """
    import os, signal, sys, time
    master = os.getpid()
    def on(*_):
        who = "master" if os.getpid() == master else "worker"
        os.write(1, f"{who} on {os.tcgetpgrp(0) == os.getpgrp()}\\n".encode())
    signal.signal(signal.SIGCONT, on)
    if os.fork() == 0:
        os.write(1, b"worker up\\n")
        while os.getppid() == master:
            time.sleep(0.05)
        os._exit(0)
    os.write(1, b"master up\\n")
    while True:
        time.sleep(0.05)
    """
    server = below(script=textwrap.dedent(script), run=False)
    typist = Typist(server, ["bash", "--norc", "--noprofile", "-i"])
    typist.press(" ".join(server._arguments).encode() + b"\n")
    typist.wait_for(b"\nmaster up")
    typist.wait_for(b"\nworker up")
    typist.press(b"\x1a")
    typist.wait_for(b"Stopped")
    typist.press(b"fg\n")
    typist.wait_for(b"\nmaster on True")
    typist.wait_for(b"\nworker on True")
    typist.press(b"\x03")
    typist.press(b"exit\n")
    typist.end()
    assert not server.directory.exists()


# -- what cannot be run ----------------------------------------------------------------------------


def test_a_program_that_does_not_exist_is_127(below):
    """As a shell ends, saying which."""
    server = below(["no-such-server", "app:app"])

    assert server.wait() == 127
    assert server.stderr == "bootcheck: there is no program 'no-such-server' in any directory of PATH.\n"


@pytest.mark.parametrize(("text", "mode"), [("#!/bin/sh\n", 0o644), ("#!/no/such\n", 0o755), ("no program", 0o755)])
def test_a_file_that_cannot_be_run_is_126(below, tmp_path, text, mode):
    """Not executable, no interpreter, no format that the kernel knows."""
    program = tmp_path / "program"
    program.write_text(text)
    program.chmod(mode)
    server = below([str(program)])

    assert server.wait() == 126
    assert server.stderr.startswith(f"bootcheck: {program} cannot be run: ")
    assert not server.directory.exists()


@pytest.mark.parametrize("words", [[], ["--"], ["gunicorn", "app:app"]], ids=["nothing", "no command", "no dashes"])
def test_without_a_command_after_two_dashes_it_says_how(below, words):
    """Code 2, and the right form."""
    server = below(run=False)
    server._arguments = [*server._arguments[:4], *words]
    server.start()

    assert server.wait() == 2
    assert server.stderr == "bootcheck: name the command after two dashes: bootcheck run -- gunicorn app:app\n"


def test_a_wrong_variable_of_ours_ends_it_before_the_server(below):
    """With 78, as an armed server."""
    server = below(script="print('started')", environ={"BOOTCHECK_ENFORCED": "all"})

    assert server.wait() == 78
    assert "Did you mean BOOTCHECK_ENFORCE?" in server.stderr
    assert server.stdout == ""


def test_a_killed_parent_takes_its_server_along(below):
    """What it watched would hold the port, and nobody would see it die."""
    server = below(script=SLEEP)
    server.wait_for_line("^up$")
    child = child_of(server)
    os.kill(server.pid, signal.SIGKILL)

    wait_until(lambda: not alive(child), "the end of the server")


def test_the_parent_loads_nothing_that_only_a_death_needs(python):
    """Its memory is taken from the container's."""
    code = """
import sys
from bootcheck.settings import Settings
from bootcheck.parent.watch import Watch
watch = Watch(["true"], Settings(disabled=False), {}, tail=False, grace=1)
watch._account = lambda: False
assert watch.run() == 0
heavy = ("analysis", "render", "checks", "gunicorn.master", "gunicorn.verdict", "gunicorn.obituary", "model.report")
print([name for name in sys.modules if name.startswith(tuple("bootcheck." + one for one in heavy))])
print([name for name in ("gunicorn", "subprocess", "asyncio", "threading", "logging") if name in sys.modules])
"""
    source = str(Path(__file__).resolve().parents[2] / "src")
    told = subprocess.run(
        [python.path, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": source, "PATH": os.environ["PATH"]},
    ).stdout.splitlines()

    assert told[0] == "[]"
    assert told[1] == "[]"
