"""Somebody else sent SIGKILL (BC506).

What it means
    SIGKILL ended a process, and neither the master sent it nor does the control group's counter speak
    of memory.

How it looks
    A crash report with the cause `sigkill_external`; exit status 137 of a container.

Why it happens
    The orchestrator's grace period ran out (PID 1 ignores SIGTERM until it installs a handler); an
    operator's `kill -9`; a memory killer in user space (systemd-oomd, earlyoom); the node went down.

What to do
    Look at the platform's events for that second, and at `journalctl -u systemd-oomd`. Give
    terminationGracePeriodSeconds more than graceful_timeout.

How to know it is fixed
    Stops end with status 0, within the grace period.
"""

from __future__ import annotations

from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "external-stop"
RULES = ("BC506",)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from a SIGKILL of unknown sender."""
    if trouble.cause is not Cause.SIGKILL_EXTERNAL:
        return None
    step = f" in step {trouble.step}" if trouble.step else ""
    return conclude(
        trouble,
        f"{trouble.who} got SIGKILL{step}, and neither the master nor the memory limit sent it.",
        "Ask who may kill processes here: an orchestrator after its grace period, an operator, a memory "
        "killer of the host.",
        confirm="journalctl -k | grep -i 'killed process'; kubectl describe pod POD",
        confidence="medium",
        evidence=trouble.said[-3:],
    )
