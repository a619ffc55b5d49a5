"""The master, or a watchdog of its own, ended a worker that was serving (BC510).

What it means
    A worker did not report to the master for `timeout` seconds. The master sends SIGABRT, a second later
    SIGKILL. With sync workers that means: one request took longer than `timeout`.

How it looks
    `WORKER TIMEOUT (pid:31)`, then `Error handling request` with a traceback that ends in handle_abort,
    then perhaps `was sent SIGKILL! Perhaps out of memory?`, which is not about memory here.
    Where the app called `faulthandler.dump_traceback_later(30, exit=True)`: `Timeout (0:00:30)!`, the stack
    of each thread, and `Worker (pid:31) exited with code 1`.

Why it happens
    A slow query or an upstream call without a timeout; a model that loads inside the first request; a
    client that sends slowly to a sync worker without a proxy; native code that holds the interpreter.

What to do
    Look at the traceback or at the report's stack for the line it stood in. Give that call a timeout,
    move the work out of the request, or use threads or async workers for slow clients.

How to know it is fixed
    No WORKER TIMEOUT under the load that showed it.
"""

from __future__ import annotations

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.dumps import watchdog_of
from bootcheck.analysis.hanging import by_watchdog
from bootcheck.analysis.trouble import REQUEST, Trouble, is_library
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "request-timeout"
RULES = ("BC510",)

TELLTALE = late.regex(
    # App Engine and Lambda: the platform's own limit of a request
    r"Process terminated because the request deadline was exceeded|"
    r"[0-9a-f]{8}-[0-9a-f-]{27} Task timed out after [\d.]+ seconds"
)
WORDS = ("request deadline was exceeded", "Task timed out after")
TELLTALE_CAUSE = Cause.SIGKILL_EXTERNAL


def match(trouble: Trouble) -> Finding | None:
    """Conclude from WORKER TIMEOUT of a worker that was ready."""
    limit = trouble.line(TELLTALE) if trouble.role == "master" else ()
    if limit:
        return conclude(
            trouble,
            f"The platform ended a process because a request took too long: {one_line(limit[0].text)}",
            "Give the call that it stood in a timeout, or move that work out of the request.",
            evidence=limit,
        )
    if watchdog_of(trouble) is not None and trouble.moment == REQUEST:
        return by_watchdog(trouble, "in a request")
    if trouble.cause is not Cause.GUNICORN_TIMEOUT:
        return None
    frames = trouble.exception.frames if trouble.exception is not None else ()
    inner = next((frame for frame in reversed(frames) if not is_library(frame.file)), None)
    where = f" It stood in {inner.function} ({inner.file}:{inner.line})." if inner is not None else ""
    return conclude(
        trouble,
        f"The master timed out {trouble.who[0].lower()}{trouble.who[1:]} that was serving.{where}",
        "Give the call that it stood in a timeout, or move that work out of the request.",
        "Slow clients or long requests by design: use gthread or async workers behind a buffering proxy; "
        "raise --timeout last.",
        confidence="high" if inner is not None else "medium",
        against=()
        if inner is not None
        else ("No traceback shows what it was doing: it may have been idle, or in native code.",),
        evidence=[*trouble.said[-2:], *(trouble.shown()[-1:] if inner is not None else ())],
    )
