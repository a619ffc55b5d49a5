"""A worker's last sign of life, on the monotonic clock, whatever the version keeps."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from bootcheck.gunicorn import heartbeats, seams


def worker(at: float) -> SimpleNamespace:
    """Return a worker whose heartbeat file says this."""
    return SimpleNamespace(tmp=SimpleNamespace(last_update=lambda: at))


@pytest.mark.parametrize("version", ["22.0.0", "27.0.1", ""])
def test_a_monotonic_one_is_taken_and_the_time_of_making_is_none(version: str, monkeypatch: pytest.MonkeyPatch):
    """From 22 on; before the first heartbeat the file has the wall clock's time."""
    monkeypatch.setattr(seams, "version", lambda: version)
    now = time.monotonic()
    assert heartbeats.last(worker(now - 3)) == now - 3
    assert heartbeats.last(worker(time.time())) == 0.0


def test_before_22_it_is_the_wall_clocks(monkeypatch: pytest.MonkeyPatch):
    """And begins with the worker."""
    monkeypatch.setattr(seams, "version", lambda: "20.1.0")
    before = time.monotonic()
    found = heartbeats.last(worker(time.time() - 100))
    assert before - 101 < found <= time.monotonic() - 99


def test_a_closed_file_or_a_strange_worker_has_none():
    """The worker was just reaped."""
    closed = SimpleNamespace(tmp=SimpleNamespace(last_update=lambda: 1 / 0))
    closed.tmp.last_update = lambda: (_ for _ in ()).throw(ValueError("closed"))
    assert heartbeats.last(closed) == 0.0
    assert heartbeats.last(SimpleNamespace()) == 0.0
