"""Whatever happened to a file, `analyze` answers: in bounded memory, and without an error of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

import pytest

from bootcheck.analysis import analyze
from bootcheck.render import Style, renderer
from tests.integration.harness import partly
from tests.unit.analysis.mutating import mutated

BATCH = 200
BATCHES = 50
MEMORY = 700 << 20
"""Bytes of address space for an analysis of small inputs, the interpreter and what it has loaded included."""
PROCESSOR = 600
"""Seconds of processor time for a batch: far more than it takes, and an end for what would not end."""
ROOT = Path(__file__).resolve().parents[3]


def answer(path: str) -> None:
    """Analyze one path and print it both ways; raises where anything is wrong with that."""
    complaints: list[str] = []
    found = analyze([path], complain=complaints.append, warnings=True)

    assert complaints == []
    assert found.exit_code in (0, 1, 2)
    told = json.loads("\n".join(renderer("json").incidents(found, Style())))
    assert (found.exit_code == 1) == bool(told["incidents"])
    text = "\n".join(renderer("text").incidents(found, Style()))
    assert all(unicodedata.category(char) != "Cc" or char == "\n" for char in text), (
        "nothing that a terminal would obey"
    )
    text.encode("utf-8", "strict")


def run(first: int, last: int) -> None:
    """Answer for these inputs; prints the number of the one that failed, at the end the slowest one."""
    slowest = (0.0, 0)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(first, last):
            name, data = mutated(number)
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data)
            begun = time.process_time()
            try:
                answer(path)
            except BaseException:
                print(f"input {number} ({name}, {len(data)} bytes) failed", file=sys.stderr)
                raise
            slowest = max(slowest, (time.process_time() - begun, number))
            os.unlink(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{last - first} inputs; the slowest, {slowest[1]}, took {slowest[0]:.2f} s; peak {peak} MB")


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))


@pytest.mark.parametrize("batch", partly(range(BATCHES), 0))
def test_mutated_inputs(batch: int):
    """Ten thousand of them in the full run, each made from its number alone."""
    code = f"from tests.unit.analysis.test_mutated import run; run({batch * BATCH}, {(batch + 1) * BATCH})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        preexec_fn=_limits,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(f"{BATCH} inputs")
