"""The screen's answers to what a person asks next: only where they add something."""

from __future__ import annotations

from pathlib import Path

from bootcheck.analysis import History, analyze
from bootcheck.model.cause import Cause
from bootcheck.render import Style
from bootcheck.render.text import incidents
from tests.unit.analysis.making import AT, days_work, report, stored

MISSING = (
    "[2026-11-27 09:25:57 +0000] [11] [ERROR] Exception in worker process\n"
    "Traceback (most recent call last):\n"
    '  File "/srv/app.py", line 4, in <module>\n'
    "    import nowhere\n"
    "ModuleNotFoundError: No module named 'nowhere'\n"
    "[2026-11-27 09:25:58 +0000] [10] [ERROR] Worker (pid:11) exited with code 3\n"
)


def screen(path: Path, *, brief: bool = True) -> str:
    """Return the screen about a directory, without line breaks."""
    lines = list(incidents(analyze([str(path)], history=History(brief=brief)), Style()))
    assert all(len(line) <= 80 for line in lines if str(path) not in line)
    return " ".join(" ".join(lines).split())


def test_what_came_before_and_what_else_it_could_have_been(tmp_path: Path):
    """The last good boot, what changed, and each other explanation with what would refute it."""
    days_work(tmp_path)
    told = screen(tmp_path)

    assert "Last good worker 23 was ready at 08:19:27, 67.4 min before Changed tag release: 1.41 → 1.42 " in told
    assert "Wrong if A line that shows the process ended before the signal came. Or else likely: A change" in told
    assert "open: A liveness or startup probe killed it. Refuted by: a server that had run for less than" in told
    assert "Not unlikely: A deploy, an operator or a supervisor stopped it. All lived equally long:" in told
    assert "refuted: It ran out of memory. The signal was SIGTERM;" in told
    assert "First sign" not in told


def test_a_first_sign_before_the_death(tmp_path: Path):
    """What a log says ten seconds before a report's death, with its place."""
    (tmp_path / "kernel.log").write_text(
        "2026-11-27T09:25:47Z web-1 kernel: Memory cgroup out of memory: Killed process 9 (gunicorn)\n"
    )
    stored(tmp_path, report(Cause.SIGKILL_EXTERNAL, at=AT, ready=True))
    told = screen(tmp_path)

    assert "First sign 09:25:47, 10.5 s before: " in told
    assert "kernel.log:1)" in told


def test_a_sure_cause_with_no_other_explanation_is_left_alone(tmp_path: Path):
    """A missing module is missing: nobody needs to hear what would refute that."""
    (tmp_path / "app.log").write_text(MISSING)
    told = screen(tmp_path)

    assert "confidence high" in told
    assert not any(label in told for label in ("Wrong if", "Or else", "First sign", "Last good"))


def test_nothing_is_told_from_half_a_history(tmp_path: Path):
    """The last good boot that was kept need not be the last there was."""
    days_work(tmp_path)
    analysis = analyze([str(tmp_path)], history=History(brief=True))
    assert analysis.history is not None
    analysis.history.spans_left_out = 1

    assert "Last good" not in "\n".join(incidents(analysis, Style()))


def test_a_brief_history_stops_listening(tmp_path: Path, monkeypatch):
    """Once it is full nothing more is looked at, so that a large input costs nothing; a whole one counts on."""
    monkeypatch.setattr("bootcheck.analysis.history.BRIEF_SPANS", 2)
    monkeypatch.setattr("bootcheck.analysis.history.MAX_SPANS", 2)
    stored(tmp_path, *(report(pid=number, at=AT + number) for number in range(1, 7)))

    for brief, left_out in ((True, 1), (False, 4)):
        history = History(brief=brief)
        analyze([str(tmp_path)], history=history)
        assert (len(history.spans), history.spans_left_out, history.whole) == (2, left_out, False)
