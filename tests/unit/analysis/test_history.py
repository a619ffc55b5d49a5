"""Lives and moments: bounded, each once, and never an exception for what stands in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis import Analysis, History, analyze, history
from bootcheck.model.cause import Cause
from bootcheck.render import Style, renderer
from tests.strategies import reports
from tests.unit.analysis.making import AT, days_work, entered, head, journal, report, stored

wild = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("kind", "timestamp", "role", "verdict", "attributes", "checkpoints", "findings", "annotations", "report_id")


@given(st.dictionaries(st.sampled_from(KEYS), wild))
def test_no_document_is_too_wild(document: dict[str, Any]):
    """Wrong types anywhere."""
    kept = History()
    kept.report(
        {"kind": "crash", "timestamp": "2026-11-27T09:00:00Z", "attributes": {"process.pid": 1}} | document, "x"
    )

    assert len(kept.spans) <= 1


@given(st.lists(reports(), max_size=4))
def test_every_report_can_be_drawn(found: list[Any]):
    """In Markdown and HTML, whatever it holds."""
    kept = History()
    for item in found:
        kept.report(json.loads(item.encoded()), "x.json")

    for name in ("markdown", "html"):
        text = "\n".join(renderer(name).incidents(Analysis(history=kept), Style()))
        text.encode("utf-8", "backslashreplace")


def test_a_report_and_its_line_are_one_moment_and_one_life(tmp_path: Path):
    """Whichever is read first."""
    item = report(uptime=5.0)
    stored(tmp_path, item)
    (tmp_path / "a.log").write_text(item.announcement() + "\n")
    (tmp_path / "z.log").write_text(item.announcement() + "\n")
    kept = analyze([str(tmp_path)], history=History()).history
    assert kept is not None

    assert len([moment for moment in kept.moments if moment.bad]) == 1
    assert {span.pid for span in kept.spans} == {31}


def test_a_journal_that_ended_well_is_a_life_too(tmp_path: Path):
    """It is no death, and it belongs on the chart."""
    journal(tmp_path, head(), entered("app.load"), {"t": "ready", "at": AT + 2}, {"t": "end", "at": AT + 9})
    analysis = analyze([str(tmp_path)], history=History())
    assert analysis.history is not None
    (span,) = analysis.history.spans

    assert analysis.incidents == ()
    assert (span.ready, span.ended, span.cause) == (AT + 2, AT + 9, None)


def test_settings_and_tags_are_kept_and_secrets_are_not(tmp_path: Path):
    """What a deploy decides; a tag's value is masked like everything else."""
    days_work(tmp_path)
    kept = analyze([str(tmp_path)], history=History()).history
    assert kept is not None
    told = {name for span in kept.spans for name in span.settings}

    assert told == {"bootcheck.gunicorn.version", "bootcheck.gunicorn.timeout", "tag release"}


def test_it_is_bounded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What has no room is counted."""
    monkeypatch.setattr(history, "MAX_SPANS", 2)
    monkeypatch.setattr(history, "MAX_MOMENTS", 3)
    stored(tmp_path, *(report(Cause.OOM, pid=pid, at=AT + pid) for pid in range(1, 7)))
    kept = analyze([str(tmp_path)], history=History()).history
    assert kept is not None

    assert (len(kept.spans), kept.spans_left_out) == (2, 4)
    assert (len(kept.moments), kept.left_out) == (3, 3)


HEAD = "[2026-11-27 09:00:{:02} +0000] [{}] [{}] {}\n"


@pytest.mark.parametrize(
    ("told", "signal", "cause"),
    [
        ("term", "SIGTERM", None),
        ("hup", "SIGTERM", None),
        ("term", "SIGKILL! Perhaps out of memory?", "SIGKILL"),
        ("term", "SIGSEGV", "SIGSEGV"),
        ("", "SIGTERM", "SIGTERM"),
    ],
)
def test_a_worker_that_is_told_to_stop_has_not_died(tmp_path: Path, told: str, signal: str, cause: str | None):
    """Gunicorn says by which signal it ended, also where it sent that itself."""
    text = HEAD.format(0, 1, "INFO", "Starting gunicorn 27.0.1") + HEAD.format(
        1, 7, "INFO", "Booting worker with pid: 7"
    )
    text += HEAD.format(5, 1, "INFO", f"Handling signal: {told}") if told else ""
    text += HEAD.format(6, 1, "INFO", f"Worker (pid:7) was sent {signal}{'' if '!' in signal else '!'}")
    (tmp_path / "app.log").write_text(text)
    kept = History()
    analyze([str(tmp_path)], history=kept)

    (worker,) = [span for span in kept.spans if span.pid == 7]
    assert (worker.cause, worker.uptime) == (cause, 5.0)
    assert any(moment.bad for moment in kept.moments) == (cause is not None)


def test_an_order_to_one_server_says_nothing_of_the_next(tmp_path: Path):
    """It begins anew in the same log."""
    text = HEAD.format(0, 1, "INFO", "Handling signal: term") + HEAD.format(2, 3, "INFO", "Starting gunicorn 27.0.1")
    text += HEAD.format(3, 3, "WARNING", "Worker (pid:7) was sent SIGTERM!")
    (tmp_path / "app.log").write_text(text)
    kept = History()
    analyze([str(tmp_path)], history=kept)

    assert [span.cause for span in kept.spans if span.pid == 7] == ["SIGTERM"]
