"""Probe settings as each platform writes them; text only, to be pasted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from bootcheck.analysis.probe_plan import Asking, Plan, told


def text(plan: Plan) -> Iterator[str]:
    """Yield what was measured and what follows from it, for a person."""
    times = plan.times
    yield measured(plan)
    for name, seconds in times.steps:
        yield f"  step {name}: up to {told(seconds)}"
    yield ""
    for name, what, asking in (
        ("startup", "not ready after {} s: restart", plan.startup),
        ("readiness", "not ready for {} s: no traffic", plan.readiness),
        ("liveness", "silent for {} s: restart", plan.liveness),
    ):
        how = f"GET {asking.path} every {asking.period} s, {asking.failures} failures"
        yield f"{name:10} {what.format(asking.patience)} ({how})"
    yield f"stop       SIGKILL {plan.grace} s after SIGTERM (Gunicorn's graceful_timeout and a margin)"
    for note in plan.notes:
        yield f"Note: {note}"
    yield ""
    yield "For a platform: bootcheck probes --format kubernetes|terraform|compose|systemd"


def kubernetes(plan: Plan) -> Iterator[str]:
    """Yield the probes of a container, as YAML."""
    yield from _comments(plan)
    for name, asking in _named(plan, "startupProbe", "readinessProbe", "livenessProbe"):
        yield f"{name}:"
        yield "  httpGet:"
        yield f"    path: {asking.path}"
        yield f"    port: {_port(plan)}"
        yield f"  periodSeconds: {asking.period}"
        yield f"  failureThreshold: {asking.failures}"
        yield f"  timeoutSeconds: {asking.timeout}"
    yield "# In the pod's spec, beside `containers`:"
    yield f"# terminationGracePeriodSeconds: {plan.grace}"


def terraform(plan: Plan) -> Iterator[str]:
    """Yield the same for the kubernetes provider of Terraform."""
    yield from _comments(plan)
    for name, asking in _named(plan, "startup_probe", "readiness_probe", "liveness_probe"):
        yield f"{name} {{"
        yield "  http_get {"
        yield f'    path = "{asking.path}"'
        yield f"    port = {_port(plan)}"
        yield "  }"
        yield f"  period_seconds    = {asking.period}"
        yield f"  failure_threshold = {asking.failures}"
        yield f"  timeout_seconds   = {asking.timeout}"
        yield "}"
    yield "# In the pod's spec, beside `container`:"
    yield f"# termination_grace_period_seconds = {plan.grace}"


def compose(plan: Plan) -> Iterator[str]:
    """Yield a service's health check for docker compose: one question, with a grace for the start."""
    asking = plan.readiness
    url = f"http://127.0.0.1:{plan.port}{asking.path}"
    yield from _comments(plan)
    yield "healthcheck:"
    yield (
        f'  test: ["CMD", "python", "-c", "import urllib.request as r; r.urlopen(\'{url}\', timeout={asking.timeout})"]'
    )
    yield f"  interval: {asking.period}s"
    yield f"  timeout: {asking.timeout + 2}s"
    yield f"  retries: {asking.failures}"
    yield f"  start_period: {plan.start_limit}s"
    yield f"stop_grace_period: {plan.grace}s"


def systemd(plan: Plan) -> Iterator[str]:
    """Yield the lines of a unit."""
    yield from _comments(plan)
    yield "[Service]"
    yield "Type=notify"
    yield "NotifyAccess=main"
    yield f"TimeoutStartSec={plan.start_limit}"
    yield f"TimeoutStopSec={plan.grace}"
    yield f"WatchdogSec={plan.watchdog}"


def as_json(plan: Plan) -> Iterator[str]:
    """Yield one object for tools."""
    yield json.dumps(plan.as_dict(), indent=1)


def measured(plan: Plan) -> str:
    """Return what the settings rest on, in one line."""
    times = plan.times
    count = len(times.seconds)
    return (
        f"{count} boot{'s' if count != 1 else ''} measured: ready after {told(times.p50)} (p50), "
        f"{told(times.p95)} (p95), {told(times.longest)} (max)"
    )


def _comments(plan: Plan) -> Iterator[str]:
    yield f"# By `bootcheck probes`. {measured(plan)}."
    for note in plan.notes:
        yield f"# {note}"


def _named(plan: Plan, *names: str) -> Iterator[tuple[str, Asking]]:
    yield from zip(names, (plan.startup, plan.readiness, plan.liveness), strict=True)


def _port(plan: Plan) -> str:
    """Return the port as both languages write it: a number, or a name in quotes."""
    return plan.port if plan.port.isdigit() else json.dumps(plan.port)


FORMATS: Mapping[str, Callable[[Plan], Iterator[str]]] = {
    "text": text,
    "kubernetes": kubernetes,
    "terraform": terraform,
    "compose": compose,
    "systemd": systemd,
    "json": as_json,
}
"""What `probes --format` accepts, the default first."""
