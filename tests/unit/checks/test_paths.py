"""Paths are really used by the workers' user, and each way to fail is told apart."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import tempfile
from importlib import import_module
from pathlib import Path

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.paths import Paths, paths
from bootcheck.model.errors import CheckOptionError
from bootcheck.testing import Outcome, run_check
from tests.unit.checks.users import NOBODY, unprivileged

# The package offers the function of this name: the module is asked for by its full name.
module = import_module("bootcheck.checks.paths")


@pytest.fixture
def place():
    """A directory that every user can reach; pytest's own is for its user alone."""
    folder = Path(tempfile.mkdtemp(prefix="bctest-paths-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_usable_paths(place):
    """Directories and files are used in both ways, and nothing is left behind or changed."""
    file = place / "log.txt"
    file.write_text("before", encoding="utf-8")
    result = run_check(paths(writable=[place, file], readable=[place, file]))

    assert result
    for path in (place, file):
        for wish in ("exists", "writable", "readable"):
            assert result.outcome(f"paths.{path}.{wish}") is Outcome.PASSED
    assert os.listdir(place) == ["log.txt"]
    assert file.read_text(encoding="utf-8") == "before"


@pytest.mark.parametrize("kind", ["gone", "link", "below a file"])
def test_a_missing_path(place, kind):
    """It is told which directory on the way is the last that exists."""
    path = place / "a" / "b"
    if kind == "link":
        path = place / "link"
        path.symlink_to(place / "nowhere")
    elif kind == "below a file":
        place.joinpath("file").write_text("", encoding="utf-8")
        path = place / "file" / "b"
    result = run_check(paths(writable=[path]))

    assert result.codes == ("BC406",)
    assert result.outcome(f"paths.{path}.exists") is Outcome.FAILED
    if kind == "gone":
        assert result.findings[0].evidence[1].source == str(place)


def test_a_directory_that_may_not_be_written(place):
    """The uid, the owner and the mode are evidence."""
    place.chmod(0o555)
    result = unprivileged(paths(writable=[place], readable=[place]))

    assert result.codes == ("BC402",)
    assert result.outcome(f"paths.{place}.writable") is Outcome.FAILED
    assert result.outcome(f"paths.{place}.readable") is Outcome.PASSED
    told = " ".join(item.text for item in result.findings[0].evidence)
    assert f"uid {os.geteuid() or NOBODY}" in told
    assert "mode dr-xr-xr-x" in told


def test_what_owner_and_mode_allow_is_refused_by_something_else(place, monkeypatch):
    """An immutable directory or a security module is not cured by chown."""

    def refuse(path: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", path)

    monkeypatch.setattr(module, "_write", refuse)
    (found,) = run_check(paths(writable=[place])).findings

    assert found.code == "BC402"
    assert "lsattr" in found.action[0]


def test_a_file_that_may_not_be_read_or_written(place):
    """Reading and writing are asked for apart."""
    file = place / "key.pem"
    file.write_text("x", encoding="utf-8")
    file.chmod(0o000)
    result = unprivileged(paths(writable=[file], readable=[file]))

    assert result.codes == ("BC402", "BC402")
    assert "written" in result.findings[0].summary
    assert "read" in result.findings[1].summary


def test_a_directory_that_may_be_listed_only(place):
    """Without x nothing in it can be opened."""
    inner = place / "inner"
    inner.mkdir()
    inner.chmod(0o444)
    result = unprivileged(paths(readable=[inner]))

    assert result.codes == ("BC402",)
    assert result.outcome(f"paths.{inner}.readable") is Outcome.FAILED


def test_the_directory_that_blocks_the_way_is_named(place):
    """A path behind a closed directory names that directory."""
    closed = place / "closed"
    target = closed / "data"
    target.mkdir(parents=True)
    closed.chmod(0o600)
    result = unprivileged(paths(writable=[target]))
    closed.chmod(0o755)

    assert result.codes == ("BC402",)
    assert result.findings[0].evidence[-1].source == str(closed)
    assert f"chmod o+x {closed}" in result.findings[0].action[0]


def test_special_files_do_not_block(place):
    """A FIFO without a partner and a socket are answered at once; a device is a path like any other."""
    fifo = place / "fifo"
    os.mkfifo(fifo)
    address = place / "socket"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(address))
        result = run_check(paths(writable=[fifo, address, "/dev/null"]))

    assert result.codes == ("BC402", "BC402")
    assert result.outcome("paths./dev/null.writable") is Outcome.PASSED


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.EROFS, "BC402", "mounted read-only"),
        (errno.ENOSPC, "BC401", "file system is full"),
        (errno.EDQUOT, "BC401", "quota"),
        (errno.EACCES, "BC402", "Permission denied"),
        (errno.EIO, "BC402", "Input/output error"),
    ],
)
def test_errors_of_the_file_system_are_told_apart(place, monkeypatch, number, code, words):
    """Read-only, full and used-up quota are three things with three remedies."""

    def refuse(path: str) -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(module, "_write", refuse)
    result = run_check(paths(writable=[place]))

    assert result.codes == (code,)
    assert words in result.findings[0].summary
    assert result.outcome(f"paths.{place}.writable") is Outcome.FAILED


@pytest.fixture
def tmpfs(place):
    """A file system of our own, of 64 kB; only where tests run as root."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_file_system(tmpfs):
    """A file can be made on it, and not filled: the real write finds that out."""
    filler = os.open(tmpfs / "filler", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space"):
        os.posix_fallocate(filler, 0, 65537)
    os.posix_fallocate(filler, 0, 65536)
    os.close(filler)
    result = run_check(paths(writable=[tmpfs]))

    assert result.codes == ("BC401",)
    assert os.listdir(tmpfs) == ["filler"]


def test_a_read_only_file_system(tmpfs):
    """The line of the mount table is evidence."""
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)
    result = run_check(paths(writable=[tmpfs]))

    assert result.codes == ("BC402",)
    assert f" {tmpfs} tmpfs ro" in result.findings[0].evidence[0].text


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "Name at least one path"),
        ({"writable": "/tmp"}, "not a list"),
        ({"readable": Path("/tmp")}, "not a list"),
        ({"writable": ["/a", "/a"]}, "twice"),
        ({"readable": [""]}, "no path"),
        ({"readable": [3]}, "no path"),
    ],
)
def test_options_are_validated(options, match):
    """A question without a path is refused where it is written."""
    with pytest.raises(CheckOptionError, match=match):
        paths(**options)


def test_it_runs_in_the_preflight():
    """The workers' user uses the paths, not the master's."""
    assert Paths.moment is Moment.PREFLIGHT
    assert paths(writable=["/a"], readable=["/b"]).subject == "/a, /b"
    assert paths(writable=["/a"]).budget > 0
