"""Readiness and liveness for an ASGI app, on its own port.

from bootcheck.asgi import Endpoints

app = Endpoints(app)                # any ASGI callable
app.add_middleware(Endpoints)       # or within Starlette or FastAPI
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bootcheck.readiness.endpoints import METHODS, Client, Middleware

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
_FORWARDED = (b"x-forwarded-for", b"forwarded")


class Endpoints(Middleware):
    """An ASGI app that answers `/health` and `/ready`, and passes everything else on.

    The options are those of `bootcheck.readiness.endpoints.Endpoints`; dependencies may be coroutine functions.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a probe; any other scope pays one look-up."""
        if scope.get("path") not in self._routes or scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await self._probe(scope, receive, send)

    async def _probe(self, scope: Scope, receive: Receive, send: Send) -> None:
        ours, path = self._endpoints, scope["path"]
        forwarded = any(name.lower() in _FORWARDED for name, _ in scope.get("headers") or ())
        query = bytes(scope.get("query_string") or b"").decode("latin-1")
        client = Client(str((scope.get("client") or ("",))[0]), forwarded=forwarded, query=query)
        if scope.get("method") not in METHODS or not ours.admits(client):
            await self.app(scope, receive, send)
            return
        told = await ours.dependencies.ask_async() if ours.asks.get(path) else []
        found = self._routes[path](client, told)
        headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in found.headers]
        await send({"type": "http.response.start", "status": found.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else found.body})
