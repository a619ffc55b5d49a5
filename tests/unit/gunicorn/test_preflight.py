"""The preflight: live checks in a child that can be killed, each settled whatever it does."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from gunicorn.config import Config

from bootcheck.checks.base import Context, Moment, Planned, Server
from bootcheck.gunicorn import preflight as module
from bootcheck.gunicorn.preflight import Preflight, facts_of
from bootcheck.model.boot import Boot
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Finding, Severity
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory


@dataclass(frozen=True)
class Live:
    """A check that does what it is told, in the child."""

    act: Callable[[Context], object]
    subject: str = "it"
    budget: float = 30.0
    phase: Phase = Phase.DATABASE
    name: ClassVar[str] = "live"
    moment: ClassVar[Moment] = Moment.PREFLIGHT

    def run(self, context: Context) -> Iterator[Finding]:
        """Do it; a text that comes back is a finding."""
        told = self.act(context)
        if isinstance(told, str):
            yield Finding(code="BC210", summary=told)


@dataclass(frozen=True)
class Static(Live):
    """The same in the master itself."""

    moment: ClassVar[Moment] = Moment.MASTER


@pytest.fixture
def memory() -> Memory:
    """What the master recorded."""
    return Memory()


@pytest.fixture
def ask(memory: Memory) -> Callable[..., list[Finding]]:
    """Run checks as a master does."""

    def run(
        *checks: Live, environ: dict[str, str] | None = None, facts: dict[str, object] | None = None
    ) -> list[Finding]:
        recorder = Recorder([memory], rss=lambda: None)
        recorder.step("server.boot", Phase.SERVER).__enter__()
        context = Context(
            environ=environ or {}, recorder=recorder, server=Server(), facts={} if facts is None else facts
        )
        return Preflight([Planned(check, True) for check in checks], context).run()

    return run


def told(memory: Memory) -> list[tuple[str, str]]:
    """Return name and outcome of every checkpoint."""
    return [(record["name"], record["outcome"]) for record in memory.records if record["t"] == "checkpoint"]


def test_findings_and_checkpoints_of_the_child_are_the_masters(ask: Callable[..., list[Finding]], memory: Memory):
    """Marked as declared, with their step, in order; numbered as the master's own."""

    def act(context: Context) -> str:
        with context.recorder.step("database.tcp", Phase.DATABASE):
            return "refused"

    (finding,) = ask(Live(act))

    assert (finding.summary, finding.declared, finding.step) == ("refused", True, "check.live")
    assert told(memory) == [
        ("server.boot", "entered"),
        ("check.live", "entered"),
        ("database.tcp", "entered"),
        ("database.tcp", "passed"),
        ("check.live", "failed"),
    ]
    assert [record["seq"] for record in memory.records if record["t"] == "checkpoint"] == [1, 2, 3, 4, 5]
    assert [span.name for span in Boot.from_records(memory.records).open_spans] == ["server.boot"]


def test_static_checks_run_in_the_master_and_first(ask: Callable[..., list[Finding]]):
    """No fork where there is nothing live."""
    found = ask(Live(lambda context: str(os.getppid())), Static(lambda context: str(os.getpid())))

    assert [finding.summary for finding in found] == [str(os.getpid())] * 2


def test_the_child_sees_what_workers_will_see(ask: Callable[..., list[Finding]]):
    """`raw_env` is laid over the environment; the master's own stays as it is."""
    (finding,) = ask(Live(lambda context: os.environ["FROM_RAW_ENV"]), environ={"FROM_RAW_ENV": "yes"})

    assert finding.summary == "yes"
    assert "FROM_RAW_ENV" not in os.environ


def test_facts_of_one_check_reach_later_ones(ask: Callable[..., list[Finding]]):
    """Also across children, and the master keeps them for the workers."""

    def leave(context: Context) -> None:
        context.facts["database.max_connections"] = 100

    facts: dict[str, object] = {}
    found = ask(
        Live(leave),
        Live(lambda context: os._exit(5)),
        Live(lambda context: f"limit {context.facts['database.max_connections']}"),
        facts=facts,
    )

    assert found[-1].summary == "limit 100"
    assert facts == {"database.max_connections": 100}


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (lambda context: os._exit(5), "ended its process with status 5"),
        (lambda context: os.kill(os.getpid(), signal.SIGKILL), "was ended by SIGKILL"),
        (lambda context: sys.exit(9), "ended its process with status 1"),
    ],
    ids=["os._exit", "killed", "sys.exit"],
)
def test_a_check_that_takes_its_process_with_it_hides_no_other(
    ask: Callable[..., list[Finding]], memory: Memory, act: Callable[[Context], object], what: str
):
    """It becomes a finding; the next one runs in a new child; no step stays open."""

    def noisy(context: Context) -> object:
        os.write(2, b"libfoo: fatal\n")
        with context.recorder.step("database.login", Phase.DATABASE):
            return act(context)

    found = ask(Live(noisy), Live(lambda context: "and the next"))

    assert [finding.code for finding in found] == ["BC002", "BC210"]
    assert what in found[0].summary
    assert any("libfoo: fatal" in item.text for item in found[0].evidence)
    assert found[0].severity is Severity.ERROR
    assert [span.name for span in Boot.from_records(memory.records).open_spans] == ["server.boot"]


@pytest.mark.parametrize(("phase", "code"), [(Phase.DATABASE, "BC212"), (Phase.MODELS, "BC002")])
def test_a_check_over_its_budget_is_ended(
    ask: Callable[..., list[Finding]], monkeypatch: pytest.MonkeyPatch, phase: Phase, code: str
):
    """A server that accepts and never answers is a timeout; the start goes on."""
    monkeypatch.setattr(module, "GRACE", 0.05)
    found = ask(Live(lambda context: time.sleep(60), budget=0.1, phase=phase), Static(lambda context: None))

    assert [finding.code for finding in found] == [code]
    assert "did not finish within 0.1 s" in found[0].summary


def test_a_check_that_raises_is_a_warning(ask: Callable[..., list[Finding]]):
    """The app may be fine."""

    def act(context: Context) -> None:
        raise ZeroDivisionError

    (finding,) = ask(Live(act))
    assert (finding.code, finding.severity) == ("BC002", Severity.WARNING)


def children_of_this_process() -> set[str]:
    """Return their pids, zombies included; another test may have left one."""
    return {pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def test_no_child_is_left_behind(ask: Callable[..., list[Finding]]):
    """No zombie, no descriptor."""
    before, children = len(os.listdir("/proc/self/fd")), children_of_this_process()
    ask(Live(lambda context: None), Live(lambda context: os._exit(1)))

    assert len(os.listdir("/proc/self/fd")) == before
    assert children_of_this_process() <= children


def test_the_server_is_told_from_gunicorns_configuration():
    """Every field that checks ask for; inherited sockets have no address to test."""
    cfg = Config()
    cfg.set("workers", 3)
    cfg.set("bind", ["127.0.0.1:8000", "unix:/run/x"])

    facts = facts_of(cfg, {})
    assert Server(**facts).bind == ("127.0.0.1:8000", "unix:/run/x")
    assert (facts["workers"], facts["timeout"], facts["worker_class"]) == (3, 30.0, "sync")
    assert Server(**facts_of(cfg, {"LISTEN_FDS": "1"})).bind == ()
