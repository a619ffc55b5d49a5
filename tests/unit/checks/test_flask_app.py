"""The Flask app is found behind every usual wrapping, and no user code runs."""

from __future__ import annotations

import functools

import pytest

from bootcheck.checks.flask_app import find_flask_app

flask = pytest.importorskip("flask")


class Middleware:
    """A WSGI middleware as most are written."""

    def __init__(self, application):
        self.application = application

    def __call__(self, environ, start_response):
        """Pass the request on."""
        return self.application(environ, start_response)


class Slotted:
    """One that keeps what it wraps in a slot."""

    __slots__ = ("inner",)

    def __init__(self, inner):
        self.inner = inner


class Lazy:
    """One that runs user code for every attribute that is asked for."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        raise AssertionError(name)

    @property
    def app(self):
        """Raise: reading it would be running it."""
        raise AssertionError

    @property
    def __class__(self):
        raise AssertionError


def closure(app):
    """Return a function that wraps an app."""

    def application(environ, start_response):
        return app(environ, start_response)

    return application


def decorated(app):
    """Return a function that remembers what it wraps."""

    @functools.wraps(app.wsgi_app)
    def application(environ, start_response):
        return None

    return application


WRAPPINGS = {
    "itself": lambda app: app,
    "middleware": lambda app: Middleware(Middleware(app)),
    "method": lambda app: app.wsgi_app,
    "method in middleware": lambda app: Middleware(app.wsgi_app),
    "closure": closure,
    "decorator": decorated,
    "slot": Slotted,
    "lazy": Lazy,
    "partial": lambda app: functools.partial(closure(app)),
    "mounted": lambda app: Middleware({"/": lambda *_: None, "/api": [app]}),
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
def test_it_is_found(wrap):
    """Whatever holds the app, it is the very same one."""
    app = flask.Flask("bctest")

    assert find_flask_app(wrap(app)) is app


def test_wrapping_in_place():
    """`app.wsgi_app = Middleware(app.wsgi_app)` is the way of Flask's documentation."""
    app = flask.Flask("bctest")
    app.wsgi_app = Middleware(app.wsgi_app)

    assert find_flask_app(app) is app
    assert find_flask_app(app.wsgi_app) is app


def test_werkzeugs_own_middleware():
    """ProxyFix and the dispatcher are looked into."""
    dispatcher = pytest.importorskip("werkzeug.middleware.dispatcher")
    proxy_fix = pytest.importorskip("werkzeug.middleware.proxy_fix")
    app = flask.Flask("bctest")

    assert find_flask_app(proxy_fix.ProxyFix(app)) is app
    assert find_flask_app(dispatcher.DispatcherMiddleware(closure(None), {"/x": app})) is app


def test_the_nearest_one_is_taken():
    """An app that is mounted in an app is not the server's."""
    outer, inner = flask.Flask("outer"), flask.Flask("inner")
    outer.extensions["mounted"] = inner

    assert find_flask_app(Middleware(outer)) is outer


def test_there_is_none():
    """Other apps, nothing at all, circles and wide structures end without one."""
    circle = Middleware(None)
    circle.application = circle

    for app in (None, lambda *_: None, circle, Middleware([Middleware(object()) for _ in range(3000)]), 3, "app"):
        assert find_flask_app(app) is None


def test_flask_is_not_loaded(monkeypatch):
    """A worker without Flask is not made to load it."""
    monkeypatch.delitem(__import__("sys").modules, "flask")

    assert find_flask_app(flask.Flask("bctest")) is None
