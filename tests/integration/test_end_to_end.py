"""From a server that dies to the sentence that a user reads: the commands on what real servers left behind."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest

from bootcheck.model.report import LINE_PREFIX
from tests.integration.harness import HELLO, PATIENCE, SOURCE, Server, partly

TOGETHER = """
    import glob, os, time
    open("here-%d" % os.getpid(), "w").close()
    # All four are there before any fails.
    end = time.monotonic() + 30
    while len(glob.glob("here-*")) < 4 and time.monotonic() < end:
        time.sleep(0.005)
    def read_settings():
        raise ValueError("no such region: mars")
    read_settings()
"""
DEATHS = {
    "exception": (
        "def doomed():\n    raise LookupError('no such region')\ndoomed()\n",
        "exception",
        "app-exception",
        "no such region",
    ),
    "missing-module": ("import nowhere_to_be_found\n", "exception", "dependency-missing", "nowhere_to_be_found"),
    "sys-exit": ("import sys\nsys.exit(0)\n", "sys_exit", "app-exception", "sys.exit(0)"),
    "segfault": ("import ctypes\nctypes.string_at(0)\n", "native_crash", "native-crash", "SIGSEGV"),
}


def command(python, *words: str, cwd: Path, told: str | None = None, **environ: str):
    """Run `python -m bootcheck` as a user would, with something on its standard input."""
    base = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    base |= {} if python.installed else {"PYTHONPATH": str(SOURCE)}
    return subprocess.run(
        [python.path, "-m", "bootcheck", *words],
        cwd=cwd,
        env=base | {"HOME": str(cwd), "PYTHONDONTWRITEBYTECODE": "1"} | environ,
        input=told,
        stdin=subprocess.DEVNULL if told is None else None,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )


@pytest.fixture
def analyze(python, tmp_path):
    """Run `bootcheck analyze --format json` and return its exit code and what it printed."""

    def run(*paths: object, told: str | None = None) -> tuple[int, dict[str, Any]]:
        words = [str(path) for path in paths]
        done = command(python, "analyze", "--format", "json", *words, cwd=tmp_path, told=told)
        assert not done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


def report_lines(server: Server) -> str:
    """Return the `BOOTCHECK_REPORT` lines of a server's stderr, and nothing else."""
    return "".join(line + "\n" for line in server.stderr.splitlines() if line.startswith(LINE_PREFIX))


def four_deaths(serve) -> Server:
    """Run a server whose four workers die alike, to its end."""
    server = serve(app=textwrap.dedent(TOGETHER), workers=4, options=["--graceful-timeout", "10"])
    assert server.wait() == 3
    assert [report["verdict"]["cause"] for report in server.reports()] == ["exception"] * 4
    return server


@pytest.mark.parametrize("name", partly(list(DEATHS), "exception", "segfault"))
def test_what_stands_on_stderr_is_enough(serve, analyze, name):
    """The report lines alone, and all of stderr, lead to the cause and to exit code 1."""
    body, cause, cause_class, said = DEATHS[name]
    server = serve(app=body)
    assert server.wait() == 3
    deaths = len(server.reports())
    assert deaths >= 1

    for told in (report_lines(server), server.stderr):
        code, answer = analyze("-", told=told)
        assert code == 1
        (incident,) = answer["incidents"]
        assert (incident["cause"], incident["cause_class"], incident["count"]) == (cause, cause_class, deaths)
        assert said in incident["summary"]
        assert incident["action"]
        assert incident["evidence"]


def test_stderr_that_others_have_prefixed_is_enough(serve, analyze):
    """What a log collector puts before each line does not hide the report in it."""
    server = four_deaths(serve)
    for prefix in ("web-7d9f-x2 | ", "2026-11-27T09:15:00.123456789Z stderr F ", "app[web.1]: "):
        told = "".join(prefix + line + "\n" for line in server.stderr.splitlines())
        code, answer = analyze("-", told=told)

        assert code == 1, prefix
        assert [(incident["cause"], incident["count"]) for incident in answer["incidents"]] == [("exception", 4)]


def test_four_workers_that_died_alike_are_one_incident(serve, analyze):
    """One incident with a count of four, all four processes, and the reason."""
    server = four_deaths(serve)
    code, answer = analyze(server.directory)

    assert code == 1
    assert answer["schema_version"] == 1
    (incident,) = answer["incidents"]
    assert (incident["count"], len(incident["processes"])) == (4, 4)
    assert (incident["code"], incident["cause"], incident["cause_class"]) == ("BC501", "exception", "app-exception")
    assert "no such region: mars" in incident["summary"]
    assert answer["inputs"]["unreadable"] == []


def test_a_death_that_stands_in_several_places_counts_once(serve, analyze, tmp_path):
    """Directory and log name the same deaths, in whatever order and however often they are given."""
    server = four_deaths(serve)
    log = server.home / "stderr"
    (tmp_path / "lines").write_text(report_lines(server))
    places = [server.directory, log, tmp_path / "lines"]

    for given in ([server.directory, log], [log, server.directory], [*places, *places]):
        code, answer = analyze(*given)
        assert code == 1
        assert [(incident["cause"], incident["count"]) for incident in answer["incidents"]] == [("exception", 4)]


@pytest.mark.parametrize("kind", partly(["sync", "gthread"], "gthread"))
def test_a_healthy_server_is_0(serve, analyze, kind):
    """Boot reports, the log of an ordered stop, and both: nothing wrong."""
    server = serve(workers=2, worker_class=kind)
    server.wait_ready(2)
    assert server.get()[0] == 200
    assert server.stop() == 0

    for given in ([server.directory], [server.home / "stderr"], [server.directory, server.home / "stderr"]):
        code, answer = analyze(*given)
        assert (code, answer["incidents"]) == (0, [])


def test_a_running_server_is_0(serve, analyze):
    """The journals of living processes are no deaths."""
    server = serve(workers=2)
    server.wait_ready(2)
    assert server.leftovers()

    assert analyze(server.directory)[0] == 0


def test_a_missing_path_is_2(python, tmp_path):
    """It is named, on stderr, in one line; nothing is on stdout."""
    done = command(python, "analyze", "no-such-place", cwd=tmp_path)

    assert done.returncode == 2
    assert "no-such-place" in done.stderr
    assert "Traceback" not in done.stderr
    # What was found elsewhere wins over what is missing.
    (tmp_path / "empty").mkdir()
    assert command(python, "analyze", "empty", cwd=tmp_path).returncode == 0


def test_findings_win_over_a_missing_path(serve, python, tmp_path):
    """A path that is there and tells of a death: 1, and the other one is named."""
    server = serve(app="raise ValueError('no')\n")
    server.wait()
    done = command(python, "analyze", "no-such-place", str(server.directory), cwd=tmp_path)

    assert done.returncode == 1
    assert "no-such-place" in done.stderr


def test_the_text_tells_what_why_and_what_to_do(serve, python, tmp_path):
    """A person reads the exception, the place, the count and the next command."""
    server = four_deaths(serve)
    done = command(python, "analyze", str(server.directory), cwd=tmp_path)

    assert done.returncode == 1
    assert not done.stderr
    for part in ("no such region: mars", "BC501", "app.py", "read_settings", "4"):
        assert part in done.stdout, part


def test_show_prints_the_newest_crash(serve, python, tmp_path):
    """Of several deaths the last, with verdict, traceback and checkpoints; also found through BOOTCHECK_DIR."""
    app = "import os\nif os.path.exists('second'):\n    raise KeyError('the newer')\nraise ValueError('the older')\n"
    server = serve(app=app)
    server.wait()
    (server.home / "second").touch()
    server.start()
    server.wait()
    # A healthy boot after it is no crash.
    (server.home / "app.py").write_text(HELLO)
    server.start()
    server.wait_ready()
    server.stop()
    assert len(server.reports()) == 2

    named = command(python, "show", str(server.directory), cwd=tmp_path)
    found = command(python, "show", cwd=tmp_path, BOOTCHECK_DIR=str(server.directory))
    shown = json.loads(command(python, "show", "--format", "json", str(server.directory), cwd=tmp_path).stdout)
    assert (named.returncode, found.returncode) == (0, 0)
    assert named.stdout == found.stdout
    assert shown == server.reports()[-1]
    for part in ("the newer", "KeyError", "app.load", "exception"):
        assert part in named.stdout, part
    assert "the older" not in named.stdout


def test_a_killed_server_is_told_before_the_next_start(serve, analyze):
    """Journals without an end are deaths too, also where no new start has swept them."""
    server = serve(app="import time\nopen('stuck', 'w').close()\ntime.sleep(60)\n" + HELLO)
    server.wait_for_line("Booting worker")
    for pid in [*sorted(set(server.processes()) - {server.pid}), server.pid]:
        os.kill(server.pid, 19)
        os.kill(pid, 9)
    server.wait()
    code, answer = analyze(server.directory)

    assert code == 1
    assert {incident["cause"] for incident in answer["incidents"]} == {"vanished"}


def test_a_refused_start_is_told_by_its_line_alone(serve, analyze):
    """What stopped the server: the required variable, its code and its class."""
    server = serve(environ={"BOOTCHECK_REQUIRE_ENV": "API_TOKEN"})
    assert server.wait() == 78

    for told in (report_lines(server), server.stderr):
        code, answer = analyze("-", told=told)
        (incident,) = answer["incidents"]
        assert (code, incident["cause"], incident["code"]) == (1, "check_failed", "BC101")
        assert (incident["cause_class"], incident["count"]) == ("env-config", 1)
        assert "API_TOKEN" in incident["summary"]


def test_the_check_command_says_before_what_the_server_says_later(serve, python, tmp_path):
    """`bootcheck check app:app`: 0 and silence about errors where all is well, 1 and the same code where not."""
    config = 'import bootcheck\nfrom bootcheck import checks\nbootcheck.arm(globals(), checks=[checks.env("NEEDED")])\n'
    server = serve(config=config, run=False)
    before = sorted(os.listdir(server.home))
    fine = command(python, "check", "app:app", cwd=server.home, NEEDED="x")
    wrong = command(python, "check", "app:app", cwd=server.home)
    (server.home / "app.py").write_text("def doomed():\n    raise ValueError('mars')\ndoomed()\n")
    broken = command(python, "check", "app:app", cwd=server.home, NEEDED="x")
    missing = command(python, "check", "nowhere:app", cwd=server.home, NEEDED="x")
    assert sorted(os.listdir(server.home)) == before
    (server.home / "app.py").write_text(HELLO)

    assert fine.returncode == 0, fine.stdout + fine.stderr
    assert (wrong.returncode, "BC101" in wrong.stdout, "NEEDED" in wrong.stdout) == (1, True, True)
    assert (broken.returncode, "BC501" in broken.stdout, "mars" in broken.stdout) == (1, True, True)
    assert (missing.returncode, "BC502" in missing.stdout) == (1, True)
    # The server itself agrees.
    server.start()
    assert server.wait() == 78
    assert server.death()["verdict"]["code"] == "BC101"
