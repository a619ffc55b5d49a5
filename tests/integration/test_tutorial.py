"""The tutorial, step by step, with its own files: what it shows is what happens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.harness import PATIENCE, SOURCE, wait_until

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
COMMAND = "import sys; from bootcheck.cli import main; sys.exit(main(sys.argv[1:]))"
KEY = "a-key-of-the-test-suite-0123456789-QwErTyZxCv"


class Reader:
    """Somebody who does what the page says, in an empty directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        text = PAGE.read_text(encoding="utf-8")
        self.apps = re.findall(r'```python title="app\.py"\n(.*?)^```', text, flags=re.MULTILINE | re.DOTALL)
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environ = base | {"PYTHONPATH": str(SOURCE), "BOOTCHECK_DIR": str(home / "reports")}

    def bootcheck(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of bootcheck."""
        command = [sys.executable, "-c", COMMAND, *words]
        return subprocess.run(
            command, cwd=self.home, env=self.environ, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def gunicorn(self, **environ: str) -> subprocess.Popen[bytes]:
        """Start the server of the page on a free port."""
        command = [sys.executable, "-m", "gunicorn", "-c", "bootcheck.conf.py", "--bind", "127.0.0.1:0"]
        with (self.home / "log").open("wb") as log:
            return subprocess.Popen(command, cwd=self.home, env=self.environ | environ, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """What the last server printed."""
        return (self.home / "log").read_text(encoding="utf-8", errors="replace")


def test_the_tutorial_happens_as_it_is_told(tmp_path: Path):
    """Refused, healthy, dead, explained: each with the code, the exit code and the words of the page."""
    pytest.importorskip("flask")
    reader = Reader(tmp_path)

    (tmp_path / "app.py").write_text(reader.apps[0])
    init = reader.bootcheck("init")
    assert init.stdout.splitlines()[1:3] == [
        "  app         app:app (flask, WSGI; app.py, line 5)",
        "  variables   1 required, 0 optional",
    ]
    assert 'checks.env("SECRET_KEY", secret=True, min_length=32)' in (tmp_path / "bootcheck.conf.py").read_text()

    assert reader.gunicorn().wait(timeout=PATIENCE) == 78, reader.log
    assert "1. SECRET_KEY is not set. [BC101 env-variable-missing]" in reader.log

    server = reader.gunicorn(SECRET_KEY=KEY)
    try:
        wait_until(
            lambda: re.search(r"^bootcheck: worker \d+ ready after", reader.log, re.MULTILINE), lambda: reader.log
        )
    finally:
        server.send_signal(signal.SIGTERM)
        code = server.wait(timeout=PATIENCE)
    assert code == 0

    (tmp_path / "app.py").write_text(reader.apps[1])
    assert reader.gunicorn(SECRET_KEY=KEY).wait(timeout=PATIENCE) == 3, reader.log
    assert "called sys.exit('no licence') in step app.load" in reader.log
    assert "THE SERVER STOPS: 5 waves of workers died before any was ready" in reader.log

    analysis = reader.bootcheck("analyze", "reports", "--format", "json")
    assert analysis.returncode == 1
    incidents = json.loads(analysis.stdout)["incidents"]
    assert sorted((incident["code"], incident["count"]) for incident in incidents) == [("BC101", 1), ("BC503", 5)]
    assert reader.bootcheck("explain", "BC101").returncode == 0
