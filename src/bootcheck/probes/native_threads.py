"""Threads of this process that Python did not start, and the libraries that may have started them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from bootcheck.probes.process import contents

Seen = dict[str, Any]


def tasks() -> set[int]:
    """Return the kernel's numbers of all threads of this process; some microseconds."""
    try:
        return {int(name) for name in os.listdir("/proc/self/task")}
    except OSError:
        return set()


def unknown(tids: Iterable[int], python: Iterable[int], raw: int = 0) -> list[str]:
    """Return the names of the threads among `tids` that are not Python's.

    A thread without a name of its own has the process's and comes as an empty one; `raw` of those
    are Python's too: started without `threading`, so that their numbers are not known.
    """
    pid, own = os.getpid(), _comm(os.getpid())
    names = [_comm(tid) for tid in sorted(set(tids) - {*python, pid})]
    named = [name for name in names if name not in (None, "", own)]
    return [name or "" for name in named] + [""] * max(0, names.count(own) - raw)


def libraries() -> list[str]:
    """Return the native libraries that are mapped here: what runs threads of its own is among them."""
    # It is made for deaths, and much to load: only where there are threads to explain.
    from bootcheck.probes.native import mapped

    return mapped()


def openblas_threads(paths: Iterable[str], environ: Mapping[str, str]) -> int:
    """Return how many threads the OpenBLAS copies among these libraries have, at most.

    Each starts one less than the CPUs that this process may use, or than a variable allows.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"):
        value = environ.get(name, "")
        if value.isdecimal() and int(value):
            allowed = int(value)
            break
    copies = sum("openblas" in os.path.basename(path) for path in paths)
    return copies * max(0, allowed - 1)


def libgomp(paths: Iterable[str]) -> str | None:
    """Return GNU's OpenMP runtime where it is loaded: after a fork it waits for threads that are gone."""
    return next((path for path in paths if os.path.basename(path).startswith("libgomp")), None)


def _comm(tid: int) -> str | None:
    raw = contents(f"/proc/self/task/{tid}/comm")
    return raw.decode("utf-8", "replace").rstrip("\n") if raw else None
