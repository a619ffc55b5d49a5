"""Journals, JSON lines of reports and text in one source, told apart line by line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bootcheck.analysis import analyze
from bootcheck.model.cause import Cause
from tests.unit.analysis.making import AT, LOGS, classes, entered, head, journal, report, stored, told
from tests.unit.analysis.signatures.examples import NO_FLASK, raising


def test_the_stderr_line_of_a_death_is_enough():
    """`kubectl logs --previous POD | bootcheck analyze -` gives the cause."""
    line = report(type="ValueError", message="no weights").announcement("/tmp/crash.json")
    (incident,) = told(f"some noise\n2026-11-27T09:25:57.5Z stderr F {line}\nmore noise\n").incidents

    assert incident.cause == "exception"
    assert incident.processes[0]["report"] == "/tmp/crash.json"
    assert incident.processes[0]["pid"] == 31


def test_the_line_inside_a_json_log():
    """Docker's json-file escapes its quotes."""
    wrapped = json.dumps({"log": report().announcement() + "\n", "stream": "stderr", "time": "2026-11-27T09:25:57Z"})

    assert [incident.cause for incident in told(wrapped + "\n").incidents] == ["exception"]


def test_a_cut_report_line_is_listed():
    """It is neither silently dropped nor a guess."""
    found = told(report().announcement()[:300] + "\n")

    assert found.incidents == ()
    assert found.inputs.unreadable[0]["source"] == "-:1"


def test_json_lines_of_reports(tmp_path: Path):
    """Compacted reports, one a line."""
    path = tmp_path / "reports.jsonl"
    path.write_text("".join(json.dumps(report(pid=pid).as_dict()) + "\n" for pid in range(1, 5)), encoding="utf-8")
    found = analyze([str(path)])

    assert classes(found) == [("app-exception", 4)]
    assert found.inputs.reports == 4


def test_a_list_of_reports_in_one_document():
    """As `jq -s` makes it."""
    text = json.dumps([report(pid=1).as_dict(), report(pid=2).as_dict()], indent=1)

    assert classes(told(text)) == [("app-exception", 2)]


def test_an_export_of_a_cloud_newest_first():
    """Entries of one document, put in order of time."""
    lines = (LOGS / "dependency-missing" / "worker-23.0.0.log").read_text().splitlines()
    entries = [
        {"timestamp": f"2026-11-27T09:00:{number:02d}Z", "textPayload": line} for number, line in enumerate(lines[:59])
    ]

    assert classes(told(json.dumps({"entries": entries[::-1]}, indent=1)))[0][0] == "dependency-missing"


def test_files_one_after_the_other_on_standard_input():
    """`cat journal log report | bootcheck analyze -`: each is what it is."""
    told_by_journal = "".join(json.dumps(record) + "\n" for record in (head(pid=50), entered("app.load")))
    log = (LOGS / "dependency-missing" / "worker-23.0.0.log").read_text()
    found = told(told_by_journal + log + json.dumps(report(Cause.OOM, pid=70).as_dict()) + "\n")

    assert {incident.cause_class for incident in found.incidents} == {"external-stop", "dependency-missing", "oom-kill"}


def test_binary_data_is_no_log(tmp_path: Path):
    """It is listed, and alone it is code 2."""
    path = tmp_path / "core"
    path.write_bytes(b"\x7fELF" + os.urandom(4096))
    found = analyze([str(path)])

    assert found.exit_code == 2
    assert "binary" in found.inputs.unreadable[0]["reason"]


@pytest.mark.parametrize("place", [0, 3, 9])
@pytest.mark.parametrize("size", [50, 1 << 23, 1 << 40], ids=["few", "many", "a hole"])
def test_what_a_rotation_leaves_is_passed_over(tmp_path: Path, place: int, size: int):
    """Cut to nothing by logrotate's copytruncate, a log goes on at its old place: what is between reads as NUL bytes."""
    lines = raising(NO_FLASK).splitlines(keepends=True)
    path = tmp_path / "app.log"
    before = "".join(lines[:place]).encode()
    with path.open("wb") as file:
        file.write(before)
        if size < 1 << 30:
            file.write(bytes(size))
        else:
            file.seek(size)
        file.write("".join(lines[place:]).encode())
    (incident,) = analyze([str(path)], jobs=2).incidents
    (plain,) = told("".join(lines)).incidents

    assert (incident.cause_class, incident.count) == ("dependency-missing", 1)
    assert [item.line for item in incident.evidence] == [item.line for item in plain.evidence]


def test_nothing_but_nul_bytes_is_no_empty_log(tmp_path: Path):
    """It is listed."""
    path = tmp_path / "app.log"
    path.write_bytes(bytes(5_000))
    found = analyze([str(path)])

    assert found.exit_code == 2
    assert [item["reason"] for item in found.inputs.unreadable] == ["nothing but NUL bytes"]


def test_a_progress_bar_is_no_binary_data():
    """It goes back by backspaces, thousands of them."""
    bar = "".join(f"{done}/9{chr(8) * 40}" for done in range(60)) + "\n"

    assert [incident.cause_class for incident in told(bar + raising(NO_FLASK)).incidents] == ["dependency-missing"]


def test_other_json_is_no_report(tmp_path: Path):
    """It is said, not read as a healthy log."""
    path = tmp_path / "package.json"
    path.write_text(json.dumps({"name": "x", "version": 1}, indent=1))

    assert "neither a report" in analyze([str(path)]).inputs.unreadable[0]["reason"]


def test_what_is_counted(tmp_path: Path):
    """Files, lines and distinct reports; a report is one line, as in JSONL, however it is laid out."""
    stored(tmp_path, report(pid=1), report(Cause.NONE, kind="boot", pid=2, step=None))
    (tmp_path / "app.log").write_text("one\ntwo\n" + report(pid=3).announcement() + "\n")
    journal(tmp_path, head(pid=4), {"t": "end", "at": AT})
    found = analyze([str(tmp_path)])

    assert (found.inputs.files, found.inputs.reports) == (4, 3)
    lines = {path.name: len(path.read_bytes().splitlines()) for path in tmp_path.iterdir()}
    laid_out = [number for name, number in lines.items() if name.endswith(".json")]
    assert found.inputs.lines == sum(lines.values()) - sum(laid_out) + len(laid_out)
    assert sum(laid_out) > len(laid_out)
