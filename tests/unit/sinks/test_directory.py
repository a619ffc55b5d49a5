"""The report directory: found, secure, and never in the way of a server."""

from __future__ import annotations

import itertools
import os
import re
import resource
import shutil
import stat
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bootcheck.model.journal import Key
from bootcheck.sinks import directory as module
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.pruning import prune
from tests.unit.children import forked

NOBODY = 65534
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def base(tmp_path: Path) -> str:
    """Stands for /tmp."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    return str(shared)


@pytest.fixture
def own(base: str) -> Path:
    """The default place."""
    return Path(base, f"bootcheck-{os.geteuid()}")


@pytest.fixture
def reports(tmp_path: Path) -> ReportDirectory:
    """A directory of ours that works."""
    return ReportDirectory({"BOOTCHECK_DIR": str(tmp_path / "reports")})


@pytest.fixture(autouse=True)
def mkdtemp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the last resort is made."""
    place = tmp_path / "last-resort"
    place.mkdir()
    monkeypatch.setattr(module.tempfile, "tempdir", str(place))
    return place


def name(number: int, fingerprint: str = "0123456789abcdef", kind: str = "crash") -> str:
    """Return the name of a report."""
    return f"{kind}-20260101T{number:09d}Z-{fingerprint}-worker-{number}.json"


def clock(monkeypatch: pytest.MonkeyPatch, ticks: Iterable[float]) -> None:
    """Let the module, and nobody else, see these times, and a disk that is waited for in each."""
    moments, waits = iter(ticks), itertools.count()
    monkeypatch.setattr(module, "getrusage", lambda _: SimpleNamespace(ru_nvcsw=next(waits)))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(moments), monotonic_ns=lambda: 1))


def left(reports: ReportDirectory) -> list[str]:
    """Return what is in the directory."""
    return sorted(os.listdir(reports.path or ""))


# -- which place


def test_the_default_place_is_ours_alone(base: str, own: Path):
    """Made with mode 0700, and known as nobody's choice."""
    found = ReportDirectory({}, base=base)

    assert found
    assert (found.path, found.default, found.notes) == (str(own), True, [])
    assert stat.S_IMODE(own.stat().st_mode) == 0o700


def test_an_existing_default_place_is_used_again(base: str, own: Path):
    """The second start finds the reports of the first."""
    ReportDirectory({}, base=base).store(name(1), b"{}")

    assert left(ReportDirectory({}, base=base)) == [name(1)]


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({"BOOTCHECK_DIR": "a", "STATE_DIRECTORY": "b", "LOGS_DIRECTORY": "c"}, "a"),
        ({"BOOTCHECK_DIR": "", "STATE_DIRECTORY": "b:x", "LOGS_DIRECTORY": "c"}, "b"),
        ({"LOGS_DIRECTORY": "c:d"}, "c"),
    ],
    ids=["ours", "state", "logs"],
)
def test_the_order_of_places(base: str, tmp_path: Path, environ: dict[str, str], chosen: str):
    """BOOTCHECK_DIR, then systemd's directories, of which the first counts."""
    paths = {key: ":".join(str(tmp_path / part) for part in value.split(":") if part) for key, value in environ.items()}

    found = ReportDirectory(paths, base=base)

    assert (found.path, found.default) == (str(tmp_path / chosen), False)


def test_missing_parents_are_made(base: str, tmp_path: Path):
    """A volume's subfolder need not exist."""
    found = ReportDirectory({"BOOTCHECK_DIR": str(tmp_path / "x/y/z")}, base=base)

    assert found.store(name(1), b"{}") == str(tmp_path / "x/y/z" / name(1))


def test_a_relative_path_means_the_directory_of_the_start(base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It stays there although the app changes its directory."""
    monkeypatch.chdir(tmp_path)
    found = ReportDirectory({"BOOTCHECK_DIR": "reports/"}, base=base)
    monkeypatch.chdir("/")

    assert found.store(name(1), b"{}") == str(tmp_path / "reports" / name(1))


@pytest.mark.parametrize("obstacle", ["file", "link", "dangling link", "below a file"])
def test_a_chosen_place_that_is_no_directory_is_left_with_a_word(base: str, own: Path, tmp_path: Path, obstacle: str):
    """The fallback is said once, with the variable and the reason."""
    place = tmp_path / "place"
    if obstacle == "file":
        place.write_text("x")
    elif obstacle == "link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    elif obstacle == "dangling link":
        place.symlink_to(tmp_path / "nowhere")
    else:
        place.write_text("x")
        place = place / "reports"

    found = ReportDirectory({"BOOTCHECK_DIR": str(place)}, base=base)

    assert (found.path, found.default) == (str(own), True)
    assert len(found.notes) == 1
    assert re.match(rf"cannot use {place} \(from BOOTCHECK_DIR\) for reports: \w", found.notes[0])
    assert not (tmp_path / "elsewhere").exists() or not os.listdir(tmp_path / "elsewhere")


@pytest.mark.parametrize("obstacle", ["link", "too open", "file"])
def test_a_default_place_that_a_stranger_prepared_is_not_used(
    base: str, own: Path, tmp_path: Path, mkdtemp: Path, obstacle: str
):
    """/tmp is shared: a link, a readable folder or a file there sends us elsewhere."""
    if obstacle == "link":
        (tmp_path / "trap").mkdir(mode=0o700)
        own.symlink_to(tmp_path / "trap")
    elif obstacle == "too open":
        own.mkdir()
        own.chmod(0o750)
    else:
        own.write_text("")

    found = ReportDirectory({}, base=base)

    assert found
    assert found.path is not None
    assert Path(found.path).parent == mkdtemp
    assert stat.S_IMODE(os.stat(found.path).st_mode) == 0o700
    assert [note.split()[0] for note in found.notes] == ["cannot", "reports"]
    if obstacle == "link":
        assert os.listdir(tmp_path / "trap") == []


@root_only
def test_a_default_place_of_another_user_is_not_used(base: str, own: Path, mkdtemp: Path):
    """Whatever its mode: the owner could change it."""
    own.mkdir(mode=0o700)
    os.chown(own, NOBODY, NOBODY)

    found = ReportDirectory({}, base=base)

    assert found.path is not None
    assert found.path.startswith(str(mkdtemp))
    assert f"it belongs to uid {NOBODY}" in found.notes[0] or found.notes


@root_only
def test_a_chosen_place_may_belong_to_anybody(base: str, tmp_path: Path):
    """An operator knows: the owner and a mode for the group's reading do not matter."""
    place = tmp_path / "volume"
    place.mkdir()
    os.chown(place, NOBODY, NOBODY)
    place.chmod(0o755)

    found = ReportDirectory({"BOOTCHECK_DIR": str(place)}, base=base)

    assert (found.path, found.notes) == (str(place), [])


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770])
def test_where_others_can_write_a_subfolder_is_ours_alone(base: str, tmp_path: Path, mode: int):
    """An emptyDir is 0777."""
    place = tmp_path / "volume"
    place.mkdir()
    place.chmod(mode)

    found = ReportDirectory({"BOOTCHECK_DIR": str(place)}, base=base)

    assert found.path == str(place / f"bootcheck-{os.geteuid()}")
    assert stat.S_IMODE(os.stat(found.path).st_mode) == 0o700
    assert not found.default
    assert found.notes == []


def test_a_subfolder_that_a_stranger_prepared_is_not_used(base: str, own: Path, tmp_path: Path):
    """The same rules as in /tmp."""
    place = tmp_path / "volume"
    place.mkdir()
    place.chmod(0o777)
    (tmp_path / "trap").mkdir()
    (place / f"bootcheck-{os.geteuid()}").symlink_to(tmp_path / "trap")

    found = ReportDirectory({"BOOTCHECK_DIR": str(place)}, base=base)

    assert found.path == str(own)
    assert os.listdir(tmp_path / "trap") == []


def test_a_place_that_cannot_be_written_is_left(base: str, own: Path, tmp_path: Path):
    """Read-only for the workers' user: the next place is tried."""

    def look() -> list[object]:
        if not os.geteuid():
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        found = ReportDirectory({"BOOTCHECK_DIR": str(place)}, base=base)
        return [found.path, found.notes, bool(found)]

    place = tmp_path / "volume"
    place.mkdir()
    place.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents):
        if os.geteuid() == 0 and parent != Path("/") and parent != Path("/tmp"):
            parent.chmod(parent.stat().st_mode | 0o011)

    (path, notes, usable), _ = forked(look)

    assert usable
    assert str(path).startswith(base)
    assert len(notes) == 1
    assert "Permission denied" in notes[0]


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a few pages."""
    place = tmp_path / "tiny"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k,mode=700", "tmpfs", place], capture_output=True)  # noqa: PLW1510
    if done.returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@root_only
def test_a_read_only_file_system_is_left_with_a_word(base: str, own: Path, tiny: Path):
    """Root, too, cannot write there."""
    subprocess.run(["mount", "-o", "remount,ro", tiny], check=True)

    found = ReportDirectory({"BOOTCHECK_DIR": str(tiny)}, base=base)

    assert found.path == str(own)
    assert "Read-only file system" in found.notes[0]


@root_only
def test_a_full_file_system_is_left_with_a_word(base: str, own: Path, tiny: Path):
    """An empty file can still be made there, a report cannot."""
    (tiny / "fill").write_bytes(bytes(16384))

    found = ReportDirectory({"BOOTCHECK_DIR": str(tiny)}, base=base)

    assert found.path == str(own)
    assert "No space left" in found.notes[0]
    assert os.listdir(tiny) == ["fill"]


@root_only
def test_a_report_that_does_not_fit_leaves_nothing_behind(base: str, tiny: Path):
    """No half report for a reader to stumble over; a smaller one still goes through."""
    found = ReportDirectory({"BOOTCHECK_DIR": str(tiny)}, base=base)

    assert found.store(name(1), bytes(40_000)) is None
    assert os.listdir(tiny) == []
    assert found.store(name(2), b"{}") is not None


def test_where_nothing_can_be_written_memory_and_stderr_are_left(
    base: str, own: Path, mkdtemp: Path, monkeypatch: pytest.MonkeyPatch
):
    """False, no path, every operation says no, and it was said why."""
    own.write_text("")
    monkeypatch.setattr(module.tempfile, "tempdir", str(mkdtemp / "missing"))

    found = ReportDirectory({}, base=base)

    assert not found
    assert found.path is None
    assert "reports go to memory and stderr only" in found.notes[-1]
    assert found.create("x") == -1
    assert found.store(name(1), b"{}") is None
    assert found.read("x", 9) == b""
    assert found.open_existing("x") == -1
    assert list(found.names()) == []
    assert not found.remove("x")
    assert not found.rename("x", "y")
    assert prune(found) == 0
    found.reopen()
    assert not found


def test_the_trial_leaves_nothing(reports: ReportDirectory):
    """Whether a place can be written is found out without a trace."""
    assert left(reports) == []


# -- files in it


def test_a_file_is_ours_alone_and_whole(reports: ReportDirectory):
    """Mode 0600 whatever the umask, the temporary name gone."""
    before = os.umask(0)
    try:
        path = reports.store(name(1), b"content")
        fd = reports.create("worker-1-2.jsonl", append=True)
    finally:
        os.umask(before)

    assert path is not None
    assert Path(path).read_bytes() == b"content"
    assert left(reports) == [name(1), "worker-1-2.jsonl"]
    assert {stat.S_IMODE(os.stat(f"{reports.path}/{file}").st_mode) for file in left(reports)} == {0o600}
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_no_existing_file_is_opened_for_writing(reports: ReportDirectory, tmp_path: Path):
    """O_EXCL: neither a file nor a link that somebody put there."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, f"{reports.path}/link.jsonl")
    os.symlink(tmp_path / "fresh", f"{reports.path}/dangling.jsonl")
    Path(f"{reports.path}/there.jsonl").write_text("x")

    for file in ("link.jsonl", "dangling.jsonl", "there.jsonl"):
        assert reports.create(file) == -1
    assert victim.read_text() == "precious"
    assert not (tmp_path / "fresh").exists()


def test_a_report_replaces_a_link_and_does_not_follow_it(reports: ReportDirectory, tmp_path: Path):
    """The rename takes the link's place."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, f"{reports.path}/{name(1)}")

    assert reports.store(name(1), b"{}") is not None
    assert victim.read_text() == "precious"
    assert not os.path.islink(f"{reports.path}/{name(1)}")


def test_only_regular_files_are_read(reports: ReportDirectory, tmp_path: Path):
    """No link is followed and nothing blocks: a FIFO without a writer would, for ever."""
    (tmp_path / "secret").write_text("secret")
    os.symlink(tmp_path / "secret", f"{reports.path}/link")
    os.mkfifo(f"{reports.path}/fifo")
    os.mkdir(f"{reports.path}/folder")
    Path(f"{reports.path}/file").write_text("content")

    for file in ("link", "fifo", "folder", "missing"):
        assert reports.read(file, 99) == b""
        assert reports.open_existing(file) == -1
    assert reports.read("file", 4) == b"cont"
    fd = reports.open_existing("file")
    assert fd >= 0
    os.close(fd)


def test_removing_what_is_missing_is_fine(reports: ReportDirectory):
    """Somebody else was quicker; a folder is left alone."""
    os.mkdir(f"{reports.path}/folder")

    assert reports.remove("missing")
    assert not reports.remove("folder")


def test_of_two_that_rename_one_wins(reports: ReportDirectory):
    """Two servers that start at once do not report one death twice."""
    os.close(reports.create("a"))

    assert reports.rename("a", "b")
    assert not reports.rename("a", "c")
    assert left(reports) == ["b"]


# -- while it runs


def test_a_directory_that_is_removed_is_made_again(reports: ReportDirectory):
    """A report after somebody cleaned up still has a place."""
    path = reports.path or ""
    shutil.rmtree(path)

    assert reports.store(name(1), b"{}") == f"{path}/{name(1)}"
    assert os.listdir(path) == [name(1)]
    shutil.rmtree(path)
    fd = reports.create("x")
    assert fd >= 0
    os.close(fd)


def test_reopening_keeps_a_directory_that_is_there(reports: ReportDirectory):
    """A reload changes nothing."""
    reports.store(name(1), b"{}")
    path = reports.path
    reports.reopen()

    assert reports.path == path
    assert left(reports) == [name(1)]
    shutil.rmtree(path or "")
    reports.reopen()
    assert left(reports) == []


def test_after_a_slow_operation_the_disk_is_left_alone(reports: ReportDirectory, monkeypatch: pytest.MonkeyPatch):
    """At most one is slow; after it, everything goes to memory and stderr at once."""
    clock(monkeypatch, [0.0, 0.2, *[9.0] * 9])
    fd = reports.create("x")

    assert fd >= 0
    os.close(fd)
    assert reports.slow
    assert not reports
    assert reports.create("y") == -1
    assert reports.store(name(1), b"{}") is None
    assert list(reports.names()) == []


@pytest.mark.parametrize(
    ("operation", "slow"),
    [(lambda: time.sleep(0.02), True), (lambda: sum(range(2_000_000)), False)],
    ids=["disk", "cpu"],
)
def test_a_machine_that_gave_us_no_time_is_no_slow_disk(reports: ReportDirectory, monkeypatch, operation, slow: bool):
    """A container whose quota is used up stands still as long as a disk does, and its reports are stored."""
    monkeypatch.setattr(ReportDirectory, "SLOW", 0.01)
    for _ in range(1 if slow else 20):
        reports.slow = False
        reports._timed(lambda: operation() or 0)
        # Another process may have come in between: once without is enough.
        if not reports.slow:
            break

    assert reports.slow is slow


def test_a_place_that_is_slow_to_open_is_not_used(base: str, monkeypatch: pytest.MonkeyPatch):
    """It says so; the server does not wait once more."""
    clock(monkeypatch, [0.0, 3.0])

    found = ReportDirectory({}, base=base)

    assert found.slow
    assert "slow" in found.notes[-1]


def test_a_file_size_limit_leaves_no_half_report(reports: ReportDirectory):
    """A short write is not the whole file."""

    def store() -> object:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        return [reports.store(name(1), bytes(5000)), reports.store(name(2), b"{}")]

    assert forked(store)[0] == [None, f"{reports.path}/{name(2)}"]
    assert left(reports) == [name(2)]


# -- listing


def fill(reports: ReportDirectory, *names: str, size: int = 2) -> None:
    """Put reports into the directory."""
    for file in names:
        Path(f"{reports.path}/{file}").write_bytes(bytes(size))


def test_listing_stops_when_its_time_is_over(reports: ReportDirectory, monkeypatch: pytest.MonkeyPatch):
    """A directory may hold a hundred thousand files."""
    fill(reports, *(name(n) for n in range(50)))
    clock(monkeypatch, (tick / 1000 for tick in range(10_000)))

    assert 0 < len(list(reports.names(0.01))) < 50


def test_listing_twice_gives_everything_twice(reports: ReportDirectory):
    """The kept descriptor's offset is not moved."""
    fill(reports, name(1), name(2))

    assert sorted(reports.names(60)) == sorted(reports.names(60)) == [name(1), name(2)]


def test_another_process_s_directory_is_opened_as_it_is(tmp_path: Path):
    """Nothing is tried out or made there; a link, or nothing, is refused."""
    place = tmp_path / "place"
    place.mkdir(mode=0o777)
    found = ReportDirectory(at=str(place))

    assert list(place.iterdir()) == []
    assert found.store("a.json", b"x") == f"{place}/a.json"
    (tmp_path / "link").symlink_to(place)
    for name in ("link", "nowhere"):
        with pytest.raises(OSError, match="directory"):
            ReportDirectory(at=f"{tmp_path}/{name}")


@pytest.mark.parametrize("journal", [True, False])
def test_what_a_process_leaves_is_forgotten_at_once(reports: ReportDirectory, journal: bool):
    """Its journal stays where its report could not be stored."""
    key = Key("worker", 1, 2)
    for name in (key.file_name, key.fault_name, key.dump_name):
        os.close(reports.create(name))

    reports.forget(key, journal=journal)

    assert list(reports.names()) == ([] if journal else [key.file_name])
