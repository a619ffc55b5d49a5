"""What to do about an exception that ended a process: what its kind asks for, and the app's own line.

Loaded where a process has died of one. A kind is known by the words of Python, of drivers and of servers; where
none fits only the place is named: the traceback says the rest.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bootcheck.probes.stacks import is_installed, is_pythons

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_LOOKED_AT = 2_000
"""Characters of a message; the words stand at its beginning."""

_KINDS: Sequence[tuple[str, str, str]] = (
    (
        r"ModuleNotFoundError",
        r"No module named '(?P<what>[\w.]+)'",
        (
            "Install {what} for the Python that runs Gunicorn ({python} -m pip install …); if it is the app's own, "
            "start in the directory that holds it, or name that with --chdir."
        ),
    ),
    (r"SyntaxError|IndentationError|TabError", r"\((?P<what>.+), line \d+\)", "Correct that line of {what}."),
    (
        r"ImportError",
        r"partially initialized module '(?P<what>[\w.]+)'|\(most likely due to a circular import\)",
        "Two modules import each other: move one of the imports into the function that needs it.",
    ),
    (
        r"ImportError",
        r"cannot import name '(?P<what>\w+)' from '(?P<whose>[\w.]+)'",
        "Install a version of {whose} that has {what}, or change the line that asks for it.",
    ),
    (
        r"",
        (
            r"password authentication failed|Access denied for user|no password supplied|Login failed for user"
            r"|role \".*\" does not exist|database \".*\" does not exist|Unknown database|WRONGPASS|NOAUTH"
        ),
        "The server answers and refuses: correct user, password and database name where the app gets them from.",
    ),
    (
        r"",
        r"too many (?:clients|connections)|remaining connection slots|max_user_connections|max number of clients",
        "Lower workers × threads × pool size, or raise the server's limit; `bootcheck check` does the arithmetic.",
    ),
    (
        r"",
        r"no such table|relation \".*\" does not exist|Table '.*' doesn't exist|Invalid object name",
        "Run the migrations before the server starts.",
    ),
    (
        r"",
        (
            r"Connection refused|could not translate host name|Name or service not known|No route to host"
            r"|Temporary failure in name resolution|nodename nor servname|Can't connect to|could not connect to"
            r"|connection timed out|Connection timed out|timeout expired|Failed to establish a new connection"
        ),
        (
            "Check that the other server is up, and its host and port as this machine sees them: in a container "
            "`localhost` is the container itself. For a database that only starts later: database(wait=30)."
        ),
    ),
    (
        r"FileNotFoundError",
        r"\[Errno 2\].*?'(?P<what>[^']+)'",
        "Create {what}, or correct where it is looked for: a relative path counts from {cwd}.",
    ),
    (
        r"PermissionError",
        r"\[Errno (?:1|13)\].*?'(?P<what>[^']+)'",
        "Give the user that the workers run as what they need on {what}: owner, mode, a read-only mount.",
    ),
    (r"OSError", r"\[Errno 28\]|No space left on device", "Make room on that disk, or put the file on another one."),
    (r"OSError", r"\[Errno 24\]", "Raise the limit of open files (ulimit -n, LimitNOFILE=), or find what keeps them."),
    (r"MemoryError", r"", "Raise the memory limit, or lower the number of workers or what each one loads."),
)


def of_exception(exc: Mapping[str, Any]) -> list[str]:
    """Return what to do about an exception as the recorder keeps it: the next step first, then the place."""
    place = _place(exc)
    ends = "Read the traceback: its last lines name the place." if place is None else f"The app's own line is {place}."
    return [*_steps(exc), ends]


def _steps(exc: Mapping[str, Any]) -> Iterator[str]:
    frames = exc.get("frames") or [{}]
    # The innermost cause knows most.
    for link in [*reversed(exc.get("chain") or ()), exc]:
        kind, message = str(link.get("type")), str(link.get("message"))[:_LOOKED_AT]
        if link is exc and kind == "KeyError" and _of_environ(frames[0]):
            yield f"Set the environment variable {message} where Gunicorn is started (unit, compose file, deployment)."
            return
        for wanted, words, advice in _KINDS:
            found = re.search(words, message) if re.search(rf"(?:^|\.)(?:{wanted})$" if wanted else "", kind) else None
            if found is not None:
                yield advice.format(python=sys.executable or "python", cwd=_directory(), **found.groupdict())
                return


def _of_environ(frame: Mapping[str, Any]) -> bool:
    # From Python 3.11 on `os` is frozen.
    return frame.get("file") in (os.__file__, "<frozen os>") and str(frame.get("function")).endswith("__getitem__")


def _place(exc: Mapping[str, Any]) -> str | None:
    """Return file, line and function of the innermost frame that is neither a package's nor Python's own."""
    for frame in exc.get("frames") or ():
        file = str(frame.get("file"))
        if file.startswith(_OURS) or is_pythons(file) or is_installed(file):
            continue
        return f"{file}:{frame.get('line')} in {frame.get('function')}"
    return None


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "the working directory"
