"""Pruning goes by names: the oldest go, and of each fault the first and the last stay."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from bootcheck.sinks import directory, pruning
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.pruning import prune


@pytest.fixture
def reports(tmp_path: Path) -> ReportDirectory:
    """A directory of ours that works."""
    return ReportDirectory({"BOOTCHECK_DIR": str(tmp_path / "reports")})


def name(number: int, fingerprint: str = "0123456789abcdef", kind: str = "crash") -> str:
    """Return the name of a report."""
    return f"{kind}-20260101T{number:09d}Z-{fingerprint}-worker-{number}.json"


def left(reports: ReportDirectory) -> list[str]:
    """Return what is in the directory."""
    return sorted(os.listdir(reports.path or ""))


def fill(reports: ReportDirectory, *names: str, size: int = 2) -> None:
    """Put reports into the directory."""
    for file in names:
        Path(f"{reports.path}/{file}").write_bytes(bytes(size))


def test_below_the_limits_nothing_is_removed(reports: ReportDirectory):
    """A healthy directory is only listed."""
    fill(reports, *(name(n) for n in range(9)))

    assert prune(reports, keep=9, seconds=60) == 0


def test_the_oldest_go_and_the_ends_of_each_fingerprint_stay(reports: ReportDirectory):
    """When did it begin, and is it still so: both stay answerable."""
    common, rare = "a" * 16, "b" * 16
    fill(reports, *(name(n, common) for n in range(20)), name(3, rare), name(4, rare), name(5, rare))

    assert prune(reports, keep=8, seconds=60) == 15

    assert left(reports) == sorted(
        [name(0, common), *(name(n, common) for n in range(15, 20)), name(3, rare), name(5, rare)]
    )


def test_where_there_are_more_ends_than_the_limit_the_oldest_of_them_go(reports: ReportDirectory):
    """At most so many, whatever happens."""
    fill(reports, *(name(n, f"{n:016x}") for n in range(10)))

    assert prune(reports, keep=6, seconds=60) == 4
    assert left(reports) == [name(n, f"{n:016x}") for n in range(4, 10)]


def test_the_default_limit_is_500(reports: ReportDirectory):
    """As the contract says."""
    fill(reports, *(name(n) for n in range(510)))

    prune(reports, seconds=60)
    assert len(left(reports)) == 500


def test_the_limit_of_bytes_counts_too(reports: ReportDirectory):
    """Few reports may be large ones."""
    fill(reports, *(name(n) for n in range(10)), size=1000)

    prune(reports, max_bytes=4500, seconds=60)
    assert left(reports) == [name(0), *(name(n) for n in range(7, 10))]


def test_boot_and_crash_reports_are_pruned_alike_and_nothing_else_is(reports: ReportDirectory, tmp_path: Path):
    """Journals, other people's files, folders and links stay."""
    os.mkdir(f"{reports.path}/folder")
    os.symlink(tmp_path, f"{reports.path}/link")
    others = ["worker-1-2.jsonl", "notes.txt", ".hidden", "crash-mine.json"]
    fill(reports, *others, *(name(n, kind="boot") for n in range(5)), *(name(n, "c" * 16) for n in range(5)))

    prune(reports, keep=4, seconds=60)

    assert {*others, "folder", "link"} <= set(left(reports))
    assert len(left(reports)) == 6 + 4


def test_pruning_opens_no_file_and_follows_no_link(
    reports: ReportDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It goes by names: a FIFO among them cannot block it, a link's target is not touched."""
    victim = tmp_path / "victim"
    victim.write_bytes(bytes(9999))
    os.mkfifo(f"{reports.path}/{name(1)}")
    os.symlink(victim, f"{reports.path}/{name(2)}")
    fill(reports, name(0), name(3))
    without_open = SimpleNamespace(**{key: value for key, value in vars(os).items() if key != "open"})
    monkeypatch.setattr(directory, "os", without_open)

    assert prune(reports, keep=2, seconds=60) == 2
    assert left(reports) == [name(0), name(3)]
    assert victim.exists()


def test_pruning_stops_when_its_time_is_over(reports: ReportDirectory, monkeypatch: pytest.MonkeyPatch):
    """The next start goes on with the rest."""
    fill(reports, *(name(n) for n in range(50)))
    ticks = (tick / 1000 for tick in range(10_000))
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr(directory, "time", clock)
    monkeypatch.setattr(pruning, "time", clock)

    assert 0 < prune(reports, keep=5, seconds=0.12) < 45
    monkeypatch.undo()
    prune(reports, keep=5, seconds=60)
    assert len(left(reports)) == 5
