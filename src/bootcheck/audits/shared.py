"""Locks, event loops and temporary files of the master are shared with its workers.

What it means

With `preload_app` the app is imported in the master and the workers are forks of it. BC208: a thread of the master
holds a lock at the fork; in the workers it is held for ever, by nobody. BC224: an event loop was made before the
fork; master and workers use one epoll set. BC225: a temporary directory or file exists that the first worker which
ends removes for all.

How it looks

BC208: a worker hangs at `with lock:` and ends by `WORKER TIMEOUT`. BC224: callbacks that never come, or come in the
wrong process; `RuntimeError: ... attached to a different loop`. BC225: `FileNotFoundError` in a directory that was
there, first after a worker was recycled (`max_requests`) or restarted.

Why it happens

A fork copies the state of a lock, not the thread that would release it. An epoll descriptor is one object of the
kernel for all who inherit it: what one process takes off is off for all. `tempfile.TemporaryDirectory` and
`NamedTemporaryFile` remove what they made when the process ends, and each worker has inherited that duty.

What to do

BC208: do not import, log or compute in threads while the app is imported; make locks where they are used, in the
worker. The audit sees locks in globals of modules, in classes and one step into objects, and what is held for longer
than a moment: a hint, no proof. BC224: make loops in the worker (`asyncio.run`, a lifespan). BC225: make the
directory in the worker, or with `tempfile.mkdtemp` and remove it in `on_exit`. What is meant to be shared can be
marked: `bootcheck.fork_safe(thing)`.

How to know it is fixed

The master's boot report has no such finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bootcheck.model.finding import Evidence, Finding, Severity

RULES: tuple[str, ...] = ("BC208", "BC224", "BC225")

_MANY = 10


def judge(seen: Mapping[str, Any], workers: int) -> Iterator[Finding]:
    """Yield what master and workers would get into each other's way with."""
    severity = Severity.WARNING if workers > 1 else Severity.INFO
    if seen.get("locks"):
        yield _locks(seen["locks"], severity)
    # One that nobody holds any more waits for the garbage collector.
    kept = [loop for loop in seen.get("loops", ()) if loop["holder"] or loop["thread"]]
    if kept:
        yield _loops(kept, severity)
    if seen.get("temporary"):
        yield _temporary(seen["temporary"], severity)


def _locks(locks: Sequence[Mapping[str, Any]], severity: Severity) -> Finding:
    names = ", ".join(lock["name"] for lock in locks[:3])
    told = [
        Evidence(source=lock["name"], text=f"{lock['kind']} held by {lock['thread'] or 'an unknown thread'}")
        for lock in locks[:_MANY]
    ]
    return Finding(
        code="BC208",
        severity=severity,
        summary=f"A lock is held at the fork and can never be released in the workers: {names}.",
        action=("Do not work in threads while the app is imported; make the lock in the worker.",),
        evidence=tuple(told),
        against=("who holds a plain Lock cannot be seen; one that is meant to stay locked is no fault",),
        missing=("locks in local variables and deeper inside objects",),
        confidence="low",
    )


def _loops(loops: Sequence[Mapping[str, Any]], severity: Severity) -> Finding:
    told = [
        Evidence(source=loop["holder"] or "a thread", text=f"{loop['type']}, {_state(loop)}") for loop in loops[:_MANY]
    ]
    return Finding(
        code="BC224",
        severity=severity,
        summary=f"{len(loops)} event loop(s) made before the fork share one epoll set with every worker.",
        action=("Make event loops in the worker: asyncio.run(...), or the app's lifespan.",),
        evidence=tuple(told),
        against=("a loop that no worker uses does no harm",),
        confidence="medium",
    )


def _state(loop: Mapping[str, Any]) -> str:
    return "running in a thread of the master" if loop["thread"] else "open and not running"


def _temporary(entries: Sequence[Mapping[str, str]], severity: Severity) -> Finding:
    paths = ", ".join(entry["path"] for entry in entries[:3])
    return Finding(
        code="BC225",
        severity=severity,
        summary=f"The first worker that ends removes {paths} for the master and all other workers.",
        action=("Make it in each worker, or with tempfile.mkdtemp and remove it in an on_exit hook.",),
        evidence=tuple(Evidence(source=entry["path"], text=entry["kind"]) for entry in entries[:_MANY]),
    )
