"""The master killed a worker that did not stop in time (BC507).

What it means
    A stop or reload was ordered; a worker was still busy when `graceful_timeout` ran out, and the master
    sent SIGKILL. Its request was cut.

How it looks
    `Handling signal: term`, about 30 s later `was sent SIGKILL! Perhaps out of memory?` or just
    `Shutting down: Master`; a crash report with the cause `sigkill_graceful_timeout`.

Why it happens
    A request, stream or websocket longer than `graceful_timeout`; a thread of the app that is no daemon;
    an import that SIGTERM does not interrupt.

What to do
    Look at what the worker was doing. Raise `graceful_timeout` (and the platform's grace period above it),
    or make the long work stoppable.

How to know it is fixed
    Stops end within the grace period, without SIGKILL.
"""

from __future__ import annotations

import re

from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "shutdown-timeout"
RULES = ("BC507",)

TELLTALE = re.compile(
    r"State '(?:stop|final)-sig\w+' timed out\. Killing|stop-sigterm timed out|Error R12 \(Exit timeout\)|"
    r"did not (?:exit|stop) within the grace period|Stopping timed out\. Killing|"
    # supervisord after stopwaitsecs, dockerd after its own limit
    r"killing '[^']+' \(\d+\) with SIGKILL|stopped: \S+ \(terminated by SIGKILL\)|"
    # podman
    r"in \d+ seconds, resorting to SIGKILL|"
    r"failed to exit within .{1,20} of signal \d+ - using the force"
)
WORDS = (
    "terminated by SIGKILL",
    "resorting to",
    "timed out",
    "Error R12",
    "grace period",
    "with SIGKILL",
    "using the force",
)
TELLTALE_CAUSE = Cause.SIGKILL_GRACEFUL_TIMEOUT
_HANGS = (
    "Nothing shows that it had served: where it never was ready, its start hangs, and somebody lost patience. Look at "
    "what the start waits for (a database, a model, a lock): bootcheck names the step."
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from a SIGKILL that follows an ordered stop."""
    if trouble.cause is not Cause.SIGKILL_GRACEFUL_TIMEOUT:
        return None
    return conclude(
        trouble,
        f"{trouble.who} did not stop within the grace period and was killed.",
        "Find what holds the worker on its way out: a long request, a stream, a thread that is no daemon.",
        *(() if trouble.served else (_HANGS,)),
        "Raise graceful_timeout if it needs the time, and the platform's grace period above it.",
        evidence=[*trouble.line(TELLTALE), *trouble.said[-2:]][:3],
    )
