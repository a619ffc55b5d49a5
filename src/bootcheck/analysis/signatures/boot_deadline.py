"""The worker was not ready before the boot deadline (BC511).

What it means
    `BOOTCHECK_BOOT_DEADLINE` is set, a worker was still starting when it ran out, and bootcheck ended it
    with a report that holds the stack of every thread.

How it looks
    A crash report with the cause `boot_deadline`; its step and stack name what the worker waited for.

Why it happens
    A query, a download or a model load that takes longer here; a lock that never comes free; a service
    that accepts and never answers.

What to do
    Look at the stack: it shows the call. Give that call a timeout of its own, or raise the deadline if
    the work is meant to take so long.

How to know it is fixed
    The boot report's duration stays well below the deadline.
"""

from __future__ import annotations

from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "boot-timeout"
RULES = ("BC511",)


def match(trouble: Trouble) -> Finding | None:
    """Conclude where bootcheck's own deadline ended the process."""
    if trouble.cause is not Cause.BOOT_DEADLINE:
        return None
    where = f" in step {trouble.step}" if trouble.step else ""
    return conclude(
        trouble,
        f"{trouble.who} was not ready before the boot deadline{where}.",
        "Look at the stack in the report for what it was waiting for, and give that call a timeout.",
        "Raise BOOTCHECK_BOOT_DEADLINE only if the work is meant to take so long.",
        evidence=trouble.said[-3:],
    )
