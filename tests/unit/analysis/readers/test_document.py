"""Documents over several lines: a report that is cut or cannot be understood is no health."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootcheck.analysis import analyze
from tests.unit.analysis.making import classes, report, stored, told
from tests.unit.analysis.signatures.examples import NO_FLASK, raising


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [300, 500])
def test_a_cut_report_is_unreadable(tmp_path: Path, size: int, indent: int | None):
    """Listed, and with nothing else to read the exit code is 2."""
    path = tmp_path / "crash.json"
    path.write_text(json.dumps(json.loads(report().encoded()), indent=indent)[:size])
    found = analyze([str(path)])

    assert "cut or damaged" in found.inputs.unreadable[0]["reason"]
    assert (found.exit_code, found.inputs.files) == (2, 0)


def test_a_cut_report_beside_a_whole_one(tmp_path: Path):
    """Both are told of."""
    (path,) = stored(tmp_path, report())
    (tmp_path / "cut.json").write_bytes(path.read_bytes()[:500])
    found = analyze([str(tmp_path)])

    assert found.exit_code == 1
    assert len(found.inputs.unreadable) == 1


def test_a_cut_report_among_lines():
    """The other lines are read."""
    found = told(report().encoded().decode().replace("\n", " ")[:500] + "\nGET /\n")

    assert [item["source"] for item in found.inputs.unreadable] == ["-:1"]
    assert found.exit_code == 0


def test_a_report_of_an_unknown_cause(tmp_path: Path):
    """Of a newer version: with nothing else to read the exit code is 2."""
    path = tmp_path / "crash.json"
    path.write_text(json.dumps({**json.loads(report().encoded()), "verdict": {"cause": "swapped"}}, indent=2))

    assert analyze([str(path)]).exit_code == 2
    assert "cannot be understood" in analyze([str(path)]).inputs.unreadable[0]["reason"]
    stored(tmp_path, report(kind="boot"))
    assert analyze([str(tmp_path)]).exit_code == 0


def test_other_json_is_no_report():
    """An open brace and a stray word do not make one."""
    assert told('{"kind": "pod", "status"\n').inputs.unreadable == []


EVENTS = [{"timestamp": 1795771557000 + at, "message": line} for at, line in enumerate(raising(NO_FLASK).splitlines())]


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("extra", [{}, {"nextForwardToken": "f/1"}])
def test_an_export_of_cloudwatch(indent: int | None, extra: dict[str, str]):
    """`aws logs get-log-events`: one event a line, on one line or many."""
    found = told(json.dumps({"events": EVENTS, **extra}, indent=indent) + "\n")

    assert classes(found) == [("dependency-missing", 1)]


@pytest.mark.parametrize("indent", [None, 2])
def test_a_table_of_log_analytics(indent: int | None):
    """Azure gives names of columns, and rows: newest first, as its portal shows them."""
    columns = [{"name": "TimeGenerated", "type": "datetime"}, {"name": "ResultDescription", "type": "string"}]
    rows = [[f"2026-11-27T09:00:01.{at:03}Z", line] for at, line in enumerate(raising(NO_FLASK).splitlines())]
    table = {"name": "PrimaryResult", "columns": columns, "rows": rows[::-1]}

    assert classes(told(json.dumps({"tables": [table]}, indent=indent) + "\n")) == [("dependency-missing", 1)]
    assert told(json.dumps({"tables": [{"columns": 1}, 2]}, indent=indent) + "\n").incidents == ()


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["logs", None])
def test_a_list_of_lines(indent: int | None, name: str | None):
    """As an API of a platform answers; other lists of texts are no log."""
    lines = raising(NO_FLASK).splitlines()
    analysis = told(json.dumps(lines if name is None else {name: lines}, indent=indent))

    assert classes(analysis) == classes(told(raising(NO_FLASK))) == [("dependency-missing", 1)]
    assert classes(told(json.dumps(["red", "green"], indent=indent))) == []
