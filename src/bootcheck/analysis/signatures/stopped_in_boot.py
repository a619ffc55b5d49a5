"""A stop signal came before the process was ready (BC505).

What it means
    SIGTERM, SIGINT or SIGQUIT arrived while the process was still starting. Plain Gunicorn says
    nothing about it: the worker ends with status 0 when its import is over, if it ever is.

How it looks
    A crash report with the cause `sigterm`: its step and stack show where the start stood, and whether
    the master or somebody outside sent the signal. Several workers, all at the same second.

Why it happens
    A probe, deploy or supervisor loses patience with a slow or hanging start; an operator; a sibling
    worker failed, and the master stops the rest.

What to do
    Two questions: who sent it (with the extra `bootcheck[siginfo]` the report names the sender's pid, uid
    and command, `bootcheck.signal.sender.*`; else the platform's events), and why the start stood in that
    step so long (its duration, its stack). Repair the step first: a start that is fast is not killed.

How to know it is fixed
    A boot report per worker, and no `sigterm` report.
"""

from __future__ import annotations

from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "external-stop"
RULES = ("BC505",)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from a stop signal that ended a process."""
    if trouble.cause is not Cause.SIGTERM:
        return None
    name = trouble.signal or "a stop signal"
    step = f" while it was in step {trouble.step}" if trouble.step else ""
    took = f" {trouble.uptime:.0f} s after its start" if trouble.uptime else ""
    return conclude(
        trouble,
        f"{trouble.who} got {name}{took}{step}.",
        "Find who stops the server (probe, deploy, supervisor, operator), and what makes that step slow.",
        confidence="high" if trouble.step else "low",
        against=()
        if trouble.step
        else ("The log does not say who sent the signal, nor whether the worker was serving.",),
        evidence=trouble.said[-3:],
    )
