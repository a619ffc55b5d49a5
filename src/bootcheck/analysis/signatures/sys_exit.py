"""The app called sys.exit while it was loaded (BC503).

What it means
    Something ended the process on purpose before it was ready: `sys.exit()` in a module, an argument
    parser that saw gunicorn's arguments, a start-up check of the app. Gunicorn starts such a worker
    again without end, whatever the status: only 3 and 4 stop the server.

How it looks
    `Booting worker` and `Worker exiting` in quick turns, with `exited with code 1` from Gunicorn 21 on and
    nothing at all for status 0.

Why it happens
    Start-up code written for a script; `argparse` at import time; a library that exits where it should
    raise.

What to do
    Find the call (the report has its stack) and raise an exception instead: then gunicorn stops and says
    why.

How to know it is fixed
    The worker becomes ready, or gunicorn ends with the exception's traceback.
"""

from __future__ import annotations

from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "app-exception"
RULES = ("BC503",)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from SystemExit, or from workers that end again and again without a word."""
    if trouble.cause is not Cause.SYS_EXIT:
        return None
    silent = bool(trouble.facts.get("silent"))
    error = trouble.error
    if trouble.facts.get("gave_up") and error is not None and not error.is_a("SystemExit"):
        said, evidence = one_line(error.message), trouble.said[:3]
        return conclude(
            trouble,
            f"The server gave up at its start: {said}",
            "Correct what the message names.",
            evidence=evidence,
            confidence="medium",
        )
    message = f": {one_line(error.message)}" if error is not None and error.message else ""
    return conclude(
        trouble,
        f"{trouble.who} ended by itself while it was starting, without an error line (sys.exit)."
        if silent
        else f"{trouble.who} called sys.exit while it was loaded{message}.",
        "Look for sys.exit, argparse or a start-up check in what the app imports; raise an exception instead.",
        "Run it once under bootcheck: the report names the call.",
        confirm="python -c 'import APP'; echo $?",
        confidence="low" if silent else "high",
        against=("No line of the log names the reason: it is inferred from workers that end and start in quick turns.",)
        if silent
        else (),
    )
