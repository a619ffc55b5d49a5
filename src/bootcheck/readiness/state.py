"""The state of a server: started, ready and live are three things, judged from its board."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace

from bootcheck.probes import board
from bootcheck.probes.board import Board, Master, Worker

NO_TIMEOUT = 30.0
"""Seconds without a turn of the master's loop that are too many, where the server has no timeout."""
LEAST = 5.0
"""Fewer are never too many: an account of a death, a slow disk."""
LATE = 2.0
"""Seconds beyond its deadline in which the watchdog of a boot may still be ending it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known of a server at one moment."""

    phase: str
    """starting, booting, ready, stopping or hanging."""
    started: bool
    """A worker has been ready since this server began."""
    ready: bool
    live: bool
    workers: int
    workers_ready: int
    reason: str | None = None
    """Why it is not ready, or not live."""
    step: str | None = None
    elapsed_s: float | None = None
    """Seconds in the step; without one, in the phase."""
    expected_s: float | None = None
    """Seconds until it is ready, as past boots went; None where nobody knows."""
    boot_s: float | None = None
    """Seconds since the boot began."""


ALONE = State(phase="ready", started=True, ready=True, live=True, workers=1, workers_ready=1)
"""A process that no armed Gunicorn runs: it answers, so it is there."""


def of_server(seen: Board, *, least: int | None = 1) -> State:
    """Return the state of the whole server; it is ready with `least` ready workers, None is all of them."""
    now = time.monotonic()
    master, workers = seen.master(), seen.workers()
    wanted = master.workers or max((worker.workers for worker in workers[-1:]), default=1)
    ready = [worker for worker in workers if _serves(worker) and _lives(worker, master, now)]
    hung = _why_not_live(master, workers, now)
    enough = len(ready) >= (wanted if least is None else min(least, wanted)) and bool(ready)
    phase, reason, step, since = _phase(master, workers, now, enough=enough)
    if hung is not None:
        phase, reason, step = "hanging", hung, step if phase == "booting" else None
    boot = _slowest(workers)
    begun = boot.born if boot is not None else master.since
    usual = _usual(seen, master, phase)
    return State(
        phase=phase,
        started=master.started or bool(ready),
        ready=phase == "ready",
        live=hung is None,
        workers=wanted,
        workers_ready=len(ready),
        reason=reason,
        step=step,
        elapsed_s=round(max(0.0, now - since), 3) if since else None,
        expected_s=None if usual is None else round(max(0.0, usual - (now - begun)), 3),
        boot_s=round(max(0.0, now - begun), 3) if phase in ("starting", "booting") and begun else None,
    )


def _usual(seen: Board, master: Master, phase: str) -> float | None:
    """Return the seconds of a whole boot as past ones went: while the master starts, its own comes first."""
    worker = (seen.usual("worker") or master.took or None) if phase in ("starting", "booting") else None
    if worker is None or phase == "booting":
        return worker
    before = seen.usual("master")
    return None if before is None else before + worker


def of_worker(seen: Board | None, *, least: int | None = 1) -> State:
    """Return the state as this worker answers for it: it lives, for it answers; ready it must be itself, too."""
    if seen is None:
        return ALONE
    state = replace(of_server(seen, least=least), live=True)
    mine = next((worker for worker in seen.workers() if worker.pid == os.getpid()), None)
    if mine is None or state.phase == "stopping":
        return state
    if mine.told or mine.phase == board.LEAVING or seen.leaving():
        reason = "this worker is being stopped"
        return replace(state, phase="stopping", ready=False, reason=reason, step=None, elapsed_s=None, expected_s=None)
    if mine.phase == board.BOOTING:
        return replace(state, phase="booting", ready=False, reason="this worker is not ready yet")
    if state.phase == "hanging":
        # Others hang; this one answers.
        enough = state.workers_ready >= (state.workers if least is None else min(least, state.workers))
        return replace(state, phase="ready" if enough else "booting", ready=enough)
    return state


def _serves(worker: Worker) -> bool:
    return worker.phase == board.READY and not worker.told


def _slowest(workers: list[Worker]) -> Worker | None:
    """Return the worker that has been booting for longest."""
    return next((worker for worker in workers if worker.phase == board.BOOTING), None)


def _phase(
    master: Master, workers: list[Worker], now: float, *, enough: bool
) -> tuple[str, str | None, str | None, float]:
    """Return the phase, why the server is not ready, the step it is in, and since when."""
    if master.phase == board.STOPPING:
        return "stopping", "the server is being stopped", None, master.since
    if enough:
        return "ready", None, None, max((worker.ready_at for worker in workers), default=now)
    boot = _slowest(workers)
    if boot is not None:
        return "booting", f"worker {boot.pid} is not ready yet", boot.step or None, boot.step_since or boot.born
    if not workers and master.phase == board.STARTING:
        return "starting", "no worker has been started yet", master.step or None, master.step_since or master.since
    if any(_serves(worker) for worker in workers):
        return "booting", "not enough workers are ready", None, 0.0
    return "booting", "no worker is there" if not workers else "the workers are being replaced", None, 0.0


def _why_not_live(master: Master, workers: list[Worker], now: float) -> str | None:
    """Return what hangs, None for a server that lives.

    It lives where its master's loop turns, and either a worker's heartbeat is younger than the timeout
    or a boot is inside its deadline. Without any worker the master is about to start one.
    """
    if master.phase == board.STOPPING:
        return None
    if master.phase == board.RUNNING or workers:
        # A fork is a sign of life, too: the first turn comes after the first workers.
        turned = max([master.turned, *(worker.born for worker in workers)])
        limit = max(master.timeout or NO_TIMEOUT, LEAST) + (master.grace if master.reloading else 0.0)
        if now - turned > limit:
            return f"the master's loop has not turned for {now - turned:.0f} s"
    judged = [worker for worker in workers if worker.phase != board.LEAVING and not worker.told]
    if not judged or any(_lives(worker, master, now) for worker in judged):
        return None
    return f"none of {len(judged)} workers has given a sign of life in time"


def _lives(worker: Worker, master: Master, now: float) -> bool:
    if worker.phase == board.BOOTING:
        return not master.deadline or now - worker.born < master.deadline + LATE
    # Judged as the master judges it, at its look: what is older than that nobody has looked at.
    return not master.timeout or worker.seen - max(worker.beat, worker.ready_at) <= master.timeout
