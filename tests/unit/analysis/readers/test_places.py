"""Directories are read without following, waiting or opening what is no file."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from bootcheck.analysis import analyze
from bootcheck.analysis.readers.places import places, report_directories
from tests.unit.analysis.making import report, stored


def test_a_hostile_directory(tmp_path: Path):
    """A pipe, a socket, a link and a device name are listed and never opened; the report among them counts."""
    os.mkfifo(tmp_path / "a.log")
    (tmp_path / "b.log").symlink_to("/dev/zero")
    (tmp_path / "c.json").symlink_to("/etc/passwd")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "d"))
    stored(tmp_path, report())

    found = analyze([str(tmp_path)])
    listener.close()

    assert len(found.incidents) == 1
    reasons = {Path(item["source"]).name: item["reason"] for item in found.inputs.unreadable}
    assert set(reasons) == {"a.log", "b.log", "c.json", "d"}
    assert "pipe" in reasons["a.log"]
    assert "link" in reasons["b.log"]


def test_a_named_pipe_without_a_writer_does_not_block(tmp_path: Path):
    """It is at its end at once."""
    os.mkfifo(tmp_path / "pipe")

    assert analyze([str(tmp_path / "pipe")]).exit_code == 0


def test_a_named_pipe_is_read():
    """`analyze <(kubectl logs POD)` names a pipe that has a writer."""
    ours, theirs = os.pipe()
    os.write(theirs, report().announcement().encode() + b"\n")
    os.close(theirs)
    found = analyze([f"/dev/fd/{ours}"])
    os.close(ours)

    assert [incident.cause for incident in found.incidents] == ["exception"]


def test_a_missing_path_is_code_2(tmp_path: Path):
    """It is named with its reason."""
    found = analyze([str(tmp_path / "nowhere")])

    assert found.exit_code == 2
    assert found.inputs.unreadable == [{"source": str(tmp_path / "nowhere"), "reason": "No such file or directory"}]


def test_findings_win_over_a_missing_path(tmp_path: Path):
    """Code 1, whatever else could not be read."""
    stored(tmp_path, report())

    assert analyze([str(tmp_path / "nowhere"), str(tmp_path)]).exit_code == 1


@pytest.mark.parametrize("name", ["", "empty.log", "worker-1-2.jsonl", "report.json"])
def test_nothing_is_healthy(tmp_path: Path, name: str):
    """An empty folder and an empty file are code 0."""
    if name:
        (tmp_path / name).touch()

    assert analyze([str(tmp_path)]).exit_code == 0


def test_only_folders_of_bootcheck_are_entered(tmp_path: Path):
    """A shared directory holds `bootcheck-<uid>`; other folders are left alone."""
    for name in ("bootcheck-1000", "node_modules"):
        (tmp_path / name).mkdir()
        stored(tmp_path / name, report(pid=len(name)))

    assert [Path(place.name).parent.name for place in places([str(tmp_path)])] == ["bootcheck-1000"]


def test_half_written_reports_are_passed_over(tmp_path: Path):
    """Their names begin with a dot until they are whole."""
    (tmp_path / ".crash-x.json.12.tmp").write_bytes(report().encoded()[:200])

    assert analyze([str(tmp_path)]).inputs.files == 0


def test_a_file_that_may_not_be_read(tmp_path: Path):
    """It is listed; alone it is code 2."""
    path = tmp_path / "secret.log"
    path.touch()
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")

    assert analyze([str(path)]).exit_code == 2
    path.chmod(stat.S_IRUSR)


def test_the_null_device_is_an_empty_file():
    """`analyze /dev/null` has nothing to complain of."""
    assert analyze([os.devnull]).exit_code == 0
    assert analyze(["/dev/zero"]).exit_code == 2


def test_where_reports_are_looked_for():
    """The operator's directory first, then systemd's, then the default."""
    environ = {"BOOTCHECK_DIR": "/srv/reports", "STATE_DIRECTORY": "/var/lib/app:/other"}

    assert report_directories(environ)[:2] == ["/srv/reports", "/var/lib/app"]
    assert report_directories({}, base="/scratch") == [f"/scratch/bootcheck-{os.geteuid()}"]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path):
    """Beside its directory, by another spelling or through a link: a log tells each death once."""
    log = tmp_path / "gunicorn.log"
    log.write_text("x")
    (tmp_path / "missing-later").mkdir()
    link = tmp_path / "missing-later" / "link"
    link.symlink_to(log)
    spellings = [str(log), str(tmp_path), f"{tmp_path}/./gunicorn.log", str(link), "no-such-place", "no-such-place"]

    found = list(places(spellings))
    assert [place.name for place in found if place.problem is None] == [str(log)]
    assert [place.missing for place in found if place.problem is not None][:1] == [True]
