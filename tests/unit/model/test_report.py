"""The report: valid whatever is in it, announced in one line that fits, one fingerprint per fault."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.model import bootreport, journal
from bootcheck.model.cause import Cause
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Finding, Severity
from bootcheck.model.journal import report_name
from bootcheck.model.report import LINE_PREFIX, MAX_ANNOUNCEMENT, Report, Verdict, schema
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory
from tests.strategies import details, findings, reports, texts

VALIDATOR = jsonschema.Draft202012Validator(schema())
ONE = Report(
    kind="crash",
    role="worker",
    pid=412,
    at=1_795_769_099.123,
    verdict=Verdict(cause=Cause.EXCEPTION, code="BC501", summary="It raised."),
    step="app.load",
    attributes={"process.pid": 412, "exception.type": "ValueError"},
    stacks=({"thread": "MainThread", "frames": [{"function": "load", "file": "/app/x.py", "line": 3}]},),
)


def announced(report: Report, path: str | None = None) -> dict[str, Any]:
    """Return the object that a report announces itself with; fails where it is too long or no line."""
    line = report.announcement(path)
    assert line.startswith(LINE_PREFIX)
    text = line.removeprefix(LINE_PREFIX)
    assert len(text.encode()) <= MAX_ANNOUNCEMENT
    assert "\n" not in text
    return json.loads(text)  # type: ignore[no-any-return]


def test_the_schema_is_a_schema():
    """Draft 2020-12, and strict about unknown keys of the report itself."""
    jsonschema.Draft202012Validator.check_schema(schema())
    assert schema()["additionalProperties"] is False


@given(reports())
def test_every_report_is_valid(report: Report):
    """Lone surrogates, control characters and empty texts included."""
    data = json.loads(report.encoded())

    VALIDATOR.validate(data)
    assert report_name(report.file_name) is not None


@given(reports(), st.none() | st.text(max_size=2500))
def test_every_announcement_is_a_complete_object_of_2000_bytes(report: Report, path: str | None):
    """`report_id` and the cause come through uncut, whatever else gives way."""
    told = announced(report, path)

    assert told["report_id"] == report.report_id
    assert told["kind"] == report.kind
    assert told["role"] == report.role
    assert told["fingerprint"] == report.fingerprint
    assert told["timestamp"] == report.as_dict()["timestamp"]
    assert told["verdict"]["cause"] == report.verdict.cause
    assert told["attributes"]["process.pid"] == report.pid


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600", "\0", "\ud800"])
def test_an_announcement_of_nothing_but_long_texts_fits(letter: str):
    """Each character may take up to twelve bytes in ASCII JSON."""
    long = letter * 5000
    told = announced(
        replace(
            ONE,
            step=long,
            verdict=replace(ONE.verdict, summary=long, action=(long,) * 9),
            findings=tuple(Finding(code="BC101", summary=long) for _ in range(40)),
            attributes={
                "process.pid": 412,
                "host.name": long,
                "exception.type": long,
                "exception.message": long,
                "bootcheck.exit.signal.name": long,
                "ignored": long,
            },
        ),
        long,
    )

    assert told["verdict"]["summary"].startswith(letter)
    assert "ignored" not in told["attributes"]


def test_a_short_announcement_is_whole():
    """Where there is room, nothing is cut; the path is there."""
    told = announced(ONE, "/var/reports/crash.json")

    assert told["path"] == "/var/reports/crash.json"
    assert told["step"] == "app.load"
    assert told["verdict"] == {
        "code": "BC501",
        "cause": "exception",
        "summary": "It raised.",
        "action": [],
        "confidence": "high",
    }


def test_the_most_important_keys_come_first():
    """A person who opens the file sees the verdict on the first screen."""
    assert list(ONE.as_dict()) == [
        "schema_version",
        "report_id",
        "kind",
        "timestamp",
        "role",
        "incomplete",
        "step",
        "verdict",
        "findings",
        "fingerprint",
        "attributes",
        "stacks",
        "guards",
        "checkpoints",
        "annotations",
        "redaction",
    ]


def test_the_file_name_says_what_when_and_who():
    """As the contract spells it."""
    assert ONE.file_name == f"crash-20261127T084459123Z-{ONE.fingerprint}-worker-412.json"


@pytest.mark.parametrize(
    "change",
    [
        {"pid": 9},
        {"at": 5.0},
        {"role": "master"},
        {"attributes": {"process.pid": 9, "exception.type": "ValueError", "host.name": "b"}},
        {"stacks": ({"thread": "T", "frames": [{"function": "load", "file": "/venv/9/x.py", "line": 99}]},)},
        {"verdict": replace(ONE.verdict, summary="It raised once more.")},
        {"findings": (Finding(code="BC401", summary="s", severity=Severity.WARNING),)},
    ],
)
def test_the_same_fault_has_the_same_fingerprint_everywhere(change: dict[str, Any]):
    """No pid, time, host, folder, line number or wording counts."""
    assert replace(ONE, **change).fingerprint == ONE.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"step": "load model"},
        {"attributes": {"process.pid": 412, "exception.type": "KeyError"}},
        {"stacks": ({"thread": "T", "frames": [{"function": "other", "file": "/app/x.py", "line": 3}]},)},
        {"verdict": replace(ONE.verdict, cause=Cause.OOM)},
        {"findings": (Finding(code="BC101", summary="s"),)},
    ],
)
def test_another_fault_has_another_fingerprint(change: dict[str, Any]):
    """Cause, step, exception class, the innermost frames and failed checks do count."""
    assert replace(ONE, **change).fingerprint != ONE.fingerprint


def test_where_a_signal_found_the_process_is_no_part_of_its_fingerprint():
    """Two kills at different moments are one fault."""
    killed = replace(ONE, verdict=replace(ONE.verdict, cause=Cause.SIGKILL_EXTERNAL))
    stack = {"thread": "T", "frames": [{"function": "elsewhere", "file": "y.py", "line": 1}]}

    assert replace(killed, stacks=(stack,)).fingerprint == killed.fingerprint


def boot_records(act: Any) -> list[dict[str, Any]]:
    """Return the records of a boot that did this."""
    memory = Memory()
    recorder = Recorder([memory], clock=lambda: 100.0)
    recorder.fact(journal.HEAD, role="worker", pid=31, ppid=30, start=1)
    act(recorder)
    return memory.records


@given(details, texts, st.lists(findings, max_size=3))
def test_every_boot_report_is_valid(detail: dict[str, object], name: str, found: list[Finding]):
    """The fast way to a report keeps the same schema as the slow one."""

    def act(recorder: Recorder) -> None:
        with recorder.step(name, Phase.APP) as step:
            step.detail(**detail)
        for finding in found:
            recorder.finding(finding)
        recorder.annotate(name, detail)
        recorder.fact(journal.GUARD, name="fresh_pools")

    report = bootreport.boot_report(boot_records(act), {"host.name": "h"}, at=100.25, hidden=2)
    data = json.loads(bootreport.encoded(report))

    VALIDATOR.validate(data)
    assert (data["kind"], data["verdict"]["cause"], data["verdict"]["code"]) == ("boot", "none", None)
    assert [item["code"] for item in data["findings"]] == [finding.code for finding in found]
    assert data["attributes"]["bootcheck.boot.duration_s"] == 0.25
    assert data["attributes"]["process.pid"] == 31
    assert data["redaction"] == {"hidden_count": 2}
    assert report_name(bootreport.file_name(report, 100.25)) is not None


def test_both_kinds_of_report_have_the_same_layout():
    """One reader for both."""
    boot = bootreport.boot_report([], {}, at=1.0)

    assert list(boot) == list(ONE.as_dict())
    assert list(boot["verdict"]) == list(ONE.as_dict()["verdict"])


def test_a_boot_report_counts_its_findings():
    """The summary says whether there is something to read."""
    records = boot_records(lambda recorder: recorder.finding(Finding(code="BC401", summary="s")))

    assert bootreport.boot_report(records, {}, at=1.0)["verdict"]["summary"] == "The worker is ready, with 1 finding."
    master = [{"t": "head", "role": "master", "pid": 1}]
    assert bootreport.boot_report(master, {}, at=1.0)["verdict"]["summary"] == "The master has passed its preflight."
