"""Background work of the master does not go on in the workers.

What it means

With `preload_app` the app is imported in the master and the workers are forks of it. A fork copies memory and only
the one thread that forks. BC205: the app started a thread at import; it goes on in the master and exists in no
worker. BC209: a ThreadPoolExecutor has been used, or a process pool exists: its threads are gone, and what a worker
submits may never run. BC223: a QueueListener or a scheduler claims to run and does not.

How it looks

Caches that are never refreshed, heartbeats that come from the master only, `future.result()` that waits for ever,
log records that are queued and never written, scheduled jobs that never run in a worker, although
`scheduler.running` is true. `couldn't get a connection after 30.00 sec` where the thread was a pool's.

Why it happens

`threading.Thread(...).start()`, `executor.submit(...)`, `listener.start()` or `scheduler.start()` at the level of a
module, or in a function that the import calls. Without preload the same line runs in every worker.

What to do

Start it in each worker: in a `post_worker_init` hook, or at its first use. For a QueueListener make a new Queue there
too: the consumer that waited at the fork still stands in the old one's list. For a scheduler decide where its jobs
are to run: in a process of its own, or in every worker. Where the thread is meant for the master alone, say so:
`bootcheck.fork_safe(thread)`; marked threads, executors, listeners and schedulers are not spoken of. Libraries that
look after a fork themselves are not either (sentry-sdk, OpenTelemetry): their owner remembers the pid or has a method
for forks.

How to know it is fixed

The master's boot report has no such finding, and its checkpoint `fork.audit` names no thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bootcheck.model.finding import Evidence, Finding, Severity

RULES: tuple[str, ...] = ("BC205", "BC209", "BC223")

_TOOLS = ("pydevd", "_pydevd_bundle", "_pydev_bundle", "debugpy", "gunicorn", "bootcheck")
"""Whose threads are no part of the app: debuggers, the server, ourselves."""
_LOOKED_AFTER = ("psycopg_pool", "pymongo")
"""Libraries whose threads are looked after in another way: pools are made anew, pymongo renews its monitors."""
_MANY = 10
Threads = Sequence[Mapping[str, Any]]


def judge(seen: Mapping[str, Any], workers: int) -> Iterator[Finding]:
    """Yield a finding for each kind of background work that a worker will lack."""
    lost = [thread for thread in seen.get("threads", ()) if is_lost(thread)]
    of_kind = {kind: [one for one in lost if one["kind"] == kind] for kind in _JUDGES}
    for kind, threads in of_kind.items():
        if threads:
            yield _finding(*_JUDGES[kind](threads), threads, workers)


def is_lost(thread: Mapping[str, Any]) -> bool:
    """Tell whether nobody starts this thread again in a worker, and a worker may lack it."""
    owner = str(thread["owner"] or "")
    homes = {thread["module"].partition(".")[0], owner.partition(".")[0]}
    if thread["revived"] or not homes.isdisjoint((*_TOOLS, *_LOOKED_AFTER)):
        return False
    # With its directory of shared files one server of metrics, in the master, speaks for all workers.
    return not (owner.startswith("prometheus_client.") and os.environ.get("PROMETHEUS_MULTIPROC_DIR"))


def place(thread: Mapping[str, Any]) -> str:
    """Return where the code of a thread stands."""
    return f"{thread['file']}:{thread['line']}" if thread["file"] else thread["module"]


def _named(thread: Mapping[str, Any]) -> str:
    of = f" of {thread['owner']}" if thread["owner"] else f" in {thread['function']}" if thread["function"] else ""
    return f"{thread['name'] or 'without a name'}{of}"


def _threads(threads: Threads) -> tuple[str, str, str]:
    names = ", ".join(_named(thread) for thread in threads[:3]) + (", …" if len(threads) > 3 else "")
    what = f"The thread {names}" if len(threads) == 1 else f"{len(threads)} threads ({names})"
    verb = "runs" if len(threads) == 1 else "run"
    action = "Start it in each worker: in a post_worker_init hook, or at its first use."
    return "BC205", f"{what} {verb} in the master and will not exist in any worker.", action


def _executors(threads: Threads) -> tuple[str, str, str]:
    many = f"{len(threads)} threads" if len(threads) > 1 else "one thread"
    summary = f"A ThreadPoolExecutor was used before the fork ({many}): work that a worker submits may never run."
    return "BC209", summary, "Make the executor in each worker, or submit nothing while the app is imported."


def _pools(threads: Threads) -> tuple[str, str, str]:  # noqa: ARG001
    summary = "A process pool was started before the fork: the threads that feed it do not exist in the workers."
    return "BC209", summary, "Make the pool in each worker, or at its first use there."


def _listeners(threads: Threads) -> tuple[str, str, str]:
    summary = f"The {threads[0]['owner']} runs in the master only: records that a worker queues are never written."
    return "BC223", summary, "Start it in each worker (post_worker_init), with a new Queue."


def _schedulers(threads: Threads) -> tuple[str, str, str]:
    summary = f"The scheduler {threads[0]['owner']} runs in the master only; in a worker it claims to run and does not."
    return "BC223", summary, "Run the scheduler in a process of its own, or start it in post_worker_init."


_JUDGES = {
    "thread": _threads,
    "executor": _executors,
    "pool": _pools,
    "listener": _listeners,
    "scheduler": _schedulers,
}


def _finding(code: str, summary: str, action: str, threads: Threads, workers: int) -> Finding:
    return Finding(
        code=code,
        severity=Severity.WARNING if workers > 1 else Severity.INFO,
        summary=summary,
        action=(action, "If it is meant for the master alone: bootcheck.fork_safe(...) on the object."),
        evidence=tuple(Evidence(source=place(one), text=f"thread {_named(one)}") for one in threads[:_MANY]),
        confidence="high",
    )
