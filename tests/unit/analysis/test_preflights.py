"""A start that was only observed: what its preflight had found is told with the deaths of that start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bootcheck.analysis import analyze
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding, Severity
from tests.unit.analysis.making import report, stored

SILENT = Finding(
    code="BC212",
    severity=Severity.ERROR,
    summary="db:5432 accepts the connection and says nothing.",
    action=("Ask the database.",),
)


def observed(directory: Path, cause: Cause = Cause.SIGTERM, server: str = "s1", **more: Any) -> Any:
    """Return the incident of a worker of s1, whose master's preflight found a silent database."""
    stored(
        directory,
        report(Cause.NONE, kind="boot", role="master", pid=9, step=None, findings=[SILENT], server="s1"),
        report(cause, server=server, **more),
    )
    (incident,) = analyze([str(directory)]).incidents
    return incident


def test_a_stopped_start_says_what_it_was_waiting_for(tmp_path: Path):
    """The finding is the first evidence, and its remedy the first thing to do."""
    incident = observed(tmp_path, ready=False)

    assert (incident.code, incident.action[0]) == ("BC505", "Ask the database.")
    assert incident.evidence[0].source == "preflight"
    assert incident.evidence[0].text.startswith("BC212 database-timeout: db:5432 accepts")


def test_another_server_or_a_later_death_has_nothing_to_do_with_it(tmp_path: Path):
    """What one start met is nobody else's, and a worker that was ready had got past it."""
    for number, more in enumerate(({"server": "s2"}, {"ready": True}, {"cause": Cause.EXCEPTION})):
        place = tmp_path / str(number)
        place.mkdir()
        assert all(item.source != "preflight" for item in observed(place, **more).evidence)
