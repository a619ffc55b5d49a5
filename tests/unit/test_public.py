"""The public face: its names, what importing it costs, and that it imports anywhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import bootcheck
from bootcheck import checks
from tests.unit.children import LIMIT, SOURCE, interpreter

PREAMBLE = "import json, sys\nbefore = set(sys.modules)\n"
REPORT = "\nprint(json.dumps(sorted(set(sys.modules) - before)))\n"
STANDARD = sys.stdlib_module_names


def loaded(code: str) -> set[str]:
    """Return the modules that this code loads in a fresh interpreter."""
    done = interpreter(PREAMBLE + code + REPORT)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def foreign(modules: set[str], *ours: str) -> set[str]:
    """Return the modules that are neither the standard library's nor in these packages."""
    return {name for name in modules if name.partition(".")[0] not in {*STANDARD, "bootcheck", *ours}}


def test_every_public_name_is_there():
    """`__all__` is what the documentation speaks of."""
    assert set(bootcheck.__all__) <= set(dir(bootcheck)) | {*bootcheck._HOMES}
    for name in bootcheck.__all__:
        assert getattr(bootcheck, name) is not None
    assert issubclass(bootcheck.BootcheckError, Exception)


def test_an_unknown_name_is_an_attribute_error():
    """As with any module."""
    with pytest.raises(AttributeError, match="module 'bootcheck' has no attribute 'arms'"):
        bootcheck.arms  # noqa: B018
    with pytest.raises(AttributeError, match="the checks are env, database_url"):
        checks.enviroment  # noqa: B018


def test_importing_bootcheck_loads_nothing_else():
    """Not even our own modules: an app imports it for `step` alone."""
    modules = loaded("import bootcheck")

    assert foreign(modules) == set()
    assert {name for name in modules if name.startswith("bootcheck")} == {"bootcheck"}


@pytest.mark.parametrize(
    "code",
    [
        "import bootcheck; bootcheck.step",
        "import bootcheck; bootcheck.arm",
        "import bootcheck; bootcheck.BootcheckError",
        "import bootcheck; bootcheck.run_startup_diagnostics",
        "import bootcheck.checks; [getattr(bootcheck.checks, name) for name in bootcheck.checks.CHECKS]",
        "import bootcheck.gunicorn.master, bootcheck.gunicorn.worker",
        "import bootcheck.gunicorn.board, bootcheck.gunicorn.side_port, bootcheck.wsgi.endpoints, bootcheck.asgi",
        "import bootcheck.analysis, bootcheck.cli, bootcheck.model.report",
    ],
)
def test_no_public_name_loads_a_library(code: str):
    """Drivers, servers, frameworks, psutil and structlog load where they are used."""
    assert foreign(loaded(code)) == set()


def test_the_live_half_loads_nothing_of_the_offline_half():
    """A worker never pays for `analyze`."""
    modules = loaded("import bootcheck.gunicorn.master, bootcheck.gunicorn.worker, bootcheck.gunicorn.arm")
    assert not {
        name for name in modules if name.startswith(("bootcheck.analysis", "bootcheck.render", "bootcheck.cli"))
    }


ELSEWHERE = """
import sys, os, socket
for name in ("fcntl", "resource", "pwd", "grp", "termios", "gunicorn"):
    sys.modules[name] = None
sys.platform = "win32"
missing = ("geteuid", "sysconf", "fork", "register_at_fork", "memfd_create", "O_NOFOLLOW", "O_CLOEXEC", "O_DIRECTORY")
for name in missing:
    if hasattr(os, name):
        delattr(os, name)
import signal
for name in ("SIGQUIT", "SIGBUS", "SIGKILL", "SIGHUP", "pthread_sigmask"):
    if hasattr(signal, name):
        delattr(signal, name)
"""


def test_on_another_platform_the_app_and_the_analysis_work():
    """`step` and `annotate` in an app, `analyze` on a laptop; arming says that it needs Linux and does nothing."""
    done = interpreter(
        ELSEWHERE
        + """
import bootcheck
with bootcheck.step("load model", size=1):
    bootcheck.annotate("release", 1)
@bootcheck.warmup(name="model")
@bootcheck.load_once
def model():
    return 1
assert model() == 1
namespace = {}
bootcheck.arm(namespace)
import bootcheck.analysis, bootcheck.model.report, bootcheck.render
bootcheck.model.report.schema()
print(namespace, bootcheck.BootcheckError.__name__)
"""
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout == "{} BootcheckError\n"
    assert "needs Linux" in done.stderr


def test_on_another_platform_analyze_runs(tmp_path: Path):
    """From the command line, over a report's line in a log."""
    (tmp_path / "log").write_text("[2026-11-27 08:44:59 +0000] [7] [INFO] Booting worker with pid: 7\n")
    done = interpreter(
        ELSEWHERE + "from bootcheck.cli import main\nsys.exit(main(['analyze', sys.argv[1]]))", str(tmp_path / "log")
    )

    assert done.returncode == 0, done.stderr


# -- what a real server loads


CONFIGURATION = """
import json, os, sys
bind = []
workers = 1

def dump(name):
    with open(os.path.join(os.environ["OUT"], name + ".tmp"), "w") as file:
        json.dump(sorted(sys.modules), file)
    os.rename(os.path.join(os.environ["OUT"], name + ".tmp"), os.path.join(os.environ["OUT"], name))

def when_ready(server):
    dump("master")

def worker_exit(server, worker):
    dump("worker")

def post_worker_init(worker):
    dump("worker-booted")
"""
APP = "def app(environ, start_response):\n    return []\n"


@pytest.fixture
def modules(tmp_path: Path) -> Callable[[], dict[str, set[str]]]:
    """Run a server until its worker is ready, stop it, and return what its processes had loaded."""
    (tmp_path / "app.py").write_text(APP)
    out = tmp_path / "out"
    out.mkdir()

    ours = ("BOOTCHECK_", "GUNICORN_", "DATABASE_", "SECRET_", "COV")

    def run() -> dict[str, set[str]]:
        text = CONFIGURATION.replace("bind = []", f"bind = ['unix:{tmp_path}/s']")
        (tmp_path / "bootcheck.conf.py").write_text(text + "import bootcheck\nbootcheck.arm(globals())\n")
        inherited = {name: os.environ[name] for name in os.environ if not name.startswith(ours)}
        reports = tmp_path / "reports"
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", "bootcheck.conf.py", "app:app"],
            cwd=tmp_path,
            env={**inherited, "PYTHONPATH": f"{SOURCE}:{tmp_path}", "OUT": str(out), "BOOTCHECK_DIR": str(reports)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        lines = []
        assert server.stdout is not None
        for line in server.stdout:
            lines.append(line)
            if "ready after" in line:
                server.send_signal(signal.SIGTERM)
                break
        lines.append(server.communicate(timeout=LIMIT)[0])
        assert server.returncode == 0, "".join(lines)
        return {path.name: set(json.loads(path.read_text())) for path in out.iterdir()}

    return run


def test_an_armed_server_loads_the_standard_library_bootcheck_and_gunicorn_only(
    modules: Callable[[], dict[str, set[str]]],
):
    """In the master and in a worker that became ready and stopped: nothing of the offline half, no death's report."""
    pytest.importorskip("gunicorn")
    found = modules()

    # What the interpreter loads from its site-packages, and Gunicorn itself (up to 20.1: pkg_resources), is not ours.
    gunicorn = (
        "import gunicorn.app.wsgiapp, gunicorn.arbiter, gunicorn.glogging, gunicorn.util, gunicorn.workers.sync\n"
    )
    done = interpreter(f"import json, sys\n{gunicorn}print(json.dumps(sorted(sys.modules)))")
    plain = set(json.loads(done.stdout.splitlines()[-1]))

    assert set(found) == {"master", "worker", "worker-booted"}
    for process, names in found.items():
        assert "bootcheck.recorder" in names, process
        assert foreign(names - plain, "gunicorn", "app", "__config__", "bootcheck_siginfo") == set(), process
        unwanted = (
            "bootcheck.analysis",
            "bootcheck.render",
            "bootcheck.cli",
            "bootcheck.model.report",
            "bootcheck.checks.",
            # Nobody asks for the state of this server.
            "bootcheck.probes.board",
            "bootcheck.gunicorn.board",
            "bootcheck.gunicorn.side_port",
            "bootcheck.readiness",
        )
        assert not {name for name in names if name.startswith(unwanted)}, process
        # Each would cost every boot as much as all the rest.
        assert not names & {"bootcheck.model.redact", "bootcheck.model.finding", "dataclasses"} - plain, process
