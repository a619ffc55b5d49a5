"""`--logger-class bootcheck.Logger`: arming through GUNICORN_CMD_ARGS, without touching a file."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger as GunicornLogger  # type: ignore[import-untyped,unused-ignore]

from bootcheck.gunicorn import arm as arming


class Logger(GunicornLogger):  # type: ignore[misc,unused-ignore]
    """Gunicorn's own logger; being created, before any hook, it arms bootcheck."""

    def __init__(self, cfg: Any) -> None:
        """Log as Gunicorn does, and arm."""
        super().__init__(cfg)
        arming.arm()
        arming.install(cfg)
