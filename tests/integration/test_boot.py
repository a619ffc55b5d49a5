"""Healthy lives of real servers: every way to arm, every worker class, every way to go on and to stop."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.integration.harness import HELLO, HELLO_ASGI, SOURCE, alive, names_of, partly, wait_until

EVERY_CLASS = ("sync", "gthread", "gevent", "asgi", "uvicorn")
HOOKS = """
import os
def _note(name):
    with open(os.path.join({home!r}, "hooks.log"), "a") as file:
        file.write(name + "\\n")
def on_starting(server): _note("on_starting")
def on_reload(server): _note("on_reload")
def when_ready(server): _note("when_ready")
def pre_fork(server, worker): _note("pre_fork")
def post_fork(server, worker): _note("post_fork")
def post_worker_init(worker): _note("post_worker_init")
def pre_request(worker, request): _note("pre_request")
def post_request(worker, request, environ, response): _note("post_request")
def child_exit(server, worker): _note("child_exit")
def worker_exit(server, worker): _note("worker_exit")
def nworkers_changed(server, new, old): _note("nworkers_changed")
def on_exit(server): _note("on_exit")
"""
ALL_HOOKS = set(re.findall(r"^def (\w+)\(", HOOKS, re.MULTILINE)) - {"_note"}


def noted(server):
    """Return the names of the user's hooks that have run."""
    path = server.home / "hooks.log"
    return path.read_text().split() if path.exists() else []


# -- boots ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preload", [False, True], ids=["", "preload"])
@pytest.mark.parametrize("kind", partly(EVERY_CLASS, "gevent"))
def test_a_healthy_boot_leaves_a_report_of_each_process(serve, kind, preload):
    """Master and each worker leave one boot report; the app answers; an ordered stop leaves nothing more."""
    server = serve(worker_class=kind, workers=2, options=["--preload"] if preload else [])
    server.wait_ready(2)
    pids = set(server.workers())
    assert server.get() == (200, b"hello")
    assert server.stop() == 0

    (master,) = server.reports("boot", "master")
    workers = server.reports("boot", "worker")
    assert master["attributes"]["process.pid"] == server.pid
    assert {report["attributes"]["process.pid"] for report in workers} == pids
    for report in (master, *workers):
        assert (report["verdict"]["cause"], report["verdict"]["code"], report["step"]) == ("none", None, None)
        assert report["attributes"]["bootcheck.ready"]
        assert all(point["rss_bytes"] for point in report["checkpoints"])
    for report in workers:
        assert {"worker.boot", "app.load"} <= set(names_of(report))
        assert ("app.lifespan" in names_of(report)) == (kind in ("asgi", "uvicorn"))
    assert ("app.load" in names_of(master)) == preload
    assert not server.reports("crash")
    assert not server.leftovers()


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("kind", partly(["sync", "gthread", "gevent", "asgi"], "gthread"))
def test_an_ordered_stop_is_no_death(serve, kind, signo):
    """INT and QUIT end a server as they do without bootcheck, and leave no crash report."""
    server = serve(worker_class=kind, workers=2)
    server.wait_ready(2)

    assert server.stop(signo) == 0
    assert not server.reports("crash")
    assert not server.leftovers()


@pytest.mark.parametrize("kind", partly(EVERY_CLASS, "asgi"))
def test_reloads_and_resizes_are_no_deaths(serve, kind):
    """HUP, TTIN and TTOU replace and end workers; each new one leaves a boot report, none a crash report."""
    server = serve(worker_class=kind, workers=2, options=["--graceful-timeout", "5"])
    server.wait_ready(2)
    server.signal(signal.SIGHUP)
    server.wait_ready(4)
    wait_until(lambda: len(server.workers()) == 2, lambda: "the old workers' end" + server.story())
    server.signal(signal.SIGTTIN)
    server.wait_ready(5)
    server.signal(signal.SIGTTOU)
    wait_until(lambda: len(server.workers()) == 2, lambda: "one worker's end" + server.story())
    assert server.get() == (200, b"hello")
    assert server.stop() == 0

    assert not server.reports("crash")
    assert len(server.reports("boot", "master")) == 1
    assert not server.leftovers()


@pytest.mark.parametrize("kind", partly(["sync", "gthread", "asgi", "uvicorn"], "sync", "uvicorn"))
def test_a_recycled_worker_is_no_death(serve, kind):
    """A worker that ends after `max_requests` leaves no crash report, its successor a boot report."""
    server = serve(worker_class=kind, options=["--max-requests", "2"])
    server.wait_ready()
    for _ in range(2):
        assert server.get()[0] == 200
    server.wait_ready(2)
    assert server.get()[0] == 200
    server.stop()

    assert not server.reports("crash")


def test_an_upgrade_leaves_two_masters_reports(serve):
    """USR2 starts a new master beside the old one: neither sweeps the other, and no death is told."""
    server = serve(workers=1, options=["--pid", "pidfile"])
    server.wait_ready()
    server.signal(signal.SIGUSR2)
    server.wait_ready(2)
    server.wait_for_reports("boot", 2, role="master")
    new = int(
        wait_until(
            lambda: (server.home / "pidfile.2").exists() and (server.home / "pidfile.2").read_text(), "pidfile.2"
        )
    )
    assert server.stop() == 0
    assert server.get()[0] == 200
    server.wait_for_line("Master has been promoted")
    os.kill(new, signal.SIGTERM)
    wait_until(lambda: not server.processes(), lambda: "the new master's end" + server.story())

    masters = {report["attributes"]["process.pid"] for report in server.reports("boot", "master")}
    assert masters == {server.pid, new}
    assert not server.reports("crash")
    assert not server.leftovers()


def test_two_servers_share_a_directory(serve, tmp_path):
    """A start sweeps the journals of the dead only: a server that lives beside it is left alone."""
    one = serve(reports=tmp_path / "shared")
    one.wait_ready()
    two = serve(reports=tmp_path / "shared")
    two.wait_ready(2)
    assert one.get()[0] == two.get()[0] == 200
    assert two.stop() == 0
    assert one.stop() == 0

    assert not one.reports("crash")
    assert not one.leftovers()


# -- ways to arm ------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["end", "top"])
def test_hooks_of_every_name_still_run(serve, tmp_path, place):
    """The user's hooks run in every phase, also after HUP, wherever in the file `arm` stands."""
    home = tmp_path / "server"
    arm = "\nimport bootcheck\nbootcheck.arm(globals())\n"
    hooks = HOOKS.format(home=str(home))
    server = serve(
        home=home,
        config=hooks + arm if place == "end" else arm + hooks,
        config_file="gunicorn.conf.py",
        name_config=False,
    )
    server.wait_ready()
    assert server.get()[0] == 200
    server.signal(signal.SIGHUP)
    server.wait_ready(2)
    wait_until(lambda: len(server.workers()) == 1, "the old worker's end")
    assert server.get()[0] == 200
    assert server.stop() == 0

    ran = noted(server)
    assert set(ran) == ALL_HOOKS
    once = ("on_starting", "when_ready", "on_exit", "on_reload")
    twice = (
        "pre_fork",
        "post_fork",
        "post_worker_init",
        "pre_request",
        "post_request",
        "worker_exit",
        "nworkers_changed",
    )
    assert {name: ran.count(name) for name in once} == dict.fromkeys(once, 1)
    assert {name: ran.count(name) for name in twice} == dict.fromkeys(twice, 2)
    assert server.reports("boot", "master")
    assert not server.reports("crash")


def test_hooks_that_are_named_by_a_dotted_path_still_run(serve):
    """Gunicorn takes a string for a hook; so does a file that arms."""
    config = """
        import bootcheck
        post_worker_init = "callbacks.note"
        bootcheck.arm(globals())
    """
    files = {"callbacks.py": "def note(worker):\n    open('noted', 'w').close()\n"}
    server = serve(config=config, files=files, environ={"PYTHONPATH": f"{SOURCE}:."})
    server.wait_ready()
    assert server.stop() == 0

    assert (server.home / "noted").exists()


ZERO = ("-c", "python:bootcheck.conf")


def test_the_zero_file_configuration_arms(serve):
    """`-c python:bootcheck.conf` needs no file at all."""
    server = serve(config=None, options=ZERO)
    server.wait_ready()
    assert server.get()[0] == 200
    server.signal(signal.SIGHUP)
    server.wait_ready(2)
    assert server.stop() == 0

    assert server.reports("boot", "master")
    assert not server.reports("crash")


def test_the_zero_file_configuration_takes_over_the_one_that_is_there(serve, tmp_path):
    """It executes ./gunicorn.conf.py once, says so, keeps its hooks, and reads it again on HUP."""
    home = tmp_path / "server"
    config = HOOKS.format(home=str(home)) + "\n_note('file')\nworkers = 2\n"
    server = serve(home=home, config=config, config_file="gunicorn.conf.py", name_config=False, options=ZERO)
    server.wait_ready(2)
    server.wait_for_line(r"bootcheck: .*gunicorn\.conf\.py")
    assert noted(server).count("file") == 1
    (home / "gunicorn.conf.py").write_text(config.replace("workers = 2", "workers = 3"))
    server.signal(signal.SIGHUP)
    server.wait_ready(5)
    wait_until(lambda: len(server.workers()) == 3, lambda: "three workers" + server.story())
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert set(noted(server)) == ALL_HOOKS | {"file"}
    assert noted(server).count("file") == 2
    assert not server.reports("crash")


def test_the_zero_file_configuration_finds_a_file_that_armed_itself(serve):
    """A gunicorn.conf.py that arms bootcheck is executed once, and its checks count."""
    config = """
        import os, bootcheck
        from bootcheck import checks
        with open("executed", "a") as file:
            file.write("x")
        bootcheck.arm(globals(), checks=[checks.env("NEEDED")])
    """
    server = serve(config=config, config_file="gunicorn.conf.py", name_config=False, options=ZERO)

    assert server.wait() == 78
    assert (server.home / "executed").read_text() == "x"
    assert server.death()["verdict"]["code"] == "BC101"


@pytest.mark.parametrize("configured", [False, True], ids=["", "own-config"])
def test_the_logger_class_arms_without_touching_a_file(serve, tmp_path, configured):
    """GUNICORN_CMD_ARGS alone arms a whole fleet; a configuration with hooks stays as it is."""
    home = tmp_path / "server"
    server = serve(
        home=home,
        config=HOOKS.format(home=str(home)) if configured else None,
        config_file="theirs.py",
        environ={"GUNICORN_CMD_ARGS": "--logger-class bootcheck.Logger"},
        workers=2,
    )
    server.wait_ready(2)
    assert server.get()[0] == 200
    server.signal(signal.SIGHUP)
    server.wait_ready(4)
    wait_until(lambda: len(server.workers()) == 2, "the old workers' end")
    # One request for each of the new generation's hooks.
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert len(server.reports("boot", "master")) == 1
    assert not server.reports("crash")
    assert not configured or set(noted(server)) == ALL_HOOKS


def test_a_death_is_reported_with_the_logger_class(serve):
    """Armed by its logger, a server reports a failed import like any other."""
    server = serve(
        app="raise ValueError('no')", config=None, environ={"GUNICORN_CMD_ARGS": "--logger-class bootcheck.Logger"}
    )

    assert server.wait() == 3
    assert server.death()["verdict"]["cause"] == "exception"


# -- doing nothing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["--check-config", "--print-config"])
@pytest.mark.parametrize("way", partly(["file", "command line", "zero"], "zero"))
def test_only_looking_creates_nothing(serve, option, way):
    """A command that checks or prints the configuration leaves no file and no line."""
    server = serve(
        config=None if way == "zero" else "import bootcheck\nbootcheck.arm(globals())\n",
        options=[*(ZERO if way == "zero" else ()), *(() if way == "command line" else (option,))],
        environ={"GUNICORN_CMD_ARGS": option} if way == "command line" else {},
    )

    assert server.wait() == 0
    assert not server.directory.exists()
    assert not server.own_lines


@pytest.mark.parametrize("app", [HELLO, "raise ValueError('no')"], ids=["healthy", "failing"])
def test_switched_off_it_is_as_if_it_were_not_there(serve, app):
    """BOOTCHECK_DISABLE=1: no file, no line, and the output and exit code of plain Gunicorn."""
    off = serve(app=app, environ={"BOOTCHECK_DISABLE": "1"})
    plain = serve(app=app, config="# nothing")
    for server in (off, plain):
        server.wait_for_line("Booting worker")
        if app == HELLO:
            assert server.get()[0] == 200
            server.stop()
        server.wait()

    assert off.returncode == plain.returncode
    assert not off.directory.exists()
    assert not off.own_lines
    assert "bootcheck" not in off.stderr.replace("bootcheck.conf.py", "")
    assert sorted(comparable(off)) == sorted(comparable(plain))


def comparable(server):
    """Return the lines of a log without what differs from run to run."""
    text = re.sub(rf"{re.escape(str(server.home))}|bc-\w+|\d+", "*", server.stderr)
    return [line for line in text.splitlines() if "Control socket" not in line]


def test_a_wrong_variable_is_no_matter_when_switched_off(serve):
    """What is switched off complains about nothing."""
    server = serve(environ={"BOOTCHECK_DISABLE": "1", "BOOTCHECK_NONSENSE": "1"})
    server.wait_for_line("Booting worker")

    assert server.get()[0] == 200
    assert server.stop() == 0


# -- settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"BOOTCHECK_DIRR": "/x"}, ["BOOTCHECK_DIRR", "BOOTCHECK_DIR?"]),
        ({"BOOTCHECK_ENFORCE": "declare"}, ["BOOTCHECK_ENFORCE", "declared?"]),
        ({"BOOTCHECK_LOG": "sumary"}, ["BOOTCHECK_LOG", "summary?"]),
        ({"BOOTCHECK_BOOT_DEADLINE": "soon"}, ["BOOTCHECK_BOOT_DEADLINE", "'soon'"]),
        ({"BOOTCHECK_PROBE_BIND": "9090x"}, ["BOOTCHECK_PROBE_BIND", "host:port"]),
        ({"BOOTCHECK_ENFROCE": "all", "BOOTCHECK_LOG": "loud"}, ["BOOTCHECK_ENFORCE?", "loud"]),
    ],
)
def test_a_wrong_setting_names_the_nearest_right_one(serve, environ, said):
    """A value or variable that is unknown stops the start with 78; all problems are said together."""
    server = serve(environ=environ)

    assert server.wait() == 78
    assert all(text in server.stderr for text in said), server.stderr
    assert "Traceback" not in server.stderr
    assert not server.directory.exists()


def test_summary_is_one_line_for_each_process(serve):
    """The default: one line for the master, one per worker, one for the stop, and nothing else while all is well."""
    server = serve(workers=2)
    server.wait_ready(2)
    # A worker's report is there before its line.
    wait_until(lambda: len(server.own_lines) >= 3, lambda: "a line for each" + server.story())
    assert len(server.own_lines) == 3
    server.stop()

    assert len(server.own_lines) == 4
    assert f"master {server.pid} stopped by SIGTERM from " in server.own_lines[-1]
    assert all(line.startswith("bootcheck: ") for line in server.own_lines)


def test_checkpoints_are_a_line_each(serve):
    """BOOTCHECK_LOG=checkpoints prints outcome, pid, memory and, for what took time, the duration."""
    server = serve(environ={"BOOTCHECK_LOG": "checkpoints"})
    server.wait_ready()
    server.stop()

    lines = [line for line in server.stderr.splitlines() if line.startswith("CHECKPOINT[")]
    loads = [line for line in lines if line.startswith("CHECKPOINT[app.load]")]
    assert len(loads) == 2
    assert re.search(r"^CHECKPOINT\[app\.load\] PASSED .*PID:\d+ Memory:\d+\.\dMB Duration:\d+\.\dms$", loads[1])


def test_json_lines_are_json(serve):
    """BOOTCHECK_LOG=json prints each checkpoint as an object."""
    server = serve(environ={"BOOTCHECK_LOG": "json"})
    server.wait_ready()
    server.stop()

    found = [json.loads(line) for line in server.stderr.splitlines() if line.startswith("{")]
    assert {"server.boot", "worker.boot", "app.load"} <= {
        record["name"] for record in found if record["t"] == "checkpoint"
    }


def test_off_is_silent_about_health(serve):
    """BOOTCHECK_LOG=off prints nothing of a healthy life."""
    server = serve(environ={"BOOTCHECK_LOG": "off"}, workers=2)
    server.wait_ready(2)
    server.stop()

    assert not server.own_lines


def test_off_still_announces_a_death(serve):
    """The report line is there in every mode: it may be all that is left."""
    server = serve(
        app="import turn\nif turn.first():\n    raise SystemExit(1)\n" + HELLO, environ={"BOOTCHECK_LOG": "off"}
    )
    server.wait_ready()
    server.stop()

    assert [line.partition(" ")[0] for line in server.own_lines] == ["BOOTCHECK_REPORT"]


# -- the app's own words ----------------------------------------------------------------------------


def test_steps_and_tags_of_the_app_are_in_the_boot_report(serve):
    """`bootcheck.step` and `bootcheck.annotate` work in the app, and do nothing harmful elsewhere."""
    app = (
        "import bootcheck\nbootcheck.annotate('release', '1.2.3')\n"
        "with bootcheck.step('load model', rows=3):\n    pass\n" + HELLO
    )
    server = serve(app=app)
    server.wait_ready()
    server.stop()

    (report,) = server.reports("boot", "worker")
    assert report["annotations"] == {"release": "1.2.3"}
    (done,) = [
        point for point in report["checkpoints"] if point["name"] == "load model" and point["outcome"] == "passed"
    ]
    assert done["detail"]["rows"] == 3
    assert done["duration_ms"] is not None


def test_children_of_a_worker_are_no_deaths(serve):
    """What an app forks or starts ends as it likes, by exit, exception or signal: only the worker's end counts."""
    app = """
        import multiprocessing, os, subprocess, sys, time
        def forked(function):
            pid = os.fork()
            if pid == 0:
                function()
            return os.waitpid(pid, 0)[1]
        def leave():
            sys.exit(5)
        def fail():
            raise RuntimeError("in a child")
        def stay():
            time.sleep(60)
        def stopped():
            child = multiprocessing.get_context("fork").Process(target=stay)
            child.start()
            time.sleep(0.2)
            child.terminate()
            child.join(20)
            return child.exitcode
        found = [forked(leave) >> 8, forked(fail) >> 8 != 0, subprocess.run(["false"]).returncode, stopped()]
        def app(environ, start_response):
            start_response("200 OK", [])
            return [repr([*found, forked(lambda: os._exit(3)) >> 8, forked(os.abort) & 0x7F]).encode()]
    """
    server = serve(app=app)
    server.wait_ready()
    status, body = server.get()
    server.stop()

    assert (status, body.decode()) == (200, "[5, True, 1, -15, 3, 6]")
    assert not server.reports("crash")
    assert len(server.reports("boot")) == 2
    assert not server.leftovers()


def test_children_of_a_users_hook_are_no_workers(serve):
    """What a `pre_fork` hook starts is not taken for the worker, and hears stop signals."""
    config = """
        import os, subprocess, bootcheck
        workers = 4
        def pre_fork(server, worker):
            if os.fork() == 0:
                os._exit(1)
            # Up to 23 Gunicorn reaps it itself.
            open("started", "a").write("%d\\n" % subprocess.Popen(["sleep", "60"]).pid)
            subprocess.Popen(["true"])
        bootcheck.arm(globals())
    """
    server = serve(config=config)
    server.wait_ready(4)
    sleepers = [int(pid) for pid in (server.home / "started").read_text().split()]
    blocked = {
        re.search(r"^SigBlk:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1] for pid in sleepers
    }
    for pid in sleepers:
        os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not any(alive(pid) for pid in sleepers), "the end of what the hook started")
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert {int(mask, 16) & 1 << signal.SIGTERM - 1 for mask in blocked} == {0}
    assert not server.reports("crash")
    assert not server.leftovers()


def test_master_and_worker_load_nothing_that_plain_gunicorn_does_not(serve):
    """Only the standard library and bootcheck itself: a driver loaded in the master breaks gevent workers."""
    app = """
        import sys
        def app(environ, start_response):
            start_response("200 OK", [])
            return [" ".join(sorted({name.partition(".")[0] for name in sys.modules})).encode()]
    """
    ready = (
        "def when_ready(server):\n    import sys\n"
        "    open('modules', 'w').write(' '.join(n.partition('.')[0] for n in sys.modules))\n"
    )
    database = {"DATABASE_URL": "postgresql://u:p@127.0.0.1:1/none", "SECRET_KEY": "s" * 10}
    armed = serve(app=app, config=ready + "import bootcheck\nbootcheck.arm(globals())\n", environ=database)
    plain = serve(app=app, config=ready, environ=database)
    armed.wait_ready()
    found = {}
    for server in (armed, plain):
        worker = set(server.get()[1].decode().split())
        found[server] = (set((server.home / "modules").read_text().split()), worker)
        server.stop()

    for mine, theirs in zip(found[armed], found[plain], strict=True):
        # The extension of the extra `siginfo` is ours as well, where it is installed.
        assert mine - theirs - set(sys.stdlib_module_names) - {"bootcheck", "bootcheck_siginfo"} == set()


# -- other users, other sessions --------------------------------------------------------------------


def test_a_daemon_reports_under_its_own_pid(serve):
    """Gunicorn forks itself away after the file was executed: the reports are those of the daemon."""
    server = serve(workers=2, options=["--daemon", "--pid", "pidfile", "--log-file", "daemon.log"])
    # Nobody listens to a daemon's stderr: the files are all there is.
    server.stored = False
    assert server.wait() == 0
    server.wait_ready(2)
    pid = int((server.home / "pidfile").read_text())
    (worker, _) = [one for one in server.processes() if one != pid]
    os.kill(worker, signal.SIGKILL)
    (crash,) = server.wait_for_reports("crash")
    server.wait_ready(3)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not server.processes(), lambda: "the daemon's end" + server.story())

    assert [report["attributes"]["process.pid"] for report in server.reports("boot", "master")] == [pid]
    assert (crash["attributes"]["process.pid"], crash["verdict"]["cause"]) == (worker, "sigkill_external")
    assert len(server.reports("crash")) == 1
    assert not server.leftovers()


@pytest.fixture
def public_home():
    """A directory that other users can enter, for servers that give up their rights."""
    home = Path(tempfile.mkdtemp(prefix="bc-home-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


_OPEN_UP = """
set -e
mount --make-rprivate /
stash=$(mktemp -d)
mount --bind "$1/$2" "$stash"
mount -t tmpfs -o mode=755 none "$1"
mkdir "$1/$2"
mount --move "$stash" "$1/$2"
rmdir "$stash"
shift 2
exec "$@"
"""


def passage(path):
    """Return a command prefix under which everybody can enter the directories that lead to a path."""
    closed = [folder for folder in reversed(Path(path).resolve().parents) if not folder.stat().st_mode & 0o001]
    if not closed:
        return ()
    child = Path(path).resolve().relative_to(closed[0]).parts[0]
    return ("unshare", "-m", "sh", "-c", _OPEN_UP, "sh", str(closed[0]), child)


@pytest.fixture
def nobody(python):
    """A user without rights, and the command prefix under which this user can run the interpreter."""
    if os.geteuid() != 0:
        pytest.skip("only root can change the workers' user")
    who = pwd.getpwnam("nobody")
    prefix = passage(python.path)
    drop = f"import os; os.setgid({who.pw_gid}); os.setuid({who.pw_uid}); import ctypes, json, gunicorn.workers.sync"
    if subprocess.run([*prefix, python.path, "-c", drop], capture_output=True, cwd="/", check=False).returncode:
        pytest.skip("the interpreter lies where other users cannot read it, and no mount can change that")
    return who, prefix


@pytest.mark.parametrize("kind", ["sync", "uvicorn"])
def test_workers_of_another_user_leave_boot_reports(serve, public_home, nobody, kind):
    """The report directory is the master's alone; the workers' boot and crash reports arrive all the same."""
    who, prefix = nobody
    server = serve(
        home=public_home,
        app=f"import os\nassert os.geteuid() == {who.pw_uid}\n" + (HELLO if kind == "sync" else HELLO_ASGI),
        worker_class=kind,
        workers=2,
        options=["--user", str(who.pw_uid), "--group", str(who.pw_gid)],
        prefix=prefix,
    )
    server.wait_ready(2)
    (worker, _) = server.workers()
    os.kill(worker, signal.SIGKILL)
    server.wait_ready(3)
    assert server.get()[0] == 200
    assert server.stop() == 0

    assert (server.directory.stat().st_mode & 0o777, server.directory.stat().st_uid) == (0o700, 0)
    assert server.death()["attributes"]["process.pid"] == worker
    assert not server.leftovers()


def test_a_worker_of_another_user_that_fails_is_reported(serve, public_home, nobody):
    """A failing import after the change of user has its traceback in the report."""
    who, prefix = nobody
    server = serve(
        home=public_home,
        app="def doomed():\n    raise ValueError('no')\ndoomed()\n",
        options=["--user", str(who.pw_uid), "--group", str(who.pw_gid)],
        prefix=prefix,
    )

    assert server.wait() == 3
    report = server.death()
    assert (report["verdict"]["cause"], report["step"]) == ("exception", "app.load")
    assert "doomed" in report["attributes"]["exception.stacktrace"]
    assert not server.leftovers()


def test_files_are_for_their_owner_only(serve):
    """Directory 0700, files 0600, whatever the umask."""
    server = serve(app="raise ValueError('no')", umask=0)
    server.wait()

    assert server.directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in server.report_files()} == {0o600}
    assert not alive(server.pid)
