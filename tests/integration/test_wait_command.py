"""`bootcheck wait`, as a deploy script uses it: healthy, slow, dying and never-ready servers."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.harness import PATIENCE, SOURCE, Interpreter, Server, partly, wait_until
from tests.integration.test_readiness import LOAD, SIDE, WSGI, Side, go

DYING = LOAD + '    raise ValueError("the model file is corrupt")\n'
BY = ("url", "directory", "pid")
SCRIPT = """
set -u
{gunicorn} > server.log 2>&1 &
pid=$!
{wait} {target} --timeout {timeout}
code=$?
echo "code $code"
kill "$pid" 2>/dev/null
wait "$pid"
exit $code
"""


class Waiting:
    """A `bootcheck wait` that runs."""

    def __init__(self, arguments: Sequence[str], **environ: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BOOTCHECK_DIR")}
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", "bootcheck", "wait", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**inherited, "PYTHONPATH": str(SOURCE), **environ},
        )

    def until(self, text: str) -> str:
        """Read stderr until a line holds this."""
        assert self.process.stderr is not None
        seen = ""
        for line in self.process.stderr:
            seen += line
            if text in line:
                return line
        raise AssertionError(seen)

    def end(self) -> tuple[int, str, str]:
        """Return exit code, stdout and what is left of stderr."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


def target_of(by: str, server: Server) -> list[str]:
    """Return the arguments that name a server."""
    if by == "url":
        return [f"http://127.0.0.1:{Side(server).port}/ready", "--dir", str(server.directory)]
    return [str(server.directory)] if by == "directory" else [str(server.pid)]


@pytest.mark.parametrize("by", BY)
def test_a_slow_server_is_waited_for(serve: Callable[..., Server], by: str):
    """What it loads is told meanwhile; 0 once it is ready, also where it is ready from the first."""
    server = serve(app=WSGI, environ=SIDE)
    waiting = Waiting([*target_of(by, server), "--timeout", "600"])
    assert "load model for " in waiting.until("load model")
    assert waiting.process.poll() is None
    go(server)
    code, out, err = waiting.end()

    assert code == 0, err
    assert out.startswith("ready after ")
    assert "1 of 1 workers" in out
    code, out, _ = Waiting([*target_of(by, server), "--format", "json", "--workers", "all"]).end()
    told = json.loads(out)
    assert (code, told["outcome"], told["state"]["workers_ready"], told["report"]) == (0, "ready", 1, None)


@pytest.mark.parametrize("by", BY)
def test_a_server_that_dies_is_told_with_its_diagnosis(serve: Callable[..., Server], by: str):
    """1, the moment it dies: the report of the worker that could not boot."""
    server = serve(app=DYING, environ=SIDE)
    waiting = Waiting([*target_of(by, server), "--timeout", "600"])
    waiting.until("load model")
    go(server)
    code, out, err = waiting.end()

    assert code == 1, err
    assert "raised ValueError: the model file is corrupt in step load model" in " ".join(out.split())
    assert "BC501" in out
    assert "has ended" in err or "has died" in err


@pytest.mark.parametrize("by", partly(BY, "url"))
def test_a_server_that_is_never_ready_is_given_up(serve: Callable[..., Server], by: str):
    """2, with what it was at."""
    server = serve(app=WSGI, environ=SIDE)
    Side(server).until("/ready", 503, step="load model")
    code, out, err = Waiting([*target_of(by, server), "--timeout", "2", "--format", "json"]).end()

    assert code == 2
    assert "not ready within 2 s; last seen: " in err
    assert "load model for " in err
    told = json.loads(out)
    assert (told["outcome"], told["state"]["step"], told["report"]) == ("timeout", "load model", None)


def test_a_refused_start_is_told_before_the_first_answer(serve: Callable[..., Server]):
    """By URL, with the directory: the port never opens."""
    server = serve(run=False, environ={"BOOTCHECK_REQUIRE_ENV": "THE_KEY"})
    waiting = Waiting(["http://127.0.0.1:9/ready", "--timeout", "600"], BOOTCHECK_DIR=str(server.directory))
    waiting.until("no answer from")
    server.start()
    assert server.wait() == 78
    code, out, _ = waiting.end()

    assert code == 1
    assert "THE_KEY is not set" in " ".join(out.split())


def test_a_master_that_was_killed_is_told_by_its_journal(serve: Callable[..., Server]):
    """It could write no report."""
    server = serve(app=WSGI)
    waiting = Waiting([str(server.directory), "--timeout", "600"])
    waiting.until("load model")
    workers = server.workers()
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    code, out, err = waiting.end()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)

    assert code == 1, err
    assert f"master {server.pid}" in err
    assert "died" in out


@pytest.mark.parametrize(
    ("app", "target", "timeout", "code", "says"),
    [
        ("healthy", "reports", 120, 0, "ready after"),
        ("healthy", '"$pid"', 120, 0, "ready after"),
        ("dying", "reports", 120, 1, "the model file is corrupt"),
        ("dying", '"$pid"', 120, 1, "the model file is corrupt"),
        ("hanging", '"$pid"', 3, 2, ""),
    ],
)
def test_in_a_shell_script(  # noqa: PLR0917
    python: Interpreter, tmp_path: Path, app: str, target: str, timeout: int, code: int, says: str
):
    """Started in the background and waited for at once, whoever is first."""
    sources = {"healthy": WSGI, "dying": DYING, "hanging": WSGI}
    (tmp_path / "app.py").write_text(sources[app])
    (tmp_path / "conf.py").write_text("import bootcheck\nbootcheck.arm(globals())\n")
    if app != "hanging":
        (tmp_path / "go").touch()
    gunicorn = [python.path, "-m", "gunicorn", "-c", "conf.py", "-b", "127.0.0.1:0", "app:app"]
    script = SCRIPT.format(
        gunicorn=shlex.join(gunicorn),
        wait=shlex.join([sys.executable, "-m", "bootcheck", "wait"]),
        target=target,
        timeout=timeout,
    )
    environ = {**os.environ, "PYTHONPATH": str(SOURCE), "BOOTCHECK_DIR": str(tmp_path / "reports")}
    environ |= {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 3,
        check=False,
    )

    assert done.returncode == code, done.stdout + done.stderr
    assert says in " ".join(done.stdout.split())
    assert f"code {code}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ftp://host/ready"], "no URL to ask"),
        (["http:///ready"], "no URL to ask"),
        (["http://h:99999/"], "no URL to ask"),
        (["/proc/self/status"], "is no directory"),
        (["/no/such/place/at-all"], "no URL, no pid, and no directory"),
        (["4194999"], "there is no process 4194999"),
        (["/tmp", "--dir", "/tmp"], "Name one of them"),
        (["--workers", "none"], "neither a number of workers nor all"),
        (["--timeout", "0"], "no number of seconds"),
    ],
)
def test_what_cannot_be_waited_for_is_said_at_once(arguments: list[str], says: str, tmp_path: Path):
    """2, in one clear line."""
    code, out, err = Waiting(arguments, BOOTCHECK_DIR=str(tmp_path)).end()

    assert (code, out) == (2, "")
    assert says in " ".join(err.split())


def test_a_directory_that_is_not_there_yet_is_waited_for(tmp_path: Path):
    """A server makes it; where none comes, that is said."""
    missing: Any = tmp_path / "reports"
    code, _, err = Waiting([str(missing), "--timeout", "1"]).end()

    assert code == 2
    assert f"{missing} does not exist yet" in err
    wait_until(lambda: not missing.exists(), "nothing made by us")
