"""How deaths lie in time and place."""

from __future__ import annotations

from pathlib import Path

from bootcheck.analysis import analyze
from bootcheck.analysis.pattern import Pattern, seconds
from bootcheck.model.cause import Cause
from tests.unit.analysis.making import AT, days_work, entered, head, journal, report, stored, told


def test_a_days_work_is_one_incident_with_a_pattern(tmp_path: Path):
    """Count, spread, order, interval, equal lives, hosts."""
    days_work(tmp_path)
    (incident,) = analyze([str(tmp_path)]).incidents
    pattern = incident.pattern
    said = " ".join(pattern.sentences())

    assert incident.count == pattern.count == 8
    assert [size for _, size in pattern.waves] == [4, 4]
    assert pattern.order[0] == "worker 100 on web-1"
    assert pattern.by_a_limit
    assert "It happened twice, 60.0 s apart." in said
    assert "Each lived 56.0 s" in said
    assert "web-1 4, web-2 4" in said


def test_one_death_has_nothing_to_say(tmp_path: Path):
    """No order, no interval, no limit."""
    stored(tmp_path, report(uptime=3.0))
    (incident,) = analyze([str(tmp_path)]).incidents

    assert list(incident.pattern.sentences()) == []


def test_last_records_are_no_deaths(tmp_path: Path):
    """Of a process that vanished nobody knows when: no length of life, no limit."""
    for pid in (31, 32):
        journal(tmp_path, head(pid=pid), entered("app.load", at=AT + 56))
    (incident,) = analyze([str(tmp_path)]).incidents

    assert (incident.cause, incident.pattern.lives) == ("vanished", ())
    assert next(incident.pattern.sentences()).startswith("The last records of all 2 lie ")


def test_regular_waves_are_told_from_irregular_ones():
    """Every 60 s, or 10 s to 100 s apart."""
    regular = " ".join(Pattern(count=4, times=(0.0, 60.0, 121.0, 180.0)).sentences())
    loose = " ".join(Pattern(count=4, times=(0.0, 10.0, 110.0, 130.0)).sentences())

    assert "4 times, regularly, every 60.0 s" in regular
    assert "4 times, 10.0 s to 100.0 s apart" in loose


def test_what_is_the_same_for_all_is_said_once():
    """Logs have whole seconds: workers that end together end in the same one."""
    together = " ".join(Pattern(count=4, times=(9.0,) * 4, lives=(30.0,) * 4).sentences())

    assert together == "All 4 died at the same time. Each lived 30.0 s."


def test_lives_of_chance_are_no_limit():
    """Only what is alike, and not over at once, was ended by a limit."""
    waves = (100.0, 200.0, 300.0)
    assert not Pattern(times=waves, lives=(3.0, 40.0, 56.0)).by_a_limit
    assert not Pattern(times=waves, lives=(0.2, 0.2, 0.2)).by_a_limit
    assert Pattern(times=waves, lives=(55.9, 56.0, 56.2)).by_a_limit


def test_what_starts_and_ends_together_is_no_limit():
    """Four workers of one start that one signal ended lived equally long, and that says nothing."""
    pattern = Pattern(count=4, times=(100.0, 100.1, 100.1, 100.2), lives=(56.0, 56.0, 56.1, 56.0))

    assert not pattern.by_a_limit
    assert "limit" not in " ".join(pattern.sentences())


def test_the_id_is_the_same_for_every_host_release_and_time(tmp_path: Path):
    """A fingerprint: what differs between two tellings of one fault is not in it."""
    ids = set()
    for number, (host, path) in enumerate((("web-1", "/srv/r1/app.py"), ("db-9", "/opt/r22/app.py"))):
        folder = tmp_path / host
        folder.mkdir()
        message = f"no such region: mars-{number + 7}"
        trace = f'Traceback (most recent call last):\n  File "{path}", line {number + 3}, in f\nValueError: {message}'
        item = report(pid=number, at=AT + 86_400 * number, host=host, type="ValueError", message=message, trace=trace)
        stored(folder, item)
        (incident,) = analyze([str(folder)]).incidents
        ids.add(incident.id)
    # The same death, known from a log alone, is the same incident except for the step that a log has not.
    stored(tmp_path, report(Cause.OOM, pid=9))
    (other,) = analyze([str(tmp_path)]).incidents

    assert len(ids) == 1
    assert other.id not in ids


def test_logs_alone_have_a_pattern():
    """From Gunicorn's own lines."""
    lines = ["[2026-11-27 09:00:00 +0000] [1] [INFO] Starting gunicorn 23.0.0"]
    for number in range(3):
        minute = 2 * number
        lines += [
            f"[2026-11-27 09:0{minute}:00 +0000] [{10 + number}] [INFO] Booting worker with pid: {10 + number}",
            f"[2026-11-27 09:0{minute + 1}:00 +0000] [1] [ERROR] Worker (pid:{10 + number}) was sent SIGSEGV!",
        ]
    (incident,) = told("\n".join(lines)).incidents

    assert incident.pattern.only_logs
    assert incident.pattern.lives == (60.0, 60.0, 60.0)
    assert "3 times, regularly, every 120.0 s" in " ".join(incident.pattern.sentences()).replace("2.0 min", "120.0 s")


def test_seconds_are_said_as_people_say_them():
    """From milliseconds to days."""
    assert [seconds(value) for value in (0.004, 0.5, 56.0, 3000.0, 7200.0, 200_000.0)] == [
        "4 ms",
        "0.50 s",
        "56.0 s",
        "50.0 min",
        "2.0 h",
        "2.3 days",
    ]


def test_errors_of_requests_did_not_die(tmp_path: Path):
    """Several in one log: they came, and nobody died in any order."""
    failed = (
        "[2026-11-27 09:05:0{0} +0000] [1{0}] [ERROR] Error handling request /\n"
        "Traceback (most recent call last):\n"
        '  File "/srv/app.py", line 4, in app\n'
        "    cursor.execute(sql)\n"
        "pymysql.err.OperationalError: (2014, 'Commands out of sync')\n"
    )
    (incident,) = told(failed.format(1) + failed.format(3)).incidents

    assert list(incident.pattern.sentences()) == ["All 2 came within 2.0 s."]
