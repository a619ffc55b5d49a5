"""A native library was used before the fork and may hang or fail in the workers.

What it means

With `preload_app` the app is imported in the master and the workers are forks of it; only the thread that forks
exists in them. BC206: C or Rust libraries have threads in the master. BC207: OpenMP (GNU's libgomp) has computed with
threads in the master. BC228: CUDA is initialised in the master.

How it looks

BC206, BC207: a worker hangs in the first call into that library, inside C, where no Python signal handler runs; it
ends by `WORKER TIMEOUT` and SIGKILL. BC228: `RuntimeError: Cannot re-initialize CUDA in forked subprocess`, or
another error of CUDA's in every worker.

Why it happens

The library's locks and queues are copied, the threads that serve them are not. gRPC channels, Kafka clients, polars
and other Rust libraries start threads when they are first used; libgomp keeps its team for the next loop and waits
for it after the fork. OpenBLAS, under numpy, looks after forks itself and is not reported. CUDA's context belongs to
the process that made it; even `torch.cuda.is_available()` at import may be enough.

What to do

Make clients and channels in each worker (a `post_worker_init` hook), not at import. Load a model without running it:
no inference, no warm-up, no training before the fork, or with one thread only (`OMP_NUM_THREADS=1`). Move to the
GPU in the worker. Where that cannot be, serve without `preload_app`.

How to know it is fixed

The master's boot report has no such finding; `ls /proc/MASTER/task` shows one thread before the first worker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bootcheck.model.finding import Evidence, Finding, Severity

RULES: tuple[str, ...] = ("BC206", "BC207", "BC228")

_LOOK_AFTER_FORKS = ("jemalloc_bg_thd",)
"""Names of native threads whose library starts them again in the child."""


def judge(seen: Mapping[str, Any], workers: int) -> Iterator[Finding]:
    """Yield what the workers cannot use."""
    severity = Severity.WARNING if workers > 1 else Severity.INFO
    native = seen.get("native")
    if native:
        yield from _threads(native, severity)
    if seen.get("cuda"):
        yield Finding(
            code="BC228",
            severity=severity,
            summary="CUDA is initialised in the master: no worker can use it.",
            action=("Call nothing of CUDA's before the fork; move models to the GPU in post_worker_init.",),
            evidence=(Evidence(source="master", text=str(seen["cuda"])),),
        )


def _threads(native: Mapping[str, Any], severity: Severity) -> Iterator[Finding]:
    named = [name for name in native["names"] if name and name not in _LOOK_AFTER_FORKS]
    # OpenBLAS looks after forks itself, and its threads have no name of their own.
    unnamed = max(0, native["names"].count("") - native["openblas"])
    if unnamed and native["libgomp"]:
        yield Finding(
            code="BC207",
            severity=severity,
            summary=f"OpenMP has {unnamed} thread(s) in the master: its first use in a worker may hang for ever.",
            action=(
                "Compute nothing before the fork (no inference, no warm-up), or set OMP_NUM_THREADS=1.",
                "Or serve without preload_app.",
            ),
            evidence=(Evidence(source="/proc/self/maps", text=native["libgomp"]), *_counted([""] * unnamed)),
            against=("native threads without a name may be another library's",),
            confidence="medium",
        )
        unnamed = 0
    if named or unnamed:
        names = ", ".join(dict.fromkeys(named)) or "without names"
        yield Finding(
            code="BC206",
            severity=severity,
            summary=f"Native code has {len(named) + unnamed} thread(s) in the master that no worker has: {names}.",
            action=("Make clients and channels of that library in each worker, for example in post_worker_init.",),
            evidence=_counted([*named, *[""] * unnamed]),
            against=("some libraries start their threads again after a fork",),
            confidence="medium",
        )


def _counted(names: list[str]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(source="/proc/self/task", text=f"{count} native thread(s) {name or 'without a name of their own'}")
        for name, count in Counter(names).most_common(10)
    )
