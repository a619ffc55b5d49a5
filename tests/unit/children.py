"""Code that must run in a process of its own: forked from the test, or a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[2] / "src"
LIMIT = 60.0


def forked(body: Callable[[], Any]) -> tuple[Any, int]:
    """Run `body` in a forked child; return the JSON value it returned (None if it did not) and the wait status."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            os.close(read)
            told = body()
            os.write(write, json.dumps(told).encode())
            status = 0
        except SystemExit as exc:
            status = exc.code if isinstance(exc.code, int) else 1
        except BaseException as exc:  # noqa: BLE001 - the parent judges it
            os.write(write, json.dumps({"raised": f"{type(exc).__name__}: {exc}"}).encode())
        finally:
            os._exit(status)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read()
    return (json.loads(said) if said else None), os.waitpid(pid, 0)[1]


def interpreter(
    code: str, *arguments: str, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that finds this tree's bootcheck."""
    inherited = {name: os.environ[name] for name in os.environ if not name.startswith(("BOOTCHECK_", "GUNICORN_"))}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**inherited, "PYTHONPATH": str(SOURCE), **environ},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
