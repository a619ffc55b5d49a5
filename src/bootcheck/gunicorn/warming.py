"""When warm-ups run: in the master after a preload import, in a worker once its app is loaded, in its loop.

Loaded only where something declares one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from bootcheck.guards import warmup
from bootcheck.guards.warm_slots import WarmSlots
from bootcheck.guards.warmup import Warmup
from bootcheck.gunicorn import seams
from bootcheck.gunicorn.server import unlink_pidfile
from bootcheck.model.errors import CheckOptionError

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master
    from bootcheck.gunicorn.worker import WorkerBoot


class Warming:
    """What is to be warmed up in this server, and where this worker stands with it."""

    def __init__(self) -> None:
        self.declared: list[Warmup] = []
        """Those of the configuration file."""
        self.slots: WarmSlots | None = None
        self.in_loop: list[Warmup] = []
        """What this worker has still to do when its loop runs."""
        self.turn = ExitStack()
        """Holds this worker's slot."""

    def todo(self) -> Iterator[Warmup]:
        """Yield what has not run: the configuration's first, then the app's, each name once."""
        by_name = {item.name: item for item in (*warmup.registered.values(), *self.declared)}
        for item in (*self.declared, *warmup.registered.values()):
            if by_name.pop(item.name, None) is not None and not item.ran:
                yield item


_here = Warming()


def judge(warmups: Sequence[Any], at_once: Any) -> None:
    """Raise CheckOptionError for what cannot be declared."""
    for item in warmups:
        if not isinstance(item, Warmup):
            msg = f"warmups=[...] holds {item!r}, which is no warm-up. Write for example warmup('model', load)."
            raise CheckOptionError(msg)
    number = isinstance(at_once, int) and not isinstance(at_once, bool)
    if at_once is not None and not (number and at_once > 0):
        msg = f"warm_at_once={at_once!r} is no number of workers. Write for example warm_at_once=1."
        raise CheckOptionError(msg)


def declare(warmups: Sequence[Warmup], at_once: int | None) -> None:
    """Take what a configuration file declares; the file of a reload replaces it."""
    before = {item.name: item for item in _here.declared}
    _here.declared = list(warmups)
    for item in _here.declared:
        # A reload imports nothing anew in the master: what is warm there stays so.
        item.ran = item.in_master and item.name in before and before[item.name].ran
    if _here.slots is not None and _here.slots.count != at_once:
        _here.slots.close()
        _here.slots = None
    if at_once is not None and _here.slots is None:
        _here.slots = WarmSlots(at_once)


def in_master(master: Master, arbiter: Any) -> None:
    """Run those that survive a fork, once for all workers, where the app is loaded in the master."""
    if not arbiter.cfg.preload_app or not master.is_here:
        return
    try:
        warmup.run([item for item in _here.todo() if item.in_master], master.recorder)
    except BaseException:
        unlink_pidfile(arbiter)
        raise


def in_worker(boot: WorkerBoot, worker: Any) -> None:
    """Run all others: the app is loaded, and nobody is served yet."""
    todo = list(_here.todo())
    if not todo:
        return
    if _here.slots is not None:
        _here.turn.enter_context(_here.slots.turn(boot.recorder))
    try:
        _here.in_loop = [item for item in todo if item.in_loop] if has_loop(worker) else []
        warmup.run([item for item in todo if item not in _here.in_loop], boot.recorder)
    finally:
        if not _here.in_loop:
            _here.turn.close()


async def in_loop(boot: WorkerBoot, arbiter: Any = None) -> None:
    """Run the `async def` ones: the lifespan has started; a required one that fails ends the worker."""
    todo, _here.in_loop = _here.in_loop, []
    try:
        with boot.telling():
            await warmup.run_in_loop(todo, boot.recorder)
    except Exception as exc:
        # A server may take an exception here for an app without a lifespan.
        raise SystemExit(seams.app_error_code(arbiter)[0]) from exc
    finally:
        _here.turn.close()


def has_loop(worker: Any) -> bool:
    """Tell whether the worker will start a loop of its own before it is ready."""
    if hasattr(worker, "asgi"):
        return getattr(worker.cfg, "asgi_lifespan", "auto") != "off"
    return bool({kind.__module__.partition(".")[0] for kind in type(worker).__mro__} & {"uvicorn", "uvicorn_worker"})
