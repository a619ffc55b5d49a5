"""A check itself failed, or ran out of time.

What it means
BC002: not the app but the question about it broke: the check raised, took its process with it, or
did not come back in time. What it was to find out is not known.

How it looks
    bootcheck: warning: The check imports (pandas) could not be completed: OSError: ... [BC002 check-crashed]

Why it happens
A library that the check loads ends the process, a hook of the app blocks, or the check has a bug.

What to do
Run `bootcheck check`: it runs the same checks without a server and shows where this one stopped. If
the check is wrong, please report it with the evidence; take it out of `checks=[...]` until then.

How to know it is fixed
`bootcheck check` names the check as passed or as failed, with a code of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, ClassVar, Protocol

from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.recorder import Recorder, type_name

RULES: tuple[str, ...] = ("BC002",)


class Moment(Enum):
    """Where a check runs."""

    MASTER = "master"
    """In the master itself: looks at values only, imports nothing, opens nothing."""
    PREFLIGHT = "preflight"
    """In the forked, killable child with the workers' user: may import, connect, write."""
    WORKER = "worker"
    """In each worker once the app is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One place that gives a variable a value."""

    label: str
    """For example `the process's environment`, `raw_env in gunicorn.conf.py`, `.env`."""
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a check may need to know of the server."""

    workers: int = 1
    threads: int = 1
    worker_class: str = "sync"
    worker_connections: int = 1000
    bind: tuple[str, ...] = ()
    """Addresses as Gunicorn spells them; empty where there is no server or it inherits its sockets."""
    reuse_port: bool = False
    worker_tmp_dir: str | None = None
    uid: int | None = None
    gid: int | None = None
    preload: bool = False
    app_uri: str | None = None
    timeout: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a check is given."""

    environ: Mapping[str, str]
    """As the workers will see it: `raw_env` is laid over."""
    recorder: Recorder
    server: Server = field(default_factory=Server)
    sources: Mapping[str, tuple[Source, ...]] = field(default_factory=dict)
    """Every source of a variable, the one that wins last. Missing where there is only the environment."""
    app: Any = None
    """The app's callable; only for checks of `Moment.WORKER`."""
    facts: dict[str, Any] = field(default_factory=dict)
    """JSON values that one check leaves for later ones, also from the preflight for workers:
    `database.max_connections`, `database.server_version`."""
    once: Callable[[str, Callable[[], Any]], tuple[bool, Any]] | None = None
    """Run a function in one worker only: returns (did it here, JSON value it returned); the others wait."""


class Check(Protocol):
    """A question asked before serving. A frozen dataclass whose fields are its validated options."""

    name: ClassVar[str]
    """The step is `check.<name>`."""
    moment: ClassVar[Moment]
    phase: ClassVar[Phase]

    @property
    def subject(self) -> str:
        """What it is about (a variable, an address), so that a discovered twin is left out."""

    @property
    def budget(self) -> float:
        """Seconds after which a run of it in the preflight child is ended."""

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is wrong; record checkpoints through `context.recorder`."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A check and whether somebody asked for it."""

    check: Check
    declared: bool


def run(planned: Iterable[Planned], context: Context) -> list[Finding]:
    """Run checks in order and return their findings; a check that raises becomes a finding (BC002)."""
    findings: list[Finding] = []
    for item in planned:
        findings += run_one(item, context)
    return findings


def run_one(item: Planned, context: Context) -> list[Finding]:
    """Run one check inside its step `check.<name>` and return its findings, each also recorded."""
    check = item.check
    recorder = context.recorder
    step_name = f"check.{check.name}"
    found: list[Finding] = []
    with recorder.step(step_name, check.phase, subject=check.subject) as step:
        try:
            for finding in check.run(context):
                found.append(replace(finding, declared=item.declared or finding.declared, step=step_name))
                recorder.finding(found[-1])
        except Exception as exc:  # noqa: BLE001 - a broken check must not hide the others
            found.append(replace(crashed(check, exc), step=step_name))
            recorder.finding(found[-1])
        errors = [finding.code for finding in found if finding.severity is Severity.ERROR]
        if errors:
            step.fail(codes=errors)
    return found


def crashed(check: Check, exc: BaseException) -> Finding:
    """Return the finding about a check that itself failed: never an error, the app may be fine."""
    return Finding(
        code="BC002",
        severity=Severity.WARNING,
        summary=f"The check {check.name} ({check.subject}) could not be completed: {type_name(exc)}: {exc}",
        action=("Read the evidence; if the check itself is wrong, please report it with this text.",),
        evidence=(Evidence(source=check.name, text=f"{type_name(exc)}: {exc}"),),
        confidence="low",
    )
