"""The app raised while it was loaded (BC501).

What it means
    The import of the app, a server hook or the start of its lifespan raised. The worker ends with
    status 3, and gunicorn stops the whole server: `Reason: Worker failed to boot.`
    `[Errno 9] Bad file descriptor` from Gunicorn's own code is the app's doing too: something that ran
    while it was loaded closed descriptors that it had not opened.

How it looks
    `Exception in worker process` and a traceback. Under `--preload` a RuntimeError is one line,
    `Error: …`, without any traceback.

Why it happens
    A fault in the app's own start-up code, or something that it needs is not there. `analyze` answers
    with a closer class where it knows the exception.

What to do
    Read the last lines of the traceback: the exception, and the last file that is yours.

How to know it is fixed
    `python -c "import MODULE"` with the server's environment, and `bootcheck check`, end with status 0.
"""

from __future__ import annotations

from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Trouble, is_library
from bootcheck.model.advice import CLOSED
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "app-exception"
RULES = ("BC501",)


def match(trouble: Trouble) -> Finding | None:
    """Conclude at least what was raised, and that the process died of it."""
    if trouble.cause not in (Cause.EXCEPTION, Cause.APP_NOT_FOUND):
        return None
    error = trouble.error
    if error is None:
        return conclude(
            trouble,
            f"{trouble.who} failed to boot, and the log does not say why.",
            "Look above the first line of this log, or start once with --log-level debug: the traceback is missing.",
            confidence="low",
            evidence=trouble.said[-3:],
        )
    if trouble.role == "master" and not error.frames and trouble.facts.get("gave_up"):
        return conclude(
            trouble,
            f"Gunicorn gave up before it started a worker: {one_line(error.message)}",
            "Correct what the message names: an option's value, or a RuntimeError of the app under --preload.",
            "Start once without --preload: what the app raises then has a traceback.",
            confirm="gunicorn --check-config APP",
            confidence="low",
            against=("Gunicorn prints its own refusals and an app's RuntimeError alike, in one line.",),
        )
    where = f" at {error.where}" if error.where else ""
    if error.unread and error.frames:
        return conclude(
            trouble,
            f"The app raised while it was loaded{where}, and the log ends before it says what.",
            "Get the lines that follow: the last one of the traceback names the error.",
            confidence="low",
            against=("What could not be read may have another cause than the app.",),
        )
    if "[Errno 9]" in error.message and error.frames and all(is_library(frame.file) for frame in error.frames):
        return conclude(
            trouble,
            f"{trouble.who} found its sockets or pipes closed by other code: {one_line(error.text)}{where}.",
            CLOSED,
            confirm="bootcheck check",
        )
    return conclude(
        trouble,
        f"The app raised {one_line(error.text)} while it was loaded{where}.",
        f"Look at {error.where} and the line above it in the traceback."
        if error.where
        else "Read the last lines of the traceback.",
        confirm="bootcheck check",
    )
