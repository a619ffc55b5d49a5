"""What native code meets on this machine: CPU, C library, Python's build, and the variables it listens to."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from bootcheck.probes.process import contents

_FLAGS = frozenset(
    (
        *("sse4_1", "sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "amx_tile"),
        *("asimd", "sve", "sve2", "asimddp", "bf16", "i8mm"),
    )
)
_VARIABLES = frozenset(
    (
        *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_BIND_NOW", "PYTHONMALLOC", "PYTHONFAULTHANDLER", "GLIBC_TUNABLES"),
        *("CUDA_VISIBLE_DEVICES", "GOTO_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    )
)
_PREFIXES = ("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_", "MALLOC_", "BLIS_")


def facts() -> dict[str, Any]:
    """Return the attributes of this machine; None where one cannot be known."""
    names = os.uname()
    return {
        "host.arch": names.machine,
        "os.type": names.sysname.lower(),
        "os.version": names.release,
        "process.runtime.description": sys.version.replace("\n", " "),
        "bootcheck.libc": libc(),
        "bootcheck.cpu.flags": cpu_flags(),
        "bootcheck.core_pattern": _text("/proc/sys/kernel/core_pattern", 512).strip() or None,
    }


def variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that steer threads, allocators and the loader of native code."""
    return {name: value for name, value in sorted(environ.items()) if name in _VARIABLES or name.startswith(_PREFIXES)}


def libc() -> str | None:
    """Return name and version of the C library, the name alone for musl."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (OSError, ValueError):
        version = None
    if version:
        return version
    return "musl" if "ld-musl" in _text("/proc/self/maps", 1 << 20) else None


def cpu_flags(text: str | None = None) -> list[str] | None:
    """Return those of the CPU's features that native code is built for."""
    for line in (_text("/proc/cpuinfo", 1 << 16) if text is None else text).splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip() in ("flags", "Features"):
            return sorted(_FLAGS.intersection(value.split()))
    return None


def _text(path: str, limit: int) -> str:
    return contents(path, limit).decode("utf-8", "replace")
