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

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.libraries import file_of_syntax_error
from bootcheck.analysis.trouble import LONE, SYNTAX, Raised, Trouble, is_library
from bootcheck.model.finding import Finding

CAUSE_CLASS = "app-syntax-error"
RULES: tuple[str, ...] = ()
WHERE_ALL_FAIL = True

_OLD = late.regex(r"^Missing parentheses in call to '|^multiple exception types must be parenthesized")
"""What Python 3 says of code for Python 2: a library's as often as the app's."""
_OF_SQL = late.regex(r"^(?:psycopg\d?|asyncpg|duckdb|sqlglot)\b")
"""Whose errors of that name are about a query."""
_NULL = late.regex(r"source code (?:string )?cannot contain null bytes")


def match(trouble: Trouble) -> Finding | None:
    """Conclude where the file with the error is the app's and no library's."""
    error = trouble.error
    if error is None or _OF_SQL.search(error.type):
        return None
    if _is_hidden(trouble, error):
        return conclude(
            trouble,
            "The app's own code does not compile, and Gunicorn 19 failed at saying where.",
            "Compile the app, or start once with --reload: then the file and the line are told.",
            confirm="python -m compileall -q . with the server's Python",
            confidence="medium",
        )
    if not (error.is_a(*SYNTAX) or (error.is_a("ValueError") and _NULL.search(error.message))):
        return None
    told = file_of_syntax_error(error)
    if told is None:
        # Nothing is told but the last line: released libraries compile, unless they are older than this Python.
        if trouble.facts.get(LONE) and _OLD.search(error.message):
            return None
    elif is_library(told):
        return None
    line = f", line {error.frames[-1].line}" if error.frames and not error.frames[-1].function else ""
    where = f" in {told}{line}" if told else ""
    return conclude(
        trouble,
        f"The app's own code does not compile{where}: {error.text}",
        f"Correct that line{', or the end of the one before it' if where else ''}.",
        "If it is right for a newer Python, start the server with that Python.",
        confidence="low" if told is None else "high",
        confirm="python -m compileall -q . with the server's Python",
    )


def _is_hidden(trouble: Trouble, error: Raised) -> bool:
    """Tell whether Gunicorn's reloader, which was not there, was to watch the file that does not compile."""
    alone = len(trouble.chain) <= 1 and bool(error.frames) and error.is_a("AttributeError")
    return alone and "add_extra_file(exc_val.filename)" in error.frames[-1].code
