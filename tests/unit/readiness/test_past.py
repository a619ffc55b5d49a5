"""Seconds of past boots, from boot reports of the same server only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bootcheck.model import bootreport
from bootcheck.readiness.past import usual
from bootcheck.sinks.directory import ReportDirectory

COMMON = {
    "bootcheck.gunicorn.app": "app:app",
    "bootcheck.gunicorn.preload": False,
    "bootcheck.gunicorn.worker_class": "sync",
}


def leave(directory: ReportDirectory, seconds: float, at: float, **others: Any) -> None:
    """Store the boot report of a worker."""
    records = [{"t": "head", "role": "worker", "pid": 7, "at": at - seconds}]
    report = bootreport.boot_report(records, {**COMMON, **others}, at=at)
    assert directory.store(bootreport.file_name(report, at), bootreport.encoded(report))


def test_the_usual_boot_is_the_median_of_the_newest(tmp_path: Path):
    """Of this app, under this worker class, with or without preload; broken files are nobody's."""
    directory = ReportDirectory({"BOOTCHECK_DIR": str(tmp_path)})
    assert usual(directory, COMMON) is None
    for number, seconds in enumerate((10.0, 12.0, 90.0)):
        leave(directory, seconds, 1_800_000_000.0 + number)
    leave(directory, 1.0, 1_800_000_100.0, **{"bootcheck.gunicorn.app": "other:app"})
    leave(directory, 2.0, 1_800_000_101.0, **{"bootcheck.gunicorn.preload": True})
    (tmp_path / "boot-20270101T000000000Z-b007b007b007b007-worker-9.json").write_text("[1, 2")
    (tmp_path / "boot-20270101T000000001Z-b007b007b007b007-worker-9.json").write_text("[1, 2]")

    assert usual(directory, COMMON) == 12.0
    assert usual(directory, COMMON, "master") is None
