"""Reports that other processes read tell what they tell when one process reads everything."""

from __future__ import annotations

import gc
import json
import marshal
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bootcheck.analysis import Analysis, History, analyze, briefs
from bootcheck.analysis.collector import Collector
from bootcheck.analysis.readers import crew, many, shared
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


def whole(path: Path, **more: bool) -> Analysis:
    """Read it with the readers alone, each report as a whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "FEW", sys.maxsize)
        patch.setattr(shared, "LARGE", sys.maxsize)
        return analyze([str(path)], jobs=1, **more)


def both(path: Path, **more: bool) -> None:
    """Read it whole, with one process and with two."""
    expected = whole(path, **more).as_dict()

    assert expected["incidents"]
    for jobs in (1, 2):
        assert analyze([str(path)], jobs=jobs, **more).as_dict() == expected


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


ODD = (
    None,
    True,
    1,
    1.0,
    0,
    -3,
    3.5,
    10**303,
    10**310,
    "@1e400",
    "",
    "x",
    "1",
    "master",
    "outside",
    [],
    {},
    ["x"],
    {"a": 1},
)
ERROR = {"code": "BC101", "severity": "error", "summary": "x is missing", "evidence": [{"text": "seen"}]}
LISTS = (
    [],
    [ERROR],
    [ERROR, {**ERROR, "severity": "warning"}],
    [1, None, {}],
    [{"text": "the master sent it"}],
    None,
    {},
)
FIELDS: dict[tuple[str, ...], tuple[Any, ...]] = {
    ("kind",): ("crash", "boot", "snapshot", 5),
    ("report_id",): ("r1", "", 7, None),
    ("verdict", "cause"): (*(str(cause) for cause in Cause), 1),
    ("verdict", "evidence"): LISTS,
    ("findings",): LISTS,
    ("timestamp",): (*ODD, "2026-11-27T09:26:00Z", "2026-11-27 09:26:00"),
    ("attributes",): (None, [], {}),
    **{(name,): ODD for name in ("role", "step", "path", "checkpoints")},
    **{("verdict", name): ODD for name in briefs.VERDICT[1:4]},
    **{("attributes", name): ODD for name in (*briefs.ATTRIBUTES, "bootcheck.imports")},
}
ALIKE = (Cause.EXCEPTION, Cause.OS_EXIT, Cause.SIGTERM, Cause.CHECK_FAILED, Cause.NONE)
CHANGES = st.lists(
    st.sampled_from(list(FIELDS)).flatmap(lambda names: st.tuples(st.just(names), st.sampled_from(FIELDS[names]))),
    max_size=3,
)


def odd(changes: list[tuple[tuple[str, ...], Any]], number: int, cause: Cause) -> bytes:
    """Return a report with one or two other values, on a line."""
    kind = "boot" if cause is Cause.NONE else "crash"
    raised = {"type": "app.Odd"} if cause is Cause.EXCEPTION else {}
    base = json.loads(report(cause, kind=kind, pid=number % 2 + 40, at=AT + number, uptime=2.5, **raised).encoded())
    base["attributes"]["bootcheck.boot.duration_s"] = 2.5
    for names, value in changes:
        into = base if len(names) == 1 else base[names[0]]
        if isinstance(into, dict):
            into[names[-1]] = value
    return json.dumps(base).replace('"@1e400"', "1e400").encode()


def in_here(tasks: Iterable[Any], work: Callable[[Any], Any], _: int) -> Iterator[Any]:
    """Do the work in this process, and hand it on as from another one."""
    yield from (marshal.loads(marshal.dumps(work(task))) for task in tasks)


def same(path: Path, lines: list[bytes]) -> None:
    """Read these lines whole, and as if with two processes."""
    path.write_bytes(b"\n".join(lines) + b"\n")
    expected, several = whole(path), analyze([str(path)], jobs=2)

    assert several.incidents == expected.incidents
    assert several.as_dict() == expected.as_dict()


@pytest.mark.parametrize("cause", ALIKE)
def test_every_odd_value_that_decides(tmp_path: Path, monkeypatch, cause: Cause):
    """Of reports that differ in one value alone; what Python calls equal (1, 1.0, True) comes one after the other."""
    monkeypatch.setattr(crew, "spread", in_here)
    for names, values in FIELDS.items():
        changes = [[], *([(names, value)] for value in values), []]
        same(tmp_path / "reports.jsonl", [odd(change, number, cause) for number, change in enumerate(changes)])


@settings(
    max_examples=30,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(ALIKE),
    st.lists(CHANGES, min_size=10, max_size=30),
    st.sampled_from((b"", b"\xff", "\u00e9".encode(), b'"', b"\n{", b"\r")),
)
def test_whatever_stands_in_reports(
    tmp_path: Path, monkeypatch, cause: Cause, changes: list[list[tuple[tuple[str, ...], Any]]], dirt: bytes
):
    """Several odd values, numbers out of range, duplicate keys, bytes that are no text."""
    monkeypatch.setattr(crew, "spread", in_here)
    lines = [odd(change, number, cause) for number, change in enumerate(changes)]
    lines.append(lines[0].replace(b"bootcheck", b"boot" + dirt + b"check", 1))
    lines.append(lines[0][:-1] + b',"role":"master","schema_version":1e500,"role":"worker"}')
    same(tmp_path / "reports.jsonl", lines)


def shuffled(value: Any, chance: random.Random) -> Any:
    """Return the same with its keys in another order, and with some that nobody knows."""
    if isinstance(value, list):
        return [shuffled(item, chance) for item in value]
    if not isinstance(value, dict):
        return value
    items = [(name, shuffled(item, chance)) for name, item in value.items()]
    items += [(f"x.{chance.randrange(9)}", chance.choice(ODD[:9]))] * chance.randrange(2)
    chance.shuffle(items)
    return dict(items)


def escaped(data: bytes, chance: random.Random) -> bytes:
    """Return the same JSON with some of its letters written as escapes."""
    return b"".join(
        b"\\u%04x" % byte if chr(byte) in "tsm" and chance.random() < 0.2 else bytes((byte,)) for byte in data
    )


def again(data: bytes, chance: random.Random) -> bytes:
    """Return a report as another version or another tool may have written it, or as a crash left it."""
    way = chance.randrange(7)
    document = json.loads(data)
    if way == 0:
        return data[: chance.randrange(1, len(data))]
    if way == 1:
        document["schema_version"] = chance.choice((2, 99, "3"))
    if way == 2:
        document["report_id"] = "twice"
    if way == 3:
        document["verdict"]["evidence"] = [{"text": f"the master sent it to {chance.randrange(3)}"}, None]
    if way < 5:
        return json.dumps(shuffled(document, chance), separators=chance.choice(((",", ":"), (" , ", " : ")))).encode()
    return data if way == 5 else escaped(data, chance).replace(b"\\u0074rue", b"true")


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_however_a_report_is_written(tmp_path: Path, monkeypatch, seed: int, fast: bool):
    """Other order, unknown keys, a newer version, escapes, cut ones, one identity twice; with msgspec and without."""
    if not fast:
        monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.setattr(crew, "spread", in_here)
    chance = random.Random(seed)
    briefs.reader.cache_clear()
    try:
        reports = [again(data, chance) for data in fleet(60)]
        same(tmp_path / "reports.jsonl", reports)
        for number, data in enumerate(reports):
            (tmp_path / f"crash-{number:02}.json").write_bytes(data)
        both(tmp_path)
    finally:
        briefs.reader.cache_clear()


def test_a_log_between_reports(tmp_path: Path, monkeypatch):
    """A part that begins and ends with a report is not taken for reports alone."""
    monkeypatch.setattr(crew, "spread", in_here)
    monkeypatch.setattr(shared, "PART", 1 << 20)
    monkeypatch.setattr(shared, "CHUNK", 1 << 20)
    log = (LOGS / "dependency-missing" / "worker-23.0.0.log").read_bytes().splitlines()
    first, *rest = fleet(9)
    same(tmp_path / "reports.jsonl", [first, *log, b'{"level": "info", "message": "x"}', *rest])


def test_the_words_of_each_are_told(tmp_path: Path):
    """Alike are those whose cause is the same; what is told is the first one's, in its own words."""
    for order in (1, -1):
        reports = [
            report(Cause.OOM, pid=40 + number, at=AT + number * order, summary=f"said by {number}", uptime=3.0)
            for number in range(20)
        ]
        path = tmp_path / f"{order}.jsonl"
        path.write_bytes(b"".join(json.dumps(json.loads(item.encoded())).encode() + b"\n" for item in reports))
        (incident,) = analyze([str(path)], jobs=2).incidents

        assert incident.summary == f"said by {0 if order == 1 else 19}"
        assert incident.count == 20


def test_a_report_that_is_gone_meanwhile(tmp_path: Path, monkeypatch):
    """A server that starts prunes its reports: then the words of another one that died alike are told."""
    for number in range(20):
        item = report(Cause.OOM, pid=40 + number, at=AT - number, summary=f"said by {number}", uptime=3.0)
        (tmp_path / f"crash-{number:02}.json").write_bytes(item.encoded())
    taken = Collector.result

    def pruned(self):
        for path in tmp_path.iterdir():
            path.write_bytes(path.read_bytes().replace(b"report_id", b"another_id"))
        return taken(self)

    monkeypatch.setattr(Collector, "result", pruned)
    (incident,) = analyze([str(tmp_path)], jobs=2).incidents

    assert incident.summary.startswith("said by ")
    assert [process["pid"] for process in incident.processes] == [*range(59, 39, -1)]


@pytest.mark.parametrize("limit", [0, 700, 10**6])
def test_garbage_is_looked_for_as_before(tmp_path: Path, limit: int):
    """While it is read it is looked for less often; not at all where nobody wanted that; then as before."""
    (tmp_path / "app.log").write_text("nothing\n")
    during: list[int] = []
    kept = gc.get_threshold()
    try:
        gc.set_threshold(limit, 9, 8)
        analyze([str(tmp_path)], progress=lambda *_: during.append(gc.get_threshold()[0]))

        assert set(during) == {limit and max(limit, 100_000)}
        assert gc.get_threshold()[:2] == (limit, 9)
    finally:
        gc.set_threshold(*kept)


def test_a_timeline_has_every_report(tmp_path: Path):
    """Formats that want the reports whole get them, however many processes there are."""
    for number, data in enumerate(fleet(30)):
        (tmp_path / f"crash-{number:03}.json").write_bytes(data)
    found = [analyze([str(tmp_path)], jobs=jobs, history=History()).history for jobs in (1, 2)]

    assert len(found[0].spans) == 30
    assert found[0].spans == found[1].spans
