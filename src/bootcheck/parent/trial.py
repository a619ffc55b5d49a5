"""A Gunicorn on trial: started in a directory of its own, without the settings of who asks for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from bootcheck.model.errors import BootcheckError

CONFIG_FILE = "bootcheck.conf.py"
_SETTINGS = ("BOOTCHECK_", "GUNICORN_")


@contextmanager
def place(name: str, *, keep: bool) -> Iterator[Path]:
    """Give a new temporary directory; it is removed in the end unless it is to be kept.

    Raises BootcheckError where no server can be on trial.
    """
    if not sys.platform.startswith("linux"):
        msg = "diagnosing a running server needs Linux. `bootcheck analyze` works here."
        raise BootcheckError(msg)
    if keep:
        yield Path(tempfile.mkdtemp(prefix=f"bootcheck-{name}-"))
        return
    with tempfile.TemporaryDirectory(prefix=f"bootcheck-{name}-") as folder:
        yield Path(folder)


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
