"""The parts of a safe reload that need no server."""

from __future__ import annotations

import os
import signal
import time
from types import SimpleNamespace

import pytest

from bootcheck.gunicorn.safe_reload import _forget_environment, _wait


def forked(status: int | None) -> int:
    """Return a child that exits with a status, or never."""
    pid = os.fork()
    if pid == 0:
        if status is None:
            time.sleep(600)
        os._exit(status or 0)
    return pid


def test_the_inner_process_s_own_end_is_told():
    """Whatever Gunicorn would have made of it."""
    assert _wait(forked(3), 60.0) == (3 << 8, False)


def test_one_over_its_deadline_is_ended():
    """By SIGKILL, and it is said that it was for the deadline."""
    assert _wait(forked(None), 0.05) == (int(signal.SIGKILL), True)


def test_what_the_old_configuration_set_is_taken_away(monkeypatch: pytest.MonkeyPatch):
    """A value that it had covered comes back."""
    for name in ("COVERED", "ADDED"):
        monkeypatch.setenv(name, "by raw_env")
    _forget_environment(SimpleNamespace(env={"COVERED": "1", "ADDED": "1"}, env_orig={"COVERED": "before"}))
    assert os.environ["COVERED"] == "before"
    assert "ADDED" not in os.environ
