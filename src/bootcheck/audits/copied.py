"""What the master has in memory is copied into every worker: random numbers, exit handlers, garbage.

What it means

With `preload_app` the app is imported in the master and the workers are forks of it. BC227: a source of random
numbers was used or kept before the fork; every worker goes on from the same place. BC226: functions that the app
registered with `atexit` run at the end of every worker, not only of the master. BC229: the heap is large and not
frozen; each worker makes its own copy of pages that all could share.

How it looks

BC227: the same "random" samples, names, tokens or experiment groups from every worker. BC226: clean-up that happens
as many times as there are workers, some of it while others still serve. BC229: the memory of each worker grows in
its first minutes by about as much as the app has loaded.

Why it happens

A fork copies the state. Python's own `random`, `secrets`, `uuid` and the names of `tempfile` are safe: they seed
themselves anew. `numpy.random` and kept generators (`default_rng()`, `random.Random(...)`) do not. The garbage
collector writes into the header of every object that it looks at, and the first write to a shared page copies it.

What to do

BC227: make generators in the worker, or let bootcheck seed numpy's global one and those kept in modules anew in each
worker: `bootcheck.arm(globals(), reseed=True)`. It is off by default because a fixed seed may be meant. BC226: compare
the pid in the handler, or register it in `post_worker_init`. BC229: in a `when_ready` hook `gc.collect()`, then
`gc.freeze()`; freeze without a collect first keeps garbage for ever.

How to know it is fixed

The master's boot report has no such finding; with `reseed` the workers' boot reports have `reseed` under `guards`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bootcheck.model.finding import Evidence, Finding, Severity

RULES: tuple[str, ...] = ("BC226", "BC227", "BC229")

_MANY = 10


def judge(seen: Mapping[str, Any], workers: int) -> Iterator[Finding]:
    """Yield what every worker gets a copy of and should not."""
    if seen.get("random"):
        yield _random(seen["random"], workers, reseeds=bool(seen.get("reseed")))
    if seen.get("exit_handlers"):
        yield _exit_handlers(seen["exit_handlers"], workers)
    heap = seen.get("heap")
    if heap and workers > 1:
        yield _heap(heap, workers)


def _random(sources: Sequence[Mapping[str, Any]], workers: int, *, reseeds: bool) -> Finding:
    used = [source for source in sources if source["used"]]
    warn = bool(used) and workers > 1 and not reseeds
    names = ", ".join(source["name"] for source in (used or sources)[:3])
    then = "bootcheck seeds them anew there." if reseeds else "they all draw the same numbers."
    return Finding(
        code="BC227",
        severity=Severity.WARNING if warn else Severity.INFO,
        summary=f"Every worker inherits the state of {names}: {then}",
        action=(
            "Make the generator in each worker, or arm with bootcheck.arm(globals(), reseed=True).",
            "If the same numbers in every worker are meant: bootcheck.fork_safe(generator).",
        ),
        evidence=tuple(
            Evidence(source=source["name"], text=f"{source['type']}; {source['used'] or 'not known to be used'}")
            for source in sources[:_MANY]
        ),
        confidence="high" if used else "low",
    )


def _exit_handlers(handlers: Mapping[str, Any], workers: int) -> Finding:
    users = tuple(Evidence(source=name, text="uses atexit") for name in handlers["modules"][:_MANY])
    return Finding(
        code="BC226",
        severity=Severity.INFO,
        summary=f"{handlers['count']} atexit function(s) of the app and its libraries run at the end of each of "
        f"{workers} worker(s) as well.",
        action=("In a handler that is for the master only, compare os.getpid() with the pid that registered it.",),
        evidence=(Evidence(source="atexit", text=f"{handlers['count']} registered before the fork"), *users),
        against=("most libraries want to flush and close in every process",),
        missing=("which functions they are: Python does not tell",),
        confidence="medium",
    )


def _heap(heap: Mapping[str, Any], workers: int) -> Finding:
    saved = heap["bytes"] / 1048576
    return Finding(
        code="BC229",
        severity=Severity.INFO,
        summary=f"The heap of {heap['objects']} objects is not frozen: gc.freeze() before the fork keeps up to "
        f"{saved:.0f} MB for each of {workers} workers shared.",
        action=("when_ready = lambda server: (gc.collect(), gc.freeze())",),
        evidence=(Evidence(source="gc", text=f"{heap['objects']} tracked objects in {saved:.0f} MB of pages"),),
        against=("what requests change is copied all the same",),
        confidence="medium",
    )
