"""Nothing that stands in a file ends an analysis."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootcheck.analysis import History, analyze
from bootcheck.model.cause import Cause
from bootcheck.render import RENDERERS, Style, renderer
from tests.integration.harness import FULL
from tests.unit.analysis.making import AT, LOGS, entered, head, report, told

JOURNAL = [
    head(),
    entered("worker.boot"),
    entered("app.load", 2),
    {
        "t": "finding",
        "at": AT,
        "finding": {"code": "BC101", "summary": "x", "severity": "error", "action": ["a"], "evidence": [{"text": "t"}]},
    },
    {
        "t": "exception",
        "at": AT,
        "kind": "exception",
        "type": "ValueError",
        "message": "m",
        "traceback": "Traceback (most recent call last):\nValueError: m",
    },
    {"t": "ready", "at": AT},
    {"t": "end", "at": AT},
]
HOSTILE = [
    b'{"t":"head","role":1,"pid":"x"}\n',
    b'{"t":"head","role":"worker","pid":true,"at":false}\n{"t":"signal","signo":[1],"name":{}}\n',
    b'{"t":"head","role":"worker","pid":5,"at":1e300}\n{"t":"checkpoint","seq":1e999,"name":null,"phase":"app","outcome":"entered","at":NaN}\n',
    b'{"t":"head","role":"worker","pid":6}\n{"t":"exception","kind":"exception","type":"X","traceback":7}\n',
    b"[" * 200_000,
    b'{"a":' * 100_000,
    b"\x00" * 5_000,
    b"\xff\xfe" + "h\u00e9\n".encode("utf-16-le") + b"x",
    b'{"kind":"crash","verdict":{"cause":"exception"},"attributes":[],"findings":{},"timestamp":5}\n',
    b'{"kind":"crash","verdict":{"cause":"oom","evidence":5,"action":{"a":1},"against":[null]},"attributes":{"process.pid":-5,"host.name":7}}\n',
    b'{"kind":"boot","verdict":{},"findings":[1,{"code":"BC101"},null],"attributes":null}\n',
    b'BOOTCHECK_REPORT {"kind":"crash","verdict":{"cause":"exception"},"attributes":{"exception.type":5,"bootcheck.worker.uptime_s":"x"}}\n',
    b'{"n":' + b"9" * 6_000 + b"}\n",
    b"Traceback (most recent call last):\n" * 50 + b'  File "x", line 99999999999999999999999999, in f\n',
    b"[2026-99-99 99:99:99 +9999] [99999999999999999999] [ERROR] Worker (pid:99999999999999999999) exited with code 99999999999999999999\n",
    b'{"log":{"log":"x"},"message":["a"]}\n{"message":"x","time":1e308}\n',
    b"x" * 3_000_000 + b" Error",
    (b"[2026-11-27 09:28:43 +0000] [7] [ERROR] exit code 137 " + b"x" * 60_000 + b" [" + b" " * 60_000 + b"\n") * 20,
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_content(tmp_path: Path, data: bytes):
    """Numbers out of range, wrong types, endless nesting, endless lines."""
    for name in ("worker-31-77.jsonl", "crash.json", "app.log"):
        (tmp_path / name).write_bytes(data)
    found = analyze([str(tmp_path)], warnings=True, history=History())

    for name in RENDERERS:
        "\n".join(renderer(name).incidents(found, Style())).encode("utf-8", "strict")
    json.loads("\n".join(renderer("json").incidents(found, Style())))


def test_corrupt_journals(tmp_path: Path):
    """Ten thousand in the full run. Cut, flipped, shuffled, filled with zeros: every file is read, listed or both; the healthy report among them is found."""
    chance = random.Random(20261127)
    for number in range(10_000 if FULL else 1_500):
        lines = [json.dumps(record).encode() for record in JOURNAL[: chance.randint(1, len(JOURNAL))]]
        if chance.random() < 0.3:
            chance.shuffle(lines)
        data = bytearray(b"\n".join(lines) + b"\n")
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(data))
            data[place : place + chance.randint(0, 30)] = chance.randbytes(chance.randint(0, 30))
            data = data or bytearray(1)
        (tmp_path / f"worker-{number + 1}-{number}.jsonl").write_bytes(
            bytes(data[: chance.randint(1, len(data))]) if chance.random() < 0.5 else bytes(data)
        )
    (tmp_path / "crash-1.json").write_bytes(report(Cause.OOM).encoded())
    complaints: list[str] = []
    found = analyze([str(tmp_path)], complain=complaints.append)

    assert complaints == []
    assert "oom" in {incident.cause for incident in found.incidents}
    assert found.inputs.unreadable_count > 0
    assert found.exit_code == 1


def test_nothing_but_corruption_is_code_2(tmp_path: Path):
    """Nothing at all could be read."""
    for number in range(20):
        (tmp_path / f"worker-{number}-1.jsonl").write_bytes(b'{"t": "hea\n{"t"\n' + bytes(50))
    found = analyze([str(tmp_path)])

    assert found.exit_code == 2
    assert found.inputs.unreadable_count == 20


@settings(max_examples=60)
@given(st.data())
def test_mutated_logs(data: st.DataObject):
    """Lines dropped, doubled, swapped and cut: an answer, never an exception."""
    path = data.draw(st.sampled_from(sorted(LOGS.glob("*/*-23.0.0.log"))))
    lines = path.read_text().splitlines()
    order = data.draw(st.lists(st.integers(0, len(lines) - 1), max_size=len(lines) * 2))
    cut = data.draw(st.integers(0, 200))

    found = told("\n".join(lines[number][cut // 20 :] if number % 7 == 0 else lines[number] for number in order))

    assert found.exit_code in (0, 1)


def test_a_crash_loop_of_a_night_is_one_incident():
    """Thousands of deaths: all counted, and only the first are listed."""
    lines = ["[2026-11-27 09:00:00 +0000] [10] [INFO] Starting gunicorn 23.0.0\n"]
    for number in range(4_000):
        lines.append(f"[2026-11-27 09:00:00 +0000] [{number + 11}] [INFO] Booting worker with pid: {number + 11}\n")
        lines.append(f"[2026-11-27 09:00:01 +0000] [10] [ERROR] Worker (pid:{number + 11}) was sent SIGSEGV!\n")
    (incident,) = told("".join(lines)).incidents

    assert incident.count == 4_000
    assert len(incident.processes) < 1_000
