"""Waiting: one look after the other until there is an outcome, told sparingly."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bootcheck.model import bootreport, journal
from bootcheck.model.journal import Key
from bootcheck.probes.process import start_ticks
from bootcheck.waiting import DIED, READY, TIMEOUT, CannotWait, Seen, url, wait, watcher_of
from bootcheck.waiting.files import Files
from bootcheck.waiting.progress import Progress, told, workers_told
from bootcheck.waiting.url import Url


class Clock:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.now += max(seconds, 0.001)


class Looks:
    """A watcher that sees what it is told, the last for ever."""

    def __init__(self, *seen: Seen) -> None:
        self.seen = list(seen)
        self.limits: list[float] = []

    def look(self, limit: float) -> Seen:
        """Return the next."""
        self.limits.append(limit)
        return self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]


def waited(*seen: Seen, timeout: float = 25.0) -> tuple[Any, str]:
    """Return outcome and progress."""
    clock, out = Clock(), io.StringIO()
    ended = wait(Looks(*seen), timeout=timeout, progress=Progress(out), clock=clock, sleep=clock.sleep)
    return ended, out.getvalue()


def test_it_ends_when_the_server_is_ready_or_has_died():
    """At once where it is so from the first."""
    ended, out = waited(Seen(outcome=READY, text="there"))
    assert (ended.outcome, ended.waited_s, out) == (READY, 0.0, "")
    ended, _ = waited(Seen(text="loading"), Seen(outcome=DIED, text="gone", path="/r"))
    assert (ended.outcome, ended.as_dict()["report_path"]) == (DIED, "/r")


def test_it_gives_up_and_tells_sparingly():
    """A line when something changes, and one every ten seconds."""
    loading = Seen(text="worker 7: load", state={"step": "load", "elapsed_s": 2.0, "expected_s": 9.0})
    ended, out = waited(Seen(text="nobody"), loading)
    assert ended.outcome == TIMEOUT
    assert ended.waited_s >= 25.0
    assert ended.seen is loading
    lines = out.splitlines()
    assert lines[0] == "bootcheck: 0 s: nobody"
    assert lines[1].endswith("worker 7: load for 2.0 s (about 9 s more, by past boots)")
    assert len(lines) == 4


def test_what_is_not_known_is_not_said():
    """No step, no seconds; no count, no workers."""
    assert told(Seen(text="booting", state={"elapsed_s": 3.0})) == "booting"
    assert told(Seen(text="a", state={"step": "b", "expected_s": 0.0})) == "a (longer than past boots)"
    assert [workers_told(state) for state in ({}, {"workers_ready": 1}, {"workers_ready": 2, "workers": 4})] == [
        "",
        "1 worker",
        "2 of 4 workers",
    ]


# -- by URL


class Asked(Url):
    """A URL that answers what a test says."""

    answers: list[Any]

    def _ask(self, seconds: float) -> tuple[int, bytes]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def looks(*answers: Any, **options: Any) -> list[Seen]:
    """Return what each look saw; half a second passes between two."""
    clock = Clock()
    asked = Asked("http://h/ready", clock=clock, **options)
    asked.answers = list(answers)
    found = []
    for _ in answers:
        found.append(asked.look(1.0))
        clock.sleep(0.5)
    return found


REFUSED = ConnectionRefusedError(111, "Connection refused")
UNREADY = json.dumps({"phase": "booting", "step": "load", "elapsed_s": 1.0}).encode()


def test_a_url_is_ready_at_200():
    """Whoever answers; a 503 of ours says what is going on."""
    first, second, third, last = looks(REFUSED, (503, UNREADY), (404, b"<html>"), (200, b"ok"))
    assert first.outcome is None
    assert "Connection refused" in first.text
    assert (second.text, second.state["elapsed_s"]) == ("booting: load", 1.0)
    assert third.text == "it answers 404"
    assert last.outcome == READY


def test_a_url_that_has_answered_and_is_gone_has_died():
    """Not at the first refusal: an upgrade, a proxy. And a slow answer is none."""
    found = looks((503, UNREADY), REFUSED, REFUSED, REFUSED)
    assert [seen.outcome for seen in found] == [None, None, None, DIED]
    found = looks((503, UNREADY), REFUSED, (503, UNREADY), REFUSED, REFUSED)
    assert {seen.outcome for seen in found} == {None}
    found = looks((503, UNREADY), *[TimeoutError("timed out")] * 9)
    assert {seen.outcome for seen in found} == {None}
    assert {seen.outcome for seen in looks(*[REFUSED] * 9)} == {None}


def test_a_url_asks_for_as_many_workers(monkeypatch: pytest.MonkeyPatch):
    """Beside the query that it has."""
    paths: list[str] = []

    class Connection:
        def __init__(self, host: str, port: int | None, timeout: float) -> None:
            assert (host, port, timeout) == ("h", 8, 1.0)

        def request(self, method: str, path: str, headers: object) -> None:
            paths.append(path)
            raise REFUSED

        def close(self) -> None:
            paths.append("closed")

    monkeypatch.setattr(url.http.client, "HTTPConnection", Connection)
    for least in (1, 3, None):
        Url("http://h:8/ready?a=b", least=least).look(1.0)
    assert [path for path in paths if path != "closed"] == [
        "/ready?a=b",
        "/ready?a=b&workers=3",
        "/ready?a=b&workers=all",
    ]


# -- by files


def journal_of(directory: Path, role: str, *records: dict[str, Any], **head: Any) -> None:
    """Leave a journal of this process under a role."""
    key = Key(role, os.getpid(), start_ticks())
    first = {"t": journal.HEAD, "role": role, "pid": os.getpid(), "at": time.time(), **head}
    lines = [json.dumps(record) for record in (first, *records)]
    (directory / key.file_name).write_text("\n".join(lines) + "\n")


def entered(name: str) -> dict[str, Any]:
    """Return the record of a step that goes on."""
    return {"t": "checkpoint", "seq": 1, "name": name, "phase": "app", "outcome": "entered", "at": time.time() - 5}


def test_a_directory_tells_how_far_a_server_is(tmp_path: Path):
    """By the journals of living processes: this one is master and worker here."""
    files = Files([str(tmp_path)])
    assert files.look(1.0).text == f"no living server in {tmp_path}"
    journal_of(tmp_path, "master", entered("check.database"))
    seen = files.look(1.0)
    assert (seen.state["step"], seen.outcome) == ("check.database", None)
    assert seen.state["elapsed_s"] >= 5
    journal_of(tmp_path, "worker", entered("load model"), ppid=os.getpid())
    assert files.look(1.0).text == f"worker {os.getpid()}: load model"
    journal_of(tmp_path, "worker", {"t": journal.READY, "at": time.time()}, ppid=os.getpid())
    assert files.look(1.0).outcome == READY
    (tmp_path / Key("master", os.getpid(), start_ticks()).file_name).unlink()
    gone = files.look(1.0)
    assert gone.outcome == DIED
    assert "left no report" in gone.text


@pytest.mark.parametrize(("ready", "outcome"), [(False, DIED), (True, None)])
def test_a_death_shortly_before_is_the_one_meant_unless_it_served(tmp_path: Path, ready: bool, outcome: str | None):
    """The old server's end is none of the new one's."""
    report = {
        "kind": "crash",
        "role": "worker",
        "fingerprint": "0" * 16,
        "attributes": {"process.pid": 7, "bootcheck.ready": ready},
        "verdict": {"summary": "It died."},
    }
    (tmp_path / bootreport.file_name(report, time.time())).write_bytes(bootreport.encoded(report))
    clock = Clock()
    clock.now = time.time() + 1
    files = Files([str(tmp_path)], clock=clock)
    assert files.look(1.0).outcome is None
    clock.sleep(4)
    assert files.look(1.0).outcome == outcome


def test_an_old_report_is_nobodys(tmp_path: Path):
    """Yesterday's crash says nothing of today's start."""
    report = {"kind": "crash", "role": "master", "fingerprint": "0" * 16, "attributes": {"process.pid": 7}}
    path = tmp_path / bootreport.file_name(report, time.time())
    path.write_bytes(bootreport.encoded(report))
    os.utime(path, (time.time() - 3600, time.time() - 3600))
    clock = Clock()
    clock.now = time.time()
    files = Files([str(tmp_path)], clock=clock)
    clock.sleep(60)
    assert files.look(1.0).outcome is None


@pytest.mark.parametrize("target", ["gopher://x", "http://", "/proc/self/status", "/no/such/thing/here"])
def test_what_is_no_target_is_refused(target: str):
    """In a sentence."""
    with pytest.raises(CannotWait, match=r"Name|Write|no directory"):
        watcher_of(target, directory=None, workers=1, environ={})
