"""A limit on descriptors, threads, processes or memory of the process is reached.

What it means
    The kernel refuses the process another file, thread or child because a limit is reached.

How it looks
    `OSError: [Errno 24] Too many open files`, `RuntimeError: can't start new thread`,
    `BlockingIOError: [Errno 11] Resource temporarily unavailable` at a fork, `MemoryError`.

Why it happens
    A leak of sockets or files; `LimitNOFILE`, `pids.max` or `ulimit -u` too low for workers × threads;
    libraries (OpenBLAS, OpenMP) that start a thread per processor.

What to do
    Raise the limit (`LimitNOFILE=`, `--ulimit nofile=`, `pids` of the container); set
    `OMP_NUM_THREADS=1`; look for what is opened and never closed.

How to know it is fixed
    `ls /proc/PID/fd | wc -l` stays level under load and far below the limit in `/proc/PID/limits`.
"""

from __future__ import annotations

import re

from bootcheck.analysis import late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding
from bootcheck.model.signals import LIMITS

CAUSE_CLASS = "resource-limit"
RULES: tuple[str, ...] = ()
WHILE_SERVING = True

_NO_THREAD = (
    r"can't start new thread|can't allocate lock|pthread_create\b.{0,30}?(?:failed|Resource temporarily)|"
    r"Thread creation failed|failed to (?:create new OS|spawn) thread|can't spawn worker thread|"
    r"unable to create (?:new )?native thread|unable to allocate necessary resources for OMP"
)
"""Python, OpenBLAS, TensorFlow, libgomp, Rust, Go, tokio, Java and Intel's OpenMP."""
_NO_FORK = (
    r"fork(?:\(\))?: (?:retry: )?(?:Resource temporarily|Cannot allocate memory|No child processes)|"
    r"Failed to fork: |fork rejected by pids controller"
)
_SAID = late.regex(
    rf"{_NO_THREAD}|Too many open files|\[Errno (?:23|24)\]|Resource temporarily unavailable|"
    r"\[Errno 11\]|Cannot allocate memory|\[Errno 12\]|^MemoryError|Unable to allocate \d|"
    r"inotify (?:watch|instance) limit|filedescriptor out of range in select",
    re.IGNORECASE,
)
_ANY_TYPE = late.regex(
    rf"{_NO_THREAD}|\bToo many open files\b|\bEMFILE\b|\bENFILE\b|ThreadPoolBuildError|"
    r"ENOSPC: System limit for number of file watchers|\bERRNO=\((?:24|28)\)"
)
"""The system's words, passed on by clients that have exceptions of their own."""
_NO_MEMORY = late.regex(
    r"std::bad_alloc|[Cc]an(?:not|'t) allocate memory|\(-4:Insufficient memory\)|\[WinError 1455\]|"
    r"out of shared memory\. Please try to raise|^\S*OutOfMemory(?:Exception|Error): (?:Out of Memory Error|Java heap)"
)
TELLTALE = late.regex(
    rf"{_NO_THREAD}|{_NO_FORK}|\[Errno 24\] Too many open files|what\(\):\s+Resource temporarily unavailable"
)
WORDS = (
    "start new thread", "allocate lock", "pthread_create", "Thread creation", "OS thread", "spawn", "native thread",
    "resources for OMP", "open files", "fork", "what():",
)  # fmt: skip
TELLTALE_CAUSE = Cause.NONE
_CAUSES = (Cause.NONE, Cause.OS_EXIT, Cause.NATIVE_CRASH)
"""A C++ library that gets no thread aborts, or goes on and crashes."""
_TYPES = ("OSError", "RuntimeError", "BlockingIOError", "IOError", "error", "ValueError", "PanicException")


def _is_taken(error: Raised) -> bool:
    """Tell whether another worker took the connection that this one was woken up for."""
    return "[Errno 11]" in error.text and any("accept()" in frame.code for frame in error.frames)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from EMFILE, ENFILE, EAGAIN at a fork or a thread's start, ENOMEM.

    A MemoryError counts where it ends a process: one request may ask for too much.
    """
    error = trouble.error
    if trouble.signal in LIMITS:
        what, where_set = LIMITS[trouble.signal]
        return conclude(
            trouble,
            f"{trouble.who} got {trouble.signal}: the limit of {what} is reached.",
            f"Raise the limit ({where_set}), or do the long work outside the web server.",
            confirm="cat /proc/PID/limits",
            evidence=trouble.said[-3:],
        )
    line = trouble.line(TELLTALE)
    fits = (
        error is not None
        and not _is_taken(error)
        and (
            (error.is_a("MemoryError", "_ArrayMemoryError") and trouble.died)
            or (error.is_a(*_TYPES) and _SAID.search(error.text))
            or _ANY_TYPE.search(error.text)
            or (trouble.died and _NO_MEMORY.search(error.text))
        )
    )
    if not fits and not (line and error is None and trouble.cause in _CAUSES):
        return None
    text = error.text if error is not None and fits else line[0].text
    files = "open files" in text or "Errno 24" in text or "Errno 23" in text
    what = "open files" if files else "threads, processes or memory"
    return conclude(
        trouble,
        f"The limit of {what} is reached: {one_line(text)}",
        "Raise LimitNOFILE (systemd) or --ulimit nofile (docker), and look for what is opened and never closed."
        if files
        else (
            "Raise the limit of processes (pids, ulimit -u) or memory; set OMP_NUM_THREADS=1 and "
            "OPENBLAS_NUM_THREADS=1."
        ),
        code="BC404" if not trouble.died else None,
        confirm="cat /proc/PID/limits; ls /proc/PID/fd | wc -l",
        evidence=None if fits else line,
    )
