"""The heartbeat directory: there, writable, with room, and not at the end of a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.worker_tmp_dir import WorkerTmpDir, discover, worker_tmp_dir
from bootcheck.model.errors import CheckOptionError
from bootcheck.model.finding import Severity
from bootcheck.testing import Outcome, Server, run_check
from tests.unit.checks.users import unprivileged

# The package offers the function of this name: the module is asked for by its full name.
module = import_module("bootcheck.checks.worker_tmp_dir")


@pytest.fixture
def mounts(tmp_path):
    """A mount table that a test may write."""
    path = tmp_path / "mounts"
    path.write_text("/dev/vda1 / ext4 rw 0 0\n", encoding="utf-8")
    return path


def test_a_good_directory(tmp_path, mounts):
    """All four facts are checkpoints."""
    result = run_check(replace(worker_tmp_dir(tmp_path), mounts=str(mounts)))

    assert result
    for fact in ("exists", "writable", "space", "local"):
        assert result.outcome(f"worker_tmp_dir.{fact}") is Outcome.PASSED


def test_the_setting_of_gunicorn_counts(tmp_path):
    """Without a path of its own the check looks where Gunicorn will, and the standard library would."""
    missing = str(tmp_path / "no")

    assert run_check(worker_tmp_dir(), server=Server(worker_tmp_dir=missing)).codes == ("BC403",)
    assert run_check(worker_tmp_dir(), {"TMPDIR": str(tmp_path)}).checkpoints[1].detail["path"] == str(tmp_path)
    assert run_check(worker_tmp_dir(), {"TMPDIR": missing}).checkpoints[1].detail["path"] != missing
    assert (
        run_check(worker_tmp_dir(tmp_path), server=Server(worker_tmp_dir=missing)).outcome("worker_tmp_dir.exists")
        is Outcome.PASSED
    )


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_what_is_no_directory(tmp_path, kind):
    """Missing and of another kind are told apart."""
    path = tmp_path / "place"
    if kind == "file":
        path.write_text("", encoding="utf-8")
    result = run_check(worker_tmp_dir(path))

    assert result.codes == ("BC403",)
    assert result.findings[0].severity is Severity.ERROR
    assert ("is not a directory" if kind == "file" else "does not exist") in result.findings[0].summary
    assert result.outcome("worker_tmp_dir.exists") is Outcome.FAILED


def test_no_temporary_directory_at_all(monkeypatch, tmp_path):
    """A read-only container has none, and what was tried is evidence."""
    monkeypatch.setattr(module, "_DEFAULTS", (str(tmp_path / "a"),))
    monkeypatch.setattr(os, "getcwd", lambda: str(tmp_path / "b"))
    result = run_check(worker_tmp_dir(), {"TMPDIR": str(tmp_path / "c")})

    assert result.codes == ("BC403",)
    assert f"{tmp_path}/c, {tmp_path}/a, {tmp_path}/b" in result.findings[0].evidence[0].text
    assert result.outcome("worker_tmp_dir.exists") is Outcome.FAILED


class Status:
    """A statvfs result that a test describes."""

    f_flag = 0
    f_frsize = 4096
    f_bavail = 1000
    f_blocks = 1000
    f_files = 1000
    f_favail = 1000


@pytest.mark.parametrize(
    ("status", "point"),
    [
        ({"f_flag": os.ST_RDONLY}, "writable"),
        ({"f_bavail": 0}, "space"),
        ({"f_favail": 2}, "space"),
    ],
)
def test_a_directory_that_takes_no_files(tmp_path, monkeypatch, status, point):
    """Read-only, full and out of inodes turn their own checkpoints red."""
    monkeypatch.setattr(os, "statvfs", lambda path: type("Found", (Status,), status)())
    result = run_check(worker_tmp_dir(tmp_path), server=Server(workers=4))

    assert result.codes == ("BC403",)
    assert result.outcome(f"worker_tmp_dir.{point}") is Outcome.FAILED


def test_a_directory_without_inodes_of_its_own(tmp_path, monkeypatch, mounts):
    """Btrfs counts none: that is no fault."""
    monkeypatch.setattr(os, "statvfs", lambda path: type("Found", (Status,), {"f_files": 0, "f_favail": 0})())

    assert run_check(replace(worker_tmp_dir(tmp_path), mounts=str(mounts)))


def test_a_directory_of_somebody_else():
    """The master's user must be able to write it, and needs no file to find out."""
    result = unprivileged(worker_tmp_dir("/"))

    assert result.codes == ("BC403",)
    assert result.outcome("worker_tmp_dir.writable") is Outcome.FAILED


def test_a_really_read_only_file_system():
    """Also root cannot make a heartbeat file there."""
    folder = Path(tempfile.mkdtemp(prefix="bctest-tmpdir-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "ro", "none", str(folder)], capture_output=True, check=False
    )
    try:
        if mounted.returncode:
            pytest.skip("this user may not mount a file system")
        result = run_check(worker_tmp_dir(folder))
    finally:
        subprocess.run(["umount", str(folder)], capture_output=True, check=False)
        shutil.rmtree(folder)

    assert result.codes == ("BC403",)
    assert "read-only" in result.findings[0].summary


def test_a_network_file_system_is_a_warning(tmp_path, mounts):
    """It works, until its server is slow."""
    mounts.write_text(f"/dev/vda1 / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n", encoding="utf-8")
    result = run_check(replace(worker_tmp_dir(tmp_path), mounts=str(mounts)))

    assert [(finding.code, finding.severity) for finding in result.findings] == [("BC403", Severity.WARNING)]
    assert result.outcome("worker_tmp_dir.local") is Outcome.FAILED


def test_a_mount_table_that_cannot_be_read(tmp_path):
    """What is unknown is skipped, with the reason."""
    result = run_check(replace(worker_tmp_dir(tmp_path), mounts=str(tmp_path / "no")))

    assert result
    assert result.outcome("worker_tmp_dir.local") is Outcome.SKIPPED


def test_nothing_is_written(tmp_path):
    """The master only looks."""
    run_check(worker_tmp_dir(tmp_path))

    assert os.listdir(tmp_path) == []


def test_options_are_validated():
    """A path that is none is refused where it is written."""
    with pytest.raises(CheckOptionError, match="no path"):
        worker_tmp_dir("")


def test_it_is_discovered_under_gunicorn():
    """Without a server there are no heartbeat files."""
    assert [check.subject for check in discover({}, Server(bind=("127.0.0.1:8000",)))] == ["worker_tmp_dir"]
    assert list(discover({}, Server())) == []
    assert WorkerTmpDir.moment is Moment.MASTER
    assert worker_tmp_dir().budget > 0
