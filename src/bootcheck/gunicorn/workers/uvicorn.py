"""Uvicorn's worker: ready once its server has started, lifespan included."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

from bootcheck.guards.sigterm import STOP_SIGNALS
from bootcheck.gunicorn import seams
from bootcheck.model.outcome import Phase

if TYPE_CHECKING:
    from bootcheck.gunicorn.worker import WorkerBoot


def will_tell(worker: Any, boot: WorkerBoot) -> bool:
    """Wrap `uvicorn.server.Server.startup` in this worker; False for other worker classes."""
    module = sys.modules.get("uvicorn.server")
    names = {kind.__module__.partition(".")[0] for kind in type(worker).__mro__}
    if module is None or not names & {"uvicorn", "uvicorn_worker"}:
        return False
    server = getattr(module, "Server", None)
    original = getattr(server, "startup", None)
    if server is None or original is None:
        seams._lacks("uvicorn.server.Server.startup")  # noqa: SLF001
        return False

    async def startup(self: Any, *args: Any, **kwargs: Any) -> Any:
        from bootcheck.gunicorn.workers.lifespan import LifespanWatch, warm

        # The server has set handlers of its own by now: they come back once it serves.
        handlers = {signo: signal.getsignal(signo) for signo in STOP_SIGNALS}
        boot.rearm()
        config = self.config
        app = boot.witness.around_app(getattr(config, "loaded_app", None))
        watch = LifespanWatch(app, boot)
        if app is not None:
            config.loaded_app = watch
        try:
            with boot.step("app.lifespan", Phase.APP) as step:
                try:
                    result = await original(self, *args, **kwargs)
                except SystemExit:
                    watch.tell(boot)
                    raise
                if watch.raised is not None and not _ended(self):
                    step.detail(unsupported=True)
                if _ended(self):
                    step.fail()
                    watch.tell(boot)
        finally:
            if app is not None:
                config.loaded_app = app
        if not _ended(self):
            await warm(boot)
            worker.bootcheck_leaving = lambda: _ended(self)
            boot.become_ready(lambda: _give_back(handlers))
        return result

    server.startup = startup
    # Its handlers only set a flag, which a lifespan that hangs never looks at.
    boot.hold()
    return True


def _ended(server: Any) -> bool:
    return bool(getattr(server, "should_exit", False) or getattr(server.lifespan, "should_exit", False))


def _give_back(handlers: dict[signal.Signals, Any]) -> None:
    for signo, handler in handlers.items():
        if handler is not None:
            signal.signal(signo, handler)
