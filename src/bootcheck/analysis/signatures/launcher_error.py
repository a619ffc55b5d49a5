"""The launcher could not run gunicorn at all (BC520).

What it means
    The unit, container or supervisor failed before gunicorn's first line: no such command, no such
    user or directory, or a file that this machine cannot execute.

How it looks
    `status=203/EXEC`, `Process exited with status 127`, `gunicorn: command not found`,
    `No module named gunicorn`, `can't find command`, `exec format error`; and no line of gunicorn.

Why it happens
    The virtual environment is not where the unit says; gunicorn is missing from the requirements;
    a script keeps the path of a Python that was removed; an image was built for another processor.

What to do
    Write the absolute path of the environment's gunicorn into the unit, and install gunicorn into
    that environment. For 217/USER and 200/CHDIR create the user or the directory that is named.

How to know it is fixed
    The same command, run as the same user in the same directory, prints gunicorn's version.
"""

from __future__ import annotations

import re

from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "launcher-error"
RULES = ("BC520",)

TELLTALE = re.compile(
    r"Failed at step (?:EXEC|USER|GROUP|CHDIR|NAMESPACE)|status=(?:203/EXEC|217/USER|216/GROUP|200/CHDIR)|"
    r"Unable to locate executable|"
    r"Failed to locate executable|gunicorn\S*: (?:command not found|not found|No such file or directory|"
    r"cannot execute)|"
    r"exec: \\?\"?[^\"\s]*gunicorn[^\"]*\\?\"?: (?:executable file )?(?:not found|stat )|"
    r"executable file not found in \$PATH|"
    r"can't find command '|No module named '?gunicorn'?$|exec format error|Exec format error|"
    r"bad interpreter: No such file|"
    r"exec \S*gunicorn\S*: no such file|[Pp]rocess exited with status 127\b|exit status 127\b"
)
WORDS = (
    "Failed at step",
    "status=2",
    "xecutable",
    "not found",
    "No such file",
    "cannot execute",
    "find command",
    "named gunicorn",
    "named 'gunicorn",
    "xec format",
    "bad interpreter",
    "no such file",
    "status 127",
)
TELLTALE_CAUSE = Cause.OS_EXIT

_REASONS = (
    (re.compile(r"USER|GROUP"), "the user or group of the unit does not exist"),
    (re.compile(r"CHDIR"), "the working directory of the unit does not exist"),
    (re.compile(r"[Ee]xec format error"), "the program is for another processor or system"),
    (re.compile(r"No module named"), "gunicorn is not installed in the Python that was started"),
    (re.compile(r"bad interpreter"), "the gunicorn script names a Python that is gone"),
)


def match(trouble: Trouble) -> Finding | None:
    """Conclude where a launcher says so and gunicorn never spoke."""
    line = trouble.line(TELLTALE)
    if not line or trouble.error is not None or trouble.around.version is not None:
        return None
    why = next(
        (text for pattern, text in _REASONS if pattern.search(line[0].text)),
        "the command was not found or cannot be executed",
    )
    return conclude(
        trouble,
        f"gunicorn was never started: {why}.",
        "Use the absolute path of the gunicorn in the app's own virtual environment as the command.",
        "Install gunicorn there (pip install gunicorn), and check user and working directory of the unit.",
        code="BC520",
        confirm="run the unit's command by hand, as its user and in its directory, with --version",
        evidence=[*line, *(item for item in trouble.said if one_line(item.text) != one_line(line[0].text))][:4],
    )
