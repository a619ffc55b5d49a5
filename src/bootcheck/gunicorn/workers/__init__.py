"""When a worker is ready: one file per kind of worker class, listed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn.workers import asgi, uvicorn

if TYPE_CHECKING:
    from bootcheck.gunicorn.worker import WorkerBoot

WORKERS = (asgi, uvicorn)
"""Classes that accept requests later than after `post_worker_init`; the others are ready then."""


def will_tell(worker: Any, boot: WorkerBoot) -> bool:
    """Arrange that `boot.become_ready()` is called once the worker accepts requests.

    False for a class that accepts them right after `post_worker_init` (sync, gthread, gevent).
    """
    return any(kind.will_tell(worker, boot) for kind in WORKERS)
