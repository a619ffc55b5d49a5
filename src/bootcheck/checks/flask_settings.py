"""A Flask app lacks a critical setting, or runs in production with an unsafe one.

What it means

BC121: a setting that the app cannot do without is missing or empty in `app.config` (by default SECRET_KEY, and
the database's URI where Flask-SQLAlchemy is in use). BC122: a security setting is unsafe for production:
cookies without Secure or HttpOnly, SameSite=None without Secure, DEBUG or TESTING on, no limit of the request's
size. A weak SECRET_KEY is reported as BC103, BC104 or BC105.

How it looks

`RuntimeError: The session is unavailable because no secret key was set`, sessions that are lost at each restart
(a key made at random in the code) or between two workers; nothing at all, until somebody reads a cookie or
sends a body of two gigabytes.

Why it happens

The class for development was loaded; a variable was missing and a default took its place; Flask's own defaults
are those of a program on somebody's desk.

What to do

Set in the configuration of production: SECRET_KEY from the environment, SESSION_COOKIE_SECURE = True,
SESSION_COOKIE_HTTPONLY = True, SESSION_COOKIE_SAMESITE = "Lax", MAX_CONTENT_LENGTH, PREFERRED_URL_SCHEME =
"https", and neither DEBUG nor TESTING. Where TLS is really absent, turn the advice off:
`flask_settings(security="off")`.

How to know it is fixed

The checkpoints `flask_settings.<SETTING>` have passed in the worker. Values are never shown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment
from bootcheck.checks.env import env, weaknesses
from bootcheck.checks.flask_app import find_flask_app
from bootcheck.checks.spelling import near_names
from bootcheck.checks.strength import DEFAULT_MIN_LENGTH, measure
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity

RULES: tuple[str, ...] = ("BC121", "BC122")

_DEVELOPMENT = ("development", "dev", "debug", "local", "test", "testing")
_SECURITY = {"error": Severity.ERROR, "warning": Severity.WARNING, "off": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Advice:
    """One security setting: what is unsafe about its value, and what to write."""

    setting: str
    problem: str
    action: str
    severity: Severity | None = None
    """None takes the severity that the user chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlaskSettings:
    """Looks at the configuration of the Flask app that the worker loaded."""

    name: ClassVar[str] = "flask_settings"
    moment: ClassVar[Moment] = Moment.WORKER
    phase: ClassVar[Phase] = Phase.CONFIGURATION

    required: tuple[str, ...] = ("SECRET_KEY",)
    security: str = "warning"
    production: bool | None = None
    min_secret_length: int = DEFAULT_MIN_LENGTH

    def __post_init__(self) -> None:
        """Refuse unknown levels and names that Flask ignores."""
        for setting in options.texts("flask_settings", "required", self.required):
            if not setting.isupper():
                options.refuse("flask_settings", "required", f"holds {setting!r}", "Flask keeps upper-case names only.")
        options.one_of("flask_settings", "security", self.security, tuple(_SECURITY))
        if self.production is not None:
            options.flag("flask_settings", "production", self.production)
        options.whole("flask_settings", "min_secret_length", self.min_secret_length)

    @property
    def subject(self) -> str:
        """The app's configuration: there is one per server."""
        return "app.config"

    @property
    def budget(self) -> float:
        """Looks at values only."""
        return 1.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is missing or unsafe."""
        app = find_flask_app(context.app)
        if app is None:
            reason = "no Flask app was found behind the WSGI callable"
            if "flask" not in sys.modules:
                reason = "flask is not loaded in this worker"
            context.recorder.skipped("flask_settings.app", self.phase, reason)
            return
        config = app.config
        context.recorder.passed("flask_settings.app", self.phase, app=str(app.name), settings=len(config))
        yield from self._required(context, app, config)
        yield from self._secret(context, config)
        yield from self._unsafe(context, config)

    def _required(self, context: Context, app: Any, config: Mapping[str, Any]) -> Iterator[Finding]:
        wanted = list(self.required)
        if "sqlalchemy" in getattr(app, "extensions", {}) and not config.get("SQLALCHEMY_BINDS"):
            wanted.append("SQLALCHEMY_DATABASE_URI")
        for setting in dict.fromkeys(wanted):
            value = config.get(setting)
            empty = value is None or (isinstance(value, (Sized, str)) and len(value) == 0)
            if not empty:
                context.recorder.passed(f"flask_settings.{setting}", self.phase, type=type(value).__name__)
                continue
            near = near_names(setting, [str(key) for key in config if config[key] is not None])
            problem = "is not set" if value is None else "is empty"
            context.recorder.failed(f"flask_settings.{setting}", self.phase, problem=problem, near=list(near))
            yield Finding(
                code="BC121",
                summary=f"The Flask setting {setting} {problem}." + (f" {near[0]} is: a misspelling?" if near else ""),
                action=(f"Set {setting} in the configuration that production loads, best from the environment.",),
                evidence=(
                    Evidence(source="app.config", text=f"{setting} {problem}; {len(config)} settings are there"),
                ),
                confirm=f"python -c 'from your_app import app; print(bool(app.config.get(\"{setting}\")))'",
            )

    def _secret(self, context: Context, config: Mapping[str, Any]) -> Iterator[Finding]:
        value = config.get("SECRET_KEY")
        if not value or not isinstance(value, (str, bytes)):
            return
        text = value if isinstance(value, str) else value.decode("latin-1")
        limits = env("SECRET_KEY", secret=True, min_length=self.min_secret_length)
        strength = measure(text)
        found = list(weaknesses("The Flask setting SECRET_KEY", strength, limits, source="app.config"))
        record = context.recorder.failed if found else context.recorder.passed
        record("flask_settings.SECRET_KEY.strength", self.phase, length=strength.length, bits=strength.entropy_bits)
        yield from found

    def _unsafe(self, context: Context, config: Mapping[str, Any]) -> Iterator[Finding]:
        level = _SECURITY[self.security]
        reason = None
        if level is None:
            reason = "turned off"
        elif not self._in_production(context):
            reason = "this is not production"
        advice = {item.setting: item for item in _advice(config)}
        for setting in _LOOKED_AT:
            point = f"flask_settings.{setting}"
            found = advice.get(setting)
            if level is None or reason is not None:
                if setting not in self.required:
                    context.recorder.skipped(point, self.phase, reason or "")
            elif found is None:
                context.recorder.passed(point, self.phase)
            elif found.severity is Severity.INFO:
                # Advice only: nothing is wrong with an app that a proxy protects.
                context.recorder.passed(point, self.phase, advice=found.action)
                yield _insecure(found, Severity.INFO)
            else:
                context.recorder.failed(point, self.phase, problem=found.problem)
                yield _insecure(found, level)

    def _in_production(self, context: Context) -> bool:
        if self.production is not None:
            return self.production
        for name in ("APP_ENV", "FLASK_ENV", "ENVIRONMENT", "ENV"):
            if context.environ.get(name, "").strip().lower() in _DEVELOPMENT:
                return False
        return context.environ.get("FLASK_DEBUG", "").strip().lower() not in ("1", "true", "yes", "on")


def flask_settings(
    required: Iterable[str] = ("SECRET_KEY",),
    *,
    security: str = "warning",
    production: bool | None = None,
    min_secret_length: int = DEFAULT_MIN_LENGTH,
) -> FlaskSettings:
    """Check the configuration of the Flask app behind the WSGI callable.

    Args:
        required: settings that must be set and not empty.
        security: what an unsafe setting is in production: warning, error or off.
        production: by default true unless APP_ENV, FLASK_ENV, ENVIRONMENT, ENV or FLASK_DEBUG say otherwise.
        min_secret_length: the least number of characters of SECRET_KEY.
    """
    return FlaskSettings(
        required=options.texts("flask_settings", "required", required),
        security=security,
        production=production,
        min_secret_length=min_secret_length,
    )


_LOOKED_AT = (
    "DEBUG",
    "TESTING",
    "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SAMESITE",
    "PREFERRED_URL_SCHEME",
    "MAX_CONTENT_LENGTH",
)


def _advice(config: Mapping[str, Any]) -> Iterator[_Advice]:
    for setting in ("DEBUG", "TESTING"):
        if config.get(setting):
            yield _Advice(setting=setting, problem="is on", action=f"Set {setting} = False in production.")
    if not config.get("SESSION_COOKIE_SECURE"):
        yield _Advice(
            setting="SESSION_COOKIE_SECURE",
            problem="is off: the session cookie also travels without TLS",
            action="Set SESSION_COOKIE_SECURE = True.",
        )
    if not config.get("SESSION_COOKIE_HTTPONLY", True):
        yield _Advice(
            setting="SESSION_COOKIE_HTTPONLY",
            problem="is off: scripts in a page can read the session cookie",
            action="Set SESSION_COOKIE_HTTPONLY = True.",
        )
    yield from _same_site(config)
    if config.get("PREFERRED_URL_SCHEME", "http") != "https":
        yield _Advice(
            setting="PREFERRED_URL_SCHEME",
            problem="is not https: links made outside a request begin with http://",
            action='Set PREFERRED_URL_SCHEME = "https" if the app makes links outside requests (mails, jobs).',
            severity=Severity.INFO,
        )
    if config.get("MAX_CONTENT_LENGTH") is None:
        yield _Advice(
            setting="MAX_CONTENT_LENGTH",
            problem="is not set: a request may be as large as the proxy lets it",
            action="Set MAX_CONTENT_LENGTH, for example to 16 * 1024 * 1024, unless a proxy limits the body.",
            severity=Severity.INFO,
        )


def _same_site(config: Mapping[str, Any]) -> Iterator[_Advice]:
    value = config.get("SESSION_COOKIE_SAMESITE")
    setting = "SESSION_COOKIE_SAMESITE"
    if value is None:
        yield _Advice(
            setting=setting,
            problem="is not set: what browsers make of that differs",
            action='Set SESSION_COOKIE_SAMESITE = "Lax".',
            severity=Severity.INFO,
        )
    elif value not in ("Strict", "Lax", "None"):
        yield _Advice(
            setting=setting,
            problem="is none of Strict, Lax and None: the first request that sets the cookie raises ValueError",
            action='Set SESSION_COOKIE_SAMESITE = "Lax".',
        )
    elif value == "None" and not config.get("SESSION_COOKIE_SECURE"):
        yield _Advice(
            setting=setting,
            problem="is None without SESSION_COOKIE_SECURE: browsers throw the session cookie away",
            action='Set SESSION_COOKIE_SECURE = True, or SESSION_COOKIE_SAMESITE = "Lax".',
        )


def _insecure(advice: _Advice, severity: Severity) -> Finding:
    return Finding(
        code="BC122",
        severity=severity,
        summary=f"The Flask setting {advice.setting} {advice.problem}.",
        action=(advice.action,),
        evidence=(Evidence(source="app.config", text=f"{advice.setting} {advice.problem}"),),
    )
