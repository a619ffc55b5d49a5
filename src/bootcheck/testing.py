"""What you need to test a check of your own: run it against an environment, look at what it said.

    from bootcheck.testing import run_check

    def test_the_key_must_be_long():
        result = run_check(env("SECRET_KEY", min_length=32), {"SECRET_KEY": "short"})
        assert result.codes == ("BC103",)
        assert result.outcome("env.SECRET_KEY.length") is Outcome.FAILED

Nothing is written to disk or printed, and the process's environment stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bootcheck.checks.base import Check, Context, Planned, Server, Source, run_one
from bootcheck.model.checkpoint import Checkpoint, Outcome
from bootcheck.model.finding import Finding
from bootcheck.model.journal import CHECKPOINT
from bootcheck.model.redactor import Redactor
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory

__all__ = ["Checkpoint", "Finding", "Outcome", "Result", "Server", "Source", "run_check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run of a check found and recorded."""

    findings: tuple[Finding, ...]
    checkpoints: tuple[Checkpoint, ...]
    """In order, the check's own step `check.<name>` included."""
    facts: Mapping[str, Any]
    """What the check left for later ones."""

    def __bool__(self) -> bool:
        """True where nothing was found."""
        return not self.findings

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the findings, in order."""
        return tuple(finding.code for finding in self.findings)

    def outcome(self, name: str) -> Outcome:
        """Return the last outcome of the checkpoint of that name; raises KeyError, naming those there are."""
        for checkpoint in reversed(self.checkpoints):
            if checkpoint.name == name:
                return checkpoint.outcome
        names = ", ".join(dict.fromkeys(checkpoint.name for checkpoint in self.checkpoints))
        msg = f"no checkpoint {name!r} was recorded; there are: {names}"
        raise KeyError(msg)


def run_check(  # noqa: PLR0913
    check: Check,
    environ: Mapping[str, str] | None = None,
    *,
    server: Server | None = None,
    sources: Mapping[str, tuple[Source, ...]] | None = None,
    app: Any = None,
    facts: Mapping[str, Any] | None = None,
    once: Callable[[str, Callable[[], Any]], tuple[bool, Any]] | None = None,
    declared: bool = True,
) -> Result:
    """Run one check in this process, as a server would, and return what it found.

    A check that raises ends as a finding (BC002), as it would in a server.

    Args:
        check: The check, as its function returns it.
        environ: What the workers would see; empty if left out.
        server: What the check may ask about the server; one sync worker if left out.
        sources: Where each variable's value comes from, the one that wins last.
        app: The app's callable, for checks that run in a worker.
        facts: What earlier checks left, for example `{"database.max_connections": 100}`.
        once: Runs a function in one worker only; if left out, this process is that worker.
        declared: Whether a person asked for the check.
    """
    memory = Memory()
    environ = dict(environ or {})
    context = Context(
        environ=environ,
        recorder=Recorder([memory], redactor=Redactor(environ)),
        server=server or Server(),
        sources=sources or {},
        app=app,
        facts=dict(facts or {}),
        once=once or _here,
    )
    findings = run_one(Planned(check, declared), context)
    checkpoints = [Checkpoint.from_record(record) for record in memory.records if record["t"] == CHECKPOINT]
    return Result(findings=tuple(findings), checkpoints=tuple(checkpoints), facts=context.facts)


def _here(name: str, function: Callable[[], Any]) -> tuple[bool, Any]:  # noqa: ARG001 - the protocol's name
    return True, function()
