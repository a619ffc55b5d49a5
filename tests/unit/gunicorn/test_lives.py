"""Previous lives: of this master from memory, of earlier ones from the reports' names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootcheck.gunicorn import lives
from bootcheck.gunicorn.lives import Lives
from bootcheck.gunicorn.obituary import report_of
from bootcheck.gunicorn.verdict import Death
from bootcheck.model.boot import Boot
from bootcheck.sinks.directory import ReportDirectory


@pytest.fixture
def reports(tmp_path: Path) -> ReportDirectory:
    """Where reports are."""
    return ReportDirectory({"BOOTCHECK_DIR": str(tmp_path / "reports")})


def death(pid: int, status: int = 9) -> Death:
    """Return the death of a worker."""
    return Death(boot=Boot(head={"role": "worker", "pid": pid, "at": 5.0}), status=status)


def test_a_first_death_has_no_life_before_it(reports):
    """Zero is known; it is not unknown."""
    assert Lives(reports).attributes() == {
        "ended": 0,
        "deaths": 0,
        "last": [],
        "earlier_starts": {"deaths": 0, "complete": True, "last": []},
    }


def test_the_last_five_of_this_master(reports):
    """Deaths and ordered ends, with cause, uptime and exit."""
    known = Lives(reports)
    known.add(Death(boot=Boot(head={"pid": 1}), status=0), None)
    for pid in range(2, 8):
        one = death(pid)
        known.add(one, report_of(one, {}))
    found = known.attributes()
    assert (found["ended"], found["deaths"]) == (7, 6)
    assert [life["pid"] for life in found["last"]] == [3, 4, 5, 6, 7]
    assert (found["last"][0]["cause"], found["last"][0]["exit"]) == ("sigkill_external", "SIGKILL")
    assert found["last"][0]["uptime_s"] > 0


def test_an_ordered_end_is_no_death(reports):
    """Its cause is none."""
    known = Lives(reports)
    known.add(Death(boot=Boot(head={"pid": 1}), status=0), None)
    last = known.attributes()["last"][0]
    assert (last["cause"], last["exit"], last["uptime_s"]) == ("none", "exit 0", None)


def test_earlier_starts_are_counted_by_name_and_five_are_read(reports):
    """In order of time; a file that cannot be read is named."""
    for number in range(8):
        report = report_of(death(number), {}, at=1000.0 + number)
        reports.store(report.file_name, report.encoded())
    broken = f"crash-20990101T000000.000Z-{'0' * 16}-worker-99.json"
    reports.store(broken, b"[1")
    reports.store("crash-not-a-report.json", b"{}")
    earlier = Lives(reports).attributes()["earlier_starts"]
    assert earlier["deaths"] == 9
    assert [life.get("pid") for life in earlier["last"]] == [4, 5, 6, 7, None]
    assert earlier["last"][-1] == {"report": broken, "cause": None}
    assert earlier["last"][0]["exit"] == "SIGKILL"
    assert json.dumps(earlier)


def test_a_huge_directory_is_not_read_to_its_end(reports, monkeypatch):
    """Then the number is a lower bound, and says so."""
    for number in range(5):
        report = report_of(death(number), {}, at=1000.0 + number)
        reports.store(report.file_name, report.encoded())
    monkeypatch.setattr(lives, "NAMES_SECONDS", 0.0)
    monkeypatch.setattr(lives, "FILES_SECONDS", -1.0)
    earlier = Lives(reports).attributes()["earlier_starts"]
    assert not earlier["complete"]
    assert earlier["last"] == []
