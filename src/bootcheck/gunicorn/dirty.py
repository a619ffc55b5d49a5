"""The dirty arbiter and its workers: Gunicorn's second pool, for tasks that block (25 and later).

The master forks the dirty arbiter, and that forks the dirty workers: each is the receiver of its
own children. A dirty process boots and dies like a worker; only what it runs has other names.
Loaded when Gunicorn starts its dirty arbiter, and not before.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bootcheck.guards.sigterm import STOP_SIGNALS
from bootcheck.gunicorn import chain, hooks, seams
from bootcheck.gunicorn.child import Child
from bootcheck.gunicorn.dirty_boots import ArbiterBoot, DirtyWorkerBoot, init_of, step_of
from bootcheck.gunicorn.dirty_receiver import ARBITER, WORKER, DirtyReceiver, shared
from bootcheck.gunicorn.server import exit_status, has_clients
from bootcheck.model import journal
from bootcheck.model.outcome import Phase

if TYPE_CHECKING:
    from bootcheck.guards.fresh_pools import Snapshot
    from bootcheck.gunicorn.master import Master


class Dirty:
    """What a process knows of the dirty pool: the master, the dirty arbiter, or one of its workers."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._spawning = False
        master.receiver.kills.seen = shared(master.receiver.kills.seen)
        self.arbiters = DirtyReceiver(master)
        """In the master: takes the ends of dirty arbiters."""
        self.workers: DirtyReceiver | None = None
        """In the dirty arbiter: takes the ends of dirty workers."""
        self._boot: ArbiterBoot | None = None
        self._worker: DirtyWorkerBoot | None = None
        arbiter_class, worker_class = seams.dirty_classes()
        seams.on_made(arbiter_class, chain.quietly(self._arbiter_made))
        seams.on_made(worker_class, chain.quietly(self._worker_made))
        seams.around(master.arbiter, "kill_dirty_arbiter", self._noting)
        seams.around(master.arbiter, "manage_dirty_arbiter", self._respawning)

    # -- in the master --------------------------------------------------------------------------

    def spawn(self, original: Callable[[], Any]) -> Any:
        """Let Gunicorn start its dirty arbiter; the new process never comes back from here."""
        self._spawning = True
        try:
            return original()
        finally:
            if self.arbiters.is_here:
                self._spawning = False
                self.arbiters.unblock()

    def born(self, pid: int) -> None:
        """Enter the dirty arbiter that was forked just now."""
        self.arbiters.born(pid)

    def ended(self, pid: int, status: int, usage: Any) -> None:
        """Take the end of a child of the master's that is no worker."""
        self.arbiters.ended(pid, status, usage)

    def drain(self, arbiter: Any) -> None:
        """Wait for a dirty arbiter that the master killed at the end of its stop."""
        self.arbiters.drain(arbiter)

    def in_child(self, own: Child) -> None:
        """Close, in a new process of any kind, what belongs to others."""
        self.arbiters.close_siblings(own)
        if self.workers is not None:
            self.workers.close_siblings(own)

    def _arbiter_made(self, made: Any) -> None:
        """Gunicorn made its dirty arbiter, and will fork it next."""
        if not (self._spawning and self.arbiters.is_here):
            return
        seams.around(made, "run", lambda original: lambda: self._run_arbiter(made, original))
        self.arbiters.expect(made, ARBITER, self._before_arbiter())

    def _noting(self, original: Callable[[int], Any]) -> Callable[[int], Any]:
        def kill_dirty_arbiter(sig: int) -> Any:
            chain.quietly(self.arbiters.sent)(self._master.arbiter.dirty_arbiter_pid, sig)
            return original(sig)

        return kill_dirty_arbiter

    def _respawning(self, original: Callable[[], Any]) -> Callable[[], Any]:
        def manage_dirty_arbiter() -> Any:
            if self._master.arbiter.dirty_arbiter_pid or self.arbiters.may_spawn():
                return original()
            return None

        return manage_dirty_arbiter

    # -- in the dirty arbiter -------------------------------------------------------------------

    def _run_arbiter(self, arbiter: Any, original: Callable[[], Any]) -> Any:
        boot = chain.quietly(self._begin_arbiter)(arbiter)
        if boot is None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            return original()
        try:
            with boot.telling():
                return original()
        finally:
            chain.quietly(self._end_arbiter)()

    def _begin_arbiter(self, arbiter: Any) -> ArbiterBoot:
        self._boot = ArbiterBoot(self._master, self._master.arbiter, arbiter)
        self._boot.begin()
        if self._master.board is not None:
            self._master.board.joins(self._boot)
        self.workers = receiver = DirtyReceiver(self._master, arbiter)
        seams.on_wait(chain.quietly(receiver.ended), chain.quietly(receiver.born), "gunicorn.dirty.arbiter")
        seams.on_kill(arbiter, chain.quietly(receiver.sent))
        seams.around(arbiter, "manage_workers", self._managing)
        seams.around(arbiter, "murder_workers", self._looking)
        seams.around(arbiter, "spawn_worker", self._spawning_worker)
        seams.around(arbiter, "reload", self._reloading)
        seams.on_dirty_load(self._loading)
        chain.install(
            arbiter.cfg,
            {
                "on_dirty_starting": step_of(lambda: self._boot, "dirty.on_dirty_starting"),
                "dirty_worker_init": step_of(lambda: self._worker, "worker.dirty_worker_init"),
            },
        )
        return self._boot

    def _end_arbiter(self) -> None:
        if self.workers is not None:
            self.workers.drain(None)
        if self._boot is not None:
            self._boot.ended()

    def _managing(self, original: Callable[[], Any]) -> Callable[[], Any]:
        """Ready at the first call: it listens, and has not yet forked anybody.

        One at a time: each call keeps the number of workers that it began with, and two with two numbers
        would start and end workers for ever where those stop as fast in mid-boot as ours do.
        """
        running: list[bool] = []

        async def manage_workers() -> None:
            if self._boot is not None:
                chain.quietly(self._boot.become_ready)()
            running.append(True)
            if len(running) > 1:
                return
            try:
                while running:
                    del running[1:]
                    await original()
                    del running[:1]
            finally:
                running.clear()

        return manage_workers

    def _looking(self, original: Callable[[], Any]) -> Callable[[], Any]:
        async def murder_workers() -> Any:
            if self.workers is not None:
                chain.quietly(self.workers.look)()
            return await original()

        return murder_workers

    def _reloading(self, original: Callable[[], Any]) -> Callable[[], Any]:
        """A reload tries the new code at once, whatever the old one did."""

        async def reload() -> Any:
            if self.workers is not None:
                self.workers.forgive()
            return await original()

        return reload

    def _spawning_worker(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Withhold a spawn while there is a pause: the dirty arbiter asks again once a second."""

        def spawn_worker(*args: Any, **kwargs: Any) -> Any:
            receiver = self.workers
            if receiver is None or not receiver.is_here:
                return original(*args, **kwargs)
            if not receiver.may_spawn():
                return None
            try:
                return original(*args, **kwargs)
            finally:
                receiver.unblock()

        return spawn_worker

    def _worker_made(self, worker: Any) -> None:
        """Gunicorn made a dirty worker, and will fork it next."""
        if self.workers is None or not self.workers.is_here:
            return
        seams.around(worker, "init_process", lambda original: lambda: self._run_worker(worker, original))
        self.workers.expect(worker, WORKER, self._before_worker())

    # -- in a dirty worker ----------------------------------------------------------------------

    def _run_worker(self, worker: Any, original: Callable[[], Any]) -> Any:
        boot = chain.quietly(self._begin_worker)(worker)
        if boot is None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            return original()
        try:
            with boot.telling():
                return original()
        except BaseException as exc:
            if isinstance(exc, Exception) or (isinstance(exc, SystemExit) and isinstance(exc.code, (int, type(None)))):
                raise
            # Gunicorn gives the code to os._exit, which takes numbers only, and catches nothing else: the
            # worker would go on in the frames of its dirty arbiter, as a second one that nobody knows of.
            raise SystemExit(exit_status(exc)) from exc
        finally:
            chain.quietly(boot.ended)()

    def _begin_worker(self, worker: Any) -> DirtyWorkerBoot:
        self._worker = boot = DirtyWorkerBoot(self._master, self._master.arbiter, worker)
        boot.begin()
        hooks.watch_own_forks()
        if self._boot is not None:
            for record in self._boot.renewed:
                if record["action"] in ("neutralised", "cut", "invalidated", "renewed", "reset"):
                    boot.recorder.fact(journal.GUARD, **record)
        return boot

    def _loading(self, original: Callable[..., Any], paths: Any) -> Any:
        boot = self._worker
        if boot is None or boot.ready:
            return original(paths)
        with boot.step("app.load", Phase.APP, apps=list(paths)):
            apps = original(paths)
        for path, app in apps.items():
            seams.around(app, "init", init_of(boot, app, path))
        return apps

    # -- connections of a preloaded app -----------------------------------------------------------

    def _before_arbiter(self) -> Snapshot | None:
        """Note what the dirty pool will inherit: its workers are never the only ones to use it."""
        cfg = self._master.arbiter.cfg
        if not (cfg.preload_app or has_clients()):
            return None
        from bootcheck.guards import fresh_pools

        # By the number of web workers: with one, the master's connections are that worker's and stay open.
        return replace(fresh_pools.before_fork(cfg.workers), repair=True, findings=None, masked=None)

    def _before_worker(self) -> Snapshot | None:
        first = None if self._boot is None else self._boot.inherited
        if first is None and not has_clients():
            return None
        from bootcheck.guards import fresh_pools

        own = fresh_pools.before_fork(2)
        # What has no owner here are the connections of web workers to this dirty arbiter.
        inherited = [item for item in own.inherited if item.owner is not None]
        if first is not None:
            inherited += first.inherited
        return replace(own, inherited=tuple(inherited), findings=None, masked=None)
