"""Every worker repeats expensive work, or a start takes longer than the one before it.

What it means
BC308: each worker of a start spent seconds on the same step or import: the machine paid for it as often as there
are workers. BC309: the workers of the last start took clearly longer to become ready than those of the start
before it. Both are advice from boot reports: nothing died, and the exit code stays 0 unless `--fail-on warning`.

How it looks
    4 workers each spent 11.0 s in warmup.model: 44.0 s in all. [BC308 work-repeated-by-every-worker]
    Ready after 91.0 s, 53.0 s at the start before: +38.0 s, 36.0 s of it in import transformers. [BC309 boot-slower-than-before]

Why it happens
BC308: without `--preload` each worker imports and loads everything for itself. BC309: a new release, a library
that imports more, a larger model, a cold disk or cache, a slower machine.

What to do
BC308: preload it (`preload_app`, a warm-up with `in_master=True`) where it survives a fork, do it once for all
(`run_once`) where its result can be shared, or load it lazily (`load_once`) where not every worker needs it.
BC309: look at the step or import that is named; `bootcheck show` on a boot report of each start has them all.

How to know it is fixed
`bootcheck analyze` on the report directory says neither of the newest start.
"""  # noqa: E501 - a line of output is as long as it is

from __future__ import annotations

import io
import os
import re
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from bootcheck.analysis.quoting import quoted
from bootcheck.analysis.readers.places import piece
from bootcheck.analysis.readers.values import is_report, parsed
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.model.journal import report_name

RULES: tuple[str, ...] = ("BC308", "BC309")
MAX_STARTS = 5
"""Starts of one app that are kept, the newest."""
MAX_WORKERS = 64
MAX_APPS = 100
MAX_STEPS = 100
EACH = 1.0
"""Seconds in each worker from which on repeating them is worth a word."""
IN_ALL = 4.0
SLOWER_BY = 2.0
"""Seconds, and a fifth of what it was: less is the weather."""
_OUTER = re.compile(r"worker\.boot|worker\.post_worker_init|app\.load|app\.lifespan|warmup\.turn|check\..*|once\..*")
"""Steps that hold others, or wait for others."""
_IMPORT = "import "
_NOTHING: frozenset[str] = frozenset()
Steps = tuple[dict[str, float], frozenset[str]]
"""Seconds of steps and slow imports, and those steps that are inside another one that counts."""
Told = tuple[tuple[str, str], str, str, float, "int | None"]
"""Host and app, server, timestamp, seconds to ready, pid."""


@dataclass(slots=True)
class Worker:
    """How long one worker took to become ready, and where."""

    ready_s: float
    steps: Mapping[str, float] | None
    """Seconds by step, those of imports as `import <module>`; None while they were not read."""
    source: str
    pid: object = None
    within: frozenset[str] = frozenset()
    """Steps inside another one that counts."""
    report_id: str | None = None
    place: int | None = None
    """Where in its source its report begins, where that is one of many."""

    def look(self) -> bool:
        """Read the steps from the report; return False where it is gone meanwhile."""
        document = parsed(piece(self.source, self.place)) if self.steps is None else None
        if is_report(document) and document.get("report_id") == self.report_id:
            self.steps, self.within = steps_of(document)
        return self.steps is not None


@dataclass(slots=True)
class Start:
    """The workers of one server start."""

    first: str
    """The earliest timestamp."""
    workers: list[Worker] = field(default_factory=list)

    @property
    def ready_s(self) -> float:
        """What a worker typically took."""
        return statistics.median(worker.ready_s for worker in self.workers)

    def typical(self) -> dict[str, float]:
        """Return the typical seconds of each step that every worker has."""
        steps = [worker.steps or {} for worker in self.workers]
        names = set.intersection(*(set(known) for known in steps))
        return {name: statistics.median(known[name] for known in steps) for name in names}

    def look(self) -> None:
        """Read the steps that were not read, and forget the workers whose reports are gone, unless all are."""
        found = [worker for worker in self.workers if worker.look()]
        self.workers = found or self.workers


class Durations:
    """Takes boot reports in any order; bounded by the number of apps and hosts."""

    def __init__(self, max_apps: int = MAX_APPS) -> None:
        self._max_apps = max_apps
        self._apps: dict[tuple[str, str], dict[str, Start]] = {}
        self._oldest: dict[tuple[str, str], str] = {}
        """When the oldest start began of those that are kept, of apps that have as many as are kept."""

    def add(self, document: Mapping[str, Any], source: str) -> None:
        """Take one report where it is a worker's boot; whatever stands in it, nothing is raised."""
        boot = told(document)
        if boot is not None:
            self.take(boot, source, lambda: steps_of(document))

    def take(self, boot: Told, source: str, steps: Callable[[], Steps] | None = None, *where: Any) -> None:
        """Keep it, with its steps, or the report_id and the place of the report in which they are read when needed."""
        app, server, at, ready, pid = boot
        starts = self._apps.get(app)
        start = None if starts is None else starts.get(server)
        if start is None:
            start = self._begun(app, server, at)
            if start is None:
                return
        elif at < start.first:
            start.first = at
            self._oldest.pop(app, None)
        if len(start.workers) < MAX_WORKERS:
            taken, within = (None, _NOTHING) if steps is None else steps()
            start.workers.append(Worker(ready, taken, source, pid, within, *where))
        if starts is not None and len(starts) > MAX_STARTS:
            del starts[min(starts, key=lambda server: starts[server].first)]
            self._oldest.pop(app, None)

    def _begun(self, app: tuple[str, str], server: str, at: str) -> Start | None:
        """Keep a start that was not known, and return it; None where it is older than all that are kept."""
        starts = self._apps.get(app)
        if starts is None:
            if len(self._apps) >= self._max_apps:
                return None
            starts = self._apps[app] = {}
        elif len(starts) >= MAX_STARTS:
            oldest = self._oldest.get(app)
            if oldest is None:
                oldest = self._oldest[app] = min(start.first for start in starts.values())
            if at < oldest:
                return None
        start = starts[server] = Start(at)
        return start

    def advice(self) -> Iterator[Finding]:
        """Yield what the newest start of each app shows."""
        for (_, app), starts in sorted(self._apps.items()):
            # One without workers was begun when the reading was broken off.
            ordered = sorted((start for start in starts.values() if start.workers), key=lambda start: start.first)[-2:]
            for start in ordered[-1:]:
                start.look()
                yield from _repeated(start, app)
            if len(ordered) > 1 and _is_slower(ordered[-1], ordered[-2]):
                ordered[-2].look()
                slower = compared(ordered[-1], ordered[-2])
                if slower is not None:
                    yield slower


def told(document: Mapping[str, Any]) -> Told | None:
    """Return what is kept of a report, as plain values; None where there is nothing."""
    attributes = document.get("attributes")
    if document.get("kind") != "boot" or document.get("role") != "worker" or not isinstance(attributes, Mapping):
        return None
    names = ("bootcheck.boot.duration_s", "host.name", "bootcheck.gunicorn.app", "bootcheck.server.id", "process.pid")
    return boot_of(document.get("timestamp"), *map(attributes.get, names))


def boot_of(at: object, ready: object, host: object, app: object, server: object, pid: object) -> Told | None:  # noqa: PLR0913, PLR0917
    """Return the same of a worker's boot, by what its report holds under these names."""
    if not isinstance(ready, (int, float)) or not isinstance(at, str):
        return None
    return ((str(host), str(app)), str(server), at, float(ready), pid if isinstance(pid, int) else None)


def steps_of(document: Mapping[str, Any]) -> Steps:
    """Return the seconds of a report's steps and slow imports, and which of them are inside another that counts."""
    found: dict[str, float] = {}
    within: set[str] = set()
    open_steps: list[str] = []
    checkpoints = document.get("checkpoints")
    for entry in checkpoints if isinstance(checkpoints, list) else []:
        if not isinstance(entry, dict):
            continue
        name, took = str(entry.get("name")), entry.get("duration_ms")
        if entry.get("outcome") == "entered":
            open_steps.append(name)
        elif name in open_steps and isinstance(took, (int, float)) and len(found) < MAX_STEPS:
            while open_steps.pop() != name:
                continue
            found[name] = found.get(name, 0.0) + took / 1000
            if not all(map(_is_outer, open_steps)):
                within.add(name)
    attributes = document.get("attributes")
    imports = attributes.get("bootcheck.imports") if isinstance(attributes, Mapping) else None
    for item in imports if isinstance(imports, list) else []:
        if isinstance(item, dict) and isinstance(item.get("total_ms"), (int, float)):
            found[f"{_IMPORT}{item.get('module')}"] = item["total_ms"] / 1000
    return found, frozenset(within)


@lru_cache(maxsize=1024)
def _is_outer(step: str) -> bool:
    return _OUTER.fullmatch(step) is not None


def _is_slower(now: Start, before: Start) -> bool:
    """Tell whether a start took clearly longer than the one before it."""
    more = now.ready_s - before.ready_s
    return more >= SLOWER_BY and more >= before.ready_s / 5


def compared(now: Start, before: Start) -> Finding | None:
    """Return by how much a start is slower than the one before it and where, None where it is not."""
    if not _is_slower(now, before):
        return None
    return Finding(
        code="BC309",
        severity=Severity.WARNING,
        summary=quoted(difference(now, before)),
        action=("Look at the step or import that is named: `bootcheck show` on a boot report of each start.",),
        evidence=tuple(
            Evidence(source=start.workers[0].source, text=f"{len(start.workers)} workers, {start.ready_s:.1f} s")
            for start in (now, before)
        ),
        confidence="medium",
    )


def difference(now: Start, before: Start) -> str:
    """Return the sentence that compares two starts."""
    more = now.ready_s - before.ready_s
    told = f"Ready after {now.ready_s:.1f} s, {before.ready_s:.1f} s at the start before: {more:+.1f} s"
    place = _place(now.typical(), before.typical(), more)
    return f"{told}, {place[1]:.1f} s of it in {place[0]}." if place is not None else f"{told}."


def _place(now: Mapping[str, float], before: Mapping[str, float], more: float) -> tuple[str, float] | None:
    """Return the narrowest step that explains at least half of the difference."""
    grown = {name: took - before.get(name, 0.0) for name, took in now.items()}
    enough = [name for name, by in grown.items() if more > 0 and by >= more / 2 and name != "worker.boot"]
    if not enough:
        return None

    def rank(name: str) -> tuple[int, float]:
        return (2 if name.startswith(_IMPORT) else 0 if _OUTER.fullmatch(name) else 1, grown[name])

    best = max(enough, key=rank)
    return best, grown[best]


def _repeated(start: Start, app: str) -> Iterator[Finding]:
    count = len(start.workers)
    if count < 2:
        return
    typical = start.typical()
    inner = frozenset[str]().union(*(worker.within for worker in start.workers))
    imports = sorted((name for name in typical if name.startswith(_IMPORT)), key=lambda name: -typical[name])
    # The slowest import holds most of the others: one is named.
    steps = [name for name in typical if not name.startswith(_IMPORT) and name not in inner]
    for name in sorted([*steps, *imports[:1]], key=lambda name: -typical[name])[:3]:
        each, total = typical[name], sum((worker.steps or {})[name] for worker in start.workers)
        if _OUTER.fullmatch(name) or each < EACH or total < IN_ALL:
            continue
        yield Finding(
            code="BC308",
            severity=Severity.WARNING,
            summary=quoted(f"{count} workers each spent {each:.1f} s in {name}: {total:.1f} s in all."),
            action=(
                "Preload it where it survives a fork: preload_app, and warmup(in_master=True).",
                "Do it once for all (run_once), or load it lazily (load_once).",
            ),
            evidence=tuple(
                Evidence(source=worker.source, text=f"worker {worker.pid}: {(worker.steps or {})[name]:.1f} s")
                for worker in start.workers[:4]
            ),
            against=(f"The workers of {app} may need it each for themselves.",),
            confidence="medium",
        )


# -- for one report -------------------------------------------------------------------------------


def against_before(document: Mapping[str, Any], path: str) -> str | None:
    """Compare a boot report with the newest one of the start before it that lies beside it; None without one."""
    taken = Durations()
    taken.add(document, path)
    if not taken._apps:  # noqa: SLF001 - of the same class
        return None
    ((app, starts),) = taken._apps.items()  # noqa: SLF001
    ((server, now),) = starts.items()
    for other in _earlier(path):
        beside = _read(other)
        taken.add(beside, other)
        before = [start for name, start in taken._apps.get(app, {}).items() if name != server]  # noqa: SLF001
        if before:
            return difference(now, before[0])
    return None


def _earlier(path: str) -> list[str]:
    """Return the boot reports of workers in a report's folder that are older, the newest first, at most fifty."""
    folder, own = os.path.split(path)
    named = report_name(own)
    if named is None:
        return []
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return []
    older = [
        found
        for name in names
        if name.startswith("boot-") and "-worker-" in name and (found := report_name(name)) and found < named
    ]
    return [os.path.join(folder, name) for _, _, name in sorted(older, reverse=True)[:50]]


def _read(path: str) -> Mapping[str, Any]:
    from bootcheck.analysis.single import one
    from bootcheck.model.errors import BootcheckError

    try:
        return one(path, io.BytesIO())
    except BootcheckError:
        return {}
