"""The report of a look at a living process."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from bootcheck.model.bootreport import encoded, file_name
from bootcheck.model.journal import report_name
from bootcheck.model.report import schema
from bootcheck.model.snapshot import Taken, report_of

HEAD = {
    "t": "head",
    "role": "worker",
    "pid": 7,
    "ppid": 1,
    "at": 1000.0,
    "host": "h",
    "server_id": "s",
    "gunicorn": "27",
}
ENTERED = {"t": "checkpoint", "seq": 1, "name": "worker.boot", "phase": "worker", "outcome": "entered", "at": 1000.0}
LOADING = {**ENTERED, "seq": 2, "name": "app.load", "phase": "app"}
ANSWER: dict[str, Any] = {
    "t": "answer",
    "threads": [],
    "stacks": [],
    "step": None,
    "annotations": {"b": 2},
    "hidden": 3,
}


def thread(tid: int, wanted: float, cpu: float | None = None, **more: object) -> dict[str, Any]:
    """Return one measured thread."""
    used = wanted if cpu is None else cpu
    return {
        "native_id": tid,
        "name": "python",
        "state": "R",
        "cpu_s": 1.0,
        "cpu_percent": used,
        "wanted_percent": wanted,
        **more,
    }


def stack(name: str, tid: int | None, function: str = "spin") -> dict[str, Any]:
    """Return one stack."""
    found: dict[str, Any] = {"thread": name, "frames": [{"function": function, "file": "/srv/app.py", "line": 12}]}
    return found if tid is None else {**found, "native_id": tid}


def taken(**changes: Any) -> dict[str, Any]:
    """Return the report of a look, which fulfils the schema and whose name `prune` knows."""
    facts: dict[str, Any] = {
        "records": [HEAD, ENTERED, {"t": "ready", "at": 1001.0}],
        "answer": ANSWER,
        "at": 1060.0,
        "threads": [thread(7, 1.0)],
        "measures": {"process.memory.usage": 1},
        "stacks": [stack("MainThread", 7, "wait")],
        "seconds": 1.0,
    }
    report = report_of(Taken(**{**facts, **changes}))
    jsonschema.validate(json.loads(encoded(report)), schema())
    assert report_name(file_name(report, facts["at"])) is not None
    return report


def test_a_quiet_process():
    """Alive, where its main thread is, for how long; no death."""
    report = taken()

    assert report["kind"] == "snapshot"
    assert report["verdict"]["cause"] == "none"
    assert report["verdict"]["summary"] == "The worker (pid 7) is alive; its main thread is in wait (app.py:12)."
    assert report["attributes"]["bootcheck.worker.uptime_s"] == 60.0
    assert report["annotations"] == {"b": 2}
    assert report["redaction"]["hidden_count"] == 3


def test_a_thread_that_burns_comes_first_with_its_place():
    """Also where a crowded machine gave it little: it wanted all."""
    report = taken(
        threads=[thread(9, 98.0, 40.0, python_name="search"), thread(7, 1.0)],
        stacks=[stack("MainThread", 7, "wait"), stack("search", 9)],
    )

    assert report["verdict"]["summary"] == (
        "The worker (pid 7) is alive; thread search (9) used 40 % of a CPU and waited 58 % of the time for one, "
        "over 1.0 s in spin (app.py:12)."
    )
    assert [found["thread"] for found in report["stacks"]] == ["search", "MainThread"]
    assert report["attributes"]["bootcheck.threads"][0]["place"] == "spin (app.py:12)"


def test_threads_that_take_turns_at_the_gil_are_busy_together():
    """Fifteen threads of one process have seven percent each."""
    report = taken(threads=[*(thread(tid, 24.0) for tid in range(10, 14)), thread(7, 1.0)])

    assert len(report["verdict"]["evidence"]) == 4


@pytest.mark.parametrize("wanted", [0.0, 50.0, 89.9])
def test_a_process_that_has_time_is_not_busy(wanted: float):
    """A CPU that is half used is nobody's loop."""
    assert taken(threads=[thread(7, wanted)])["verdict"]["evidence"] == []


def test_a_boot_names_its_step_by_the_journal_where_python_is_silent():
    """The innermost that was entered and not left."""
    closed = {**LOADING, "seq": 4, "of": 3, "outcome": "passed"}
    records = [HEAD, ENTERED, LOADING, {**LOADING, "seq": 3, "name": "models"}, closed]
    report = taken(records=records, answer=None, missing=["what only Python knows"])

    assert report["step"] == "app.load"
    assert report["attributes"]["bootcheck.ready"] is False
    assert report["incomplete"] is True
    assert "in step app.load; its main thread runs no Python" in report["verdict"]["summary"]
    assert report["verdict"]["confidence"] == "medium"


def test_the_last_word_on_tags_is_the_process_s_own():
    """The journal may have stopped."""
    records = [HEAD, {"t": "annotation", "name": "a", "value": 1}, {"t": "annotation", "name": "b", "value": 1}]

    assert taken(records=records)["annotations"] == {"a": 1, "b": 2}


def test_requests_in_flight_are_told_where_somebody_knows_them():
    """Nothing is said where nobody does."""
    request = {"method": "GET", "path": "/", "running_s": 0.5}
    told = taken(answer={**ANSWER, "requests": [request]})

    assert told["attributes"]["bootcheck.requests"] == [request]
    assert "bootcheck.requests" not in taken()["attributes"]


def test_a_journal_without_a_head_still_makes_a_report():
    """Whatever could be read."""
    assert taken(records=[], threads=[], stacks=[])["attributes"]["process.pid"] == 0
