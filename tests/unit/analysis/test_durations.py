"""What healthy boots could do better: work that every worker repeats, and starts that got slower."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bootcheck.analysis import durations
from bootcheck.analysis.durations import Durations, Start
from bootcheck.cli import main
from bootcheck.model import journal
from bootcheck.model.bootreport import boot_report, encoded, file_name

START = 1_790_000_000.0


def boot(
    pid: int,
    ready_s: float,
    steps: dict[str, float],
    *,
    server: str = "s1",
    at: float = START,
    imports: dict[str, float] | None = None,
    app: str = "shop:app",
) -> dict[str, Any]:
    """Return the boot report of a worker that took so long for these steps, one after the other."""
    records: list[dict[str, Any]] = [{"t": journal.HEAD, "role": "worker", "pid": pid, "ppid": 1, "at": at - ready_s}]
    seq = 0
    for name, seconds in steps.items():
        for outcome, took in (("entered", None), ("passed", seconds * 1000)):
            seq += 1
            entry = {"t": journal.CHECKPOINT, "seq": seq, "name": name, "phase": "app", "outcome": outcome, "at": at}
            records.append(entry | ({} if took is None else {"duration_ms": took}))
    if imports:
        told = [{"module": name, "self_ms": 1.0, "total_ms": took * 1000} for name, took in imports.items()]
        records.append({"t": journal.IMPORTS, "imports": told})
    common = {"host.name": "web-1", "bootcheck.server.id": server, "bootcheck.gunicorn.app": app}
    return boot_report(records, common, at=at)


def advised(*documents: dict[str, Any]) -> list[tuple[str, str]]:
    """Return code and summary of each advice."""
    taken = Durations()
    for number, document in enumerate(documents):
        taken.add(document, f"boot-{number}.json")
    return [(finding.code, finding.summary) for finding in taken.advice()]


def test_work_that_every_worker_repeats_is_named_with_its_cost():
    """Four workers, eleven seconds each."""
    found = advised(*(boot(pid, 12.0, {"app.load": 1.0, "warmup.model": 11.0}) for pid in range(4)))

    assert found == [("BC308", "4 workers each spent 11.0 s in warmup.model: 44.0 s in all.")]


def test_an_import_that_every_worker_repeats_is_named():
    """Only the one that holds the others."""
    workers = [boot(pid, 8.0, {"app.load": 8.0}, imports={"torch": 6.0, "transformers": 7.5}) for pid in range(2)]

    assert advised(*workers) == [("BC308", "2 workers each spent 7.5 s in import transformers: 15.0 s in all.")]


@pytest.mark.parametrize(
    "workers",
    [
        [boot(1, 12.0, {"warmup.model": 11.0})],
        [boot(pid, 1.0, {"warmup.model": 0.5}) for pid in range(9)],
        [boot(pid, 12.0, {"warmup.model": 11.0} if pid else {}) for pid in range(4)],
        [boot(pid, 12.0, {"app.load": 11.0, "once.seed": 5.0, "warmup.turn": 9.0, "check.env": 3.0}) for pid in (1, 2)],
    ],
    ids=["one worker", "cheap", "not each of them", "what waits or holds others"],
)
def test_what_is_no_repetition_is_no_advice(workers: list[dict[str, Any]]):
    """Nothing could be saved, or nobody did it twice."""
    assert advised(*workers) == []


def test_a_start_that_got_slower_says_where():
    """+38 s, 36 s of it in an import; the narrowest place is named."""
    before = boot(1, 53.0, {"app.load": 50.0}, imports={"transformers": 10.0})
    now = boot(2, 91.0, {"app.load": 88.0}, server="s2", at=START + 900, imports={"transformers": 46.0})
    expected = "Ready after 91.0 s, 53.0 s at the start before: +38.0 s, 36.0 s of it in import transformers."

    assert advised(before, now) == [("BC309", expected)]
    assert advised(now, before) == [("BC309", expected)]


def test_a_step_that_is_new_is_what_made_it_slower():
    """The start before did not have it."""
    before = boot(1, 3.0, {"app.load": 3.0})
    now = boot(2, 9.0, {"app.load": 3.0, "warmup.model": 6.0}, server="s2", at=START + 900)

    assert advised(before, now)[0][1].endswith("+6.0 s, 6.0 s of it in warmup.model.")


@pytest.mark.parametrize(
    "now",
    [
        boot(2, 54.0, {}, server="s2", at=START + 900),
        boot(2, 10.0, {}, server="s2", at=START + 900),
        boot(2, 91.0, {}, server="s2", at=START + 900, app="other:app"),
        boot(2, 91.0, {}, server="s1", at=START + 900),
    ],
    ids=["the weather", "faster", "another app", "a later worker of the same start"],
)
def test_what_is_no_slower_start_is_no_advice(now: dict[str, Any]):
    """Starts of one app are compared, by what a worker typically takes."""
    assert advised(boot(1, 53.0, {}), now) == []


def test_a_step_within_another_is_not_told_twice():
    """A warm-up that calls a loader: the warm-up is named."""
    document = boot(1, 12.0, {})
    entries = [("warmup.model", "entered", None), ("load.model", "entered", None)]
    entries += [("load.model", "passed", 10_000.0), ("warmup.model", "passed", 10_500.0)]
    document["checkpoints"] = [
        {"name": name, "outcome": outcome, "duration_ms": took} for name, outcome, took in entries
    ]

    assert [summary for _, summary in advised(document, document | {"report_id": "x"})] == [
        "2 workers each spent 10.5 s in warmup.model: 21.0 s in all."
    ]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "boot", "role": "worker", "attributes": 3},
        {"kind": "boot", "role": "worker", "attributes": {"bootcheck.boot.duration_s": "x"}, "timestamp": "t"},
        {
            "kind": "boot",
            "role": "worker",
            "timestamp": "t",
            "attributes": {"bootcheck.boot.duration_s": 1, "bootcheck.imports": [3, {}]},
            "checkpoints": [3, {"name": [], "outcome": "passed", "duration_ms": 1}],
        },
    ],
)
def test_a_damaged_report_costs_nothing(document: dict[str, Any]):
    """Whatever stands in it."""
    assert advised(document) == []


def test_it_keeps_little_whatever_is_read():
    """Of each app the newest starts, of each start so many workers."""
    taken = Durations()
    for server in range(40):
        for pid in range(3):
            taken.add(boot(pid, 2.0, {}, server=f"s{server}", at=START + server), "x")
    for pid in range(500):
        taken.add(boot(pid, 2.0, {}, server="s39", at=START + 50), "x")
    ((_, starts),) = taken._apps.items()

    assert sorted(starts) == [f"s{number}" for number in range(35, 40)]
    assert max(len(start.workers) for start in starts.values()) == durations.MAX_WORKERS


# -- commands


def stored(folder: Path, *documents: dict[str, Any]) -> list[str]:
    """Store boot reports as a server does."""
    paths = []
    for document in documents:
        at = START + (900 if document["attributes"]["bootcheck.server.id"] == "s2" else 0)
        path = folder / file_name(document, at)
        path.write_bytes(encoded(document))
        paths.append(str(path))
    return paths


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command line; what it prints as one long line."""

    def command(*arguments: str) -> tuple[int, str]:
        return main(list(arguments)), capsys.readouterr().out

    return command


def slower() -> list[dict[str, Any]]:
    """Return two starts, the second slower."""
    return [
        boot(1, 53.0, {"app.load": 50.0, "warmup.model": 1.0}),
        boot(2, 91.0, {"app.load": 50.0, "warmup.model": 39.0}, server="s2", at=START + 900),
    ]


def test_analyze_tells_it_as_advice_and_exits_with_0(tmp_path: Path, run: Callable[..., tuple[int, str]]):
    """Nothing is wrong; with --fail-on warning it is an incident."""
    stored(tmp_path, *slower())
    code, text = run("analyze", str(tmp_path))
    assert code == 0
    assert text.startswith("Nothing wrong")
    assert "Advice: Ready after 91.0 s" in text
    assert "bootcheck explain BC309" in text

    code, text = run("analyze", str(tmp_path), "--format", "json")
    told = json.loads(text)
    assert (code, told["incidents"]) == (0, [])
    assert [(item["code"], item["cause_class"]) for item in told["advice"]] == [("BC309", "boot-timeout")]
    assert told["advice"][0]["action"]
    for form in ("markdown", "html"):
        code, text = run("analyze", str(tmp_path), "--format", form)
        assert code == 0
        assert "What would be better" in text
        assert "BC309 boot-slower-than-before: Ready after 91.0 s" in text.replace("\\", "")
    code, text = run("analyze", str(tmp_path), "--format", "json", "--fail-on", "warning")
    assert code == 1
    assert [(item["code"], item["count"]) for item in json.loads(text)["incidents"]] == [("BC309", 1)]


def test_show_tells_the_times_of_a_boot_and_the_start_before(tmp_path: Path, run: Callable[..., tuple[int, str]]):
    """From the report that lies beside it."""
    _, newest = stored(tmp_path, *slower())
    code, text = run("show", newest)

    assert code == 0
    assert "Ready after 91.0 s\n  39.0 s  warmup.model (passed)\n" in text
    assert "+38.0 s, 38.0 s of it in warmup.model." in text


def test_show_compares_nothing_where_nothing_lies_beside(tmp_path: Path, run: Callable[..., tuple[int, str]]):
    """Or where only other apps and the same start do."""
    first, *_ = stored(tmp_path, slower()[0], boot(7, 1.0, {}, app="other:app"), boot(8, 9.0, {}))
    code, text = run("show", first)

    assert code == 0
    assert "Ready after 53.0 s" in text
    assert "at the start before" not in text


def test_a_reading_that_was_broken_off():
    """Ctrl-C may come between two of its steps: a start without workers says nothing."""
    taken = Durations()
    taken._apps.update({("web-1", "app:app"): {}, ("web-2", "app:app"): {"s1": Start("2026-11-27T09:26:00Z")}})

    assert list(taken.advice()) == []
