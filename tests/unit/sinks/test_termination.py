"""Kubernetes' termination message: readable whole and cut, at most 4 KiB, never over what somebody else wrote."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.model.cause import Cause
from bootcheck.model.checkpoint import Checkpoint, Outcome, Phase
from bootcheck.model.finding import Evidence, Finding
from bootcheck.model.report import LINE_PREFIX, Report, Verdict
from bootcheck.sinks import termination
from bootcheck.sinks.termination import HEAD, MOST, cut, message, place, write
from tests.strategies import reports

KIB = 1024
RAISED = Report(
    kind="crash",
    role="worker",
    pid=9,
    at=92.0,
    step="app.load",
    verdict=Verdict(
        cause=Cause.EXCEPTION,
        code="BC501",
        summary="The worker (pid 9) raised ValueError: kein Modell für „Größe“ in step app.load.",
        action=("Read the traceback below.",),
        evidence=(Evidence(source="wait status", text="exited with status 3"),),
    ),
    checkpoints=(Checkpoint(seq=1, name="app.load", phase=Phase.APP, outcome=Outcome.ENTERED, at=1.0),),
    attributes={"exception.stacktrace": "Traceback:\n  in größe\nValueError: kein Modell"},
)
REFUSED = replace(
    RAISED,
    role="master",
    verdict=Verdict(cause=Cause.CHECK_FAILED, code="BC101", summary="Two problems."),
    findings=(
        Finding(code="BC101", summary="SECRET_KEY is not set.", action=("Set SECRET_KEY.",)),
        Finding(code="BC402", summary="/data/uploads cannot be written."),
    ),
)


@given(reports(), st.text(max_size=80), st.one_of(st.none(), st.just("/reports/crash.json")))
def test_any_report_makes_a_message_that_can_be_cut(report: Report, headline: str, path: str | None):
    """At most 4 KiB; whole and cut at 1 KiB it is valid UTF-8, and its first line is whole and speaks alone."""
    whole = message(report, headline, path)
    assert len(whole) <= MOST
    for limit in (KIB, MOST):
        text = whole[:limit].decode("utf-8")
        assert text.startswith("bootcheck: ")
        assert "\n" in text
    assert len(whole.split(b"\n", 1)[0]) < KIB // 2
    assert not [char for char in whole.decode("utf-8") if char != "\n" and not char.isprintable()]
    last = whole.decode("utf-8").splitlines()[-1]
    assert last.startswith(LINE_PREFIX)
    assert json.loads(last.removeprefix(LINE_PREFIX))["report_id"] == report.report_id


@given(st.text(), st.integers(0, 200))
def test_a_cut_falls_between_characters(text: str, limit: int):
    """Whatever the characters' sizes."""
    data = cut(text, limit)
    assert len(data) <= limit
    data.decode("utf-8")


def test_the_most_useful_comes_first():
    """What died and why, what to do, where it stood and for how long; then traceback and announcement."""
    lines = message(RAISED, "WORKER 9 DIED (exception)", "/r/crash.json").decode("utf-8").splitlines()
    assert lines[0] == (
        "bootcheck: WORKER 9 DIED (exception): The worker (pid 9) raised ValueError: "
        "kein Modell für „Größe“ in step app.load. [BC501]"
    )
    assert lines[1:5] == [
        "Do: Read the traceback below.",
        "Step: app.load, entered 91.0 s before",
        "Seen: exited with status 3",
        "Report: /r/crash.json",
    ]
    assert lines[5:9] == ["Traceback, the end of it:", "Traceback:", "  in gr\\xf6\\xdfe", "ValueError: kein Modell"]
    assert lines[9].startswith(LINE_PREFIX)
    assert len(lines) == 10


def test_without_a_traceback_the_stack_is_told():
    """Innermost first, without what every import goes through."""
    frames = [
        {"file": "/srv/app.py", "line": 2, "function": "load"},
        {"file": "<frozen importlib._bootstrap>", "line": 241, "function": "_call"},
        {"file": "/srv/wsgi.py", "line": 1, "function": "<module>"},
    ]
    stopped = replace(RAISED, attributes={}, stacks=({"thread": "MainThread", "frames": frames},))
    lines = message(stopped, "WORKER 9 DIED (sigterm)").decode("utf-8").splitlines()
    assert lines[5:8] == [
        "Stack, innermost first:",
        "  /srv/app.py:2 in load",
        "  /srv/wsgi.py:1 in <module>",
    ]


def test_a_refused_start_names_every_problem():
    """The first in the first line, the others behind it."""
    lines = message(REFUSED, "THE SERVER DID NOT START (exit 78)").decode("utf-8").splitlines()
    assert lines[0] == "bootcheck: THE SERVER DID NOT START (exit 78): SECRET_KEY is not set. [BC101]"
    assert lines[1] == "Also: /data/uploads cannot be written. [BC402]"
    assert lines[2] == "Do: Set SECRET_KEY."


def test_behind_the_useful_part_is_ascii_only():
    """So that a cut at 1 KiB, which is not ours, falls into no character."""
    long = replace(RAISED.verdict, action=("ü" * 300, "é" * 300), against=("ñ" * 300,))
    whole = message(replace(RAISED, verdict=long), "größer" * 40, None)
    assert len(whole) > HEAD - 200
    assert whole[HEAD:].isascii()


def test_only_a_pod_has_a_place_without_being_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Both the platform's variable and its file are needed; a chosen file needs neither."""
    file = tmp_path / "termination-log"
    monkeypatch.setattr(termination, "FILE", str(file))
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert place(pod) is None
    file.touch()
    assert place(pod) == str(file)
    assert place({}) is None
    assert place({}, "/chosen") == "/chosen"


def test_a_message_replaces_ours_and_keeps_theirs(tmp_path: Path):
    """What the app wrote itself stays, ours stands behind it, once; taken back, theirs is left."""
    file = tmp_path / "log"
    assert not write(str(file), b"bootcheck: a\n")
    assert write(str(file), b"bootcheck: long one\n", create=True)
    assert write(str(file), b"bootcheck: b\n")
    assert file.read_bytes() == b"bootcheck: b\n"
    assert write(str(file), b"")
    assert file.read_bytes() == b""

    file.write_bytes("größe fehlt".encode())
    for text in (b"bootcheck: c\n", b"bootcheck: d\n"):
        assert write(str(file), text)
    assert file.read_text(encoding="utf-8") == "größe fehlt\nbootcheck: d\n"
    assert write(str(file), b"")
    assert file.read_text(encoding="utf-8") == "größe fehlt\n"


def test_what_is_no_plain_file_is_left_alone(tmp_path: Path):
    """No link is followed, no pipe is waited for."""
    target = tmp_path / "target"
    target.write_bytes(b"theirs")
    link = tmp_path / "link"
    link.symlink_to(target)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert not write(str(link), b"bootcheck: a\n")
    assert not write(str(pipe), b"bootcheck: a\n")
    assert target.read_bytes() == b"theirs"


def test_theirs_that_fills_the_file_is_not_cut(tmp_path: Path):
    """There is no room for ours then."""
    file = tmp_path / "log"
    file.write_bytes(b"x" * 5000)
    assert write(str(file), b"bootcheck: a\n")
    assert file.read_bytes() == b"x" * 5000
