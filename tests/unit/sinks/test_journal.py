"""The journal file: one write per line, its owner's alone, and never in the way."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bootcheck.model.encode import line
from bootcheck.model.journal import HEAD, READY, Key, read_lines
from bootcheck.recorder import Recorder
from bootcheck.sinks import journal as module
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.journal import Journal
from bootcheck.sinks.memory import Memory
from bootcheck.sinks.spare import Spare
from tests.unit.children import forked

KEY = Key("worker", 412, 99)


@pytest.fixture
def reports(tmp_path: Path) -> ReportDirectory:
    """A directory of ours."""
    return ReportDirectory({"BOOTCHECK_DIR": str(tmp_path / "reports")})


@pytest.fixture
def spare() -> int:
    """The anonymous file that a master makes before the fork."""
    return os.memfd_create("spare")


@pytest.fixture
def said() -> list[str]:
    """What was said on stderr."""
    return []


def write(journal: Journal, kind: str = "note", **values: Any) -> bytes:
    """Write one record and return its line."""
    record = {"t": kind, **values}
    encoded = line(record)
    journal.write(record, encoded)
    return encoded


def on_disk(reports: ReportDirectory) -> bytes:
    """Return what the journal's file holds."""
    return Path(f"{reports.path}/{KEY.file_name}").read_bytes()


def in_spare(spare: int) -> bytes:
    """Return what the anonymous file holds."""
    return os.pread(spare, 1 << 20, 0)


def test_lines_are_appended_as_they_come(reports: ReportDirectory):
    """The file is the lines, mode 0600."""
    journal = Journal(reports, KEY)
    written = write(journal, HEAD, pid=412) + write(journal, text="ü")

    assert journal.on_disk
    assert on_disk(reports) == written
    assert stat.S_IMODE(os.stat(f"{reports.path}/{KEY.file_name}").st_mode) == 0o600


def test_a_line_is_one_write(reports: ReportDirectory, monkeypatch: pytest.MonkeyPatch):
    """Whoever is killed in between leaves whole lines."""
    writes: list[bytes] = []

    def count(fd: int, data: bytes) -> int:
        writes.append(data)
        return os.write(fd, data)

    journal = Journal(reports, KEY)
    monkeypatch.setattr(module, "os", SimpleNamespace(write=count, getpid=os.getpid, fstat=os.fstat))
    recorder = Recorder([journal])
    with recorder.step("x", size="y" * 5000):
        pass

    assert len(writes) == 2
    assert all(data.endswith(b"\n") and data.count(b"\n") == 1 for data in writes)


def test_records_that_come_together_are_one_write(reports: ReportDirectory, monkeypatch: pytest.MonkeyPatch):
    """A worker tells of ten connections at once; a sink that takes one at a time has each."""
    writes: list[bytes] = []

    def count(fd: int, data: bytes) -> int:
        writes.append(data)
        return os.write(fd, data)

    journal, memory = Journal(reports, KEY), Memory()
    monkeypatch.setattr(module, "os", SimpleNamespace(write=count, getpid=os.getpid, fstat=os.fstat))
    Recorder([journal, memory]).masked_facts("guard", [{"name": "x", "fd": number} for number in range(3)])

    assert [data.count(b"\n") for data in writes] == [3]
    told, _ = read_lines(b"".join(writes).splitlines(keepends=True))
    assert [one["fd"] for one in told] == [one["fd"] for one in memory.records] == [0, 1, 2]


def test_the_spare_gets_the_essentials_while_the_disk_works(reports: ReportDirectory, spare: int):
    """The master finds the file by the head, and counts on `ready`."""
    journal = Journal(reports, KEY, spare=Spare(spare))
    head, _, ready = write(journal, HEAD), write(journal), write(journal, READY)

    assert in_spare(spare) == head + ready


def test_without_a_directory_everything_goes_to_the_spare(tmp_path: Path, spare: int):
    """Nothing raises, nothing is said twice."""
    nowhere = ReportDirectory({"BOOTCHECK_DIR": str(tmp_path / "x")})
    nowhere.slow = True
    journal = Journal(nowhere, KEY, spare=Spare(spare))
    written = write(journal, HEAD) + write(journal)

    assert not journal.on_disk
    assert in_spare(spare) == written
    write(Journal(nowhere, KEY))


def test_an_existing_file_is_not_written_into(reports: ReportDirectory, spare: int, tmp_path: Path):
    """A stranger's file or link of that name sends us to memory."""
    os.symlink(tmp_path / "victim", f"{reports.path}/{KEY.file_name}")
    journal = Journal(reports, KEY, spare=Spare(spare))
    written = write(journal)

    assert in_spare(spare) == written
    assert not (tmp_path / "victim").exists()


class Disk:
    """Stands for `os` as the journal sees it: a disk that is full, broken or slow from the n-th write on."""

    getpid = staticmethod(os.getpid)
    fstat = staticmethod(os.fstat)

    def __init__(self, fault: str, spare: int, good: int = 1) -> None:
        self.fault = fault
        self.spare = spare
        self.good = good
        self.now = 0.0

    def monotonic(self) -> float:
        """Return a time that only a slow write moves."""
        return self.now

    def write(self, fd: int, data: bytes) -> int:
        """Write as a disk with this fault does."""
        if fd == self.spare:
            return os.write(fd, data)
        self.good -= 1
        if self.good >= 0:
            return os.write(fd, data)
        if self.fault == "broken":
            raise OSError(5, "Input/output error")
        if self.fault == "full":
            return os.write(fd, data[:7])
        self.now += 0.25
        return os.write(fd, data)


@pytest.mark.parametrize(
    ("fault", "why"), [("broken", "Input/output error"), ("full", "the disk is full"), ("slow", "one write took 0.2 s")]
)
def test_after_the_first_bad_write_the_process_goes_on_in_memory(  # noqa: PLR0917 - fixtures go by name
    reports: ReportDirectory, spare: int, said: list[str], monkeypatch: pytest.MonkeyPatch, fault: str, why: str
):
    """Said once, nothing lost, and the disk is not touched again."""
    journal = Journal(reports, KEY, spare=Spare(spare), notify=said.append)
    disk = Disk(fault, spare)
    monkeypatch.setattr(module, "os", disk)
    monkeypatch.setattr(module, "time", disk)
    first = write(journal, n=1)
    rest = [write(journal, n=n) for n in (2, 3, 4)]

    assert not journal.on_disk
    assert disk.good == -1
    assert on_disk(reports).startswith(first)
    assert len(said) == 1
    assert why in said[0]
    assert "the boot is not affected" in said[0]
    assert reports.slow is (fault == "slow")
    records, broken = read_lines(on_disk(reports).splitlines())
    later, _ = read_lines(in_spare(spare).splitlines())
    assert [record["n"] for record in records + later] == [1, 2, 3, 4]
    assert broken == (fault == "full")
    assert in_spare(spare).endswith(rest[-1])


def test_a_short_write_of_a_real_file_is_noticed(reports: ReportDirectory, spare: int):
    """The kernel writes what still fits, and says how much that was."""

    def fill() -> list[str]:
        said: list[str] = []
        journal = Journal(reports, KEY, spare=Spare(spare), notify=said.append)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        # The anonymous file has the same limit: the spare is only asked for the line that was lost.
        for n in range(12):
            journal.write({"t": "note"}, line({"t": "note", "n": n, "x": "y" * 100}))
            if said:
                break
        return said

    (said, _) = forked(fill)

    assert len(said) == 1
    assert "the disk is full" in said[0]
    assert len(on_disk(reports)) == 1000
    records, broken = read_lines(on_disk(reports).splitlines())
    assert broken == 1
    lost, _ = read_lines(in_spare(spare).splitlines())
    assert [record["n"] for record in records + lost] == list(range(len(records) + 1))


def test_a_forked_child_does_not_write_into_its_parents_journal(reports: ReportDirectory):
    """A multiprocessing child of a worker inherits the descriptor; the story is the worker's."""
    journal = Journal(reports, KEY)
    before = write(journal)
    forked(lambda: journal.write({"t": "note"}, b"intruder\n"))

    assert on_disk(reports) == before
    after = write(journal)
    assert on_disk(reports) == before + after


def locked_by_another(reports: ReportDirectory) -> bool:
    """Tell, from another process, whether somebody holds the journal's lock."""

    def attempt() -> bool:
        fd = reports.open_existing(KEY.file_name)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        return False

    return bool(forked(attempt)[0])


def test_the_lock_says_that_the_owner_lives(reports: ReportDirectory):
    """The sweep of another start must not report a living process."""
    journal = Journal(reports, KEY)

    assert locked_by_another(reports)
    assert journal.on_disk


def test_the_lock_ends_with_its_owner_although_a_child_lives_on(reports: ReportDirectory):
    """A forked child that has the descriptor open does not keep the dead one alive."""
    hold, release = os.pipe()
    told, tell = os.pipe()

    def own() -> None:
        Journal(reports, KEY)
        if os.fork() == 0:
            os.close(release)
            os.write(tell, b"x")
            os.read(hold, 1)
            os._exit(0)

    # The pipe of `forked` would wait for the grandchild, which has it open.
    pid = os.fork()
    if pid == 0:
        own()
        os._exit(0)
    os.waitpid(pid, 0)
    os.read(told, 1)
    try:
        assert not locked_by_another(reports)
    finally:
        os.close(release)


def test_a_record_written_after_the_directory_was_removed_is_still_on_its_way(
    reports: ReportDirectory, said: list[str]
):
    """The descriptor stays good: no error, no word, no delay."""
    journal = Journal(reports, KEY, notify=said.append)
    os.unlink(f"{reports.path}/{KEY.file_name}")
    os.rmdir(reports.path or "")
    write(journal)

    assert journal.on_disk
    assert said == []


def test_a_descriptor_that_is_another_file_by_now_is_not_written_to(reports: ReportDirectory, tmp_path: Path):
    """An app that closes every descriptor gets our number for a file or a connection of its own."""

    def act() -> list[str]:
        said: list[str] = []
        spare = os.memfd_create("spare")
        journal = Journal(reports, Key("worker", 1, 2), spare=Spare(spare), notify=said.append)
        journal.write({"t": "head"}, b"one\n")
        for number in (journal._fd, spare, reports._fd):
            theirs = os.open(tmp_path / f"theirs-{number}", os.O_WRONLY | os.O_CREAT)
            os.dup2(theirs, number)
        journal.write({"t": "head"}, b"two\n")
        journal.write({"t": "head"}, b"three\n")
        return [*said, *(str(path.stat().st_size) for path in sorted(tmp_path.glob("theirs-*")))]

    told, _ = forked(act)

    assert told[1:] == ["0", "0", "0"]
    assert "closed by somebody else, perhaps with descriptors that others need; it is open again" in told[0]
    lines = Path(f"{reports.path}/worker-1-2.jsonl").read_bytes().splitlines()
    assert (lines[0], lines[2:]) == (b"one", [b"two", b"three"])
    assert read_lines(lines[1:2])[0][0]["closed"] is True


@pytest.mark.parametrize("gone", ["journal", "directory"])
def test_a_journal_that_cannot_be_opened_again_stops(reports: ReportDirectory, tmp_path: Path, gone: str):
    """Another file of that name, or another directory, is a stranger's."""

    def act() -> list[str]:
        said: list[str] = []
        journal = Journal(reports, KEY, notify=said.append)
        journal.write({"t": "head"}, b"one\n")
        os.close(journal._fd)
        os.close(reports._fd)
        place = Path(str(reports.path))
        if gone == "directory":
            place.rename(tmp_path / "old")
            place.mkdir()
        else:
            (place / KEY.file_name).rename(tmp_path / "old")
        (place / KEY.file_name).write_text("")
        journal.write({"t": "head"}, b"two\n")
        journal.write({"t": "head"}, b"three\n")
        return [*said, str((place / KEY.file_name).stat().st_size), str(journal.closed)]

    told, _ = forked(act)

    assert told[1:] == ["0", "True"]
    assert "closed by somebody else and stops here" in told[0]


def test_a_journal_that_was_opened_again_is_locked(reports: ReportDirectory):
    """A sweep must not take it for one whose owner is gone."""

    def act() -> list[str]:
        journal = Journal(reports, KEY, notify=lambda _: None)
        os.close(journal._fd)
        journal.write({"t": "head"}, b"one\n")
        pid = os.fork()
        if not pid:
            fd = os.open(f"{reports.path}/{KEY.file_name}", os.O_RDWR)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os._exit(7)
            os._exit(0)
        return [str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))]

    assert forked(act)[0] == ["7"]
