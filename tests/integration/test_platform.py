"""What the platform is told of a server that dies: Kubernetes' termination message, with real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.integration.harness import HELLO, SOURCE, wait_until

pytestmark = pytest.mark.wide

ARMED = """
import bootcheck

bootcheck.arm(globals(), termination_log="last-words")
"""


def message_of(server):
    """Return the message, whole characters and at most 4 KiB, empty where there is none."""
    path = server.home / "last-words"
    data = path.read_bytes() if path.exists() else b""
    assert len(data) <= 4096
    data[:1024].decode("utf-8")
    return data.decode("utf-8")


@pytest.mark.parametrize("preload", [False, True], ids=["worker", "preload"])
@pytest.mark.parametrize("workers", [1, 4])
def test_an_import_that_raises_is_the_message(serve, workers, preload):
    """With its traceback; siblings that the master then stops do not hide it; `analyze` reads it."""
    app = "def größe():\n    raise ValueError('kein Modell für Größe')\ngröße()\n"
    server = serve(app=app, config=ARMED, workers=workers, options=["--preload"] if preload else [])
    assert server.wait() in (1, 3)
    told = message_of(server)
    assert "ValueError: kein Modell für Größe" in told.splitlines()[0]
    assert "Step: app.load" in told
    assert "raise ValueError(" in told

    command = [sys.executable, "-m", "bootcheck", "analyze", "--format", "json", "-"]
    environ = {**os.environ, "PYTHONPATH": str(SOURCE)}
    found = subprocess.run(command, input=told.encode(), capture_output=True, check=False, env=environ)
    assert found.returncode == 1, found.stderr
    assert b"ValueError" in found.stdout


def test_a_refused_start_is_the_message(serve):
    """Every problem of it, and no value of a secret."""
    config = """
    import bootcheck
    from bootcheck import checks

    bootcheck.arm(globals(), checks=[checks.env("SHOP_TOKEN"), checks.env("SHOP_REGION")], termination_log="last-words")
    """
    server = serve(config=textwrap.dedent(config), environ={"SECRET_KEY": "hunter2"})
    assert server.wait() == 78
    told = message_of(server)
    assert told.startswith("bootcheck: THE SERVER DID NOT START (exit 78): ")
    assert "SHOP_TOKEN" in told
    assert "SHOP_REGION" in told
    assert "hunter2" not in told


def test_a_loop_of_deaths_is_told_while_it_goes_on_and_taken_back_when_a_worker_makes_it(serve):
    """Whoever kills the container meanwhile leaves the reason behind; a server that serves has none."""
    app = """
        import os
        if not os.path.exists("cured"):
            os.kill(os.getpid(), 9)
    """
    server = serve(app=textwrap.dedent(app) + HELLO, config=ARMED)
    server.wait_for_reports("crash", 2)
    assert "SIGKILL" in wait_until(lambda: message_of(server), "the message").splitlines()[0]
    (server.home / "cured").touch()
    server.wait_ready()
    wait_until(lambda: message_of(server) == "", "the message is taken back")
    assert server.stop() == 0
    assert message_of(server) == ""


def test_a_stop_in_mid_boot_is_told_with_its_step(serve):
    """What a liveness probe does to a slow start: otherwise nobody ever learns where it stood."""
    server = serve(app="import time\nopen('loading', 'w').close()\ntime.sleep(600)\n" + HELLO, config=ARMED)
    wait_until((server.home / "loading").exists, "the import")
    server.stop(signal.SIGTERM)
    told = message_of(server)
    assert "SIGTERM" in told.splitlines()[0]
    assert "Step: app.load, entered " in told


def test_no_secret_is_in_it(serve):
    """It is masked as the report is."""
    app = "import os\nraise ValueError('cannot log in with ' + os.environ['API_TOKEN'])\n"
    server = serve(app=app, config=ARMED, environ={"API_TOKEN": "s3cr3t-of-the-shop"})
    assert server.wait() == 3
    told = message_of(server)
    assert "cannot log in with" in told.splitlines()[0]
    assert "s3cr3t" not in told


def test_a_healthy_server_leaves_no_message(serve):
    """Nor an ordered stop of it."""
    server = serve(config=ARMED)
    server.wait_ready()
    assert server.stop() == 0
    assert not (server.home / "last-words").exists()
