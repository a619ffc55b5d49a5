"""The application's own code has a syntax error.

What it means
    Python could not even compile a file of the app, so no worker can load it.

How it looks
    `SyntaxError: invalid syntax` or `IndentationError: expected an indented block`, with the file, the
    line and a caret below it.

Why it happens
    An unfinished edit or merge; a file written for a newer Python than the one that runs it.

What to do
    Correct the line that is named; often the fault is at the end of the line before it.

How to know it is fixed
    `python -m compileall -q .` with the server's Python says nothing.
"""

from __future__ import annotations

from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.trouble import LONE, SYNTAX, Trouble, is_library
from bootcheck.model.finding import Finding

CAUSE_CLASS = "app-syntax-error"
RULES: tuple[str, ...] = ()


def match(trouble: Trouble) -> Finding | None:
    """Conclude where the file with the error is the app's and no library's."""
    error = trouble.error
    if error is None or not error.is_a(*SYNTAX) or (error.frames and is_library(error.frames[-1].file)):
        return None
    if not error.frames and trouble.facts.get(LONE):
        # Whose file it is, is not told.
        return None
    where = f" in {error.frames[-1].file}, line {error.frames[-1].line}" if error.frames else ""
    return conclude(
        trouble,
        f"The app's own code does not compile{where}: {error.text}",
        f"Correct that line{', or the end of the one before it' if where else ''}.",
        "If it is right for a newer Python, start the server with that Python.",
        confirm="python -m compileall -q . with the server's Python",
    )
