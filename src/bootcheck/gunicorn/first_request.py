"""When a worker got its first request, and how long that took: a lazy load shows there.

One checkpoint, `request.first`; after that request the worker's method is what it was before.
Loaded only where the app declares warm-ups or loaders, and only for worker classes that serve each
request through a method (sync, gthread, gevent).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn import seams
from bootcheck.model.outcome import Outcome, Phase

if TYPE_CHECKING:
    from bootcheck.gunicorn.worker import WorkerBoot


def watch(boot: WorkerBoot, worker: Any) -> None:
    """Wait for the first request of a worker that is ready now."""
    if "handle_request" not in vars(worker):
        # A class whose requests nobody watches.
        return
    ready = time.monotonic()
    first = [True]

    def around(original: Callable[..., Any]) -> Callable[..., Any]:
        def handle_request(*args: Any, **kwargs: Any) -> Any:
            try:
                first.pop()
            except IndexError:
                return original(*args, **kwargs)
            worker.handle_request = original
            began = time.monotonic()
            try:
                return original(*args, **kwargs)
            finally:
                took = time.monotonic() - began
                detail = {"after_ready_s": round(began - ready, 3)}
                boot.recorder.stamp("request.first", Phase.APP, Outcome.PASSED, detail, duration_ms=took * 1000)

        return handle_request

    seams.around(worker, "handle_request", around)
