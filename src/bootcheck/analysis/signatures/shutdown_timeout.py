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

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "shutdown-timeout"
RULES = ("BC507",)

TELLTALE = late.regex(
    r"State '(?:stop-(?:final-)?sig|stop-post|final-|stop')\S* timed out\.|stop-sigterm timed out|"
    r"Error R12 \(Exit timeout\)|did not (?:exit|stop|terminate) within (?:the |its )?grace period|"
    r"Stopping timed out\. (?:Killing|Terminating)|Failed with result 'timeout'|"
    r"Killing process \d+ \(\S*(?:unicorn|python)\S*\) with signal SIGKILL|"
    # supervisord after stopwaitsecs, dockerd after its own limit
    r"killing '[^']+' \(\d+\) with SIGKILL|stopped: \S+ \(terminated by SIGKILL\)|"
    # podman
    r"in \d+ seconds, resorting to SIGKILL|"
    r"failed to exit within .{1,20} of signal \d+ - using the force|"
    # pm2, honcho, foreman, sv of runit, start-stop-daemon, uvicorn
    r"still alive after \d+ms, sending it SIGKILL|[Ss]ending SIGKILL to (?:all processes|\S+ \(pid \d+\))|"
    r"^timeout: run: \S+ \(pid \d+\) .*want down, got TERM|Program \S*(?:unicorn|python)\S*, .*refused to die|"
    r"timeout graceful shutdown exceeded"
)
_WEAK = late.regex(r"Killing process \d+|Failed with result 'timeout'")
"""A start may take too long as well, and what is left over after a good stop is killed too: both, or neither."""

WORDS = (
    "terminated by SIGKILL",
    "resorting to",
    "timed out",
    "Error R12",
    "grace period",
    "with SIGKILL",
    "using the force",
    "signal SIGKILL",
    "Failed with result",
    "ending SIGKILL",
    "sending it SIGKILL",
    "got TERM",
    "refused to die",
    "graceful shutdown exceeded",
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
    told = [item.text for item in trouble.said if TELLTALE.search(item.text)]
    weak = [match[0][:4] for text in told if (match := _WEAK.search(text)) is not None]
    if told and len(weak) == len(told) and len(set(weak)) == 1:
        return None
    return conclude(
        trouble,
        f"{trouble.who} did not stop within the grace period and was killed.",
        "Find what holds the worker on its way out: a long request, a stream, a thread that is no daemon.",
        *(() if trouble.served else (_HANGS,)),
        "Raise graceful_timeout if it needs the time, and the platform's grace period above it.",
        evidence=[*trouble.line(TELLTALE), *trouble.said[-2:]][:3],
    )
