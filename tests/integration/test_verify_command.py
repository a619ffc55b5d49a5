"""`bootcheck verify`: the report of a real server is asked again, before and after the repair."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.integration.harness import HELLO, Server
from tests.integration.test_end_to_end import command

CRASH = "import ctypes\nctypes.string_at(0)\n" + HELLO


def verify(server: Server, *words: str, python, **environ: str) -> tuple[int, dict]:
    """Run the command in the server's directory and return its code and its answer."""
    done = command(python, "verify", "--format", "json", *words, cwd=server.home, **environ)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("app", "other", "cause"),
    [
        ("raise ValueError('mars')\n", "import sys\nsys.exit(3)\n", "exception"),
        (CRASH, "raise ValueError('mars')\n", "native_crash"),
        ("", "raise ValueError('mars')\n", "app_not_found"),
    ],
    ids=["exception", "native-crash", "app-not-found"],
)
def test_what_the_import_shows_is_tried_in_a_child(serve, python, app, other, cause):
    """1 while it is there, 1 and another summary where something else is wrong now, 0 once it is repaired."""
    server = serve(app=app or "application = None\n")
    server.wait()
    report = str(min(server.directory.glob("crash-*.json")))
    assert json.loads(Path(report).read_text())["verdict"]["cause"] == cause

    code, answer = verify(server, report, python=python)
    assert (code, answer["state"], answer["cause"]) == (1, "broken", cause)
    assert answer["summary"].startswith("Still broken")
    assert answer["findings"]
    (server.home / "app.py").write_text(other)
    code, answer = verify(server, report, python=python)
    assert (code, answer["summary"].startswith("Broken in another way")) == (1, True)
    (server.home / "app.py").write_text(HELLO)
    code, answer = verify(server, str(server.directory), python=python)
    assert (code, answer["state"], answer["findings"]) == (0, "fixed", [])


def test_a_failed_check_is_asked_again(serve, python):
    """The variable is set now: 0. Without the configuration that asks for it: 2."""
    config = 'import bootcheck\nfrom bootcheck import checks\nbootcheck.arm(globals(), checks=[checks.env("NEEDED")])\n'
    server = serve(config=config)
    assert server.wait() == 78

    code, answer = verify(server, str(server.directory), python=python)
    assert (code, answer["findings"][0]["code"]) == (1, "BC101")
    assert verify(server, str(server.directory), python=python, NEEDED="x")[0] == 0
    (server.home / "other.py").write_text("workers = 1\n")
    code, answer = verify(server, str(server.directory), "-c", "other.py", python=python)
    assert (code, answer["state"]) == (2, "unknown")
    assert "name it with -c" in answer["summary"]


def test_what_cannot_be_tried_names_what_would_tell(serve, python, tmp_path):
    """A SIGKILL from outside cannot be provoked; a boot report tells of nothing that is broken."""
    server = serve()
    server.wait_ready()
    os.kill(server.workers()[0], signal.SIGKILL)
    server.wait_for_reports("crash", 1)
    server.stop()
    # The next worker may be stopped before it is ready: a death of its own, later.
    report = min(server.directory.glob("crash-*.json"))
    code, answer = verify(server, str(report), python=python)
    assert (code, answer["state"]) == (2, "unknown")
    assert answer["confirm"]

    boot = next(server.directory.glob("boot-*.json"))
    done = command(python, "verify", str(boot), cwd=server.home)
    assert done.returncode == 2
    assert "tells of no death" in done.stderr
    assert "Traceback" not in done.stderr
