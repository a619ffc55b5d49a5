"""Whose a missing module is: the app's, by the name that people give to such a part, or by who asks for it; or a library."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, SITE, by_gunicorn, frame, raising

ASKS = frame("/app/main.py", "<module>", "from there import something")
URLS = frame("/app/shelves/urls.py", "<module>", "path('a/', include('borrowers.urls')),") + frame(
    SITE + "django/urls/conf.py", "include", "urlconf_module = import_module(urlconf_module)"
)
REST = frame(SITE + "rest_framework/settings.py", "import_from_string", "raise ImportError(msg)")


@pytest.mark.parametrize(
    "module", ["auth", "Serializers", "order_utils", "my_shelf", "accounts.urls", "shelves.pricing", "lib.helpers"]
)
def test_what_an_app_asks_for_is_its_own_by_name(module: str):
    """Words for parts of an app, words put together as theirs are, and a part of a folder that Python found."""
    log = raising(f"ModuleNotFoundError: No module named '{module}'", ASKS)

    assert classes(told(log)) == [("app-import-error", 1)]
    assert classes(told(ASKS + f"ModuleNotFoundError: No module named '{module}'\n" + END)) == [("app-import-error", 1)]


@pytest.mark.parametrize(
    "module",
    [
        "flask_cors",
        "fastapi_utils",
        "dotenv",
        "google.cloud",
        "shelf",
        "decouple",
        "sqlalchemy_utils",
        "model_utils",
        "db_dtypes",
    ],
)
def test_a_library_or_an_unknown_name_is_a_package(module: str):
    """Also where its name is made up as an app's own: it begins with a framework's."""
    log = raising(f"ModuleNotFoundError: No module named '{module}'", ASKS)

    assert classes(told(log)) == [("dependency-missing", 1)]


def test_the_end_of_a_log_alone():
    """A part's name tells it without any file; what could be a package is one."""
    for module, expected in (
        ("accounts.urls", "app-import-error"),
        ("shelves.settings", "app-import-error"),
        ("shelf", "dependency-missing"),
    ):
        assert classes(told(f"ModuleNotFoundError: No module named '{module}'\n" + END)) == [(expected, 1)]


def test_what_a_list_of_urls_includes():
    """Its packages were imported before, with the list of apps."""
    text = "ModuleNotFoundError: No module named '{}'"

    assert classes(told(raising(text.format("borrowers"), URLS))) == [("app-import-error", 1)]
    assert classes(told(raising(text.format("debug_toolbar"), URLS))) == [("dependency-missing", 1)]


@pytest.mark.parametrize("module", ["gunicorn books", "APP=books", "src/books", "-w 2"])
def test_what_no_import_can_ask_for_is_the_commands(module: str):
    """A platform that hands on the command as one word, a path in place of a module."""
    error = f"ModuleNotFoundError: No module named '{module}'"

    assert classes(told(f"{error}\n")) == [("app-not-found", 1)]
    assert classes(told(by_gunicorn(error))) == [("app-not-found", 1)]
    assert classes(told("ModuleNotFoundError: No module named 'sqlglot'\n")) == [("dependency-missing", 1)]


def test_what_a_setting_names():
    """By its path: a module of the app's, or a library; a class that is not in it."""
    text = "ImportError: Could not import '{0}.Token' for API setting 'CLASSES'. ModuleNotFoundError: No module named '{0}'."
    lacks = 'ImportError: Module "{}" does not define a "Shelf" attribute/class'
    loads = frame(SITE + "django/utils/module_loading.py", "import_string", "raise ImportError(")

    assert classes(told(raising(text.format("core.tokens"), REST))) == [("app-import-error", 1)]
    assert classes(told(raising(text.format("rest_framework_simplejwt"), REST))) == [("dependency-missing", 1)]
    assert classes(told(raising(lacks.format("shelves.backends"), loads))) == [("app-import-error", 1)]
    assert classes(told(raising(lacks.format("whitenoise.django"), loads))) == [("version-incompatible", 1)]
    missing = "django.core.exceptions.ImproperlyConfigured: Cannot import ASGI_APPLICATION module 'shelves.routing'"
    assert classes(told(raising(missing))) == [("app-import-error", 1)]


def test_a_syntax_error_that_a_reloader_hid():
    """Gunicorn 19 would watch the file; where the error itself is in the log as well, it tells whose file it is."""
    base = SITE + "gunicorn/workers/base.py"
    hides = frame(base, "load_wsgi", "self.reloader.add_extra_file(exc_val.filename)")
    log = raising("AttributeError: 'NoneType' object has no attribute 'add_extra_file'", hides)
    error = '  File "{}", line 9\n    shelf = = 1\nSyntaxError: invalid syntax\n\n'
    during = (
        "During handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
    )
    head, _, tail = log.partition("Traceback (most recent call last):\n")

    assert classes(told(log)) == [("app-syntax-error", 1)]
    for file, expected in (("/srv/shop/shelf.py", "app-syntax-error"), (SITE + "old/core.py", "version-incompatible")):
        whole = f"{head}Traceback (most recent call last):\n{error.format(file)}{during}{tail}"
        assert classes(told(whole)) == [(expected, 1)]


@pytest.mark.parametrize(
    ("cause_class", "error", "asks"),
    [
        ("app-import-error", "module 'copy' has no attribute 'copy'", frame(SITE + "pyparsing.py", "copy")),
        ("app-import-error", "module 'random' has no attribute 'choice'", ASKS),
        ("app-import-error", "module 'tokenize' has no attribute 'open'", frame("/usr/lib/python3.7/linecache.py")),
        ("version-incompatible", "module 'inspect' has no attribute 'getargspec'", frame(SITE + "old.py", "call")),
        ("version-incompatible", "module 'collections' has no attribute 'Mapping'", ASKS),
    ],
)
def test_a_file_with_the_name_of_pythons_own(cause_class: str, error: str, asks: str):
    """What every release has is missing because the app's file is found first; what was removed is a version."""
    assert [name for name, _ in classes(told(raising(f"AttributeError: {error}", asks)))] == [cause_class]
