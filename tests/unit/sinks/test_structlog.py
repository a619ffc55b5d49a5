"""Checkpoints as structlog events."""

from __future__ import annotations

import subprocess

import pytest

from bootcheck.model import journal
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Finding
from bootcheck.recorder import Recorder
from tests.unit.children import interpreter

structlog = pytest.importorskip("structlog")


def test_checkpoints_and_findings_become_events():
    """Under their own names; a failure is an error; records that are the journal's alone stay there."""
    from bootcheck.sinks.structlog import Structlog

    with structlog.testing.capture_logs() as events:
        recorder = Recorder([Structlog()], rss=lambda: 5)
        recorder.fact(journal.HEAD, pid=1)
        with recorder.step("load model", Phase.MODELS, event="x", log_level="y", name="z"):
            pass
        recorder.failed("env.A", Phase.ENVIRONMENT)
        recorder.finding(Finding(code="BC101", summary="A is not set."))

    assert [(event["event"], event["log_level"]) for event in events] == [
        ("load model", "info"),
        ("load model", "info"),
        ("env.A", "error"),
        ("bootcheck.finding", "warning"),
    ]
    assert events[0] == {
        "event": "load model",
        "log_level": "info",
        "phase": "models",
        "outcome": "entered",
        "rss_bytes": 5,
        "detail": {"event": "x", "log_level": "y", "name": "z"},
    }
    assert events[1]["duration_ms"] >= 0
    assert events[3]["code"] == "BC101"


def test_without_structlog_the_missing_extra_is_named():
    """What, and the line that cures it."""
    code = """
import sys
sys.modules["structlog"] = None
from bootcheck.sinks.structlog import Structlog
try:
    Structlog()
except Exception as exc:
    print(type(exc).__name__, exc)
"""
    done: subprocess.CompletedProcess[str] = interpreter(code)

    assert done.stdout == "SettingError The structlog sink needs structlog: pip install 'bootcheck[structlog]'.\n"
