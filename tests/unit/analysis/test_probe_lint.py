"""What a manifest's probes do to a boot, by their own arithmetic."""

from __future__ import annotations

import textwrap

import pytest

from bootcheck.analysis.boot_times import BootTimes
from bootcheck.analysis.manifest import containers, relevant
from bootcheck.analysis.probe_lint import judge
from bootcheck.model.finding import Finding, Severity

pytest.importorskip("yaml", reason="PyYAML reads manifests")

SLOW = BootTimes(seconds=(88.0, 91.0))
FINE = """
    readinessProbe:
      httpGet: {path: /ready, port: 8000}
"""


def deployment(container: str, *, kind: str = "Deployment", pod: str = "") -> str:
    """Return a manifest around a container's lines."""
    inner = textwrap.indent(textwrap.dedent(container).strip("\n"), "          ")
    return (
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: shop\nspec:\n  template:\n    spec:\n"
        f"      terminationGracePeriodSeconds: 60\n{pod}      containers:\n        - name: web\n{inner}\n"
    )


def found_in(text: str, times: BootTimes = SLOW) -> list[Finding]:
    """Return what is wrong with the first container."""
    return judge(relevant(containers(text.encode(), "m.yaml"))[0], times)


def errors(text: str, times: BootTimes = SLOW) -> list[str]:
    """Return the summaries of errors."""
    return [finding.summary for finding in found_in(text, times) if finding.severity is Severity.ERROR]


LIVENESS = """
    livenessProbe:
      httpGet: {path: /health, port: 8000}
      initialDelaySeconds: 10
      periodSeconds: 10
"""


def test_liveness_kills_at_40_s_and_the_boot_takes_91():
    """The sentence of the issue, with the line and the sum as evidence."""
    text = deployment(LIVENESS + FINE)
    (finding,) = found_in(text)
    assert finding.code == "BC526"
    assert finding.summary == "liveness kills at 40 s, your boot takes 91 s (Deployment shop, container web)."
    line = finding.evidence[0].line
    assert line is not None
    assert "httpGet" in text.splitlines()[line - 1]
    assert finding.evidence[0].text == (
        "livenessProbe: initialDelaySeconds 10 + periodSeconds 10 × failureThreshold 3 = 40 s"
    )


@pytest.mark.parametrize(
    ("seconds", "severity", "word"),
    [
        (20.0, None, ""),
        (28.0, Severity.WARNING, "busy node"),
        (35.0, Severity.ERROR, "may kill from 30 s on"),
        (41.0, Severity.ERROR, "kills at 40 s"),
    ],
)
def test_how_near_is_too_near(seconds: float, severity: Severity | None, word: str):
    """The first question is asked when the delay is over: the earliest end is one period before the sum."""
    found = list(found_in(deployment(LIVENESS + FINE), BootTimes(seconds=(seconds,))))
    assert [item.severity for item in found] == ([] if severity is None else [severity])
    assert all(word in item.summary for item in found)


def test_a_startup_probe_holds_the_liveness_probe_back():
    """Then its own sum decides."""
    startup = "startupProbe:\n  httpGet: {path: /ready, port: 8000}\n  failureThreshold: %d\n"
    text = textwrap.dedent(LIVENESS + FINE)
    assert errors(deployment(text + startup % 30)) == []
    assert "startup kills at 50 s" in errors(deployment(text + startup % 5))[0]


def test_what_was_cut_off_counts():
    """A start that was ended after 60 s took longer than that."""
    times = BootTimes(seconds=(5.0,), cut_off=(60.0,))
    assert "your boot takes 60 s" in errors(deployment(LIVENESS + FINE), times)[0]


def test_a_rollout_has_a_deadline_too():
    """progressDeadlineSeconds, 600 by default."""
    text = deployment(FINE).replace("spec:\n  template", "spec:\n  progressDeadlineSeconds: 60\n  template")
    assert "A rollout counts as failed after 60 s" in errors(text)[0]
    assert errors(deployment(FINE, kind="StatefulSet"), BootTimes(seconds=(700.0,))) == []
    assert "after 600 s" in errors(deployment(FINE), BootTimes(seconds=(700.0,)))[0]


@pytest.mark.parametrize("port", ["9090", "side"])
def test_the_side_port_answers_in_the_boot(port: str):
    """/health there is 200 from the start; /ready is not."""
    text = (
        LIVENESS.replace("8000", port)
        + FINE
        + '    ports: [{name: side, containerPort: 9090}]\n    env: [{name: BOOTCHECK_PROBE_BIND, value: "0.0.0.0:9090"}]\n'
    )
    assert errors(deployment(text)) == []
    assert errors(deployment(text.replace("/health", "/ready")))


def test_a_connection_alone_says_nothing():
    """The master listens before a worker is ready; under preload only once the app is imported."""
    tcp = "livenessProbe:\n  tcpSocket: {port: 8000}\nreadinessProbe:\n  tcpSocket: {port: 8000}\n"
    (finding,) = found_in(deployment(tcp))
    assert finding.code == "BC527"
    assert "connects only" in finding.summary
    assert errors(deployment(tcp), BootTimes(seconds=(91.0,), preload=True))


@pytest.mark.parametrize(
    ("container", "word"),
    [
        ("image: gunicorn", "no readinessProbe"),
        (FINE + "    livenessProbe:\n      httpGet: {path: /ready, port: 8000}\n", "liveness asks /ready"),
        (
            FINE + "    livenessProbe:\n      httpGet: {path: /health}\n      periodSeconds: 5\n",
            "Gunicorn's timeout of 30 s",
        ),
    ],
)
def test_ill_suited(container: str, word: str):
    """A warning each."""
    found = found_in(deployment(container), BootTimes(seconds=(1.0,)))
    assert [item.severity for item in found] == [Severity.WARNING]
    assert word in found[0].summary


def test_the_grace_must_exceed_gunicorns():
    """Both are 30 s by default, and race."""
    text = deployment(FINE).replace("terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 30")
    (finding,) = found_in(text)
    assert "SIGKILL comes after 30 s" in finding.summary
