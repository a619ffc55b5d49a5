"""Report directories that are followed: once each, never half a file, and whatever becomes of the directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding, Severity
from bootcheck.watching import CannotWatch, Event
from bootcheck.watching.reports import SETTLE, TRIES, Reports
from tests.unit.analysis.making import AT, entered, head, journal, report, stored


class Clock:
    """A time that the test sets."""

    now = AT

    def __call__(self) -> float:
        """Return it."""
        return self.now


def kinds(events: Sequence[Event]) -> list[str]:
    """Return what kind each event is of."""
    return [event.kind for event in events]


def test_only_what_is_new_and_each_once(tmp_path: Path):
    """Deaths with their verdict, boots as a line, oldest first; what lay there is counted."""
    stored(tmp_path, report(pid=1))
    reports = Reports([str(tmp_path)])
    assert (reports.there, list(reports.look())) == (1, [])

    stored(tmp_path, report(pid=3, at=AT + 9), report(Cause.NONE, kind="boot", pid=2, at=AT + 5, step=None))
    ready, died = reports.look()
    assert (ready.kind, ready.bad, ready.text) == ("ready", False, "worker 2 is ready")
    assert (died.kind, died.bad, died.data["code"], died.data["pid"]) == ("death", True, "BC501", 3)
    assert died.data["cause_class"] == "app-exception"
    assert died.data["action"] == ["Look at the traceback."]
    assert list(reports.look()) == []
    assert [incident.count for incident in reports.analysis().incidents] == [1]


def test_a_file_that_is_not_whole_yet(tmp_path: Path):
    """Something copies it: it is told when it is whole; one that stays broken is said once."""
    reports = Reports([str(tmp_path)])
    (path,) = stored(tmp_path, report())
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert list(reports.look()) == []
    path.write_bytes(whole)
    assert kinds(list(reports.look())) == ["death"]

    path.with_name(path.name.replace("31.json", "32.json")).write_bytes(whole[:100])
    told = [kinds(list(reports.look())) for _ in range(TRIES + 2)]
    assert [one for one in told if one] == [["problem"]]
    assert (tmp_path / ".crash-half.json").write_bytes(b"{") == 1
    assert list(reports.look()) == []


def test_a_directory_that_is_removed_and_comes_again(tmp_path: Path):
    """Said once each; what was told is not told again, what is new is."""
    place = tmp_path / "reports"
    reports = Reports([str(place)])
    assert list(reports.look()) == []
    place.mkdir()
    old = stored(place, report(pid=1))[0]
    assert kinds(list(reports.look())) == ["problem", "death"]
    kept = old.read_bytes()
    shutil.rmtree(place)
    assert ["is not there" in event.text for event in reports.look()] == [True]
    assert list(reports.look()) == []
    place.mkdir()
    old.write_bytes(kept)
    stored(place, report(pid=2, at=AT + 1))
    assert [event.data.get("pid") for event in reports.look()] == [None, 2]


def test_our_folder_in_a_directory_of_others(tmp_path: Path):
    """Reports lie in it where others can write to the directory; no link is followed."""
    reports = Reports([str(tmp_path)])
    own = tmp_path / "bootcheck-1000"
    own.mkdir()
    stored(own, report())
    (tmp_path / "bootcheck-1").symlink_to(own)
    for name in os.listdir(own):
        (tmp_path / name.replace("-31", "-32")).symlink_to(own / name)

    assert kinds(list(reports.look())) == ["death"]


def test_a_process_that_left_only_a_journal(tmp_path: Path):
    """Its master has a moment to write the report; what a sweep says of it later is no second death."""
    clock = Clock()
    reports = Reports([str(tmp_path)], clock=clock)
    journal(tmp_path, head(), entered("app.load"))
    assert list(reports.look()) == []
    clock.now += SETTLE
    (died,) = reports.look()
    assert (died.data["cause"], died.data["step"], died.data["pid"]) == ("vanished", "app.load", 31)
    clock.now += 2 * SETTLE
    assert list(reports.look()) == []
    stored(tmp_path, report(Cause.VANISHED, server="s1"))
    assert list(reports.look()) == []
    assert [incident.count for incident in reports.analysis().incidents] == [1]


def test_a_journal_whose_report_comes_in_time(tmp_path: Path):
    """The master wrote it: one death, and the journal is gone."""
    clock = Clock()
    reports = Reports([str(tmp_path)], clock=clock)
    path = journal(tmp_path, head(), entered("app.load"))
    assert list(reports.look()) == []
    path.unlink()
    stored(tmp_path, report(server="s1"))
    clock.now += 2 * SETTLE
    assert kinds(list(reports.look())) == ["death"]


def test_a_journal_that_ended_well(tmp_path: Path):
    """No death, however long it lies there."""
    clock = Clock()
    reports = Reports([str(tmp_path)], clock=clock)
    journal(tmp_path, head(), {"t": "end", "at": AT + 2, "status": 0})
    for _ in range(4):
        assert list(reports.look()) == []
        clock.now += SETTLE


def test_a_warning_in_a_boot_report_is_no_death(tmp_path: Path):
    """It is ready, and nothing is bad."""
    reports = Reports([str(tmp_path)])
    warned = Finding(code="BC221", summary="pool_pre_ping is off.", severity=Severity.WARNING)
    stored(tmp_path, report(Cause.NONE, kind="boot", step=None, findings=[warned]))

    assert [event.bad for event in reports.look()] == [False]


def test_what_is_no_directory(tmp_path: Path):
    """A file, and a place that nobody could make."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "a" / "b"):
        with pytest.raises(CannotWatch):
            Reports([str(path)])
