"""Logs of others beside a server's: what a deploy or a CI job says is laid beside it, and nothing is concluded from it."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from bootcheck.analysis import History, analyze, diaries
from bootcheck.analysis.story import Story, tell
from bootcheck.model.cause import Cause
from tests.unit.analysis.making import report, stored
from tests.unit.analysis.signatures.examples import raising

CI = (
    "2026-11-27T08:00:00Z yesterday's job failed\n"
    "2026-11-27T08:59:58.5Z deploy shop 2.4.1: rollout started\n"
    "2026-11-27T08:59:59Z smoke: GET /health failed, https://ada:hunter22@ci.example/\n"
    "    a line without a time\n"
    "2026-11-27T09:00:02Z smoke: GET /orders 500\n"
    "2026-11-27T09:30:00Z the job is over\n"
)


def written(folder: Path, ci: str = CI, name: str = "ci.log") -> tuple[Story, list[str]]:
    """Return the report on a server's log and that of somebody else, and the latter's part of the timeline."""
    (folder / "app.log").write_text(raising("KeyError: 'SHELF_TOKEN'"))
    (folder / name).write_text(ci)
    history = History()
    found = analyze([str(folder)], history=history)
    assert [incident.cause_class for incident in found.incidents] == ["env-config"]
    story = tell(found)
    return story, [entry.text for entry in story.entries if entry.source.endswith(name)]


def test_what_is_said_around_an_incident(tmp_path: Path):
    """In order with the rest, secrets masked; what lies an hour away is left out, and what has no time."""
    story, said = written(tmp_path)

    assert [text[:20] for text in said] == ["deploy shop 2.4.1: r", "smoke: GET /health f", "smoke: GET /orders 5"]
    assert "hunter22" not in "".join(said)
    times = [entry.at for entry in story.entries]
    assert times == sorted(times)
    assert [entry.bad for entry in story.entries if entry.beside] == [False, True, True]


def test_nothing_is_concluded_from_it(tmp_path: Path):
    """It is no first sign, and a failed health check of somebody's job is none of the platform's."""
    story, _ = written(tmp_path)
    (chapter,) = story.chapters

    assert chapter.first_sign is None or not chapter.first_sign.beside
    assert not any("smoke" in text for told in chapter.hypotheses for text in (*told.pro, *told.con))


def test_of_much_what_tells_of_trouble_or_change(tmp_path: Path):
    """A job prints thousands of lines."""
    chatter = "".join(f"2026-11-27T08:59:5{number % 10}Z step {number} is done\n" for number in range(3_000))
    _, said = written(tmp_path, chatter + CI)

    assert [text[:6] for text in said] == ["deploy", "smoke:", "smoke:"]
    _, said = written(tmp_path, chatter.replace("done", "restarted"))
    assert len(said) <= diaries.MAX_EACH


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ({"time": "2026-11-27T08:59:59Z", "msg": "deploy begins"}, ["deploy begins"]),
        ({"msg": "without a time"}, []),
        ([1, 2], []),
    ],
)
def test_lines_of_json(tmp_path: Path, line: object, shown: list[str]):
    """As loggers of deploys write them."""
    assert written(tmp_path, json.dumps(line) + "\n", "deploy.jsonl")[1] == shown


def test_reports_and_journals_are_no_strangers(tmp_path: Path):
    """Nor is a server's own log; and the screen's short form asks for none."""
    stored(tmp_path, report())
    (tmp_path / "app.log").write_text(raising("KeyError: 'SHELF_TOKEN'"))
    (tmp_path / "ci.log").write_text(CI)
    for brief in (False, True):
        history = History(brief=brief)
        analyze([str(tmp_path)], history=history)
        assert history.strangers == ([] if brief else [str(tmp_path / "ci.log")])


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\0" * 100, b"{" * 5_000, b"x" * 100_000])
def test_whatever_it_holds(tmp_path: Path, content: bytes):
    """Nothing is raised."""
    (tmp_path / "app.log").write_text(raising("KeyError: 'SHELF_TOKEN'"))
    (tmp_path / "odd.bin").write_bytes(content)
    history = History()

    assert tell(analyze([str(tmp_path)], history=history)).chapters


def test_a_file_that_is_gone_meanwhile(tmp_path: Path):
    """It is left out."""
    (tmp_path / "app.log").write_text(raising("KeyError: 'SHELF_TOKEN'"))
    history = History()
    history.stranger(str(tmp_path / "gone.log"))

    assert analyze([str(tmp_path / "app.log")], history=history).incidents


def test_a_server_that_left_boot_reports_needs_no_advice_to_leave_some(tmp_path: Path):
    """A request that failed is known from its log only; the server itself is armed."""
    (tmp_path / "app.log").write_text(raising("KeyError: 'SHELF_TOKEN'"))
    advised = [item.text for item in tell(analyze([str(tmp_path)], history=History())).advice]
    stored(tmp_path, report(Cause.NONE, kind="boot", step=None))
    armed = [item.text for item in tell(analyze([str(tmp_path)], history=History())).advice]

    assert any("Start the server with bootcheck" in text for text in advised)
    assert not any("Start the server with bootcheck" in text for text in armed)


def test_the_lines_that_are_nearest(tmp_path: Path):
    """Of many that speak of change the last ones before the incident, also where the file is long."""
    much = "".join(f"2026-11-27T08:5{number % 8}:00Z step {number} restarted {'x' * 900}\n" for number in range(6_000))
    story, said = written(tmp_path, much + "2026-11-27T09:00:00Z kill -TERM sent by deploy.sh\n")

    assert sum(entry.count for entry in story.entries if entry.beside) == diaries.MAX_EACH
    assert said[-1].startswith("kill -TERM")
    assert [entry.line for entry in story.entries if entry.text.startswith("kill")] == [6_001]


def test_a_log_that_is_packed(tmp_path: Path):
    """A rotated log is laid beside the incident like any other."""
    (tmp_path / "ci.log.gz").write_bytes(gzip.compress(CI.encode()))
    (tmp_path / "app.log").write_text(raising("KeyError: 'SHELF_TOKEN'"))
    story = tell(analyze([str(tmp_path)], history=History()))

    said = [entry.text[:20] for entry in story.entries if entry.beside]
    assert said == ["deploy shop 2.4.1: r", "smoke: GET /health f", "smoke: GET /orders 5"]


def test_a_pipe_is_not_asked_again(tmp_path: Path):
    """What came through it is gone."""
    (tmp_path / "app.log").write_text(raising("KeyError: 'SHELF_TOKEN'"))
    os.mkfifo(tmp_path / "pipe")
    history = History()
    history.stranger(str(tmp_path / "pipe"))

    assert analyze([str(tmp_path / "app.log")], history=history).incidents
