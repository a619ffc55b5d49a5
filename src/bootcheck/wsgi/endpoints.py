"""Readiness and liveness for a WSGI app, on its own port.

from bootcheck.wsgi import Endpoints

app = Endpoints(app)                # any WSGI callable
app.wsgi_app = Endpoints(app.wsgi_app)  # or within a Flask app
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bootcheck.readiness.endpoints import METHODS, Client, Middleware

Environ = dict[str, Any]
App = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Endpoints(Middleware):
    """A WSGI app that answers `/health` and `/ready`, and passes everything else on.

    The options are those of `bootcheck.readiness.endpoints.Endpoints`.
    """

    app: App

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a probe; any other request pays one look-up."""
        if environ.get("PATH_INFO") not in self._routes:
            return self.app(environ, start_response)
        return self._probe(environ, start_response)

    def _probe(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        ours, path = self._endpoints, environ["PATH_INFO"]
        forwarded = "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ
        client = Client(environ.get("REMOTE_ADDR", ""), forwarded=forwarded, query=environ.get("QUERY_STRING", ""))
        if environ.get("REQUEST_METHOD") not in METHODS or not ours.admits(client):
            return self.app(environ, start_response)
        told = ours.dependencies.ask() if ours.asks.get(path) else []
        found = self._routes[path](client, told)
        start_response(found.line, list(found.headers))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [found.body]
