"""Start a bare `gunicorn` in the repository, ask it for its front page, stop it, look at its reports."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

LIMIT = 60.0


def main() -> int:
    """Return 0 if the example served and left its boot reports."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as reports:
        # The port as a platform gives it, so that the command itself stays bare.
        environ = {**os.environ, "PORT": str(port), "BOOTCHECK_DIR": reports}
        server = subprocess.Popen([str(Path(sys.executable).with_name("gunicorn"))], env=environ)
        try:
            status = first_answer(server, f"http://127.0.0.1:{port}/")
            roles = boot_reports(server, reports, wanted=3)
        finally:
            server.send_signal(signal.SIGTERM)
            code = server.wait(timeout=LIMIT)
    print(f"GET / answered {status}; boot reports: {', '.join(roles)}; exit code {code}")
    return 0 if status == 200 and roles == ["master", "worker", "worker"] and code == 0 else 1


def first_answer(server: subprocess.Popen[bytes], url: str) -> int:
    """Return the status of the first answer, 0 if none comes."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except OSError:
            time.sleep(0.05)
    return 0


def boot_reports(server: subprocess.Popen[bytes], folder: str, *, wanted: int) -> list[str]:
    """Return the roles of the boot reports, once so many are there."""
    until = time.monotonic() + LIMIT
    roles: list[str] = []
    while time.monotonic() < until and server.poll() is None and len(roles) < wanted:
        time.sleep(0.05)
        roles = sorted(json.loads(path.read_bytes())["role"] for path in Path(folder).glob("boot-*.json"))
    return roles


if __name__ == "__main__":
    raise SystemExit(main())
