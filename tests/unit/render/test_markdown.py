"""Markdown: the sections of the report, and nothing foreign that becomes markup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bootcheck.analysis import History, analyze
from bootcheck.analysis.incidents import Analysis
from bootcheck.render import Style
from bootcheck.render.markdown import _md, incidents
from tests.unit.analysis.making import days_work, report, stored


def document(path: Path) -> str:
    """Return the report of a directory."""
    return "\n".join(incidents(analyze([str(path)], history=History()), Style()))


def test_the_sections_come_in_the_order_of_their_use(tmp_path: Path):
    """What happened, what to do, then what shows it."""
    days_work(tmp_path)
    text = document(tmp_path)
    heads = [line for line in text.splitlines() if line.startswith("#")]

    assert heads[:5] == [
        "# Incident report",
        "## What to do",
        "## Timeline (UTC)",
        "### Clocks",
        "## Critical intervals",
    ]
    assert heads[-1] == "## What is missing" or "### Hypotheses" in heads
    assert "Changed since: tag release: 1.41 → 1.42" in text
    assert "would be refuted by:" in text


def test_a_line_of_a_log_is_text_only(tmp_path: Path):
    """No tag, no link, no table cell, no mention, and no password."""
    nasty = "boom <script>alert(1)</script> | [x](http://evil) @team `a` password=hunter2hunter2\nsecond"
    stored(tmp_path, replace(report(summary=nasty, type="ValueError", message=nasty)))
    text = document(tmp_path)

    assert "<script>" not in text
    assert "hunter2" not in text
    assert "[x](" not in text
    assert "@team" not in text
    assert all(line.startswith("|") for line in text.splitlines() if "boom" in line and "when" in line)


def test_escapes():
    """Every character that Markdown obeys."""
    assert _md("a*b_c`d|e#f") == r"a\*b\_c\`d\|e\#f"
    assert _md("<b>&\n\x1b[31mx") == "&lt;b&gt;&amp; \\[31mx"


def test_nothing_wrong_is_a_document(tmp_path: Path):
    """It says so."""
    assert "No incident" in "\n".join(incidents(Analysis(), Style()))
    assert "Nothing that was read has a time." in document(tmp_path)
