"""What is known of the server as a whole."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from gunicorn.errors import AppImportError

from bootcheck.gunicorn.server import app_uri_of, exit_status, kind_of, sources_of, unlink_pidfile


@pytest.mark.parametrize(
    ("exc", "kind"),
    [
        (ValueError(), "exception"),
        (KeyboardInterrupt(), "exception"),
        (SystemExit(0), "sys_exit"),
        (AppImportError("x"), "app_not_found"),
        (ModuleNotFoundError("", name="shop"), "app_not_found"),
        (ModuleNotFoundError("", name="shop.web"), "app_not_found"),
        (ModuleNotFoundError("", name="shop.web.app"), "app_not_found"),
        (ModuleNotFoundError("", name="shop.we"), "exception"),
        (ModuleNotFoundError("", name="flask"), "exception"),
        (ModuleNotFoundError(""), "exception"),
        (ImportError("", name="shop"), "exception"),
    ],
    ids=range(11),
)
def test_the_kind_of_an_exception_comes_from_its_class_and_name(exc: BaseException, kind: str):
    """The module or attribute named as the app, and nothing else, is `app_not_found`."""
    assert kind_of(exc, "shop.web.app:create()") == kind


def test_without_an_app_name_a_missing_module_is_an_exception():
    """A custom application has no URI."""
    assert kind_of(ModuleNotFoundError("", name="shop"), None) == "exception"
    assert app_uri_of(SimpleNamespace(app=SimpleNamespace())) is None
    assert app_uri_of(SimpleNamespace(app=SimpleNamespace(app_uri="a:b"))) == "a:b"


@pytest.mark.parametrize(
    ("exc", "status"),
    [(SystemExit(), 0), (SystemExit(0), 0), (SystemExit(3), 3), (SystemExit(259), 3), (SystemExit(-1), 255),
     (SystemExit("message"), 1), (ValueError(), 1)],
    ids=range(7),
)  # fmt: skip
def test_the_status_is_the_one_that_the_interpreter_gives(exc: BaseException, status: int):
    """As a shell sees it."""
    assert exit_status(exc) == status


def test_sources_name_who_wins_last():
    """`raw_env` is laid over the environment."""
    sources = sources_of({"A": "1", "C": "3"}, {"A": "2", "B": "x"})

    assert [(item.label, item.value) for item in sources["A"]] == [
        ("the process's environment", "1"),
        ("raw_env in the Gunicorn configuration", "2"),
    ]
    assert len(sources["B"]) == 1
    assert "C" not in sources


def test_a_pidfile_is_taken_away_where_there_is_one():
    """Gunicorn writes it before `on_starting`."""
    calls: list[str] = []
    unlink_pidfile(SimpleNamespace(pidfile=SimpleNamespace(unlink=lambda: calls.append("gone"))))
    unlink_pidfile(SimpleNamespace(pidfile=None))
    assert calls == ["gone"]
