"""`bootcheck show`: one report, found and printed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from bootcheck.cli import main
from bootcheck.model.cause import Cause
from tests.unit.analysis.making import AT, LOGS, entered, head, journal, report, stored


def test_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Code 0: it was shown."""
    (path,) = stored(tmp_path, report(summary="The worker (pid 31) raised ValueError: x."))

    assert main(["show", str(path)]) == 0
    assert capsys.readouterr().out.startswith("The worker (pid 31) raised ValueError: x.\n")


def test_the_newest_crash_of_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Not the newest boot."""
    stored(
        tmp_path,
        report(summary="old", at=AT),
        report(summary="newest crash", at=AT + 60, pid=32),
        report(Cause.NONE, kind="boot", summary="boot", at=AT + 600, step=None),
    )

    assert main(["show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("newest crash\n")


def test_without_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The report directory of this environment, its folder for shared places too."""
    (tmp_path / "bootcheck-1000").mkdir()
    stored(tmp_path / "bootcheck-1000", report(summary="found"))
    monkeypatch.setenv("BOOTCHECK_DIR", str(tmp_path))

    assert main(["show"]) == 0
    assert capsys.readouterr().out.startswith("found\n")


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The report itself."""
    item = report()
    (path,) = stored(tmp_path, item)

    assert main(["show", "--format", "json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(item.encoded())


def test_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What it tells, in the shape of a report."""
    path = journal(tmp_path, head(), entered("app.load"))

    assert main(["show", str(path)]) == 0
    out = capsys.readouterr().out
    assert "died: vanished" in out
    assert "app.load had been entered and not left" in " ".join(out.split())


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The last report in it."""

    class Stdin:
        buffer = io.BytesIO(b"noise\n" + report(summary="from a pipe").announcement().encode() + b"\n")

    monkeypatch.setattr("sys.stdin", Stdin())

    assert main(["show", "-"]) == 0
    assert capsys.readouterr().out.startswith("from a pipe\n")


@pytest.mark.parametrize("name", ["nowhere.json", "empty", "app.log", "broken.json"])
def test_what_cannot_be_shown_is_code_2(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    """With the next step."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "app.log").write_bytes((LOGS / "none" / "hup-23.0.0.log").read_bytes())
    (tmp_path / "broken.json").write_bytes(report().encoded()[:300])

    assert main(["show", str(tmp_path / name)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("bootcheck: ")
