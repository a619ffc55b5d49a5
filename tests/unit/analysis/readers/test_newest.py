"""Pastes out of a console that shows the newest line first."""

from __future__ import annotations

import io

import pytest

from bootcheck.analysis.readers import newest
from bootcheck.analysis.readers.stream import Stream
from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, NO_FLASK, raising

WHOLE = [f"2026-11-27T09:00:0{at // 10}.{at % 10:06}Z {line}" for at, line in enumerate(raising(NO_FLASK).splitlines())]
ABORTED = """2026-11-27T09:02:30.000900Z [2026-11-27 09:02:30 +0000] [30] [INFO] Booting worker with pid: 30
2026-11-27T09:02:29.000800Z [2026-11-27 09:02:29 +0000] [3] [ERROR] Worker (pid:16) was sent SIGKILL! Perhaps out of memory?
2026-11-27T09:02:28.000700Z [2026-11-27 09:02:28 +0000] [16] [INFO] Worker exiting (pid: 16)
2026-11-27T09:02:28.000600Z SystemExit: 1
2026-11-27T09:02:28.000500Z     sys.exit(1)
2026-11-27T09:02:28.000400Z   File "/venv/lib/python3.13/site-packages/gunicorn/workers/base.py", line 204, in handle_abort
2026-11-27T09:02:28.000300Z     return fetch(url)
2026-11-27T09:02:28.000200Z   File "/srv/shop/views.py", line 31, in prices
"""


def _stream(text: str) -> Stream:
    return Stream("-", io.BytesIO(text.encode()).read)


def test_it_is_read_from_its_end():
    """The traceback is whole again, and the lines keep their numbers."""
    text = "".join(f"{line}\n" for line in reversed(WHOLE))

    assert newest.is_turned(_stream(text))
    assert classes(told(text)) == classes(told("".join(f"{line}\n" for line in WHOLE)))
    numbers, block = newest.oldest_first(text.encode())
    assert numbers == list(range(len(WHOLE), 0, -1))
    assert block.decode().splitlines() == WHOLE


@pytest.mark.parametrize(
    "prefix", ["Nov 27 09:00:0{} web gunicorn[9]: ", "17957715{}7000\t2026-11-27T09:00:0{}.000Z\t"]
)
def test_most_of_its_lines_are_of_one_second(prefix: str):
    """`journalctl -r`, and an export of CloudWatch's: a traceback upside down tells in which order they stand."""
    log = raising(NO_FLASK).splitlines()
    lines = [
        prefix.format(*[2 * (at >= 2) + 3 * (at == len(log) - 1)] * 2) + f"{line}\n" for at, line in enumerate(log)
    ]
    text = "".join(reversed(lines))

    assert newest.is_turned(_stream(text))
    assert classes(told(text)) == classes(told("".join(lines)))


def test_a_start_from_its_end():
    """No traceback is there; a year begins, which syslog does not tell."""
    text = (
        "Jan  1 00:00:02 web gunicorn[9]: [2026-01-01 00:00:02 +0000] [9] [INFO] Using worker: sync\n"
        "Jan  1 00:00:02 web gunicorn[9]: [2026-01-01 00:00:02 +0000] [9] [INFO] Listening at: http://0.0.0.0:80 (9)\n"
        + "Jan  1 00:00:02 web gunicorn[9]: Loading\n" * 6
        + "Jan  1 00:00:01 web gunicorn[9]: Waiting\nJan  1 00:00:00 web systemd[1]: Started web.\n"
    )

    assert newest.is_turned(_stream(text))
    assert not newest.is_turned(_stream(text.replace("Using worker: sync", "Loading").replace("Listening at", "At")))


def test_lines_without_a_time_stay_with_the_one_before():
    """An entry of several lines stands in its own order."""
    assert newest.oldest_first(b"2026-11-27 09:00:02 b\n  more\n2026-11-27 09:00:01 a\n") == (
        [3, 1, 2],
        b"2026-11-27 09:00:01 a\n2026-11-27 09:00:02 b\n  more\n",
    )


def test_a_timeout_of_which_only_the_end_is_shown():
    """The master's line is cut off: the worker's own traceback says what the kill was."""
    assert [name for name, _ in classes(told(ABORTED))] == ["request-timeout"]


@pytest.mark.parametrize(
    "text",
    [
        "".join(f"{line}\n" for line in WHOLE),
        END,
        "2026-11-27 09:00:02 a\n2026-11-27 09:00:01 b\n",
        "2026-11-27 09:00:03 a\n2026-11-27 09:00:02 b\n2026-11-27 09:00:01 c\n2026-11-27 09:00:02 d\n",
        "2026-11-27 09:00:03 a\n" * 9 + "2026-11-27 09:00:02 b\n" * 9 + "2026-11-27 09:00:01 c\n",
        "",
    ],
    ids=["forward", "no-prefix", "one-step", "forth", "seconds", "empty"],
)
def test_others_stay_as_they_are(text: str):
    """Two pastes, or a clock that was set, are no such console."""
    assert not newest.is_turned(_stream(text))
