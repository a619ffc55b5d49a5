"""A probe is blamed only where its arithmetic fits: equal uptimes, in mid-boot, from outside, in one container."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bootcheck.analysis import analyze
from bootcheck.analysis.manifest import Container, Probe
from bootcheck.model.cause import Cause
from bootcheck.model.report import Report
from tests.unit.analysis.making import AT, report, stored, told

MINUTE = 60.0


def starts(
    *uptimes: float, cause: Cause = Cause.SIGTERM, every: float = 100.0, hosts: str = "web-1", **more: object
) -> list[Report]:
    """Return starts of a server that ended after so long; hosts may count with `{}`."""
    options = {"signal": "SIGTERM", "origin": "outside", "ready": False, **more}
    return [
        report(
            cause,
            pid=30 + number,
            at=AT + number * every + uptime,
            server=f"s{number}",
            uptime=uptime,
            host=hosts.format(number),
            **options,  # type: ignore[arg-type]
        )
        for number, uptime in enumerate(uptimes)
    ]


def liveness(delay: int = 10, period: int = 10, failures: int = 3, **more: object) -> Container:
    """Return a container with a liveness probe."""
    probe = Probe(
        kind="livenessProbe", handler="http", path="/health", port="8000", delay=delay, period=period, failures=failures
    )
    return Container(
        where="Deployment shop, container web", source="m.yaml", line=1, probes={probe.kind: probe}, **more
    )  # type: ignore[arg-type]


def code_of(folder: Path, found: list[Report], *containers: Container) -> tuple[str, str, str]:
    """Return code, summary and doubts of the only incident."""
    folder.mkdir(exist_ok=True)
    stored(folder, *found)
    (incident,) = analyze([str(folder)], containers=containers).incidents
    assert incident.cause_class in ("external-stop", "oom-kill", "app-exception", "shutdown-timeout")
    return incident.code, incident.summary, " ".join(incident.against)


def test_equal_uptimes_in_mid_boot_are_a_probe(tmp_path: Path):
    """With the seconds and the step; what else it could be is said."""
    code, summary, against = code_of(tmp_path, starts(40.2, 39.8, 40.5))
    assert code == "BC513"
    assert summary == (
        "Killed by a probe mid-load: 3 starts were stopped from outside, each 40 s after it began, in step app.load."
    )
    assert "supervisor" in against


def test_the_manifest_names_the_probe(tmp_path: Path):
    """Its arithmetic fits, so it is sure."""
    stored(tmp_path, *starts(40.2, 39.8, 40.5))
    (incident,) = analyze([str(tmp_path)], containers=[liveness()]).incidents
    assert incident.code == "BC513"
    assert incident.confidence == "high"
    assert incident.summary.startswith("Killed by the liveness probe mid-load: it acts at 40 s")
    assert "initialDelaySeconds 10 + periodSeconds 10 × failureThreshold 3 = 40 s" in [
        item.text.partition(": ")[2] for item in incident.evidence
    ]


def test_incident_d_its_own_probe_is_refuted(tmp_path: Path):
    """PeriodSeconds 30 × failureThreshold 15 gives 480 s of grace: what died after 62 s died of something else."""
    patient = liveness(delay=30, period=30, failures=15)
    code, _, against = code_of(tmp_path, starts(62.0, 61.5, 62.3), patient)
    assert code == "BC505"
    assert "It was not the liveness probe: that acts after 450 s at the earliest" in against
    assert "62 s" in against


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("memory", starts(40, 40, 40, cause=Cause.OOM, signal="SIGKILL")),
        ("exit 1", starts(40, 40, 40, cause=Cause.OS_EXIT, signal=None, exit_code=1)),
        (
            "sys.exit",
            starts(40, 40, 40, cause=Cause.SYS_EXIT, signal=None, exit_code=1, type="SystemExit", message="1"),
        ),
        ("a rollout with equal intervals", starts(60, 60, 60, 60, every=60.0, hosts="shop-{}")),
        ("an operator", starts(12, 95, 40, 61)),
        ("twice", starts(40, 40)),
        ("no step", starts(40, 40, 40, step=None)),
        ("served", starts(40, 40, 40, ready=True)),
    ],
)
def test_what_is_no_probe(tmp_path: Path, name: str, found: list[Report]):
    """Equal times alone are not enough, and neither is the signal."""
    code, summary, _ = code_of(tmp_path, found)
    assert code != "BC513", name
    assert "probe" not in summary


@pytest.mark.parametrize(
    ("sender", "code"),
    [
        ({"origin": "outside this PID namespace"}, "BC513"),
        ({"origin": "this namespace", "pid": 1}, "BC513"),
        ({"origin": "unknown"}, "BC513"),
        ({"origin": "this namespace", "pid": 4711}, "BC505"),
    ],
)
def test_who_sent_it_where_that_is_known(tmp_path: Path, sender: dict[str, object], code: str):
    """A kubelet is outside, or passed on by PID 1; a process in here has a name of its own in the report."""
    found = [
        replace(
            item, attributes={**item.attributes, **{f"bootcheck.signal.sender.{key}": sender[key] for key in sender}}
        )
        for item in starts(40, 40, 40)
    ]
    assert code_of(tmp_path, found)[0] == code


def test_a_start_that_failed_by_itself_is_not_the_probes(tmp_path: Path):
    """Its siblings were stopped because of it, each time after as long as it takes to fail."""
    failed = [
        report(
            pid=60 + number, at=AT + number * 100 + 39, server=f"s{number}", uptime=39.0, ready=False, type="ValueError"
        )
        for number in range(3)
    ]
    stored(tmp_path, *starts(40, 40, 40, origin="master"), *failed)
    assert [incident.code for incident in analyze([str(tmp_path)]).incidents] == ["BC501"]


def test_a_probe_that_answers_in_the_boot_is_ruled_out(tmp_path: Path):
    """The side port says /health from the start; it needs no arithmetic where that does not fit."""
    probe = Probe(kind="livenessProbe", handler="http", path="/health", port="9090", delay=10)
    side = Container(where="c", source="m", line=1, probes={probe.kind: probe}, side_port="9090")
    code, _, against = code_of(tmp_path, starts(200, 200, 200), side)
    assert code == "BC505"
    assert "it succeeds while the server starts" in against


def test_the_lines_on_stderr_are_enough():
    """Of a log that outlived its containers."""
    log = "".join(item.announcement() + "\n" for item in starts(40, 40, 40))
    (incident,) = told(log).incidents
    assert incident.code == "BC513"
