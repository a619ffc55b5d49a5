"""The look around in a preloaded master before it forks: what would its workers inherit that does them harm?

The whole of it before the first worker (and again after a reload has brought new code), threads
alone before every other one. Loaded under `preload_app` only; the judges only where there is something.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bootcheck.model.outcome import Outcome, Phase
from bootcheck.probes import (
    background,
    cuda,
    event_loops,
    exit_handlers,
    heap,
    held_locks,
    native_threads,
    random_state,
    temporary,
)

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

LARGE = 200_000
"""Objects from which on it is worth a word that the heap is not frozen."""
_MOMENT = 0.005
"""Seconds after which a thread has started or ended."""
_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))
_NO_SUBJECT = ("objects", "reseed")
_OURS_AT_EXIT = 1
"""Functions that bootcheck itself registers with `atexit` in a master."""


class ForkAudit:
    """What one master was seen to have, fork by fork."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._cfg: Any = None
        self._idents: frozenset[int] = frozenset()
        self._tasks: set[int] = set()
        self._told: set[tuple[str, ...]] = set()
        self._places: set[tuple[Any, ...]] = set()
        """Kind and code of every thread that was seen."""
        self._failed: list[str] = []
        """Why a probe could not look."""
        self.sources: list[dict[str, Any]] = []
        """Sources of random numbers that all workers inherit."""

    def before_fork(self, cfg: Any, workers: int) -> None:
        """Look, and record what there is to say; once for each thing."""
        whole = cfg is not self._cfg
        if not whole and self._unchanged():
            return
        self._cfg = cfg
        began = time.perf_counter()
        threads, native = self._threads()
        places = {_place(thread) for thread in threads}
        # Some are started anew for each fork.
        seen = {"threads": [one for one in threads if _place(one) not in self._places], "native": native}
        self._places |= places
        if whole:
            seen |= self._rest(threads)
        self._judge(seen, workers)
        if whole:
            self._checkpoint(seen, threads, (time.perf_counter() - began) * 1000)

    def _unchanged(self) -> bool:
        return background.idents() == self._idents and native_threads.tasks() == self._tasks

    def _threads(self) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """Return Python's threads, and the native ones that were not there before."""
        self._idents, before = background.idents(), self._tasks
        self._tasks = native_threads.tasks()
        # gevent's are memory, which a fork copies; it renews its own native ones.
        if background.survive():
            return [], None
        threads = background.threads()
        raw = sum(not thread["known"] for thread in threads)
        names = native_threads.unknown(self._tasks - before, background.native_ids(), raw)
        if names:
            # One that starts or ends right now is in one list and not in the other.
            time.sleep(_MOMENT)
            still = native_threads.tasks() & (self._tasks - before)
            names = native_threads.unknown(still, background.native_ids(), raw)
        return threads, self._native(names) if names else None

    def _native(self, names: list[str]) -> dict[str, Any]:
        paths = native_threads.libraries()
        return {
            "names": names,
            "libgomp": native_threads.libgomp(paths),
            "openblas": native_threads.openblas_threads(paths, os.environ),
        }

    def _rest(self, threads: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what one pass over the heap and some tables tell."""
        wanted = {"loops": event_loops.kind(), "files": temporary.file_kind(), **random_state.kinds()}
        things, count = heap.of_kinds({name: kind for name, kind in wanted.items() if kind is not None})
        self.sources = self._tried(lambda: random_state.shared(things)) or []
        # Gunicorn's control server has a loop of its own, and stops it before the fork.
        theirs = {thread["ident"] for thread in threads if thread["module"].startswith("gunicorn.")}
        loops = self._tried(lambda: event_loops.still_open(things.get("loops", []))) or []
        return {
            "locks": self._tried(lambda: self._locks(threads)),
            "loops": [loop for loop in loops if loop["thread"] not in theirs],
            "temporary": self._tried(lambda: temporary.kept(things.get("files", []))),
            "exit_handlers": self._tried(self._exit_handlers),
            "random": self.sources,
            "reseed": self._master.reseed,
            "cuda": self._tried(cuda.initialised),
            "heap": {"objects": count, "bytes": heap.pages()} if count > LARGE and not heap.frozen() else None,
            "objects": count,
        }

    def _tried(self, probe: Callable[[], Any]) -> Any:
        """Return what a probe sees; where it meets something unknown the others still look."""
        try:
            return probe()
        except Exception as exc:  # noqa: BLE001
            self._failed.append(f"{type(exc).__name__}: {exc}")
            return None

    def _locks(self, threads: list[dict[str, Any]]) -> list[dict[str, Any]]:
        # Without another thread nobody holds a lock that this one could not release.
        if all(thread["module"].startswith("gunicorn.") for thread in threads):
            return []
        names = {thread["ident"]: thread["name"] for thread in threads}
        found = held_locks.held()
        return [{**lock, "thread": names.get(lock["holder"])} for lock in found]

    def _exit_handlers(self) -> dict[str, Any] | None:
        total = exit_handlers.count()
        others = 0 if total is None else exit_handlers.of_others(total, _OURS_AT_EXIT)
        return {"count": others, "modules": exit_handlers.users()} if others else None

    def _judge(self, seen: dict[str, Any], workers: int) -> None:
        if not any(value for name, value in seen.items() if name not in _NO_SUBJECT):
            return
        from bootcheck.audits import judge

        for finding in judge(seen, workers):
            # What is there at every fork is told once, whatever its number this time.
            key = (finding.code, *(f"{item.source} {item.text}".translate(_NO_DIGITS) for item in finding.evidence))
            if key not in self._told:
                self._told.add(key)
                self._master.recorder.finding(finding)

    def _checkpoint(self, seen: dict[str, Any], threads: list[dict[str, Any]], took: float) -> None:
        native = seen["native"]
        detail = {
            "threads": [thread["name"] or thread["function"] for thread in threads],
            "native_threads": len(native["names"]) if native else 0,
            "objects": seen["objects"],
            **({"failed": self._failed} if self._failed else {}),
        }
        self._master.recorder.stamp("fork.audit", Phase.SERVER, Outcome.PASSED, detail, duration_ms=took)


def _place(thread: dict[str, Any]) -> tuple[Any, ...]:
    """Return what threads of one code have in common."""
    return tuple(thread[name] for name in ("kind", "module", "function", "file", "line", "owner"))


_audit: ForkAudit | None = None


def before_fork(master: Master, arbiter: Any) -> None:
    """Audit this fork of the one master that this process image has."""
    global _audit  # noqa: PLW0603 - the workers find their master's by fork
    if _audit is None:
        _audit = ForkAudit(master)
    # TTIN may have asked for more workers than the configuration.
    _audit.before_fork(arbiter.cfg, max(arbiter.cfg.workers, getattr(arbiter, "num_workers", 0) or 0))


def in_child(recorder: Any) -> None:
    """Seed what the master's audit found anew in this worker."""
    if _audit is not None and _audit.sources:
        from bootcheck.guards import reseed

        reseed.in_child(_audit.sources, recorder)
