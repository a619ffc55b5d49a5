"""Space and inodes are two facts, each with a checkpoint that turns red."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.disk import Disk, disk, readable
from bootcheck.model.errors import CheckOptionError
from bootcheck.testing import Outcome, run_check


def test_a_disk_with_room(tmp_path):
    """Both checkpoints pass, with the numbers."""
    result = run_check(disk(tmp_path, min_free=1, min_free_inodes=0))

    assert result
    assert result.outcome(f"disk.{tmp_path}.space") is Outcome.PASSED
    assert result.outcome(f"disk.{tmp_path}.inodes") in (Outcome.PASSED, Outcome.SKIPPED)


@pytest.mark.parametrize("limits", [{"min_free": "900000TB"}, {"min_free": 0, "min_free_percent": 100}])
def test_too_little_space(tmp_path, limits):
    """Bytes and percent are both limits."""
    result = run_check(disk(tmp_path, min_free_inodes=0, **limits))

    assert result.codes == ("BC401",)
    assert result.outcome(f"disk.{tmp_path}.space") is Outcome.FAILED
    assert "free" in result.findings[0].summary
    assert result.findings[0].confirm == f"df -h {tmp_path}"


def test_too_few_inodes():
    """A file system without inodes is full however much space it has."""
    result = run_check(disk("/dev/shm", min_free=0, min_free_inodes=10**15))

    if result.outcome("disk./dev/shm.inodes") is Outcome.SKIPPED:
        pytest.skip("this file system has no fixed number of inodes")
    assert result.codes == ("BC401",)
    assert result.outcome("disk./dev/shm.inodes") is Outcome.FAILED
    assert result.findings[0].confirm == "df -i /dev/shm"


def test_a_file_system_without_inodes(tmp_path):
    """/proc has none, and that is no fault."""
    result = run_check(disk("/proc", min_free=0))

    assert result
    assert result.outcome("disk./proc.inodes") is Outcome.SKIPPED


def test_a_missing_path(tmp_path):
    """It is told apart from a full one."""
    result = run_check(disk(tmp_path / "no" / "such"))

    assert result.codes == ("BC406",)
    assert result.outcome(f"disk.{tmp_path}/no/such.space") is Outcome.FAILED


@pytest.mark.parametrize(
    ("path", "options", "match"),
    [
        ("", {}, "path is no path"),
        (None, {}, "path is no path"),
        ("/", {"min_free": "lots"}, "min_free"),
        ("/", {"min_free_percent": 101}, "between 0 and 100"),
        ("/", {"min_free_inodes": 1.5}, "min_free_inodes"),
    ],
)
def test_options_are_validated(path, options, match):
    """A limit that is none is refused where it is written."""
    with pytest.raises(CheckOptionError, match=match):
        disk(path, **options)


def test_it_runs_in_the_preflight():
    """A dead network disk must not hold the master."""
    assert Disk.moment is Moment.PREFLIGHT
    assert disk(Path("/var")).subject == "/var"
    assert disk("/").budget > 0


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2 * 10**9, "2.0 GB"), (10**13, "10.0 TB")]
)
def test_sizes_for_people(size, text):
    """Bytes are shown in the unit that fits."""
    assert readable(size) == text
