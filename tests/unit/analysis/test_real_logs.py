"""Logs that real Gunicorns wrote when each failure was provoked (`tests/data/gunicorn_logs/make.py`)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bootcheck.analysis import analyze
from bootcheck.model.cause import CAUSE_CLASSES, CODE_OF_CAUSE, Cause
from tests.unit.analysis.making import LOGS, classes, told

PATHS = sorted(LOGS.glob("*/*.log"))
HEALTHY = [path for path in PATHS if path.parent.name == "none"]
FAILED = [path for path in PATHS if path.parent.name != "none"]
NO_PLACE = "20.1 does not print where a request stood that was aborted"
NO_WORD = "only the answers to a probe, and honcho's words of any stop, tell who ended it"
NO_END = "workers that end by themselves, after as long, write the same lines"
LOST = "four workers lose their connection at once, as they do where the database restarts"
UNSOLVED = {
    "shutdown-timeout/quit-hang-27.0.1-heroku": "the master left before it said that it had killed its workers",
    "db-forked-connection/pg8000-20.1.0-gcp-json": "a worker that waits for the answer that another one got is timed out",
    "shutdown-timeout/supervisor-restart-23.0.0-heroku": "the next server meets the port that the killed one's worker holds",
    "external-stop/liveness-path-20.1.0-syslog": NO_WORD,
    "external-stop/liveness-path-23.0.0-journald-iso": NO_WORD,
    "external-stop/liveness-path-27.0.1-docker-json": NO_WORD,
    "external-stop/procfile-neighbour-20.1.0-gcp-json": NO_WORD,
    "external-stop/procfile-neighbour-23.0.0-journald": NO_WORD,
    "external-stop/procfile-neighbour-27.0.1-journald-iso": NO_WORD,
    "shutdown-timeout/worker-exit-20.1.0-heroku": NO_END,
    "shutdown-timeout/worker-exit-23.0.0-render": NO_END,
    "shutdown-timeout/worker-exit-27.0.1-kubectl": NO_END,
    "db-forked-connection/mysqlclient-20.1.0-journald-iso": LOST,
    "db-forked-connection/mysqlclient-23.0.0-journald-unit": LOST,
    "db-forked-connection/mysqlclient-27.0.1-cloudwatch": LOST,
    "boot-timeout/recycled-20.1.0-compose": NO_PLACE,
    "boot-timeout/locked-reload-20.1.0-journald-unit": NO_PLACE,
}
"""Logs that do not tell their cause, or tell it as two incidents."""


def name_of(path: Path) -> str:
    """Return class and scenario for a test id."""
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.parametrize("path", FAILED, ids=name_of)
def test_the_cause_is_found(path: Path, request: pytest.FixtureRequest):
    """One incident, of the class that was provoked, complete."""
    if name_of(path) in UNSOLVED:
        request.applymarker(pytest.mark.xfail(strict=True, reason=UNSOLVED[name_of(path)]))
    found = analyze([str(path)])

    assert [incident.cause_class for incident in found.incidents] == [path.parent.name]
    assert found.exit_code == 1
    (incident,) = found.incidents
    assert incident.summary
    assert incident.action
    assert any(item.line is not None and item.source == str(path) for item in incident.evidence)
    assert incident.cause in {cause.value for cause in Cause}
    assert incident.cause_class in CAUSE_CLASSES
    assert incident.count >= 1


@pytest.mark.parametrize("path", HEALTHY, ids=name_of)
def test_a_healthy_log_has_no_incident(path: Path):
    """Boots, stops, reloads, recycling and requests that fail are nobody's death."""
    found = analyze([str(path)])

    assert [incident.summary for incident in found.incidents] == []
    assert found.exit_code == 0


def test_four_workers_that_die_alike_are_one_incident():
    """Although two failures at once make Gunicorn itself print a traceback (HaltServer)."""
    counts = {path.stem: classes(analyze([str(path)])) for path in LOGS.glob("app-exception/two-at-once-*.log")}

    assert len(counts) == 3
    for name, found in counts.items():
        booted = len(set(re.findall(r"Booting worker with pid: (\d+)", _text(f"app-exception/{name}.log"))))
        failed = _text(f"app-exception/{name}.log").count("Exception in worker process")
        assert found == [("app-exception", failed)], (name, booted)


def test_siblings_that_the_master_ends_are_collateral():
    """One of four raises; the others are stopped for it and are no incidents of their own."""
    for path in LOGS.glob("app-exception/sibling-sleeps-*.log"):
        (incident,) = analyze([str(path)]).incidents

        assert incident.code == CODE_OF_CAUSE[Cause.EXCEPTION]
        assert incident.count == path.read_text().count("Exception in worker process")


def test_the_double_exit_line_counts_once():
    """Gunicorn 21 to 23 say `exited with code 1` twice."""
    text = _text("app-exception/os-exit-23.0.0.log")
    (incident,) = told(text).incidents

    assert incident.count == len(set(re.findall(r"\(pid:(\d+)\) exited", text)))


def test_a_timeout_before_sigkill_is_no_memory_kill():
    """`Perhaps out of memory?` follows WORKER TIMEOUT of the same worker."""
    text = _text("request-timeout/c-code-27.0.1.log")

    assert "Perhaps out of memory?" in text
    assert classes(told(text)) == [("request-timeout", 1)]


# -- the same lines behind the prefixes of platforms ---------------------------------------------


def _docker(line: str) -> str:
    return json.dumps({"log": line + "\n", "stream": "stderr", "time": "2026-11-27T09:26:00.123456789Z"})


def _wrap(head: str) -> Callable[[str], str]:
    return lambda line: head + line


PLATFORMS: dict[str, Callable[[str], str]] = {
    "journald": _wrap("Nov 27 09:26:00 web-1 gunicorn[812]: "),
    "journald-iso": _wrap("2026-11-27T09:26:00+0000 web-1 gunicorn[812]: "),
    "journald-full": _wrap("Fri 2026-11-27 09:26:00 CET web-1 gunicorn[812]: "),
    "journald-unit": _wrap("Fri 2026-11-27 09:26:00 UTC web-1 web.service[812]: "),
    "docker-json-file": _docker,
    "docker-timestamps": _wrap("2026-11-27T09:26:00.123456789Z "),
    "compose": _wrap("web-1  | "),
    "kubectl-prefix": _wrap("[pod/web-5d9f/app] "),
    "cri": _wrap("2026-11-27T09:26:00.123456789+00:00 stderr F "),
    "heroku": _wrap("2026-11-27T09:26:00.123456+00:00 app[web.1]: "),
    "foreman": _wrap("09:26:00 web.1  | "),
    "colours": lambda line: f"\x1b[31m{line}\x1b[0m",
    "windows": lambda line: line + "\r",
    "journald-json": lambda line: json.dumps(
        {"MESSAGE": line, "_PID": "812", "__REALTIME_TIMESTAMP": "1795771560000000", "_HOSTNAME": "web-1"}
    ),
    "kubernetes-json": lambda line: json.dumps({"log": line, "kubernetes": {"pod_name": "web-5d9f"}}),
    "compose-docker-json": lambda line: "web-1  | " + _docker(line),
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_prefix_changes_nothing(platform: str):
    """A log of each class says the same behind a platform's prefix; further ones are kept with real times."""
    wrap = PLATFORMS[platform]
    plain_ones = {path.parent.name: path for path in PATHS if path.stem.endswith("-23.0.0")}
    assert len(plain_ones) >= 25
    for path in plain_ones.values():
        plain = told(path.read_text())
        wrapped = told("\n".join(wrap(line) for line in path.read_text().splitlines()) + "\n")

        assert classes(wrapped) == classes(plain), path


def test_two_interleaved_containers_are_told_apart():
    """Line by line in turn, each traceback stays whole and with its own container."""
    one = _text("dependency-missing/worker-23.0.0.log").splitlines()
    other = _text("env-config/keyerror-23.0.0.log").splitlines()
    mixed = []
    for number in range(max(len(one), len(other))):
        mixed += [f"api-1  | {one[number]}"] if number < len(one) else []
        mixed += [f"jobs-1 | {other[number]}"] if number < len(other) else []

    found = told("\n".join(mixed))

    assert {name for name, _ in classes(found)} == {"dependency-missing", "env-config"}


def _text(name: str) -> str:
    return (LOGS / name).read_text(encoding="utf-8")
