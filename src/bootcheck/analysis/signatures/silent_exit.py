"""The process ended with a status and without an exception (BC504).

What it means
    No Python exception, no signal: `os._exit`, native code that calls exit(), or a child of the app that
    went through the wrong door.

How it looks
    `Worker (pid:31) exited with code 1` with no traceback before it; on Gunicorn 20 nothing but new
    workers that boot.

Why it happens
    A library that ends the process when a licence, a device or a file is missing; `os._exit` in a forked
    helper; status 3 or 4 of the app's own, which gunicorn takes for a failed boot.

What to do
    Run it once under bootcheck: the journal's last checkpoint names the step. Or
    `strace -f -e trace=exit_group` to see who ends it.

How to know it is fixed
    The worker becomes ready.
"""

from __future__ import annotations

from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "app-exception"
RULES = ("BC504",)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from a status without any other word."""
    if trouble.cause is not Cause.OS_EXIT:
        return None
    status = f" with status {trouble.exit_code}" if trouble.exit_code is not None else ""
    step = f" in step {trouble.step}" if trouble.step else ""
    return conclude(
        trouble,
        f"{trouble.who} ended{status}{step} without an exception or a signal.",
        "Look for os._exit, sys.exit, or native code that calls exit(), in what the app loads.",
        "Run it once under bootcheck: the last checkpoint names the step.",
        confidence="high" if trouble.step else "low",
        evidence=trouble.said[-2:],
    )
