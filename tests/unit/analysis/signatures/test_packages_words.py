"""What packages say that are missing, of another release, or built for another system: whole and cut."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, GET, frame, raising, start

RAISED = "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process\n"
LIB = "/venv/lib/python3.12/site-packages/"
BY_CLASS = {
    "native-library": (
        "cx_Oracle.DatabaseError: DPI-1047: Cannot locate a 64-bit Oracle Client library",
        "OSError: dlopen() failed to load a library: pango / pango-1",
        "django.core.exceptions.ImproperlyConfigured: Unable to load the SpatiaLite library extension.",
        "ModuleNotFoundError: No module named 'psycopg2._psycopg'",
        "ModuleNotFoundError: No module named 'orjson.orjson'",
        "ImportError: cannot import name 'cygrpc' from 'grpc._cython' (/var/task/grpc/_cython/__init__.py)",
        "NameError: name '_mysql' is not defined",
        "ImportError: The _imagingft C module is not installed",
        "FileNotFoundError: Shared library with base name 'gguf' not found",
        "RuntimeError: Can't find libvips",
        "RuntimeError: OpenSSL 3.0's legacy provider failed to load; set the environment variable SHOP_NO_LEGACY.",
    ),
    "version-incompatible": (
        "ModuleNotFoundError: No module named 'secrets'",
        "ImportError: No module named pathlib",
        "ModuleNotFoundError: No module named 'email.MIMEText'",
        "ModuleNotFoundError: No module named 'google.protobuf.internal.builder'",
        "ModuleNotFoundError: No module named 'aioredis.errors'",
        "ImportError: cannot import name 'ssl_wrap' from 'urllib3.util' (/var/task/urllib3/util/__init__.py)",
        "TypeError: As of 3.10, the *loop* parameter was removed from Queue() since it is no longer necessary",
        "ImportError: Keras requires TensorFlow 2.9 or higher. Install TensorFlow via `pip install tensorflow`",
        "ImportError: Numba needs NumPy 2.1 or less. Got NumPy 2.3.",
        "packaging.version.InvalidVersion: Invalid version: '1.x-shop'",
        "AttributeError: 'SQLAlchemy' object has no attribute 'get_tables_for_bind'",
        "ImportError: dynamic module does not define init function (init_shop)",
        "TypeError: code expected at least 16 arguments, got 15",
        "NameError: name 'ExceptionGroup' is not defined",
        "TypeError: 'numpy._DTypeMeta' object is not subscriptable",
        "TypeError: load() missing 1 required positional argument: 'Loader'",
        "RuntimeError: There is no current event loop in thread 'MainThread'.",
        "shop.errors.ShopConfigException: error: sqlite C library version too old (< 3.15.0)",
        "TypeError: view must be a callable or a list/tuple in the case of include().",
    ),
    "dependency-missing": (
        'pymongo.errors.ConfigurationError: The "dnspython" module must be installed to use mongodb+srv:// URIs',
        "django.core.exceptions.ImproperlyConfigured: Could not load Google Cloud Storage bindings.",
        "ImportError: \nShopTokenizer requires the SentencePiece library but it was not found in your environment.",
        "bs4.FeatureNotFound: Couldn't find a tree builder with the features you requested: lxml.",
        "RuntimeError: Install Flask with the 'async' extra in order to use async views.",
        "ValueError: Invalid async_mode specified",
        "haystack.exceptions.MissingDependency: The 'whoosh' backend requires the installation of 'Whoosh'.",
        "peewee.ImproperlyConfigured: Postgres driver not installed!",
        "importlib.metadata.PackageNotFoundError: shop-core",
        "NotImplementedError: Algorithm 'RS256' could not be found. Do you have cryptography installed?",
        "zoneinfo._common.ZoneInfoNotFoundError: 'No time zone found with key UTC'",
        "ImportError: RedisJobStore requires redis installed",
        "ModuleNotFoundError: No module named 'google.cloud'",
        "ModuleNotFoundError: No module named 'tkinter'",
    ),
    "app-exception": (
        "ValueError: the library of shop 7 could not be found",
        "TypeError: issubclass() arg 1 must be a class",
        "AttributeError: 'module' object has no attribute 'orders'",
        "zoneinfo._common.ZoneInfoNotFoundError: 'No time zone found with key Shop/Town'",
    ),
}
ALL = [pytest.param(name, text, id=f"{name}-{at}") for name, texts in BY_CLASS.items() for at, text in enumerate(texts)]


@pytest.mark.parametrize(("expected", "text"), ALL)
def test_its_words_tell_its_class(expected: str, text: str):
    """In a whole traceback, and where only Gunicorn's word and the exception's line were pasted."""
    assert classes(told(raising(text))) == [(expected, 1)]
    assert classes(told(start() + RAISED + text + "\n" + END)) == [(expected, 1)]
    assert [name for name, _ in classes(told(RAISED + text + "\n"))] == [expected]


@pytest.mark.parametrize(
    ("expected", "path", "code", "text"),
    [
        ("native-library", "shopdb/_pool.py", "from shopdb import engine", "No module named 'shopdb.engine'"),
        ("native-library", "shopdb/_pool.py", "from . import _engine", "cannot import name '_engine' from 'shopdb'"),
        (
            "version-incompatible",
            "django/apps/config.py",
            "module = import_module(entry)",
            "No module named 'django.contrib.formtools'",
        ),
        ("version-incompatible", "joblib/numpy_pickle.py", "obj = unpickler.load()", "No module named 'numpy._core'"),
        (
            "version-incompatible",
            "gunicorn/_compat.py",
            "from gunicorn.six.moves import urllib",
            "No module named 'gunicorn.six.moves'",
        ),
        (
            "version-incompatible",
            "pydantic_core/__init__.py",
            "from typing_extensions import Mark",
            "cannot import name 'Mark' from 'typing_extensions' (/agents/python/typing_extensions.py)",
        ),
        ("dependency-missing", "google/api/shop.py", "from google import shop", "No module named 'google.shop'"),
    ],
)
def test_who_asks_tells_a_compiled_half_from_another_release(expected: str, path: str, code: str, text: str):
    """A package whose own statement asks for its own part was built for another system; others ask for what was."""
    log = raising(f"ModuleNotFoundError: {text}", frame(LIB + path, "<module>", code))

    assert classes(told(log)) == [(expected, 1)]


@pytest.mark.parametrize(
    ("expected", "code", "text"),
    [
        ("version-incompatible", "ctx = ssl.PROTOCOL_SSLv3", "'module' object has no attribute 'PROTOCOL_SSLv3'"),
        ("app-exception", "price = shop.prices", "'module' object has no attribute 'prices'"),
    ],
)
def test_a_module_without_a_name_is_known_by_the_code(expected: str, code: str, text: str):
    """Python 2 does not say which module lacks it."""
    assert classes(told(raising(f"AttributeError: {text}", code=code))) == [(expected, 1)]


@pytest.mark.parametrize("text", ["issubclass() arg 1 must be a class", "ShopMiddleware() takes no arguments"])
def test_what_a_library_cannot_do_with_a_class_is_another_release(text: str):
    """An app's own code may say the same, and be wrong."""
    inner = frame(LIB + "framework/base.py", "load", "made = kind(handler)")

    assert classes(told(raising(f"TypeError: {text}", inner))) == [("version-incompatible", 1)]


def test_a_backend_of_a_package_that_is_not_there_is_no_setting():
    """Django says that its name may be wrong, whatever the reason."""
    said = (
        "django.core.exceptions.ImproperlyConfigured: 'tenants.backend' isn't an available database backend or "
        "couldn't be imported. Check the above exception."
    )

    assert classes(told(raising(said))) == [("dependency-missing", 1)]


def test_what_a_shared_name_lacks_is_a_package():
    """Python up to 3.6 names neither the package nor its place."""
    log = raising("ImportError: cannot import name storage", code="from google.cloud import storage")

    assert classes(told(log)) == [("dependency-missing", 1)]


@pytest.mark.parametrize(
    ("expected", "code"),
    [
        ("version-incompatible", "frame = pd.concat(parts, join_axes=[axis])"),
        ("version-incompatible", "frame = pandas.core.concat(parts, join_axes=[axis])"),
        ("app-exception", "frame = shop.concat(parts, join_axes=[axis])"),
        ("app-exception", "frame = concat(parts, join_axes=[axis])"),
    ],
)
def test_whose_function_does_not_know_an_argument_tells_the_code(expected: str, code: str):
    """A library's of another release, or the app's own that is called wrongly."""
    log = raising("TypeError: concat() got an unexpected keyword argument 'join_axes'", code=code)

    assert classes(told(log)) == [(expected, 1)]


def test_a_worker_class_of_an_old_gunicorn_is_known_by_its_file():
    """Only the end of the traceback was pasted; nobody else imports that module."""
    log = (
        f'  File "{LIB}gunicorn/workers/ggevent.py", line 30\n    from gunicorn.workers.async import AsyncWorker\n'
        "                              ^\nSyntaxError: invalid syntax\n"
    )

    assert [name for name, _ in classes(told(log))] == ["worker-class-unavailable"]


def test_a_page_that_swallowed_the_name_of_a_modules_own_code():
    """`<module>` looks like a tag: what follows `in` is empty, and it is the same frame."""
    log = (
        f'  File "{LIB}shopkit/core.py", line 9, in \n    class Cart(Base):\n'
        '  File "/usr/lib/python3.12/abc.py", line 106, in __new__\n    made = super().__new__(kind)\n'
        "TypeError: Cart.__init_subclass__() is too proud\n"
    )

    assert [name for name, _ in classes(told(log))] == ["version-incompatible"]


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ("dependency-missing", "09:00:01 ERROR the plug-in was not loaded: No module named 'ujson'"),
        ("version-incompatible", "09:00:01 ERROR could not load the app: cannot import name 'secure_filename'"),
    ],
)
def test_pythons_words_without_the_kind_of_the_error(expected: str, line: str):
    """A logger that prints only an error's text; where all goes on, it says so, or a server speaks."""
    assert [name for name, _ in classes(told(line + "\n"))] == [expected]
    assert classes(told("09:00:01 INFO the plug-in was not loaded: No module named 'ujson'\n")) == []
    assert classes(told(start() + line + "\n" + GET)) == []


@pytest.mark.parametrize(
    "said",
    [
        "sqlalchemy.exc.ArgumentError: expected schema argument to be a string, got <class 'sqlalchemy.engine.Engine'>.",
        "TypeError: Additional arguments should be named <dialectname>_<argument>, got 'autoload'",
        "TypeError: Only timezones from the pytz library are supported",
        "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded",
        "AttributeError: 'RootLogger' object has no attribute 'warn'",
        "NameError: name 'PermissionError' is not defined",
        "TypeError: 'dict_values' object does not support indexing",
        "AttributeError: 'str' object has no attribute 'removesuffix'",
        "re.error: global flags not at the start of the expression at position 7",
        "ImportError: cannot import name force_unicode",
    ],
)
def test_what_is_said_to_code_for_another_release_tells_without_a_frame(said: str):
    """Python of its own types and names, and libraries of theirs, where only the last line of a traceback is left."""
    assert classes(told(raising(said, code="app = build()"))) == [("version-incompatible", 1)]


@pytest.mark.parametrize(
    "said",
    [
        "NameError: name 'PaymentError' is not defined",
        "TypeError: 'Basket' object is not subscriptable",
        "AttributeError: 'str' object has no attribute 'remove'",
        "ImportError: cannot import name force_order",
    ],
)
def test_what_is_said_of_the_apps_own_is_no_other_release(said: str):
    """The same words, of what no Python ever had."""
    assert "version-incompatible" not in [name for name, _ in classes(told(raising(said, code="app = build()")))]


def test_a_part_that_gunicorn_no_longer_has():
    """It is installed: who asks was written for an older one. Without any Gunicorn nothing could be started."""
    asks = frame("/srv/serve.py", "<module>", "from gunicorn.six import iteritems")

    assert [
        name for name, _ in classes(told(raising("ModuleNotFoundError: No module named 'gunicorn.six'", asks)))
    ] == ["version-incompatible"]
