"""A file is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootcheck.model.errors import BootcheckError
from bootcheck.render.output import written


def failing() -> Iterator[str]:
    """Yield a line, then fail as a bug in a renderer would."""
    yield "half"
    msg = "a bug"
    raise ZeroDivisionError(msg)


def test_a_file_is_replaced_whole(tmp_path: Path):
    """Its mode stays, and nothing lies beside it."""
    path = tmp_path / "report.html"
    path.write_text("old")
    path.chmod(0o640)
    written(["one", "zwei ü"], str(path))

    assert path.read_text(encoding="utf-8") == "one\nzwei ü\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file(tmp_path: Path):
    """Whatever fails, and whenever."""
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        written(failing(), str(path))

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The half-written one is removed."""
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BootcheckError, match="No space left"):
        written(["new"], str(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    """What, where, and the next step."""
    with pytest.raises(BootcheckError, match=r"cannot write .*nowhere.*Name a file"):
        written(["x"], str(tmp_path / "nowhere" / "report.html"))
    with pytest.raises(BootcheckError, match="Is a directory"):
        written(["x"], str(tmp_path))


def test_a_link_and_a_device_stay_what_they_are(tmp_path: Path):
    """The link's target is replaced; /dev/null is written to."""
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    written(["new"], str(tmp_path / "link"))
    written(["gone"], os.devnull)

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new\n"
