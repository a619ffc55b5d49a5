"""What to do about an exception that ended a start: what its kind asks for, and the app's own line.

Loaded where there is one. A kind is known by the words of Python, of drivers and of servers; where none fits only the
place is named: the traceback says the rest.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bootcheck.checks.packages import pip_line
from bootcheck.model.advice import CLOSED
from bootcheck.probes.stacks import is_installed, is_pythons

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_LOOKED_AT = 2_000
"""Characters of a message; the words stand at its beginning."""

_KINDS: Sequence[tuple[str, str, str]] = (
    (
        r"ModuleNotFoundError",
        r"No module named '(?P<what>[\w.]+)'",
        (
            "Install it for the Python that runs Gunicorn: {python} -m {pip}. If it is the app's own, start in the "
            "directory that holds it, or name that with --chdir."
        ),
    ),
    (r"SyntaxError|IndentationError|TabError", r"\((?P<what>.+), line \d+\)", "Correct that line of {what}."),
    (
        r"SyntaxError|ValueError",
        r"source code string cannot contain null bytes",
        "Save the file as UTF-8: an editor wrote it as UTF-16, or the copy of it is damaged.",
    ),
    (
        r"ImportError",
        r"partially initialized module|\(most likely due to a circular import\)",
        "Two modules import each other: move one of the imports into the function that uses it.",
    ),
    (
        r"ImportError|OSError",
        r"^(?P<what>[^:]*\.so[^:]*):.*(?:cannot open shared object|undefined symbol|not found)",
        "Install the system package that brings {what} (slim images leave many out).",
    ),
    (
        r"ImportError",
        r"^cannot import name '\w+' from '(?P<what>[\w.]+)'",
        "Compare the installed version of {what} with the one the code was written for.",
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
            "`localhost` is the container itself."
        ),
    ),
    (
        r"FileNotFoundError",
        r"\[Errno 2\].*?'(?P<what>[^']+)'",
        "Create {what}, or correct where it is looked for: a relative path counts from {directory}.",
    ),
    (
        r"RuntimeError",
        r"^(?P<what>.+) doesn't exist\. Can't create workertmp",
        "Create {what}, or correct --worker-tmp-dir (worker_tmp_dir).",
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
    if place is None and "[Errno 9]" in str(exc.get("message")) and exc.get("frames"):
        # Not the app's own file: Gunicorn's sockets and pipes, the selector of an event loop.
        return [CLOSED]
    ends = "Read the traceback: its last lines name the place." if place is None else f"The app's own line is {place}."
    return [*_steps(exc), ends]


def next_step(kind: str, message: str) -> str | None:
    """Return what an exception of this class and with this message asks for; None where nothing is known of it."""
    for wanted, words, advice in _KINDS:
        fits = not wanted or re.search(rf"(?:^|\.)(?:{wanted})$", kind)
        found = re.search(words, message[:_LOOKED_AT]) if fits else None
        if found is not None:
            what = found.groupdict().get("what", "")
            return advice.format(
                what=what, pip=pip_line(what), python=sys.executable or "python", directory=_directory()
            )
    return None


def _steps(exc: Mapping[str, Any]) -> Iterator[str]:
    frames = exc.get("frames") or [{}]
    if exc.get("type") == "KeyError" and _of_environ(frames[0]):
        where = "where Gunicorn is started (unit, compose file, deployment)"
        yield f"Set the environment variable {exc.get('message')} {where}."
        return
    # The innermost cause knows most.
    links = [*reversed(exc.get("chain") or ()), exc]
    known = (next_step(str(link.get("type")), str(link.get("message"))) for link in links)
    yield from [step for step in known if step is not None][:1]


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
