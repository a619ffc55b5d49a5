"""Was it a probe? Starts that were stopped from outside, each after the same time, are; anything else is not.

A probe counts from the container's start, so it kills every start after the same number of
seconds, in the same container, with SIGTERM and then SIGKILL. A rollout makes a new container each
time; memory and an exit by itself end a process in other ways; an operator has no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from bootcheck.analysis.deaths import Death
from bootcheck.analysis.manifest import Container, Probe
from bootcheck.analysis.probe_lint import answers_in_boot
from bootcheck.analysis.probe_plan import told
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding

IN_A_ROW = 3
"""Starts: twice the same time may be chance."""
_FROM_OUTSIDE = frozenset({Cause.SIGTERM, Cause.SIGKILL_EXTERNAL, Cause.SIGKILL_GRACEFUL_TIMEOUT})
_SAID = {"startupProbe": "startup", "livenessProbe": "liveness"}


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a server that was ended before it was ready."""

    began: float
    uptime: float
    deaths: tuple[Death, ...]


def recognise(deaths: Sequence[Death], containers: Sequence[Container] = ()) -> list[Death]:
    """Return the deaths, those by a probe with that conclusion; a probe that cannot have done it is refuted."""
    changed: dict[int, Death] = {}
    probes = killers(containers)
    for starts in _by_host(deaths).values():
        pattern = _alike(starts)
        fitting = next((pair for pair in probes if pattern and _fits(pair[1], pattern)), None)
        refuted = [pair for pair in probes if pair is not fitting and not any(_fits(pair[1], [one]) for one in starts)]
        for start in starts:
            if start in pattern and (fitting is not None or not probes):
                finding = _conclusion(pattern, fitting)
                changed.update((id(death), _by_probe(death, finding)) for death in start.deaths)
            elif refuted:
                doubts = tuple(_refutation(where, probe, start) for where, probe in refuted)
                changed.update((id(death), _doubted(death, doubts)) for death in start.deaths)
    return [changed.get(id(death), death) for death in deaths] if changed else list(deaths)


def _by_host(deaths: Sequence[Death]) -> dict[str, list[Start]]:
    """Return, for each host, its starts that ended in mid-boot from outside, in order."""
    servers: dict[tuple[str, str], list[Death]] = {}
    spoiled: set[tuple[str, str]] = set()
    for death in deaths:
        if death.host is None or death.server is None:
            continue
        key = (death.host, death.server)
        if _in_boot(death):
            servers.setdefault(key, []).append(death)
        elif death.cause is not Cause.VANISHED:
            # Something else happened to this start, too: that is what it is about.
            spoiled.add(key)
    hosts: dict[str, list[Start]] = {}
    for key, group in servers.items():
        if key not in spoiled:
            began = min(death.since for death in group if death.since is not None)
            ended = min(death.at for death in group if death.at is not None)
            hosts.setdefault(key[0], []).append(Start(began, ended - began, tuple(group)))
    for starts in hosts.values():
        starts.sort(key=lambda start: start.began)
    return hosts


def _in_boot(death: Death) -> bool:
    timed = death.at is not None and death.since is not None and death.at > death.since
    # What a process in here sent is told with its name, and is no kubelet's.
    by_others = death.cause in _FROM_OUTSIDE and not death.sent_here
    return by_others and death.ready is False and bool(death.step) and timed


def _alike(starts: Sequence[Start]) -> list[Start]:
    """Return the starts whose uptimes are the same, empty where there are too few of them."""
    if len(starts) < IN_A_ROW:
        return []
    usual = median(start.uptime for start in starts)
    within = _tolerance(usual)
    same = [start for start in starts if abs(start.uptime - usual) <= within]
    # An operator or a deploy in between may end one start earlier; most of them must agree.
    return same if len(same) >= max(IN_A_ROW, len(starts) * 0.75) else []


def _tolerance(seconds: float) -> float:
    """Return by how much two uptimes may differ: kubelets are busy, and the first boot reads a cold disk."""
    return min(max(1.0, 0.1 * seconds), 0.3 * seconds)


def killers(containers: Sequence[Container]) -> list[tuple[Container, Probe]]:
    """Return the probe of each container that can end a start."""
    found = []
    for container in containers:
        probe = container.probes.get("startupProbe") or container.probes.get("livenessProbe")
        if probe is not None:
            found.append((container, probe))
    return found


def _fits(probe: Probe, starts: Sequence[Start]) -> bool:
    """Tell whether the arithmetic of a probe gives these uptimes; each question may take its timeout."""
    usual = median(start.uptime for start in starts)
    within = _tolerance(usual)
    # The process begins a moment after its container: an image is unpacked, a shell runs.
    return probe.earliest - within - 5.0 <= usual <= probe.acts_at + probe.timeout + within


def _conclusion(starts: Sequence[Start], fitting: tuple[Container, Probe] | None) -> Finding:
    steps = [death.step for start in starts for death in start.deaths if death.step]
    step = max(sorted(set(steps)), key=steps.count)
    usual = median(start.uptime for start in starts)
    uptimes = ", ".join(told(start.uptime) for start in starts[:6])
    seen = Evidence(source="reports", text=f"{len(starts)} starts in this container, each ended after {uptimes}")
    if fitting is None:
        return Finding(
            code="BC513",
            summary=f"Killed by a probe mid-load: {len(starts)} starts were stopped from outside, each {told(usual)} "
            f"after it began, in step {step}.",
            action=(
                f"Compare {told(usual)} with the numbers of its probes: bootcheck probes --lint MANIFEST.",
                "Let one start without probes, then write what `bootcheck probes` computes from it.",
            ),
            evidence=(seen,),
            against=(
                "A supervisor's time limit for starts looks the same; the platform's events name the one that did it.",
            ),
            confirm="kubectl describe pod POD",
            confidence="medium",
        )
    container, probe = fitting
    what = _SAID[probe.kind]
    return Finding(
        code="BC513",
        summary=f"Killed by the {what} probe mid-load: it acts at {probe.acts_at} s, and {len(starts)} starts were "
        f"stopped {told(usual)} after they began, in step {step} ({container.where}).",
        action=(
            "Let one start without probes, then write what `bootcheck probes` computes from it.",
            f"Make step {step} faster, or warm up before the server counts as started.",
        ),
        evidence=(seen, Evidence(source=container.source, line=probe.line, text=f"{probe.kind}: {probe.arithmetic}")),
        confirm="kubectl describe pod POD",
        confidence="high",
    )


def _refutation(container: Container, probe: Probe, start: Start) -> str:
    what = _SAID[probe.kind]
    if probe.earliest > start.uptime:
        return (
            f"It was not the {what} probe: that acts after {probe.earliest} s at the earliest ({probe.arithmetic}), "
            f"and this start was ended after {told(start.uptime)}."
        )
    if answers_in_boot(probe, container, preload=False):
        return f"It was not the {what} probe: it succeeds while the server starts."
    return f"It was not the {what} probe at its first chance: that is at {probe.acts_at} s ({probe.arithmetic})."


def _by_probe(death: Death, finding: Finding) -> Death:
    kept = replace(finding, evidence=(*finding.evidence, *death.finding.evidence))
    return replace(death, told=kept, subject="probe", specific=True)


def _doubted(death: Death, doubts: tuple[str, ...]) -> Death:
    against = tuple(dict.fromkeys((*death.finding.against, *doubts)))
    return replace(death, told=replace(death.finding, against=against))
