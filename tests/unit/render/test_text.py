"""The screen at three in the morning: cause first, 80 columns, nothing that a terminal obeys."""

from __future__ import annotations

import io

import pytest

from bootcheck.analysis.incidents import Analysis, Incident, Inputs, Unexplained
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.render import Checked, Style
from bootcheck.render.text import findings, incidents

DOWN = Incident(
    id="0123456789ab",
    code="BC501",
    cause="exception",
    cause_class="db-unreachable",
    summary="The database cannot be reached: connection refused (step app.load)",
    action=("Check host and port.", "Let the start wait for it."),
    confirm="bootcheck check",
    confidence="high",
    evidence=(Evidence(source="app.log", line=12, text="OperationalError: connection refused"),),
    against=("It may be starting.",),
    first_seen="2026-11-27T09:25:57.000Z",
    last_seen="2026-11-27T09:25:59.000Z",
    processes=tuple(
        {"pid": pid, "host": "web-1", "role": "worker", "at": None, "report": f"/tmp/crash-{pid}.json"}
        for pid in (31, 32, 33, 34)
    ),
    count=4,
)
INPUTS = Inputs(files=2, lines=40, reports=4)


def screen(analysis: Analysis, **style: object) -> list[str]:
    """Return the lines of an analysis."""
    return list(incidents(analysis, Style(**style)))


def test_the_first_line_is_a_sentence_with_the_cause():
    """Then evidence, what to do, where it lies."""
    lines = screen(Analysis(incidents=(DOWN,), inputs=INPUTS))

    assert lines[0].startswith("4 workers died alike. The database cannot be reached: connection refused")
    text = "\n".join(lines)
    order = [
        "BC501 boot-exception",
        "2026-11-27 09:25:57 to 09:25:59 UTC",
        "worker 31, 32, 33, 34 on web-1",
        "app.log:12: OperationalError",
    ]
    order += [
        "It may be starting.",
        "1. Check host and port.",
        "bootcheck check",
        "/tmp/crash-31.json",
        "and 1 more",
        "bootcheck explain BC501",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert lines[-1] == "Looked at 2 files, 40 lines, 4 reports."


def test_several_incidents_are_numbered():
    """In the order that they come in."""
    lines = screen(Analysis(incidents=(DOWN, DOWN), inputs=INPUTS))

    assert [line[:8] for line in lines if line.startswith("[")] == ["[1 of 2]", "[2 of 2]"]


def test_eighty_columns():
    """Every line that can be broken is."""
    long = "word " * 60
    incident = Incident(
        id="x", code="BC501", cause="exception", cause_class="app-exception", summary=long, action=(long,), against=(long,),
        evidence=(Evidence(source="a.log", line=1, text=long),), confirm=long,
    )  # fmt: skip

    assert max(map(len, screen(Analysis(incidents=(incident,), inputs=INPUTS)))) <= 80


def test_a_terminal_is_not_obeyed():
    """Control characters of a summary, a source or a path are gone."""
    incident = Incident(
        id="x", code="BC501", cause="exception", cause_class="app-exception", summary="red \x1b[31mtext\x07",
        evidence=(Evidence(source="a\x1b]0;x\x07.log", text="b\x9b2J"),),
        processes=({"pid": 1, "host": "h\x1b[2J", "role": "worker", "at": None, "report": "/tmp/\x1b[1m"},),
    )  # fmt: skip
    text = "\n".join(screen(Analysis(incidents=(incident,), inputs=INPUTS)))

    assert not any((ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160 for char in text)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (Inputs(files=1), "Nothing wrong: 1 file, and nothing in it."),
        (Inputs(), "Nothing was found to read (subdirectories are not looked into)."),
        (Inputs(unreadable_count=2), "Nothing could be read."),
        (Inputs(files=3, lines=1, reports=2), "Nothing wrong in 3 files, 1 line, 2 reports."),
        (Inputs(files=3, lines=1, unreadable_count=1), "Nothing wrong in 3 files, 1 line (1 could not be read)."),
        (
            Inputs(files=1, lines=2, foreign=True),
            "Nothing wrong in 1 file, 2 lines, but none of it is Gunicorn's, nor a report of\n"
            "bootcheck: is it the right file?",
        ),
    ],
)
def test_health_is_said(inputs: Inputs, expected: str):
    """With what was looked at."""
    assert "\n".join(screen(Analysis(inputs=inputs))) == expected


def test_what_is_unexplained_is_shown():
    """The most frequent ones, and how many more."""
    items = tuple(Unexplained(f"kind {number}", 9 - number, "app.log", number) for number in range(8))
    text = "\n".join(screen(Analysis(unexplained=items, inputs=INPUTS)))

    assert "Unexplained: 44 error lines" in text
    assert "9 x app.log:0: kind 0" in text
    assert "and 3 more kinds" in text


def test_colour_on_a_terminal_only():
    """Bold headlines there, none in a pipe."""
    analysis = Analysis(incidents=(DOWN,), inputs=INPUTS)

    assert "\x1b" not in "".join(screen(analysis))
    assert screen(analysis, colour=True)[0].startswith("\x1b[1m")
    assert Style.of(io.StringIO()).colour is False


def test_findings_of_checks():
    """Problems first, errors before warnings; what was not asked, with the reason."""
    warning = Finding(code="BC221", summary="pool_pre_ping is off.", severity=Severity.WARNING)
    error = Finding(code="BC101", summary="SECRET_KEY is not set.", declared=True, action=("Set it.",))
    checked = [
        Checked(name="pool", findings=(warning,)),
        Checked(name="env", subject="SECRET_KEY", findings=(error,)),
        Checked(name="initialise", subject="db", skipped="only a server initialises its database"),
    ]
    lines = list(findings(checked, Style()))

    assert lines[0] == "1 error and 1 warning from 2 checks."
    text = "\n".join(lines)
    assert text.index("SECRET_KEY is not set. [BC101") < text.index("pool_pre_ping is off. [BC221")
    assert "initialise (db): only a server initialises its database" in text


def test_no_finding():
    """A sentence that says how much was asked."""
    assert list(findings([Checked(name="env")], Style())) == ["Nothing wrong: 1 check asked, every answer is good."]
