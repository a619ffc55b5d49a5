"""A probe, a health check or a supervisor stops a server that is otherwise well (BC513).

What it means
    Gunicorn works, and somebody outside declares it dead: a liveness probe, a load balancer's health
    check, an autoscaler, a supervisor that waits for another sign of life.

    Of reports alone it is concluded only where the arithmetic of a probe fits: three starts or more in the
    same container, stopped from outside before they were ready, each after the same time ("killed by a probe
    mid-load", with the step). With `analyze --manifest FILE` the probe is named, or ruled out by its own numbers.

How it looks
    `Liveness probe failed`, `failed liveness probe, will be restarted`, `Task failed ELB health checks`,
    `start operation timed out`, followed by `Handling signal: term` and a clean stop.

Why it happens
    The probe's path answers 404 or needs a login; its timeout is shorter than a slow answer; it starts
    before the app is ready; `Type=notify` without a notification; too few workers, all of them busy.

What to do
    Probe a cheap path that does not touch the database; give slow starts a startup probe; set
    failureThreshold × periodSeconds above the longest boot measured: `bootcheck probes` writes the settings
    from measured boots, `bootcheck probes --lint MANIFEST` judges those that are there.

How to know it is fixed
    The restart count stays where it is through a deploy and through peak load.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.outsiders import ACT_WORDS, ACTS
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "external-stop"
RULES = ("BC513",)

TELLTALE = late.regex(
    r"Port scan timeout reached, no open|[Ll]iveness probe (?:failed|errored)|failed (?:liveness|startup) probe|"
    r"Startup probe failed: .*statuscode: [1-5]\d\d|Readiness probe failed|"
    r"[Hh]ealth ?checks? (?:has |have )?failed|failed (?:ELB |container )?health checks|"
    r"[Uu]nhealthy.{0,40}(?:restart|kill|terminat|replac)|watchdog timeout|Watchdog timeout|"
    r"[Ss]tart operation timed out|Timed out waiting for (?:the )?health|"
    r"Back-off restarting failed container|Instance (?:is )?(?:unhealthy|stopped responding)|"
    r"is unhealthy in \(?target-group|is unhealthy, Stopping site|"
    r"waiting for internal health check|failed health checks after|[Hh]ealth ?checks? (?:is |are )?failing|"
    r"[Hh]ealth check (?:never passed|failures?\b)|"
    r"ELB system health check|failed its (?:liveness|health) checks?|"
    r"[Hh]ealthcheck (?:failed!|failure)|healthcheck: check \"[^\"]+\" unhealthy|respond to health check|"
    r"is unhealthy, it will be killed|LIVENESS \w+ probe failed|"
    r"[Hh]ealth check (?:'[^']+' )?on port \d+ has failed|unhealthy container|"
    r"failed to become healthy within|[Nn]ew container is not healthy, rolling back|"
    r"[Cc]ould not start due to \d+ failed check|Target\.FailedHealthChecks|"
    r"The node was low on resource: |TaintManagerEviction|deleting pod for node scale down|"
    r"Your Spot Task was interrupted|"
    r"No response from gunicorn master within|[Ss]ome workers seem to have died and gunicorn did not restart them|"
    r"State changed from up to crashed|Probe of Liveness failed|Liveness check unsuccessful|"
    r"terminated because it failed to respond to the start request|"
    r"DeployContainerHealthChecksFailed|ELB health is failing|did not pass the ping health check|"
    # a container on which others wait; that of a database is not this server's
    r"^(?!.*[Cc]ontainer (?:for service )?\S*(?:db|postgres|mysql|maria|mongo|redis|rabbit|kafka|elastic|search|minio|"
    r"cache|queue)).*(?:dependency failed to start: container (?:for service )?\S+ is unhealthy|"
    r"[Cc]ontainer \"[0-9a-f]{12,64}\" is unhealthy)|"
    # GNU timeout, of a run that may take so long and no longer
    r"^(?:/\S*/)?timeout: sending signal [A-Z]\w+ to command|"
    # superlance (httpok, memmon), monit, HAProxy; a proxy that is refused says only that the server has ended
    r"^\S+ is in [A-Z]+ state, restarting$|'[^']+' failed protocol test \[|Server \S+/\S+ is DOWN, reason: Layer7"
)
_SCAN = late.regex(r"Port scan timeout reached, no open")
"""It says nothing against a server of which it is not known that it was up."""
# No word of an ordinary request: `GET /health` and `kube-probe/1.31` stand in every other line.
WORDS = (
    "Port scan",
    "probe failed",
    "probe errored",
    "failed liveness",
    "failed startup",
    "iveness check",
    "ealth check",
    "ealthcheck",
    "nhealthy",
    "Timed out waiting for ",
    "atchdog",
    "timed out",
    "Back-off",
    "State changed",
    "No response from",
    "workers seem to have died",
    "Instance",
    "state, restarting",
    "protocol test",
    "is DOWN",
    "Probe of ",
    "respond to the start request",
    "become healthy",
    "not healthy, rolling",
    " failed check",
    "FailedHealthChecks",
    "low on resource",
    "TaintManagerEviction",
    "node scale down",
    "Spot Task",
    "HealthChecksFailed",
    "health is failing",
    "sending signal ",
)
BESIDE = late.regex(ACTS)
BESIDE_WORDS = ACT_WORDS
TELLTALE_CAUSE = Cause.SIGTERM


def match(trouble: Trouble) -> Finding | None:
    """Conclude where the platform itself says that it ends the server."""
    line = trouble.line(TELLTALE) or trouble.line(BESIDE)
    if (
        not line
        or (_SCAN.search(line[0].text) and not trouble.around.up)
        or trouble.cause not in (Cause.SIGTERM, Cause.SIGKILL_EXTERNAL)
    ):
        return None
    return conclude(
        trouble,
        f"The server was stopped from outside: {one_line(line[0].text)}",
        "Check what the probe asks for and how long it waits; give slow starts a startup probe.",
        "Raise failureThreshold × periodSeconds above the longest boot measured.",
        code="BC513",
        confidence="medium",
        against=("A probe may fail because the app hangs: look for WORKER TIMEOUT or slow answers before it.",),
        evidence=[*line, *trouble.said][:4],
    )
