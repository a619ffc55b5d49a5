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

from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "resource-limit"
RULES: tuple[str, ...] = ()
WHILE_SERVING = True

_SAID = re.compile(
    r"Too many open files|\[Errno (?:23|24)\]|can't start new thread|pthread_create failed|"
    r"Resource temporarily unavailable|"
    r"\[Errno 11\]|Cannot allocate memory|\[Errno 12\]|^MemoryError",
    re.IGNORECASE,
)
TELLTALE = re.compile(
    r"\[Errno 24\] Too many open files|pthread_create failed for thread|cannot fork\(\): Resource|"
    r"fork: retry: Resource temporarily"
)
WORDS = ("open files", "pthread_create", "fork")
TELLTALE_CAUSE = Cause.NONE


def match(trouble: Trouble) -> Finding | None:
    """Conclude from EMFILE, ENFILE, EAGAIN at a fork or a thread's start, ENOMEM.

    A MemoryError counts where it ends a process: one request may ask for too much.
    """
    error = trouble.error
    line = trouble.line(TELLTALE)
    fits = error is not None and (
        (error.is_a("MemoryError") and trouble.died)
        or (error.is_a("OSError", "RuntimeError", "BlockingIOError", "IOError", "error") and _SAID.search(error.text))
    )
    if not fits and not (line and error is None and trouble.cause in (Cause.NONE, Cause.OS_EXIT)):
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
