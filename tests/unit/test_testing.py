"""The helpers for people who test checks of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import pytest

from bootcheck.checks.base import Context, Moment
from bootcheck.model.checkpoint import Phase
from bootcheck.testing import Finding, Outcome, Result, Server, run_check


@dataclass(frozen=True)
class Even:
    """A check as a user would write it: the number of workers must be even."""

    name: ClassVar[str] = "even"
    moment: ClassVar[Moment] = Moment.MASTER
    phase: ClassVar[Phase] = Phase.CONFIGURATION
    subject: str = "workers"
    budget: float = 1.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield a finding where it is odd."""
        workers = int(context.environ.get("WORKERS", context.server.workers))
        context.facts["workers"] = workers
        if workers % 2:
            context.recorder.failed("even.workers", self.phase, workers=workers)
            yield Finding(code="BC106", summary=f"{workers} is odd.")
        else:
            context.recorder.passed("even.workers", self.phase)


@dataclass(frozen=True)
class Broken(Even):
    """A check with a fault."""

    def run(self, context: Context) -> Iterator[Finding]:
        """Raise."""
        raise ZeroDivisionError
        yield


def test_a_result_tells_codes_outcomes_and_facts():
    """A failed check is false, and its checkpoint can be asked for by name."""
    result = run_check(Even(), {"WORKERS": "3"})

    assert not result
    assert result.codes == ("BC106",)
    assert result.outcome("even.workers") is Outcome.FAILED
    assert result.outcome("check.even") is Outcome.FAILED
    assert result.facts == {"workers": 3}
    assert result.findings[0].declared


def test_a_check_that_finds_nothing_is_true():
    """The server can be described."""
    result = run_check(Even(), server=Server(workers=4), declared=False)

    assert result
    assert result.findings == ()
    assert result.outcome("even.workers") is Outcome.PASSED


def test_a_check_that_raises_ends_as_a_finding():
    """As it would in a server, where a broken check never stops the start."""
    assert run_check(Broken()).codes == ("BC002",)


def test_an_unknown_checkpoint_is_refused_with_the_known_ones():
    """A misspelt name in a test shows itself."""
    with pytest.raises(KeyError, match=r"even\.worker'.*check\.even, even\.workers"):
        run_check(Even()).outcome("even.worker")


def test_a_secret_of_the_environment_is_masked_in_checkpoints():
    """The helper hides what a server would hide."""

    @dataclass(frozen=True)
    class Leaky(Even):
        def run(self, context: Context) -> Iterator[Finding]:
            context.recorder.passed("leak", self.phase, seen=context.environ["API_TOKEN"])
            return
            yield

    result: Result = run_check(Leaky(), {"API_TOKEN": "v3ry-s3cret-value"})

    assert "v3ry-s3cret-value" not in repr(result.checkpoints)


def test_once_runs_here_unless_a_substitute_is_given():
    """A test can play the worker that waits."""

    @dataclass(frozen=True)
    class Once(Even):
        def run(self, context: Context) -> Iterator[Finding]:
            assert context.once is not None
            context.facts["once"] = context.once("work", lambda: 7)
            return
            yield

    assert run_check(Once()).facts["once"] == (True, 7)
    assert run_check(Once(), once=lambda name, function: (False, name)).facts["once"] == (False, "work")
