"""What an ASGI app says during its lifespan start: its own failure, or an exception that it raised."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from bootcheck.recorder import type_name

if TYPE_CHECKING:
    from bootcheck.gunicorn.worker import WorkerBoot

Message = dict[str, Any]


async def warm(boot: WorkerBoot) -> None:
    """Run the `async def` warm-ups, where anything declares one: the lifespan has started."""
    warming = sys.modules.get("bootcheck.gunicorn.warming")
    if warming is not None:
        await warming.in_loop(boot)


class LifespanWatch:
    """An ASGI app that passes everything on and remembers how the lifespan start failed."""

    def __init__(self, app: Any, boot: WorkerBoot) -> None:
        self._app = app
        self._boot = boot
        self.reported: str | None = None
        """The message of `lifespan.startup.failed`."""
        self.raised: BaseException | None = None

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Run the app for one scope."""

        async def listen(message: Message) -> None:
            if message.get("type") == "lifespan.startup.failed":
                self.reported = str(message.get("message", ""))
            await send(message)

        try:
            await self._app(scope, receive, listen)
        except BaseException as exc:
            self.raised = exc
            # An event loop lets SystemExit through at once, past whoever awaits the start and knows the step.
            self._boot.recorder.place(exc)
            raise

    def tell(self, boot: WorkerBoot) -> None:
        """Journal the failure of a start: the exception where there was one, else what the app reported."""
        if self.raised is not None and isinstance(self.raised, Exception):
            trace = "".join(traceback.format_exception(type(self.raised), self.raised, self.raised.__traceback__))
            boot.failed(type_name(self.raised), str(self.raised), trace)
            return
        if isinstance(self.raised, SystemExit):
            # Starlette reports it like any exception, and uvicorn ends with a status of its own.
            boot.keep(self.raised)
            return
        text = self.reported or ""
        last = text.strip().splitlines()[-1:] or ["the app reported lifespan.startup.failed without a message"]
        kind, colon, message = last[0].partition(": ")
        # Frameworks report the traceback as the message; its last line names the exception.
        named = bool(colon) and " " not in kind and "Traceback" in text
        boot.failed(kind if named else "lifespan.startup.failed", message if named else last[0], text)
