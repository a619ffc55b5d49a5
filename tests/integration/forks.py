"""A script that plays a master: it connects, forks as a worker is forked, and tells what became of whom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import Any

PRELUDE = """
import gc, json, os, sys
from bootcheck.guards import fresh_pools
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory

url = os.environ["URL"]
memory = Memory()
recorder = Recorder([memory])

def in_fork(body):
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            told = body()
        except SystemExit:
            raise
        except BaseException as exc:
            told = {"raised": repr(exc)}
        os.write(write_end, json.dumps(told).encode())
        gc.collect()
        # As a worker ends: finalisers and atexit functions run.
        sys.exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(text)

def as_worker(body, snapshot):
    \"\"\"Run a body in a worker of this snapshot; return what was done there, and what it returned.\"\"\"
    def worker():
        records = fresh_pools.in_child(snapshot, recorder)
        return [record["action"] for record in records], body()
    return in_fork(worker)
"""


def run(url: str, code: str, prelude: str = "", **environ: str) -> Any:
    """Run a script as a master of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + prelude + textwrap.dedent(code)],
        env={**os.environ, **environ, "URL": url, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
