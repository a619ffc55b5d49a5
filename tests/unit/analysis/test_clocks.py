"""Clocks that disagree: told by processes that two sources know."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootcheck.analysis import Analysis, History, analyze
from bootcheck.analysis.clocks import lives, skews
from bootcheck.analysis.story import tell
from tests.unit.analysis.making import AT, report, stored


def hours(at: float) -> str:
    """Return a time as Gunicorn prints it."""
    import time

    return time.strftime("[%Y-%m-%d %H:%M:%S +0000]", time.gmtime(at))


def both(tmp_path: Path, ahead: float) -> Analysis:
    """Analyze three deaths told by reports and by a log whose clock is this far ahead."""
    log = [f"{hours(AT + ahead)} [1] [INFO] Starting gunicorn 23.0.0"]
    for pid in (31, 32, 33):
        at = AT + pid
        stored(tmp_path, report(pid=pid, at=at, uptime=10.0))
        log.append(f"{hours(at - 10 + ahead)} [{pid}] [INFO] Booting worker with pid: {pid}")
        log.append(f"{hours(at + ahead)} [1] [ERROR] Worker (pid:{pid}) exited with code 3")
    (tmp_path / "gunicorn.log").write_text("\n".join(log) + "\n")
    return analyze([str(tmp_path)], history=History())


@pytest.mark.parametrize("ahead", [0.0, 0.4])
def test_clocks_that_agree(tmp_path: Path, ahead: float):
    """Whole seconds against milliseconds are no skew."""
    history = both(tmp_path, ahead).history
    assert history is not None
    (skew,) = skews(history)

    assert not skew.shifts
    assert "agrees with web-1" in skew.sentence
    assert len([span for span in lives(history, [skew]) if span.role == "worker"]) == 3


@pytest.mark.parametrize(("ahead", "way"), [(45.0, "ahead of"), (-120.0, "behind"), (3600.0, "a time zone")])
def test_a_skew_is_estimated_and_taken_out(tmp_path: Path, ahead: float, way: str):
    """The log's times are shifted, so that each process is one, and its lines stand where they belong."""
    analysis = both(tmp_path, ahead)
    history = analysis.history
    assert history is not None
    (skew,) = skews(history)

    assert skew.offset == pytest.approx(-ahead, abs=1.1)
    assert way in skew.sentence
    assert len([span for span in lives(history, [skew]) if span.role == "worker"]) == 3
    assert all(AT - 5 <= moment.at <= AT + 60 for moment in tell(analysis).entries)


def test_a_skew_that_nothing_tells_is_said(tmp_path: Path):
    """No process is told of by both: the reader is warned."""
    stored(tmp_path, report(pid=31))
    (tmp_path / "other.log").write_text(f"{hours(AT)} [7] [INFO] Booting worker with pid: 7\n")
    story = tell(analyze([str(tmp_path)], history=History()))

    assert any("cannot be compared" in text for text in story.clocks)


def test_pids_that_come_round_again_prove_nothing(tmp_path: Path):
    """Every container's worker is pid 7: offsets that differ are no skew."""
    log = []
    for number in range(6):
        at = AT + 1000 * number
        stored(tmp_path, report(pid=7, at=at, uptime=2.0))
        log.append(f"{hours(AT + 37 * number * number + 500)} [7] [INFO] Booting worker with pid: 7")
    (tmp_path / "pods.log").write_text("\n".join(log) + "\n")
    history = analyze([str(tmp_path)], history=History()).history
    assert history is not None

    assert [skew.offset for skew in skews(history)] == [None]


def test_one_clock_needs_no_skew(tmp_path: Path):
    """And it is said."""
    stored(tmp_path, report())

    assert tell(analyze([str(tmp_path)], history=History())).clocks[0].startswith("One clock")


# -- one death, two clocks ------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [0.0, 4.0, 8.0, -45.0, 400.0, 3600.0, -19_800.0])
def test_a_death_is_counted_once_whatever_its_log_takes_for_the_time(tmp_path: Path, ahead: float):
    """A log that is minutes ahead, or in another zone: its deaths are those of the reports, in their time."""
    (incident,) = both(tmp_path, ahead).incidents

    assert incident.count == 3
    assert incident.first_seen == "2026-11-27T09:26:28.500Z"


def test_one_death_and_two_clocks(tmp_path: Path):
    """A single one is enough where both know how long it lived, or where the clocks are a time zone apart."""
    for place, ahead, booted in (("drift", 30.0, True), ("zone", 7200.0, False)):
        directory = tmp_path / place
        directory.mkdir()
        stored(directory, report(pid=31, at=AT, uptime=10.0))
        boot = f"{hours(AT - 10 + ahead)} [31] [INFO] Booting worker with pid: 31\n" if booted else ""
        (directory / "app.log").write_text(
            boot + f"{hours(AT + ahead)} [1] [ERROR] Worker (pid:31) exited with code 3\n"
        )

        assert [incident.count for incident in analyze([str(directory)]).incidents] == [1], place


def test_two_logs_of_one_server_with_two_clocks(tmp_path: Path):
    """The same lines, once in local time."""
    for name, ahead in (("a.log", 0.0), ("b.log", 3600.0)):
        lines = [f"{hours(AT + pid + ahead)} [1] [ERROR] Worker (pid:{pid}) exited with code 3\n" for pid in (31, 32)]
        (tmp_path / name).write_text("".join(lines))

    assert [incident.count for incident in analyze([str(tmp_path)]).incidents] == [2]


@pytest.mark.parametrize("lived", [10.0, 25.0])
def test_a_pid_that_came_round_again_is_another_death(tmp_path: Path, lived: float):
    """Every container's worker is pid 7: minutes later, or after another life, it is not the same."""
    later = 3000.0 if lived == 10.0 else 30.0
    stored(tmp_path, report(pid=7, at=AT, uptime=10.0))
    (tmp_path / "app.log").write_text(
        f"{hours(AT + later - lived)} [7] [INFO] Booting worker with pid: 7\n"
        f"{hours(AT + later)} [1] [ERROR] Worker (pid:7) exited with code 3\n"
    )

    assert [incident.count for incident in analyze([str(tmp_path)]).incidents] == [2]


def test_starts_that_repeat_are_not_taken_for_a_clock_that_is_wrong(tmp_path: Path):
    """Three starts 60 s apart with the same pid, told by both: the offset on which all agree is none."""
    log = []
    for number in range(3):
        at = AT + 60 * number
        stored(tmp_path, report(pid=7, at=at, uptime=56.0))
        log.append(f"{hours(at - 56)} [7] [INFO] Booting worker with pid: 7\n")
        log.append(f"{hours(at)} [1] [ERROR] Worker (pid:7) exited with code 3\n")
    (tmp_path / "app.log").write_text("".join(log))

    assert [incident.count for incident in analyze([str(tmp_path)]).incidents] == [3]
