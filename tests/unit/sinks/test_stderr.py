"""Lines on descriptor 2, whatever sys.stderr has become."""

from __future__ import annotations

import os

import pytest

from bootcheck.sinks.stderr import say
from tests.unit.children import forked


def test_a_line_ends_with_one_newline(capfd: pytest.CaptureFixture[str]):
    """A block that has one gets no second."""
    say("one")
    say("two\n")

    assert capfd.readouterr().err == "one\ntwo\n"


def test_it_does_not_ask_sys_stderr(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """An app may have replaced or closed it."""
    monkeypatch.setattr("sys.stderr", None)
    say("x \ud800 ü")

    assert capfd.readouterr().err == "x \\ud800 ü\n"


def test_a_closed_stderr_is_nobodys_problem():
    """A daemon has none."""

    def speak() -> str:
        os.close(2)
        say("x")
        return "alive"

    assert forked(speak) == ("alive", 0)


def test_a_full_stderr_that_does_not_block_is_given_up():
    """A pipe that nobody reads must not hold a server."""

    def speak() -> str:
        _, write = os.pipe()
        os.set_blocking(write, False)
        os.dup2(write, 2)
        say("x" * 10_000_000)
        return "alive"

    assert forked(speak) == ("alive", 0)
