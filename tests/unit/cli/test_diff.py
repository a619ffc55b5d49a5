"""`bootcheck diff`: B against A."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootcheck.cli import main
from bootcheck.model.cause import Cause
from tests.unit.analysis.making import _booted, days_work, report, stored


def release(folder: Path, took: float, name: str) -> str:
    """Write the boot reports of a release whose db.init takes this many seconds; return the folder."""
    folder.mkdir()
    for pid in (1, 2):
        good = report(Cause.NONE, kind="boot", pid=pid, step=None, summary="The worker is ready.")
        stored(folder, _booted(good, good.at - 9, took, release=name, duration=9.0))
    return str(folder)


def test_a_slower_release_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The step, how much, and the tag that changed."""
    old, new = release(tmp_path / "old", 1.0, "1.41"), release(tmp_path / "new", 3.0, "1.42")

    assert main(["diff", old, new]) == 1
    out = capsys.readouterr().out
    assert out.startswith("B is worse: 1 slower step.\n")
    assert "db.init" in out
    assert "+200 %" in out
    assert "tag release: 1.41 -> 1.42" in out
    assert all(len(line) <= 80 for line in out.splitlines() if str(tmp_path) not in line)


def test_a_faster_release_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The same two, the other way round."""
    old, new = release(tmp_path / "old", 3.0, "1"), release(tmp_path / "new", 1.0, "1")

    assert main(["diff", old, new]) == 0
    assert capsys.readouterr().out.startswith("B is not worse than A.\n")


def test_json_has_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """New incidents with their fingerprints."""
    old = release(tmp_path / "old", 1.5, "1.41")
    (tmp_path / "new").mkdir()
    days_work(tmp_path / "new")

    assert main(["diff", "--format", "json", old, str(tmp_path / "new")]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["boots"] == [2, 12]
    assert told["worse"] is True
    assert len(told["incidents"]["new"]) == 1
    assert told["settings"] == [{"name": "tag release", "before": "1.41", "after": "1.41 | 1.42"}]


def test_what_cannot_be_compared_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A missing path, an empty one, standard input twice: what, where, and the next step."""
    old = release(tmp_path / "old", 1.0, "1")
    (tmp_path / "empty").mkdir()
    for words, said in (
        ([old, str(tmp_path / "nowhere")], "nowhere: No such file or directory"),
        ([str(tmp_path / "empty"), old], "tells of no boot and no death"),
        (["-", "-"], "cannot both be standard input"),
    ):
        assert main(["diff", *words]) == 2
        captured = capsys.readouterr()
        assert said in captured.err
        assert captured.out == ""
