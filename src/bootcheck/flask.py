"""Readiness and liveness as a Flask blueprint.

    import bootcheck.flask

    app.register_blueprint(bootcheck.flask.endpoints())

`before_request` functions of the app run before these, too; where one of them opens a database or asks
for a login, wrap the app instead: `app.wsgi_app = bootcheck.wsgi.Endpoints(app.wsgi_app)`.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, request

from bootcheck.readiness.endpoints import Client, Endpoints


def endpoints(name: str = "bootcheck", **options: Any) -> Blueprint:
    """Return a blueprint with `/health` and `/ready`.

    The options are those of `bootcheck.readiness.endpoints.Endpoints`; a client that `allow` does not name gets 404.
    """
    ours = Endpoints(**options)
    blueprint = Blueprint(name, __name__)
    for number, (path, answering) in enumerate(ours.routes.items()):

        def view(path: str | None = path, answering: Any = answering) -> Response:
            forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
            client = Client(
                request.remote_addr or "", forwarded=forwarded, query=request.query_string.decode("latin-1")
            )
            if not ours.admits(client):
                abort(404)
            told = ours.dependencies.ask() if ours.asks.get(path) else []
            found = answering(client, told)
            return Response(found.body, found.status, list(found.headers))

        blueprint.add_url_rule(str(path), ("health", "ready")[number], view, methods=["GET"])
    return blueprint
