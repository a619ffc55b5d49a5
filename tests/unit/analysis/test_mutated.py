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
from tests.integration.harness import FULL, partly
from tests.unit.analysis.making import LOGS
from tests.unit.analysis.mutating import archive, mutated

pytestmark = pytest.mark.wide

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
    done = _in_child(f"run({batch * BATCH}, {(batch + 1) * BATCH})")

    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(f"{BATCH} inputs")


# -- inputs that are large, or seem to be ---------------------------------------------------------------

LOG = "native-crash/segv-in-request-23.0.0.log"


class Endless:
    """A stream of so many bytes that are made when they are asked for."""

    def __init__(self, before: bytes, piece: bytes, size: int, after: bytes) -> None:
        self._before, self._piece, self._left, self._after = before, piece * ((1 << 20) // len(piece)), size, after

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        if self._before:
            taken, self._before = self._before[:size], self._before[size:]
        elif self._left > 0:
            taken = self._piece[: min(size, self._left)]
            self._left -= len(taken)
        else:
            taken, self._after = self._after[:size], self._after[size:]
        return taken


def gigabyte(kind: str) -> None:
    """Read a gigabyte of one kind from standard input, with a real log after it."""
    log = b"\n" + (LOGS / LOG).read_bytes()
    before, piece = {
        "line": (b"[2026-11-27 09:00:00 +0000] [7] [ERROR] ", b"x"),
        "words": (b"Traceback (most recent call last):\n", b"Error: "),
        "document": (b"[\n", b'{"a": 1},'),
        "object": (b'{"kind": "crash", "verdict": {}, "report_id": "', b"\\u0041"),
        "lines": (b"", b"WORKER TIMEOUT (pid:7)\n" if FULL else b"nothing at all happened here, again\n"),
        "nesting": (b"", b'{"a":['),
    }[kind]
    # Of lines that matter, each is looked at by itself: a gigabyte of them would take most of an hour.
    size = 1 << 24 if FULL and kind == "lines" else 1 << 30
    found = analyze(["-"], stdin=Endless(before, piece, size, log))

    assert any(incident.cause_class == "native-crash" for incident in found.incidents), found
    print(f"1 inputs; {kind}")


def sparse(folder: str) -> None:
    """Look at a directory with a terabyte of nothing in it, and with archives that are not what they seem."""
    for name in ("app.log", "crash-1.json", "worker-31-77.jsonl", "x.log.gz"):
        with open(os.path.join(folder, name), "wb") as file:
            file.truncate(1 << 40 if "." in name[-6:] else 0)
    inner = (LOGS / LOG).read_bytes()
    for _ in range(60):
        inner = archive([("../" * 40 + "etc/cron.d/x", inner), ("/dev/mem", b"x")])
    with open(os.path.join(folder, "nested.tar"), "wb") as file:
        file.write(inner)
    with open(os.path.join(folder, "many.tar"), "wb") as file:
        file.write(archive([(f"../../{number}/\x1b]0;\x07", b"x") for number in range(5_000)]))
    found = analyze([folder], jobs=2)

    assert found.inputs.unreadable_count > 0
    assert sorted(os.listdir(folder)) == sorted(
        ["app.log", "crash-1.json", "worker-31-77.jsonl", "x.log.gz", "nested.tar", "many.tar"]
    )
    print("1 inputs")


def _in_child(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"from tests.unit.analysis.test_mutated import *; {code}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        preexec_fn=_limits,
        check=False,
    )


@pytest.mark.parametrize(
    "kind", partly(["line", "words", "document", "object", "lines", "nesting"], "line", "document")
)
def test_a_gigabyte(kind: str):
    """As one line, as a document that never ends, as nesting: in bounded memory, and what follows is found."""
    done = _in_child(f"gigabyte({kind!r})")

    assert done.returncode == 0, done.stderr[-3000:]


def test_a_directory_of_tricks(tmp_path: Path):
    """Sparse terabytes end at once where they hold no text; names in archives are labels; nothing is written."""
    (tmp_path / "in").mkdir()
    done = _in_child(f"sparse({str(tmp_path / 'in')!r})")

    assert done.returncode == 0, done.stderr[-3000:]
    assert os.listdir(tmp_path) == ["in"]
