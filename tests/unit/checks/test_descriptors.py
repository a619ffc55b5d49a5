"""The limit of open files against what the configuration may use."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.descriptors import Descriptors, descriptors, discover
from bootcheck.model.errors import CheckOptionError
from bootcheck.model.finding import Severity
from bootcheck.testing import Outcome, Result, Server, run_check

# The package offers the function of this name: the module is asked for by its full name.
module = import_module("bootcheck.checks.descriptors")

INFINITE = float("inf")


@pytest.fixture
def ask(monkeypatch, tmp_path):
    """Run the check under limits that a test chooses."""
    file_nr = tmp_path / "file-nr"

    def ask(
        soft: float, *, hard: float = INFINITE, minimum: int | None = None, used: str = "9 0 1000", **server
    ) -> Result:
        monkeypatch.setattr(module, "_limits", lambda: (soft, hard))
        monkeypatch.setattr(module, "open_descriptors", lambda: 10)
        file_nr.write_text(used, encoding="ascii")
        return run_check(replace(descriptors(minimum), file_nr=str(file_nr)), server=Server(**server))

    return ask


@pytest.mark.parametrize("soft", [INFINITE, 65536, 4096])
def test_a_sufficient_limit(ask, soft):
    """All three facts are checkpoints."""
    result = ask(soft, workers=4, worker_class="gthread", threads=8)

    assert result
    for fact in ("master", "worker", "system"):
        assert result.outcome(f"descriptors.{fact}") is Outcome.PASSED


def test_the_usual_limit_is_no_alarm(ask):
    """1024 files under Gunicorn's default of 1000 connections is a note, and no checkpoint turns red."""
    result = ask(1024, worker_class="gthread", threads=4)

    assert [finding.severity for finding in result.findings] == [Severity.INFO]
    assert result.outcome("descriptors.worker") is Outcome.PASSED
    assert ask(1024, workers=8)
    assert ask(1024, workers=8, worker_class="sync")


@pytest.mark.parametrize(
    "worker_class", ["gevent", "uvicorn_worker.UvicornWorker", "gunicorn.workers.gthread.ThreadWorker"]
)
def test_more_connections_than_files(ask, worker_class):
    """A worker that may hold more connections than files is warned of."""
    result = ask(1024, worker_class=worker_class, worker_connections=2000)

    assert [(finding.code, finding.severity) for finding in result.findings] == [("BC404", Severity.WARNING)]
    assert result.outcome("descriptors.worker") is Outcome.FAILED
    assert "2000 connections" in result.findings[0].summary


def test_a_limit_below_what_any_app_opens(ask):
    """Such a worker does not survive its start."""
    result = ask(40)

    assert [finding.severity for finding in result.findings] == [Severity.ERROR]
    assert result.outcome("descriptors.worker") is Outcome.FAILED


def test_the_master_needs_some_for_each_worker(ask):
    """Hundreds of workers need hundreds of descriptors in the master."""
    result = ask(300, workers=200)

    assert result.codes == ("BC404",)
    assert result.outcome("descriptors.master") is Outcome.FAILED
    assert result.outcome("descriptors.worker") is Outcome.PASSED
    assert "soft limit 300, hard limit unlimited" in result.findings[0].evidence[1].text


def test_a_minimum_of_the_users_own(ask):
    """What is asked for is an error below, whatever the configuration."""
    assert ask(4096, minimum=4096, worker_class="gevent", worker_connections=9000)
    result = ask(4095, minimum=4096)

    assert [finding.severity for finding in result.findings] == [Severity.ERROR]
    assert result.outcome("descriptors.worker") is Outcome.FAILED


def test_the_whole_machine(ask):
    """A machine that has nearly all its files open is told apart from a process."""
    result = ask(65536, used="990 0 1000")

    assert result.codes == ("BC404",)
    assert result.outcome("descriptors.system") is Outcome.FAILED
    assert ask(65536, used="990 100 1000")
    assert ask(65536, used="nonsense").outcome("descriptors.system") is Outcome.SKIPPED


def test_a_system_without_limits(monkeypatch):
    """It is skipped, with the reason."""
    monkeypatch.setattr(module, "_limits", lambda: None)
    result = run_check(descriptors())

    assert result
    assert result.outcome("descriptors.master") is Outcome.SKIPPED


def test_the_limits_of_this_process_are_read():
    """The real limits are numbers, the soft one not above the hard one."""
    soft, hard = module._limits()

    assert 0 < soft <= hard
    assert run_check(descriptors()).outcome("descriptors.master") is Outcome.PASSED


@pytest.mark.parametrize("minimum", [0, -1, True, "1024", 1.5])
def test_options_are_validated(minimum):
    """A minimum that is none is refused where it is written."""
    with pytest.raises(CheckOptionError, match="minimum"):
        descriptors(minimum)


def test_it_is_discovered_everywhere():
    """Every server has the limit, and a declared check is its twin."""
    assert [check.subject for check in discover({}, Server())] == [descriptors(99).subject]
    assert Descriptors.moment is Moment.MASTER
    assert descriptors().budget > 0
