"""Logs that a console set in columns are read as if they had not been broken."""

from __future__ import annotations

import pytest

from bootcheck.analysis.readers.columns import columns_of
from tests.unit.analysis.making import classes, told

TIME = "[27/11/26 09:00:01] "
PAD = " " * 29
START = "".join(
    f"{TIME}INFO     {text}\n"
    for text in ("Starting gunicorn 23.0.0", "Listening at: http://[::]:3003 (9)", "Booting worker with pid: 11")
)
RAISED = f"{TIME}ERROR    Exception in worker process\n" + "".join(
    f"{PAD}{text}\n"
    for text in (
        "Traceback (most recent call last):",
        "  File",
        '"/venv/lib/python3.12/site-packages/gunicorn/arbite',
        'r.py", line 608, in spawn_worker',
        "    worker.init_process()",
        '  File "/srv/shelves/wsgi.py", line 10, in <module>',
        "    from shelves.readers import everything,",
        "and_more_of_it",
    )
)
DENIED = (
    f"{PAD}PermissionError: [Errno 13] Permission denied:\n{PAD}'/srv/shelves/of/books/that/have/a/very/long/path/to'\n"
)
NO_MODULE = f"{PAD}ModuleNotFoundError: No module named\n{PAD}'flask_shelves_that_has_a_name_that_does_not_fit_in'\n"
END = f"{TIME}INFO     Worker exiting (pid: 11)\n{TIME}ERROR    Reason: Worker failed to boot.\n"


@pytest.mark.parametrize("carrier", ["", "shelves-1  | "])
@pytest.mark.parametrize(("cause_class", "error"), [("permission-denied", DENIED), ("dependency-missing", NO_MODULE)])
def test_a_traceback_in_the_last_column(carrier: str, cause_class: str, error: str):
    """Its places and the exception's text go over several lines."""
    log = "".join(f"{carrier}{line}\n" for line in (START + RAISED + error + END).splitlines())

    assert classes(told(log)) == [(cause_class, 1)]


def test_the_places_of_a_traceback_are_put_together():
    """A path is joined as it was, the rest with a blank; each line keeps its number."""
    text = START + RAISED + DENIED
    columns = columns_of(text.encode())
    assert columns is not None
    read = (columns.feed(text.encode()) + columns.end()).decode().splitlines()

    assert len(read) == len(text.splitlines())
    assert '  File "/venv/lib/python3.12/site-packages/gunicorn/arbiter.py", line 608, in spawn_worker' in read
    assert "    from shelves.readers import everything, and_more_of_it" in read


def test_a_long_line_that_was_broken():
    """What the server says of its address stands in two lines."""
    log = START + (
        f"{TIME}ERROR    connection to ('0.0.0.0', 3003) failed: [Errno\n{PAD}98] Address already in use\n"
        f"{TIME}ERROR    Can't connect to ('0.0.0.0', 3003)\n"
    )

    assert classes(told(log)) == [("address-in-use", 1)]


def test_the_last_column_alone():
    """People copy what stands below the level only."""
    log = f"{DENIED}[Nest] 251 - WARN the shelves did not answer\n"

    assert classes(told(log)) == [("permission-denied", 1)]


@pytest.mark.parametrize(
    "text",
    [
        "[09:00:01] ERROR shelves failed\nTraceback (most recent call last):\n"
        '  File "/srv/a.py", line 1, in <module>\n    read(everything, of=the, shelves=1)\n'
        "                     ^^^^^^^^^^^^^\nValueError: no\n",
        "[2026-11-27 09:00:01 +0000] [10] [INFO] Starting gunicorn 23.0.0\n",
    ],
)
def test_other_logs_have_no_columns(text: str):
    """Marks below a line of code are none, and Gunicorn's own heads are not a console's."""
    assert columns_of(text.encode()) is None
