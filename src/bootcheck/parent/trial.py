"""A Gunicorn on trial: started in a directory of its own, without the settings of who asks for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

CONFIG_FILE = "bootcheck.conf.py"
_SETTINGS = ("BOOTCHECK_", "GUNICORN_")


def started(folder: Path, files: Mapping[str, str], variables: Mapping[str, str | None], out: IO[bytes] | int) -> Trial:
    """Write the files into the folder and start Gunicorn there with its `bootcheck.conf.py`.

    Reports go into `reports` beside them; stdout and stderr both to `out`. No BOOTCHECK_ or GUNICORN_
    variable of this process reaches the server; `variables` are added, or with None taken away. Raises OSError.
    """
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    environ: dict[str, str | None] = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables}
    known = {name: value for name, value in environ.items() if value and not name.startswith(_SETTINGS)}
    known["BOOTCHECK_DIR"] = str(folder / "reports")
    command = [sys.executable, "-m", "gunicorn", "-c", CONFIG_FILE]
    return subprocess.Popen(command, cwd=folder, env=known, stdout=out, stderr=subprocess.STDOUT)  # noqa: S603


Trial = subprocess.Popen[bytes]


def stopped(server: Trial, patience: float) -> int:
    """Stop it as an operator would, with SIGKILL only after `patience` seconds, and return its exit code."""
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
    try:
        return server.wait(timeout=patience)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()
