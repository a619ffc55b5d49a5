"""What a person is told to do about an exception: by its kind, and where the app's own line is."""

from __future__ import annotations

import os
import runpy
from typing import Any

import pytest

from bootcheck.checks.advice import of_exception
from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory


def advice(exc: BaseException) -> list[str]:
    """Return the advice for an exception as the recorder tells it."""
    memory = Memory()
    Recorder([memory]).exception(exc, "exception")
    return of_exception(memory.records[0])


def raised(code: str, tmp_path: Any) -> BaseException:
    """Return what the code of an app raises."""
    app = tmp_path / "its_app.py"
    app.write_text(code)
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever the app raises
        runpy.run_path(str(app))
    return caught.value


@pytest.mark.parametrize(
    ("code", "words", "line"),
    [
        ("import os\nos.environ['ITS_URL']", ["Set the environment variable 'ITS_URL'"], 2),
        ("\nimport no_such_package.sub", ["-m pip install no-such-package", "--chdir"], 2),
        ("from json import no_such_name", ["Compare the installed version of json "], 1),
        ("open('no/such/file.yaml')", ["Create no/such/file.yaml", os.getcwd()], 1),
        ("import socket\nsocket.create_connection(('127.0.0.1', 1), 5)", ["up, and its host and port", "localhost"], 2),
        (
            (
                "import contextlib, sqlite3\nwith contextlib.closing(sqlite3.connect(':memory:')) as db:\n"
                " db.execute('select 1 from users')"
            ),
            ["Run the migrations"],
            3,
        ),
        ("raise PermissionError(13, 'Permission denied', '/srv/secret')", ["/srv/secret", "owner, mode"], 1),
        ("raise OSError(28, 'No space left on device')", ["Make room"], 1),
        ("raise MemoryError", ["memory limit"], 1),
        (
            "raise RuntimeError(\"/nope/x doesn't exist. Can't create workertmp.\")",
            ["Create /nope/x, or", "tmp-dir"],
            1,
        ),
        ("\n\ncompile('a = 1\\0', 'x.py', 'exec')", ["Save the file as UTF-8"], 3),
        ("raise ModuleNotFoundError(\"No module named 'psycopg2'\")", ["-m pip install psycopg2-binary. "], 1),
        ("raise ImportError('libGL.so.1: cannot open shared object file')", ["that brings libGL.so.1 "], 1),
    ],
)
def test_a_kind_has_its_next_step_and_the_apps_own_line(code, words, line, tmp_path):
    """The step first: the shortest telling keeps only that."""
    step, place = advice(raised(code, tmp_path))

    assert [word for word in words if word not in step] == []
    assert place == f"The app's own line is {tmp_path}/its_app.py:{line} in <module>."


@pytest.mark.parametrize(
    "message",
    [
        'FATAL:  password authentication failed for user "shop"',
        "(1045, \"Access denied for user 'shop'@'localhost' (using password: YES)\")",
        'FATAL:  database "shop" does not exist',
    ],
)
def test_a_refusal_is_told_from_a_server_that_is_away(message):
    """What wraps it says less than what it was raised from."""
    exc = RuntimeError("could not connect to the store")
    exc.__cause__ = ConnectionError(message)
    step, *_ = advice(exc)

    assert step.startswith("The server answers and refuses")


@pytest.mark.parametrize("code", ["{}['ITS_URL']", "1 / 0", "raise ValueError('a table is missing')"])
def test_what_has_no_kind_has_its_place_only(code, tmp_path):
    """A key of a dictionary of the app's is no environment variable."""
    assert advice(raised(code, tmp_path)) == [f"The app's own line is {tmp_path}/its_app.py:1 in <module>."]


def test_braces_and_large_messages_do_no_harm():
    """A message is anybody's text."""
    assert advice(FileNotFoundError(2, "No such file", "{python}"))[0].startswith("Create {python}, or correct")
    assert len(" ".join(advice(FileNotFoundError(2, "No such file", "x" * 100_000)))) < 3_000
    assert of_exception({}) == ["Read the traceback: its last lines name the place."]


def test_descriptors_that_others_closed_have_no_place_in_the_app():
    """Gunicorn's own code meets EBADF; where the app's does, its line is the place."""
    record = {
        "type": "OSError",
        "message": "[Errno 9] Bad file descriptor",
        "frames": [{"file": "/srv/venv/lib/python3.12/site-packages/gunicorn/workers/sync.py", "line": 127}],
    }
    (step,) = of_exception(record)
    assert "os.closerange" in step

    record["frames"] = [{"file": "/srv/app.py", "line": 3, "function": "load"}]
    assert of_exception(record) == ["The app's own line is /srv/app.py:3 in load."]
