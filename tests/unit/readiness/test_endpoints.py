"""The endpoints as middleware of every kind: ours answered, everything else passed on untouched."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import pytest

from bootcheck import asgi, wsgi
from bootcheck.readiness import endpoints
from bootcheck.readiness.endpoints import least_of

SAID = b"the app's own"


def inner(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer anything."""
    start_response("418 I'm a teapot", [])
    return [SAID]


def ask(app: Any, path: str, method: str = "GET", **environ: str) -> tuple[str, dict[str, str], bytes]:
    """Return status, headers and body of a WSGI app."""
    got: list[Any] = []
    body = b"".join(
        app(
            {"PATH_INFO": path, "REQUEST_METHOD": method, "REMOTE_ADDR": "10.0.0.9", **environ},
            lambda *a: got.extend(a),
        )
    )
    return got[0], dict(got[1]), body


async def inner_async(scope: Any, receive: Any, send: Any) -> None:
    """Answer anything."""
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": SAID})


def ask_async(app: Any, path: str, method: str = "GET", **scope: Any) -> tuple[int, bytes]:
    """Return status and body of an ASGI app."""
    got: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        got.append(message)

    whole = {"type": "http", "path": path, "method": method, "client": ("10.0.0.9", 1), "headers": [], **scope}
    asyncio.run(app(whole, None, send))
    return got[0]["status"], got[1]["body"]


def test_wsgi():
    """Two paths, GET and HEAD."""
    app = wsgi.Endpoints(inner)
    for path in ("/health", "/ready"):
        status, headers, body = ask(app, path)
        assert status == "200 OK"
        assert headers["Content-Length"] == str(len(body))
        assert json.loads(body)["workers"] == 1
        assert ask(app, path, "HEAD")[2] == b""
        assert ask(app, path, "POST")[2] == SAID
    assert ask(app, "/other")[2] == SAID
    assert ask(app, "/health/")[2] == SAID
    assert ask(wsgi.Endpoints(inner, health="/live"), "/health")[2] == SAID


def test_asgi():
    """The same; a lifespan or a websocket of that path is the app's."""
    app = asgi.Endpoints(inner_async)
    for path in ("/health", "/ready"):
        status, body = ask_async(app, path)
        assert (status, json.loads(body)["workers"]) == (200, 1)
        assert ask_async(app, path, "HEAD")[1] == b""
        assert ask_async(app, path, "POST")[1] == SAID
        assert ask_async(app, path, type="websocket")[1] == SAID
    assert ask_async(app, "/other")[1] == SAID
    assert ask_async(app, "/other", type="lifespan")[1] == SAID


def test_flask():
    """A blueprint, under a prefix too."""
    flask = pytest.importorskip("flask")
    from bootcheck.flask import endpoints as blueprint

    app = flask.Flask("shop")
    app.register_blueprint(blueprint(dependencies={"model": lambda: False}), url_prefix="/ops")
    app.register_blueprint(blueprint("closed", allow=["192.0.2.0/24"]))
    client = app.test_client()
    assert client.get("/ops/health").status_code == 200
    unready = client.get("/ops/ready")
    assert (unready.status_code, unready.json["dependencies"][0]["name"]) == (503, "model")
    assert unready.headers["Retry-After"] == "5"
    assert client.get("/ready").status_code == 404
    assert client.get("/ready", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


def test_liveness_never_asks_a_dependency():
    """A database that is down is no reason to kill the server."""
    asked: list[int] = []

    def database() -> bool:
        asked.append(1)
        return False

    app = wsgi.Endpoints(inner, dependencies={"database": database})
    assert ask(app, "/health")[0] == "200 OK"
    assert not asked
    status, _, body = ask(app, "/ready")
    assert (status, asked) == ("503 Service Unavailable", [1])
    assert json.loads(body)["dependencies"][0]["error"] == "it said False"
    assert "dependencies" not in json.loads(ask(app, "/ready", REMOTE_ADDR="8.8.8.8")[2])
    assert "dependencies" not in json.loads(ask(app, "/ready", HTTP_X_FORWARDED_FOR="10.0.0.1")[2])

    app_async = asgi.Endpoints(inner_async, dependencies={"database": database})
    assert ask_async(app_async, "/health")[0] == 200
    assert ask_async(app_async, "/ready")[0] == 503
    told = json.loads(ask_async(app_async, "/ready", headers=[(b"X-Forwarded-For", b"10.0.0.1")])[1])
    assert "dependencies" not in told


def test_for_a_client_that_is_not_answered_the_path_is_the_apps_own():
    """As if the endpoint were not there."""
    assert ask(wsgi.Endpoints(inner, allow=["192.0.2.0/24"]), "/ready")[2] == SAID
    assert ask_async(asgi.Endpoints(inner_async, allow=["192.0.2.0/24"]), "/ready")[1] == SAID


def test_what_else_the_app_is_can_still_be_seen():
    """Frameworks are looked at by attribute."""
    app = wsgi.Endpoints(inner)
    assert app.__name__ == "inner"
    assert app.app is inner
    assert copy.copy(app).app is inner
    assert asgi.Endpoints(inner_async).__name__ == "inner_async"
    with pytest.raises(AttributeError):
        _ = app.nothing


@pytest.mark.parametrize("options", [{"workers": 0}, {"health": "health"}, {"optional": ["a"]}])
def test_a_wrong_option_is_refused(options: dict[str, Any]):
    """When the app is made."""
    with pytest.raises(ValueError, match=r"worker|path|optional"):
        endpoints.Endpoints(**options)


@pytest.mark.parametrize(
    ("query", "least"),
    [("", 1), ("workers=all", None), ("workers=3", 3), ("a=b&workers=2", 2), ("workers=0", 1), ("workers=x", 1)],
)
def test_a_question_may_ask_for_more_workers(query: str, least: int | None):
    """What makes no sense is as if it were not there."""
    assert least_of(query, 1) == least
