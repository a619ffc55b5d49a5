"""Gunicorn's own asgi worker (25 and later): ready once the lifespan has started."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn import seams
from bootcheck.model.outcome import Phase

if TYPE_CHECKING:
    from bootcheck.gunicorn.worker import WorkerBoot


def will_tell(worker: Any, boot: WorkerBoot) -> bool:
    """Wrap `LifespanManager.startup` in this worker; False for other classes and without a lifespan."""
    if "gunicorn.workers.gasgi" not in sys.modules or not hasattr(worker, "asgi"):
        return False
    if getattr(worker.cfg, "asgi_lifespan", "auto") == "off":
        return False
    from gunicorn.asgi import lifespan  # type: ignore[import-untyped,import-not-found,unused-ignore]

    original = getattr(lifespan.LifespanManager, "startup", None)
    if original is None:
        seams._lacks("gunicorn.asgi.lifespan.LifespanManager.startup")  # noqa: SLF001
        return False

    async def startup(self: Any) -> Any:
        from bootcheck.gunicorn.workers.lifespan import LifespanWatch, warm

        watch = self.app = LifespanWatch(self.app, boot)
        boot.rearm()
        with boot.step("app.lifespan", Phase.APP) as step:
            try:
                result = await original(self)
            except Exception as exc:
                if _stops(worker, lifespan, exc):
                    watch.tell(boot)
                    raise
                # Where lifespan is only `auto`, a raise means that the app does not support it.
                step.detail(unsupported=True)
                boot.unsupported = exc
                result = None
        await warm(boot)
        unsupported, boot.unsupported = boot.unsupported, None
        boot.become_ready()
        if unsupported is not None:
            raise unsupported
        return result

    lifespan.LifespanManager.startup = startup
    return True


def _stops(worker: Any, lifespan: Any, exc: BaseException) -> bool:
    """Tell whether Gunicorn ends the worker for this failure (25 serves on where 27 stops)."""
    reported = getattr(lifespan, "LifespanStartupFailed", None)
    return getattr(worker.cfg, "asgi_lifespan", "auto") == "on" or (reported is not None and isinstance(exc, reported))
