"""Flask's settings: critical ones present, security ones safe in production, each a checkpoint of its own."""

from __future__ import annotations

import sys

import pytest

from bootcheck.checks.base import Moment
from bootcheck.checks.flask_settings import FlaskSettings, flask_settings
from bootcheck.model.errors import CheckOptionError
from bootcheck.model.finding import Severity
from bootcheck.testing import Outcome, run_check

flask = pytest.importorskip("flask")

GOOD = "kX9v2Lq7Zt4mB8nR5wY1cD6fH3jP0sGa"
SAFE = {
    "SECRET_KEY": GOOD,
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_HTTPONLY": True,
    "SESSION_COOKIE_SAMESITE": "Lax",
    "PREFERRED_URL_SCHEME": "https",
    "MAX_CONTENT_LENGTH": 1024,
}


def make(**settings: object):
    """Return an app with safe settings, changed as a test wants."""
    app = flask.Flask("bctest")
    app.config.update({**SAFE, **settings})
    return app


def test_safe_settings_pass_every_point():
    """Each setting is a checkpoint, and the key is not shown."""
    result = run_check(flask_settings(), app=make())

    assert result
    passed = {point.name for point in result.checkpoints if point.outcome is Outcome.PASSED}
    looked_at = ("app", *SAFE, "SECRET_KEY.strength", "DEBUG", "TESTING")
    assert passed == {"check.flask_settings", *(f"flask_settings.{name}" for name in looked_at)}
    assert GOOD not in str(result)


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "is not set"), ("", "is empty"), (b"", "is empty"), ([], "is empty")],
    ids=["none", "text", "bytes", "list"],
)
def test_a_critical_setting_is_missing(value, words):
    """None and empty are told apart, and both are errors."""
    result = run_check(flask_settings(), app=make(SECRET_KEY=value))

    assert [(finding.code, finding.severity) for finding in result.findings] == [("BC121", Severity.ERROR)]
    assert words in result.findings[0].summary
    assert result.outcome("flask_settings.SECRET_KEY") is Outcome.FAILED


def test_settings_of_ones_own():
    """Required names are the user's; zero and False are values; a near miss is named."""
    result = run_check(flask_settings(["ZERO", "OFF", "MAIL_SERVER"]), app=make(ZERO=0, OFF=False, MAILSERVER="x"))

    assert result.codes == ("BC121",)
    assert "MAILSERVER is: a misspelling?" in result.findings[0].summary
    assert result.outcome("flask_settings.ZERO") is Outcome.PASSED
    assert result.outcome("flask_settings.MAIL_SERVER") is Outcome.FAILED


def test_flask_sqlalchemy_needs_its_uri():
    """Where the extension is there, so must be the URI, or binds in its place."""
    app = make()
    app.extensions["sqlalchemy"] = object()
    assert run_check(flask_settings(), app=app).outcome("flask_settings.SQLALCHEMY_DATABASE_URI") is Outcome.FAILED

    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    assert run_check(flask_settings(), app=app)

    app.config.update(SQLALCHEMY_DATABASE_URI=None, SQLALCHEMY_BINDS={"a": "sqlite://"})
    assert run_check(flask_settings(), app=app)


@pytest.mark.parametrize(
    ("key", "code"),
    [("short-K9x", "BC103"), ("changeme" * 4, "BC104"), (b"dev", "BC104"), ("ab" * 16, "BC105")],
)
def test_a_weak_key(key, code):
    """The key that the app really has is measured like one in the environment."""
    result = run_check(flask_settings(), app=make(SECRET_KEY=key))

    assert result.codes == (code,)
    assert result.outcome("flask_settings.SECRET_KEY.strength") is Outcome.FAILED
    assert str(key) not in str(result.findings)


def test_a_longer_key_may_be_required():
    """The least length is an option."""
    assert run_check(flask_settings(min_secret_length=33), app=make()).codes == ("BC103",)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"DEBUG": True}, "DEBUG"),
        ({"TESTING": True}, "TESTING"),
        ({"SESSION_COOKIE_SECURE": False}, "SESSION_COOKIE_SECURE"),
        ({"SESSION_COOKIE_HTTPONLY": False}, "SESSION_COOKIE_HTTPONLY"),
        ({"SESSION_COOKIE_SAMESITE": "Loose"}, "SESSION_COOKIE_SAMESITE"),
    ],
)
def test_an_unsafe_setting(settings, name):
    """In production it is a warning, or an error where the user says so; elsewhere it is not judged."""
    (found,) = run_check(flask_settings(), app=make(**settings)).findings
    assert (found.code, found.severity) == ("BC122", Severity.WARNING)
    assert name in found.summary
    assert found.action

    strict = run_check(flask_settings(security="error"), app=make(**settings))
    assert [finding.severity for finding in strict.findings] == [Severity.ERROR]
    assert strict.outcome(f"flask_settings.{name}") is Outcome.FAILED

    for check, environ in (
        (flask_settings(security="off"), {}),
        (flask_settings(production=False), {}),
        (flask_settings(), {"APP_ENV": "Development"}),
        (flask_settings(), {"FLASK_DEBUG": "1"}),
    ):
        result = run_check(check, environ, app=make(**settings))
        assert result
        assert result.outcome(f"flask_settings.{name}") is Outcome.SKIPPED
    sure = run_check(flask_settings(production=True), {"FLASK_ENV": "development"}, app=make(**settings))
    assert sure.codes == ("BC122",)


def test_same_site_none_without_secure():
    """Browsers throw such a cookie away."""
    app = make(SESSION_COOKIE_SAMESITE="None", SESSION_COOKIE_SECURE=False)
    result = run_check(flask_settings(), app=app)

    assert result.codes == ("BC122", "BC122")
    assert "throw the session cookie away" in result.findings[1].summary
    assert run_check(flask_settings(), app=make(SESSION_COOKIE_SAMESITE="None"))


@pytest.mark.parametrize(
    "settings", [{"PREFERRED_URL_SCHEME": "http"}, {"MAX_CONTENT_LENGTH": None}, {"SESSION_COOKIE_SAMESITE": None}]
)
def test_advice_is_no_alarm(settings):
    """What a proxy may take care of is a note, and its checkpoint stays green."""
    result = run_check(flask_settings(security="error"), app=make(**settings))

    assert [(finding.code, finding.severity) for finding in result.findings] == [("BC122", Severity.INFO)]
    assert all(point.outcome is not Outcome.FAILED for point in result.checkpoints)


def test_a_worker_without_a_flask_app(monkeypatch):
    """It is skipped, and the reason says whether Flask is loaded at all."""

    def reason() -> str:
        result = run_check(flask_settings(), app=lambda environ, start_response: [])
        assert result
        return next(point for point in result.checkpoints if point.name == "flask_settings.app").detail["reason"]

    assert "no Flask app" in reason()
    monkeypatch.delitem(sys.modules, "flask")
    assert "not loaded" in reason()


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        (["SECRET_KEY"], {}, "not a list"),
        ([["secret_key"]], {}, "upper-case"),
        ([], {"security": "warn"}, "Did you mean 'warning'"),
        ([], {"production": "yes"}, "True or False"),
        ([], {"min_secret_length": -1}, "min_secret_length"),
    ],
)
def test_options_are_validated(arguments, options, match):
    """What Flask would ignore is refused where it is written."""
    with pytest.raises(CheckOptionError, match=match):
        flask_settings(*arguments, **options)


def test_it_runs_in_the_worker():
    """The app exists nowhere else."""
    assert FlaskSettings.moment is Moment.WORKER
    assert flask_settings().subject == "app.config"
    assert flask_settings().budget > 0
