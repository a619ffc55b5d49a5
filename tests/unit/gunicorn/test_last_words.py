"""Which deaths go into the termination message: why the container may end, and not what followed from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bootcheck.gunicorn.last_words import LastWords
from bootcheck.model.cause import Cause
from bootcheck.model.redactor import Redactor
from bootcheck.model.report import Report, Verdict
from bootcheck.parent.account import Accounts
from bootcheck.sinks import termination
from bootcheck.sinks.console import Console


def report(cause: Cause, *, ready: bool = False) -> Report:
    """Return a death of a worker."""
    verdict = Verdict(cause=cause, code="BC501", summary=f"It was {cause.value}.")
    return Report(kind="crash", role="worker", pid=9, at=1.0, verdict=verdict, attributes={"bootcheck.ready": ready})


class Written:
    """A file with what was written last, and a server that serves or not."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "log"
        self.file.touch()
        self.serving = False
        self.watched = 0
        self.words = LastWords(str(self.file), serves=lambda: self.serving)
        self.words.watch = self.watch

    def watch(self) -> None:
        """Count how often the master's turns are asked for."""
        self.watched += 1

    def die(self, cause: Cause, *, ready: bool = False, stops_server: bool = False) -> str:
        """Let a process die; return the first line of the message."""
        assert self.words.death(report(cause, ready=ready), "DIED", None, stops_server) is None
        return self.first

    @property
    def first(self) -> str:
        """The first line of the message."""
        return (self.file.read_text(encoding="utf-8").splitlines() or [""])[0]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """A message that is empty."""
    return Written(tmp_path)


def test_a_death_in_boot_is_told_while_nobody_serves(written: Written):
    """And taken back when a worker is ready."""
    assert "exception" in written.die(Cause.EXCEPTION)
    assert "sys_exit" in written.die(Cause.SYS_EXIT)
    assert written.watched == 1
    written.words.look()
    assert "sys_exit" in written.first
    written.serving = True
    written.words.look()
    assert written.first == ""
    assert written.die(Cause.EXCEPTION) == ""
    written.serving = False
    assert "exception" in written.die(Cause.EXCEPTION)
    assert written.watched == 1


def test_a_dirty_worker_is_none_of_it(written: Written):
    """Gunicorn starts it again beside a server that serves, or is about to."""
    dirty = replace(report(Cause.EXCEPTION), role="dirty-worker")
    assert written.words.death(dirty, "DIED", None, False) is None
    assert written.first == ""


def test_what_followed_does_not_hide_what_was_first(written: Written):
    """Siblings that the master stops die of a signal, and say nothing of the reason."""
    written.die(Cause.EXCEPTION)
    assert "exception" in written.die(Cause.SIGTERM)
    assert "exception" in written.die(Cause.SIGKILL_GRACEFUL_TIMEOUT)
    assert "oom" in written.die(Cause.OOM)


def test_a_stop_in_mid_boot_is_told(written: Written):
    """It is all that the platform ever hears of a start that took too long for it."""
    assert "sigterm" in written.die(Cause.SIGTERM)


def test_a_death_of_one_that_served_is_not_why_the_container_ends(written: Written):
    """Gunicorn starts another worker; the end of the server itself is told."""
    assert written.die(Cause.NATIVE_CRASH, ready=True) == ""
    assert "exception" in written.die(Cause.EXCEPTION, ready=True, stops_server=True)
    written.serving = True
    written.words.look()
    assert "exception" in written.first
    written.serving = False
    assert "exception" in written.die(Cause.SYS_EXIT)


def test_a_file_that_cannot_be_written_is_said_once(tmp_path: Path):
    """Nothing else comes of it."""
    words = LastWords(str(tmp_path / "missing"))
    assert "missing" in str(words.death(report(Cause.EXCEPTION), "DIED", None, True))
    assert words.death(replace(report(Cause.EXCEPTION)), "DIED", None, True) is None


def test_the_parent_tells_of_a_master_that_could_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`bootcheck run` saw it die by SIGKILL; orphans that follow do not hide that."""
    file = tmp_path / "log"
    file.touch()
    monkeypatch.setattr(termination, "FILE", str(file))
    environ = {"BOOTCHECK_DIR": str(tmp_path / "reports"), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    accounts = Accounts(environ, Console("off"), Redactor({}))
    master = replace(report(Cause.OOM, ready=True), role="master")
    accounts._publish(master, "THE MASTER DIED (oom)")
    accounts._publish(report(Cause.NATIVE_CRASH), "WORKER 9 DIED (native_crash)")
    assert file.read_text(encoding="utf-8").startswith("bootcheck: THE MASTER DIED (oom): It was oom.")
