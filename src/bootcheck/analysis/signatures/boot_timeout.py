"""The master, the platform or a watchdog of its own ended a worker that was still starting.

What it means
    Up to Gunicorn 21 the worker's heartbeat clock runs from the fork. An import or model load that is
    longer than `timeout` (30 s by default) is ended by SIGABRT, and the next worker meets the same end.

How it looks
    `WORKER TIMEOUT (pid:31)` about `timeout` seconds after `Booting worker with pid: 31`, again and again,
    and no request in between. Where the app called `faulthandler.dump_traceback_later(30, exit=True)`:
    `Timeout (0:00:30)!`, the stack of each thread, and `Worker (pid:31) exited with code 1`.

Why it happens
    A model that loads for a minute; a hanging connection at import; a slow disk. From Gunicorn 22 on the
    timeout does not cover the boot, and a probe ends it instead.

What to do
    Raise `--timeout` above the measured load, load with `--preload`, and find the slow import
    (`python -X importtime`). Give network calls at import a timeout.

How to know it is fixed
    The worker's boot report is there, and its duration is below the timeout.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.dumps import watchdog_of
from bootcheck.analysis.hanging import by_watchdog
from bootcheck.analysis.trouble import BOOT, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "boot-timeout"
RULES: tuple[str, ...] = ()

TELLTALE = late.regex(
    r"Error R10 \(Boot timeout\)|[Ss]tart(?:-pre|-post)? operation timed out\. (?:Terminating|Stopping)|"
    r"Port scan timeout reached, no open ports|[Ff]ailed to start and (?:then )?listen on the port|"
    r"did not start within expected time limit|didn't respond to HTTP pings on port|"
    r"^==> Timed Out$|Site startup probe failed after|because it failed during startup|instance never healthy after|"
    r"INIT_REPORT .{1,80}Status: timeout|timeout reached waiting for health ?checks to pass for machine|"
    r"Probe of Start[Uu]p failed with (?:timeout|status code: 1\b)|Launch timed out, \w+ was not healthy|"
    r"failed to respond to the start request with|STARTUP \w+ probe failed .{1,120}The instance was not started|"
    # A server that answers, with whatever status, has started.
    r"Startup probe failed(?!.*statuscode: [1-5]\d\d)"
)
_SYSTEMD = late.regex(r"[Ss]tart operation timed out\. ")
WORDS = (
    "Port scan",
    "listen on the port",
    "did not start within",
    "respond to HTTP pings",
    "STARTUP",
    "Error R10",
    "timed out",
    "tartup probe failed",
    "==> Timed Out",
    "failed during startup",
    "never healthy",
    "INIT_REPORT",
    "timeout reached waiting",
    "Probe of ",
    "Launch timed out",
    "the start request",
)
TELLTALE_CAUSE = Cause.SIGTERM


def _is_up(trouble: Trouble) -> bool:
    """Tell whether whoever waited for the start missed one that was over: Gunicorn tells systemd when it listens."""
    return trouble.around.up or bool(trouble.around.listening and trouble.line(_SYSTEMD))


def match(trouble: Trouble) -> Finding | None:
    """Conclude where the timeout fell into the boot, or the platform says that the start took too long."""
    if watchdog_of(trouble) is not None and trouble.moment == BOOT:
        return by_watchdog(trouble, "while it was still starting")
    waited = trouble.line(TELLTALE) if trouble.role == "master" and not _is_up(trouble) else ()
    if not (trouble.cause is Cause.GUNICORN_TIMEOUT and trouble.moment == BOOT) and not waited:
        return None
    took = f" after {trouble.uptime:.0f} s" if trouble.uptime else ""
    in_step = f" in step {trouble.step}" if trouble.step else ""
    return conclude(
        trouble,
        f"{trouble.who} was ended{took} because it was still starting{in_step}.",
        "Raise --timeout above the time that the app needs to load, or load it once with --preload.",
        "Find what is slow: python -X importtime -c 'import APP'; give network calls at import a timeout.",
        confidence="high" if trouble.step or trouble.exception is not None else "medium",
        evidence=waited or [*trouble.said[-2:], *(trouble.shown()[-1:] if trouble.exception is not None else ())],
    )
