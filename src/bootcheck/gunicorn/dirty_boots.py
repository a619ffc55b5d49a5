"""The boots of the dirty arbiter and of its workers: what differs from a web worker's."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bootcheck.guards.sigterm import STOP_SIGNALS
from bootcheck.gunicorn import chain, seams
from bootcheck.gunicorn.dirty_receiver import ARBITER, WORKER
from bootcheck.gunicorn.worker import WorkerBoot
from bootcheck.model.cause import Cause
from bootcheck.model.outcome import Phase

if TYPE_CHECKING:
    from bootcheck.guards.fresh_pools import Snapshot
    from bootcheck.gunicorn.master import Master


class DirtyBoot(WorkerBoot):
    """What the boots of both kinds of dirty process have in common."""

    @property
    def _whole_deadline(self) -> float:
        # BOOTCHECK_BOOT_DEADLINE is for those who serve: a dirty app is there to load what takes long.
        return 0.0

    def _lost_stop(self) -> int | None:
        # Nothing was lost: stop signals are held back from before the fork on.
        return None

    def _on_stop(self, signo: int) -> None:
        super()._on_stop(signo)
        # Gunicorn's loop sends SIGTERM again and again. A second SystemExit, raised while Gunicorn handles the
        # first, would escape into the frames of the dirty arbiter, whose cleanup removes the pool's sockets.
        for stop in STOP_SIGNALS:
            signal.signal(stop, signal.SIG_IGN)

    def _wrap(self) -> None:
        seams.around(self._worker, "init_signals", self._signalling)


class ArbiterBoot(DirtyBoot):
    """The dirty arbiter from its fork until it listens."""

    role = ARBITER
    boot_step = "dirty-arbiter.boot"

    def __init__(self, master: Master, arbiter: Any, worker: Any) -> None:
        super().__init__(master, arbiter, worker)
        self.inherited: Snapshot | None = None if self._child is None else self._child.snapshot
        self.renewed: list[dict[str, Any]] = []
        """What was done to connections here, before any dirty worker was forked."""

    @property
    def _drops_privileges(self) -> bool:
        return False

    def _facts(self) -> dict[str, Any]:
        return {}

    def keep(self, exc: BaseException) -> None:
        """Journal an exception that ends this worker, but not what is raised on the way out."""
        # It was told to stop, and does. While it cleans up its loop is closed, and Gunicorn's handler of the
        # next signal (the master repeats SIGTERM, a dirty worker ends) raises there.
        if not self.ready or getattr(self._worker, "alive", True):
            super().keep(exc)

    def _renew_pools(self, snapshot: Any) -> None:
        from bootcheck.guards import fresh_pools

        self.renewed = fresh_pools.in_child(snapshot, self.recorder)


class DirtyWorkerBoot(DirtyBoot):
    """One dirty worker from its fork until it takes tasks."""

    role = WORKER

    def _facts(self) -> dict[str, Any]:
        return {"age": self._worker.age, "apps": list(self._worker.app_paths)}

    def _kind_of(self, exc: BaseException) -> str:
        if seams.is_dirty_app_not_found(exc):
            return Cause.APP_NOT_FOUND.value
        return super()._kind_of(exc)

    def _wrap(self) -> None:
        super()._wrap()
        seams.around(self._worker, "_run_async", self._serving)
        seams.around(self._worker, "_heartbeat_loop", self._listening)

    def _serving(self, original: Callable[[], Any]) -> Callable[[], Any]:
        """Keep what ends its loop: Gunicorn catches that, and the worker exits with status 0."""

        async def run_async() -> Any:
            with self.telling():
                return await original()

        return run_async

    def _listening(self, original: Callable[[], Any]) -> Callable[[], Any]:
        """Ready: its first heartbeat comes when its socket listens."""

        async def heartbeat_loop() -> Any:
            chain.quietly(self.become_ready)()
            return await original()

        return heartbeat_loop


def init_of(boot: WorkerBoot, app: Any, path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make an app's `init` a step, the first time that it is called."""

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def init(*args: Any, **kwargs: Any) -> Any:
            vars(app).pop("init", None)
            with boot.step("dirty.app.init", Phase.APP, app=path):
                return original(*args, **kwargs)

        return init

    return around


def step_of(boot: Callable[[], WorkerBoot | None], name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a hook of the user's a step of the boot that it runs in."""

    def make(user: Callable[..., Any]) -> Callable[..., Any]:
        def hook(*args: Any) -> None:
            booting = boot()
            if booting is None or booting.ready:
                user(*args)
                return
            with booting.step(name, Phase.WORKER):
                user(*args)

        return hook

    return make
