"""The hooks that bootcheck needs, each around the user's own of the same name."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bootcheck.guards.sigterm import STOP_SIGNALS
from bootcheck.gunicorn import chain
from bootcheck.gunicorn.server import has_clients
from bootcheck.model.outcome import Phase

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

Hook = Callable[..., Any]
Maker = Callable[[Hook], Hook]
_WARMUPS = "bootcheck.guards.warmup"
"""Loaded where the configuration or the app declares a warm-up."""
_LOADERS = "bootcheck.guards.load_once"


def table(master: Master) -> dict[str, Maker]:
    """Return, for each hook of Gunicorn's that is needed, the maker of a chained one."""
    return {
        "nworkers_changed": _before(master.on_nworkers),
        "on_starting": _on_starting(master),
        "pre_fork": _pre_fork(master),
        "post_fork": _post_fork(master),
        "post_worker_init": _post_worker_init(master),
        "worker_abort": _worker_abort(master),
        "worker_exit": _worker_exit(master),
        "on_exit": _after(master.receiver.drain),
        "on_reload": _before(master.on_reload),
        "pre_exec": _after(_pre_exec(master)),
    }


def _starting(master: Master) -> Hook:
    def on_starting(arbiter: Any) -> None:
        master.on_starting(arbiter)
        for begin in master.companions:
            chain.quietly(begin)(arbiter)

    return on_starting


def _before(ours: Hook) -> Maker:
    ours = chain.quietly(ours)

    def make(user: Hook) -> Hook:
        def hook(*args: Any) -> None:
            ours(*args)
            user(*args)

        return hook

    return make


def _after(ours: Hook) -> Maker:
    ours = chain.quietly(ours)

    def make(user: Hook) -> Hook:
        def hook(*args: Any) -> None:
            user(*args)
            ours(*args)

        return hook

    return make


def _on_starting(master: Master) -> Maker:
    def look(arbiter: Any) -> None:
        """Look at what the preload import left open, where it left anything."""
        from bootcheck.probes.sockets import connected

        if connected():
            from bootcheck.gunicorn.connections import before_workers

            before_workers(master, arbiter)

    started = chain.quietly(_starting(master))

    def make(user: Hook) -> Hook:
        def hook(arbiter: Any) -> None:
            user(arbiter)
            if _WARMUPS in sys.modules:
                from bootcheck.gunicorn import warming

                warming.in_master(master, arbiter)
            if arbiter.cfg.preload_app:
                chain.quietly(look)(arbiter)
            started(arbiter)

        return hook

    return make


def _pre_fork(master: Master) -> Maker:
    before = chain.quietly(master.receiver.before_fork)

    def audit(arbiter: Any) -> None:
        from bootcheck.gunicorn import fork_audit

        try:
            fork_audit.before_fork(master, arbiter)
        finally:
            master.publish_boot()

    audited = chain.quietly(audit)

    def make(user: Hook) -> Hook:
        def hook(arbiter: Any, worker: Any) -> None:
            # Theirs first: what it starts must not inherit blocked signals, and it may raise.
            user(arbiter, worker)
            if arbiter.cfg.preload_app:
                audited(arbiter)
            before(arbiter, worker)

        return hook

    return make


def _post_fork(master: Master) -> Maker:
    begin = chain.quietly(master.begin_worker)

    def seed(boot: Any) -> None:
        from bootcheck.gunicorn import fork_audit

        fork_audit.in_child(boot.recorder)

    reseed = chain.quietly(seed)

    def make(user: Hook) -> Hook:
        def hook(arbiter: Any, worker: Any) -> None:
            boot = begin(arbiter, worker)
            if master.board is not None:
                chain.quietly(master.board.joins)(boot)
            if boot is None:
                # Ours failed half-way: the worker must not stay deaf to stop signals, nor be looked after by half.
                master.worker = None
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
                user(arbiter, worker)
                return
            if master.reseed and arbiter.cfg.preload_app:
                reseed(boot)
            watch_own_forks()
            with boot.telling():
                user(arbiter, worker)

        return hook

    return make


def _pre_exec(master: Master) -> Hook:
    def pre_exec(arbiter: Any) -> None:
        # The new image gets nothing of this one but the side port: its own arming opens anew.
        master.fault.disarm()
        if master.board is not None:
            master.board.hand_over(arbiter)

    return pre_exec


def _post_worker_init(master: Master) -> Maker:
    def make(user: Hook) -> Hook:
        def hook(worker: Any) -> None:
            boot = master.worker
            if boot is None:
                user(worker)
                return
            boot.check()
            with boot.step("worker.post_worker_init", Phase.WORKER):
                user(worker)
            if _WARMUPS in sys.modules:
                from bootcheck.gunicorn import warming

                warming.in_worker(boot, worker)
            chain.quietly(boot.initialised)()
            if _WARMUPS in sys.modules or _LOADERS in sys.modules:
                from bootcheck.gunicorn import first_request

                chain.quietly(first_request.watch)(boot, worker)

        return hook

    return make


def _worker_abort(master: Master) -> Maker:
    def make(user: Hook) -> Hook:
        def hook(worker: Any) -> None:
            if master.worker is not None:
                chain.quietly(master.worker.aborted)(sys._getframe(1))  # noqa: SLF001
            user(worker)

        return hook

    return make


def _worker_exit(master: Master) -> Maker:
    def make(user: Hook) -> Hook:
        def hook(arbiter: Any, worker: Any) -> None:
            try:
                user(arbiter, worker)
            finally:
                # Gunicorn also calls this hook in the master, for workers it found dead.
                if master.worker is not None and not master.is_here:
                    chain.quietly(master.worker.ended)()

        return hook

    return make


def watch_own_forks() -> None:
    """Keep what this worker forks itself off its connections; nothing is loaded before it does."""
    os.register_at_fork(before=_before_own_fork)


def _before_own_fork() -> None:
    if has_clients():
        from bootcheck.guards import own_forks

        chain.quietly(own_forks.before)()
