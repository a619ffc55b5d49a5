"""`run_startup_diagnostics` under servers that bootcheck knows nothing of."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bootcheck.model.report import LINE_PREFIX, schema
from tests.integration.harness import PATIENCE, SOURCE, wait_until
from tests.integration.servers import free_port

WSGI = """
import sys
from bootcheck import checks, run_startup_diagnostics

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]

result = run_startup_diagnostics(app, checks=[checks.env("NEEDED")])
if not result:
    sys.exit(result.exit_code)
"""
ASGI = WSGI.replace(
    """def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]
""",
    """async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})
""",
)
BESIDE = Path(sys.executable)
SERVERS = {
    "waitress": [str(BESIDE), "-m", "waitress", "--listen=127.0.0.1:{port}", "app:app"],
    "granian": [str(BESIDE), "-m", "granian", "--interface", "wsgi", "--port", "{port}", "app:app"],
    "uwsgi": [
        *(str(BESIDE.with_name("uwsgi")), "--http-socket", "127.0.0.1:{port}", "--need-app", "--die-on-term"),
        *("--master", "--processes", "2", "--lazy-apps", "--module", "app:app"),
    ],
    "uvicorn": [str(BESIDE), "-m", "uvicorn", "--port", "{port}", "app:app"],
    "gunicorn": [str(BESIDE), "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "app:app"],
}
MODULES = {"uwsgi": "pyuwsgi"}


class Running:
    """One server of whatever kind, in a directory of its own."""

    def __init__(self, home: Path, name: str, environ: dict[str, str]) -> None:
        self.home = home
        self.port = free_port()
        (home / "app.py").write_text(ASGI if name == "uvicorn" else WSGI, encoding="utf-8")
        command = [part.replace("{port}", str(self.port)) for part in SERVERS[name]]
        base = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        path = os.pathsep.join([str(SOURCE), str(home)])
        base |= {"BOOTCHECK_DIR": str(home / "reports"), "PYTHONPATH": path}
        # uWSGI brings an interpreter of its own and must be told whose packages to use.
        base |= {"UWSGI_VIRTUALENV": sys.prefix} if name == "uwsgi" and sys.prefix != sys.base_prefix else {}
        with (home / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=home, env=base | environ, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def log(self) -> str:
        """Everything that it printed."""
        return (self.home / "log").read_text(encoding="utf-8", errors="replace")

    def reports(self) -> list[dict[str, Any]]:
        """Return the reports, each valid."""
        found = [json.loads(path.read_bytes()) for path in sorted((self.home / "reports").glob("*.json"))]
        for report in found:
            jsonschema.validate(report, schema())
        return found

    def answer(self) -> bytes | None:
        """Return what `GET /` answers, None while nobody does."""
        assert self.process.poll() is None, self.log
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/")
            return connection.getresponse().read()
        except OSError:
            return None
        finally:
            connection.close()


@contextmanager
def running(home: Path, name: str, **environ: str) -> Iterator[Running]:
    """Start a server; at the end stop it and everything in its session."""
    if importlib.util.find_spec(MODULES.get(name, name)) is None:
        pytest.skip(f"{name} is not installed")
    server = Running(home, name, environ)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
        try:
            server.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()


@pytest.mark.parametrize("name", SERVERS)
def test_a_healthy_app_serves_and_leaves_a_boot_report_per_process(tmp_path: Path, name: str):
    """The report names the server."""
    with running(tmp_path, name, NEEDED="there") as server:
        assert wait_until(server.answer, lambda: server.log) == b"served"
        wanted = 2 if name == "uwsgi" else 1
        reports = wait_until(lambda: len(found := server.reports()) >= wanted and found, lambda: server.log)

    assert [(report["kind"], report["verdict"]["cause"]) for report in reports] == [("boot", "none")] * wanted
    assert {report["attributes"]["bootcheck.server.name"] for report in reports} == {name}


@pytest.mark.parametrize("name", SERVERS)
def test_a_failed_check_ends_the_server_after_the_report_is_written(tmp_path: Path, name: str):
    """Nobody serves; the report, the banner and the line on stderr say why."""
    with running(tmp_path, name) as server:
        wait_until(lambda: server.process.poll() is not None, lambda: server.log)
        code = server.process.returncode
        reports = server.reports()

    assert code == {"gunicorn": 3, "uwsgi": 22}.get(name, 1), server.log
    causes = {(report["kind"], report["verdict"]["cause"], report["verdict"]["code"]) for report in reports}
    assert causes == {("crash", "check_failed", "BC101")}
    assert "NEEDED is not set" in server.log
    assert LINE_PREFIX in server.log
