"""Reports that other processes read tell what they tell when one process reads everything."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from bootcheck.analysis import History, analyze
from bootcheck.analysis.readers import many, shared
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding, Severity
from tests.unit.analysis.making import AT, LOGS, report
from tests.unit.analysis.mutating import MUTATIONS

CAUSES = [cause for cause in Cause if cause is not Cause.NONE]


@pytest.fixture(autouse=True)
def small(monkeypatch) -> None:
    """A few files are many, and a few lines a part of a large file."""
    monkeypatch.setattr(many, "FEW", 5)
    monkeypatch.setattr(many, "BATCH", 7)
    monkeypatch.setattr(shared, "LARGE", 0)
    monkeypatch.setattr(shared, "PART", 9_000)
    monkeypatch.setattr(shared, "CHUNK", 5_000)


def fleet(number: int) -> list[bytes]:
    """Return reports of deaths and boots on several hosts, of several starts."""
    chance = random.Random(number)
    found = []
    for index in range(number):
        boot = index % 3 == 0
        finding = Finding(code="BC101", summary=f"x is {index} too short", severity=Severity.WARNING)
        item = report(
            Cause.NONE if boot else chance.choice(CAUSES),
            kind="boot" if boot else "crash",
            pid=40 + index,
            at=AT + index * 7,
            step=None if boot else chance.choice(("app.load", "model.load", None)),
            host=f"web-{index % 4}",
            server=f"s{index // 20}",
            uptime=chance.uniform(1, 90),
            findings=[finding] if index % 11 == 0 else [],
            ready=boot,
            **({"type": "app.Odd", "message": f"no {index}"} if index % 5 == 0 else {}),
        )
        document = json.loads(item.encoded())
        document["attributes"]["bootcheck.boot.duration_s"] = chance.uniform(1, 90)
        document["attributes"]["bootcheck.gunicorn.app"] = "app:app"
        found.append(json.dumps(document).encode())
    return found


def both(path: Path, **more: bool) -> None:
    """Read it with one process and with two."""
    alone = analyze([str(path)], jobs=1, **more).as_dict()

    assert alone["incidents"]
    assert analyze([str(path)], jobs=2, **more).as_dict() == alone


@pytest.mark.parametrize("warnings", [False, True])
def test_a_directory_of_reports(tmp_path: Path, warnings: bool):
    """With what else lies there: a journal, a log, links, damaged and half-written files, one report twice."""
    reports = fleet(90)
    for number, data in enumerate(reports):
        (tmp_path / f"crash-{number:03}.json").write_bytes(
            data if number % 2 else json.dumps(json.loads(data), indent=1).encode()
        )
    (tmp_path / "again.json").write_bytes(reports[1])
    (tmp_path / "stderr.log").write_bytes(b"BOOTCHECK_REPORT " + reports[4] + b"\n")
    (tmp_path / "worker-31-77.jsonl").write_text('{"t": "head", "role": "worker", "pid": 31, "start": 77}\n')
    (tmp_path / "app.log").write_bytes((LOGS / "dependency-missing" / "worker-23.0.0.log").read_bytes())
    (tmp_path / "link.json").symlink_to(tmp_path / "app.log")
    os.mkfifo(tmp_path / "pipe.json")
    chance = random.Random(3)
    for number, mutation in enumerate(MUTATIONS):
        (tmp_path / f"odd-{number}.json").write_bytes(mutation(reports[number], chance))

    both(tmp_path, warnings=warnings)


def test_lines_of_reports(tmp_path: Path):
    """One on a line, with damaged lines, a log and a journal among them."""
    path = tmp_path / "reports.jsonl"
    reports = fleet(120)
    chance = random.Random(4)
    for number, mutation in enumerate(MUTATIONS):
        reports.insert(chance.randrange(len(reports)), mutation(reports[number], chance).replace(b"\n", b" "))
    path.write_bytes(b"\n".join(reports) + b"\n")
    both(path)
    log = (LOGS / "dependency-missing" / "worker-23.0.0.log").read_bytes()
    path.write_bytes(b"\n".join(reports[:60]) + b"\n" + log + b"\n".join(reports[60:]))
    both(path)


def test_a_timeline_has_every_report(tmp_path: Path):
    """Formats that want the reports whole get them, however many processes there are."""
    for number, data in enumerate(fleet(30)):
        (tmp_path / f"crash-{number:03}.json").write_bytes(data)
    found = [analyze([str(tmp_path)], jobs=jobs, history=History()).history for jobs in (1, 2)]

    assert len(found[0].spans) == 30
    assert found[0].spans == found[1].spans
