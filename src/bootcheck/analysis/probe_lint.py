"""A probe does not fit the server that it asks.

What it means
BC526 probe-kills-boot: by its own numbers a startup or liveness probe, or a rollout's deadline,
ends the server before a boot as long as the measured ones can be over.
BC527 probe-ill-suited: a probe asks the wrong question or acts at the wrong time: traffic before
ready, a restart because a database is away, SIGKILL while Gunicorn still stops.

How it looks
    liveness kills at 40 s, your boot takes 91 s (Deployment shop, container web).

The pod's restart count rises, each time after the same number of seconds; `bootcheck analyze` says
BC513, with the step in which the boot stood.

Why it happens
A probe begins to count when the container starts: it kills after initialDelaySeconds +
periodSeconds × failureThreshold. A model, a migration or a busy node makes the boot longer than on
the day when the numbers were guessed. While a startupProbe runs, the other probes wait for it.

What to do
Write what `bootcheck probes --format kubernetes` computes from measured boots: a startup probe for
the start, so that the liveness probe can be quick. Ask `/ready` for readiness and `/health` for
liveness: a dependency that is down must take traffic away, not restart the server.

How to know it is fixed
`bootcheck probes --lint MANIFEST` ends with 0, and the restart count stays where it is through a
deploy.
"""

from __future__ import annotations

from collections.abc import Iterator

from bootcheck.analysis.boot_times import BootTimes
from bootcheck.analysis.manifest import Container, Probe
from bootcheck.analysis.probe_plan import HEALTH, MARGIN, READY, needed_for, told
from bootcheck.model.finding import Evidence, Finding, Severity

RULES = ("BC526", "BC527")
_SAID = {"startupProbe": "startup", "livenessProbe": "liveness", "readinessProbe": "readiness"}
_WRITE = "Write what `bootcheck probes --format kubernetes` prints into the manifest."


def judge(container: Container, times: BootTimes) -> list[Finding]:
    """Return what is wrong with a container's probes for boots that took so long, the worst first."""
    found = [*_kills(container, times), *_rollout(container, times), *_suits(container, times)]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))


def _kills(container: Container, times: BootTimes) -> Iterator[Finding]:
    """Yield the probe that ends a boot: the startup probe where there is one, else the liveness probe."""
    probe = container.probes.get("startupProbe") or container.probes.get("livenessProbe")
    if probe is None or answers_in_boot(probe, container, preload=times.preload):
        return
    longest = max(times.longest, times.cut_off[-1] if times.cut_off else 0.0)
    what, boot = _SAID[probe.kind], told(longest)
    evidence = (_seen(container, probe), _measured(times))
    against = ("It runs a command of its own, which may answer before the server is ready.",)
    doubt = against if probe.handler in ("exec", "grpc") else ()
    better = needed_for(times)
    action = (
        f"Give the start {told(better)}: a startupProbe with periodSeconds × failureThreshold of at least that.",
        _WRITE,
    )
    if longest >= probe.earliest:
        sure = longest >= probe.acts_at
        yield Finding(
            code="BC526",
            severity=Severity.ERROR,
            summary=f"{what} kills at {probe.acts_at} s, your boot takes {boot} ({container.where})."
            if sure
            else f"{what} may kill from {probe.earliest} s on, your boot takes {boot} ({container.where}).",
            action=action,
            evidence=evidence,
            against=doubt,
            confidence="medium" if doubt else "high",
        )
    elif longest * 1.2 > probe.earliest:
        yield Finding(
            code="BC526",
            severity=Severity.WARNING,
            summary=f"{what} kills at {probe.acts_at} s; the longest boot measured took {boot} "
            f"({container.where}): a busy node is enough.",
            action=action,
            evidence=evidence,
            against=doubt,
            confidence="medium",
        )


def _rollout(container: Container, times: BootTimes) -> Iterator[Finding]:
    if container.progress is not None and times.longest >= container.progress:
        yield Finding(
            code="BC526",
            summary=f"A rollout counts as failed after {container.progress} s, your boot takes {told(times.longest)} "
            f"({container.where}).",
            action=("Raise progressDeadlineSeconds above the longest boot.",),
            evidence=(
                Evidence(source=container.source, text=f"progressDeadlineSeconds {container.progress}"),
                _measured(times),
            ),
        )


def _suits(container: Container, times: BootTimes) -> Iterator[Finding]:
    yield from _readiness(container, preload=times.preload)
    yield from _liveness(container, times)
    if container.grace is not None and container.grace <= times.graceful_timeout:
        yield _ill(
            container,
            f"SIGKILL comes after {container.grace} s, and Gunicorn's graceful_timeout is "
            f"{times.graceful_timeout:g} s: a stop that needs its time is cut off",
            f"Set terminationGracePeriodSeconds to {times.graceful_timeout + MARGIN:.0f}.",
            Evidence(
                source=container.source, line=container.line, text=f"terminationGracePeriodSeconds {container.grace}"
            ),
        )


def _readiness(container: Container, *, preload: bool) -> Iterator[Finding]:
    probe = container.probes.get("readinessProbe")
    if probe is None:
        yield _ill(
            container,
            "there is no readinessProbe: requests come before a worker is ready",
            f"Ask {READY} for readiness. {_WRITE}",
            Evidence(source=container.source, line=container.line, text="no readinessProbe"),
        )
    elif answers_in_boot(probe, container, preload=preload):
        asks = "connects only" if probe.handler == "tcp" else f"asks {probe.path}"
        yield _ill(
            container,
            f"readiness {asks}, which succeeds before a worker is ready: requests wait or fail",
            f"Ask {READY} with httpGet.",
            _seen(container, probe),
        )


def _liveness(container: Container, times: BootTimes) -> Iterator[Finding]:
    probe = container.probes.get("livenessProbe")
    if probe is None:
        return
    if probe.path.partition("?")[0] == READY:
        yield _ill(
            container,
            f"liveness asks {READY}: a dependency that is down restarts servers that are well",
            f"Ask {HEALTH} for liveness.",
            _seen(container, probe),
        )
    silent = probe.period * probe.failures
    if times.timeout and silent < times.timeout:
        yield _ill(
            container,
            f"liveness restarts the server after {silent} s of silence, before Gunicorn's timeout of "
            f"{times.timeout:g} s replaces the one worker that hangs",
            f"Make periodSeconds × failureThreshold more than {times.timeout:.0f}.",
            _seen(container, probe),
        )


def answers_in_boot(probe: Probe, container: Container, *, preload: bool) -> bool:
    """Tell whether a probe succeeds before a worker is ready.

    The side port answers `/health` from the start. A connection alone is taken by the master's
    listener, which is there before the workers; under preload only after the app's import.
    """
    if probe.handler == "tcp":
        return not preload
    at_side = container.side_port is not None and probe.port == container.side_port
    return probe.handler == "http" and at_side and probe.path.partition("?")[0] == HEALTH


def _ill(container: Container, what: str, action: str, evidence: Evidence) -> Finding:
    return Finding(
        code="BC527",
        severity=Severity.WARNING,
        summary=f"{what} ({container.where}).",
        action=(action,),
        evidence=(evidence,),
    )


def _seen(container: Container, probe: Probe) -> Evidence:
    return Evidence(source=container.source, line=probe.line, text=f"{probe.kind}: {probe.arithmetic}")


def _measured(times: BootTimes) -> Evidence:
    count = len(times.seconds)
    cut = f"; {len(times.cut_off)} ended before ready, after up to {told(times.cut_off[-1])}" if times.cut_off else ""
    text = f"ready after {told(times.p50)} (p50), {told(times.p95)} (p95), {told(times.longest)} (max)"
    return Evidence(source=f"{count} boot{'s' if count != 1 else ''}", text=text + cut)
