"""In which words a setting is missing or wrong: clients made without a key, modules of settings, and what only resembles it."""

from __future__ import annotations

import time

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, GET, SITE, TERM, frame, raising, start

RAISED = "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process\n"
MAKES = frame(SITE + "parcel/client.py", "__init__", "raise ParcelError(")


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: Access key must not be empty",
        "ValueError: valid credentials must be provided",
        "ValueError: Either 'hosts' or 'cloud_id' must be specified",
        "ValueError: broker_url configuration is empty",
        "TypeError: Either 'client_certificate' or 'client_secret' must be provided",
        "parcel.errors.ParcelError: The bearer credential must not be empty.",
        "parcel.errors.ParcelError: You must configure payload encryption key",
        "ValueError: region is a required argument and must be given",
        "Exception: Bot token is not defined",
        "ValueError: no client ID was provided for the login",
        "ValueError: Please specify an `endpoint_url` for the model.",
        "parcel.errors.ParcelError: parcel needs an AWS region. Provide region to parcel(...).",
        "ValueError: URL must include a 'scheme', 'host', and 'port' component",
        "ValueError: Invalid endpoint: None",
        'ValueError: Invalid service account certificate. It has no "type".',
        "ValueError: Invalid instrumentation key. It should be a UUID.",
        "ValueError: tenant_id should be the directory's",
        "google.auth.exceptions.MalformedError: the info lacks client_email",
        "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
        "parcel.utils.TokenValidationError: Token is invalid!",
        "ValueError: Invalid truth value: shelf",
        "django.db.utils.ConnectionDoesNotExist: The connection 'replica' doesn't exist.",
        "AttributeError: 'NoneType' object has no attribute 'drivername'",
        "AttributeError: type object 'ProductionConfig' has no attribute 'SHOP_KEY'",
        "AttributeError: 'Settings' object has no attribute 'shop_key'",
        "botocore.exceptions.InvalidRegionError: Provided region_name '' is none.",
        "ValueError: Required parameter name not set",
        "ValueError: unknown url type: 'None'",
        "parcel.errors.ParcelError: no answer at https://parcels.example/None/orders",
        "ValueError: Unknown environment: None",
        "ValueError: Unknown level: 'LOUD'",
        "ValueError: Missing configuration: shelf.host",
        "omegaconf.errors.MissingMandatoryValue: shelf.url",
        "Exception: Refusing to start with an insecure SHOP_KEY",
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for Shop\nurl\n  Field required [type=missing, "
        "input_value={}, input_type=dict]",
        "ValueError: Your API ID or hash cannot be empty",
    ],
)
def test_a_client_that_lacks_what_it_needs(text: str):
    """With its whole traceback, and where only Gunicorn's word and the exception's line were pasted."""
    assert classes(told(raising(text, MAKES))) == [("env-config", 1)]
    assert classes(told(start() + RAISED + text + "\n" + END)) == [("env-config", 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NameError: name 'token' is not defined", "app-exception"),
        ("ValueError: Unexpected token at line 3", "app-exception"),
        ("parcel.errors.ParcelError: Missing token ')' in rule 4", "app-exception"),
        ("parcel.errors.ParcelError: no hosts available", "app-exception"),
        ("ValueError: Either rows or columns must be given", "app-exception"),
        ("parcel.errors.AuthenticationError: Invalid API key: ab-12", "backend-unavailable"),
        ("requests.exceptions.HTTPError: 401 Client Error: no token was given", "backend-unavailable"),
        ("psycopg2.OperationalError: fe_sendauth: no password supplied", "db-auth-failed"),
    ],
)
def test_other_faults_in_the_same_words(text: str, expected: str):
    """A parser's tokens, a name in the code, a service that has read the key and refuses it."""
    assert classes(told(raising(text, MAKES))) == [(expected, 1)]


def test_a_request_that_lacks_one_harms_nobody():
    """The server goes on."""
    text = "ValueError: Access key must not be empty\n"
    head = (
        "[2026-11-27 09:02:00 +0000] [11] [ERROR] Error handling request /orders\nTraceback (most recent call last):\n"
    )
    view = frame(SITE + "gunicorn/workers/sync.py", "handle_request", "respiter = self.wsgi(environ)")

    assert told(start() + GET + head + view + MAKES + text + GET + TERM).incidents == ()


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: invalid literal for int() with base 10: 'None'",
        "ValueError: invalid literal for int() with base 10: ''",
        "AttributeError: 'NoneType' object has no attribute 'split'",
        'TypeError: can only concatenate str (not "NoneType") to str',
    ],
)
def test_nothing_where_a_module_of_settings_needs_a_value(text: str):
    """In the module or in its class; not in a function that others call, and not in a module of another kind."""
    for function in ("<module>", "Production"):
        settings = frame("/srv/shop/settings.py", function, "PORT = number(value)")
        assert classes(told(raising(text, settings))) == [("env-config", 1)]
    joins = frame("/srv/shop/settings.py", "<module>", "path.join(value)") + frame("/usr/lib/python3.12/posixpath.py")
    assert classes(told(raising(text, joins))) == [("env-config", 1)]
    for other in (frame("/srv/shop/settings.py", "weigh", "x"), frame("/srv/shop/shelf.py", "<module>", "x")):
        assert classes(told(raising(text, other))) == [("app-exception", 1)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("cipher = Parcel(settings.parcel_key)", "env-config"),
        ("cipher = Parcel(SHOP_KEY)", "env-config"),
        ("cipher = Parcel(token=value)", "env-config"),
        ("shelf = Parcel(order)", "app-exception"),
        ("shelf = find(order).settings.name", "app-exception"),
    ],
)
def test_a_library_that_was_handed_nothing(code: str, expected: str):
    """By the name of what was handed over it is a setting; the library's own line tells nothing of that."""
    text = "TypeError: argument should be a bytes-like object or ASCII string, not 'NoneType'"
    deeper = frame("/usr/lib/python3.12/base64.py", "decode", "raise TypeError(")

    assert classes(told(raising(text, deeper, code=code))) == [(expected, 1)]


def test_what_an_app_asserts_of_its_environment():
    """Without any message."""
    log = raising("AssertionError", code="assert os.environ.get('SHOP_KEY')")

    assert classes(told(log)) == [("env-config", 1)]
    assert classes(told(raising("AssertionError", code="assert shelf"))) == [("app-exception", 1)]


@pytest.mark.parametrize("text", ["x_" * 2000, "x.y-z_" * 600, "missing " + "a_" * 1900, "no the your " * 300])
def test_a_message_that_almost_fits_is_read_quickly(text: str):
    """Names are put together of a few parts only."""
    begun = time.perf_counter()

    assert classes(told(raising(f"ValueError: {text}"))) == [("app-exception", 1)]
    assert time.perf_counter() - begun < 2
