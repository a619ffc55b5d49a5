"""Pastes whose lines do not stand in the order in which they were written."""

from __future__ import annotations

import io

import pytest

from bootcheck.analysis.readers import disorder
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

    assert disorder.is_turned(_stream(text))
    assert classes(told(text)) == classes(told("".join(f"{line}\n" for line in WHOLE)))
    numbers, block = disorder.oldest_first(text.encode())
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

    assert disorder.is_turned(_stream(text))
    assert classes(told(text)) == classes(told("".join(lines)))


def test_a_start_from_its_end():
    """No traceback is there; a year begins, which syslog does not tell."""
    text = (
        "Jan  1 00:00:02 web gunicorn[9]: [2026-01-01 00:00:02 +0000] [9] [INFO] Using worker: sync\n"
        "Jan  1 00:00:02 web gunicorn[9]: [2026-01-01 00:00:02 +0000] [9] [INFO] Listening at: http://0.0.0.0:80 (9)\n"
        + "Jan  1 00:00:02 web gunicorn[9]: Loading\n" * 6
        + "Jan  1 00:00:01 web gunicorn[9]: Waiting\nJan  1 00:00:00 web systemd[1]: Started web.\n"
    )

    assert disorder.is_turned(_stream(text))
    assert not disorder.is_turned(_stream(text.replace("Using worker: sync", "Loading").replace("Listening at", "At")))


def test_lines_without_a_time_stay_with_the_one_before():
    """An entry of several lines stands in its own order."""
    assert disorder.oldest_first(b"2026-11-27 09:00:02 b\n  more\n2026-11-27 09:00:01 a\n") == (
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
    assert not disorder.is_turned(_stream(text))


def test_lines_that_a_collector_mixed_up():
    """Heroku's exact times tell in which order two workers wrote their tracebacks."""
    one = [
        f"2026-11-27T09:00:01.{at:06}+00:00 app[web.1]: {line}"
        for at, line in enumerate(raising(NO_FLASK).splitlines())
    ]
    mixed = one[::3] + one[1::3] + one[2::3]
    mixed = [line for pair in zip(mixed[::2], reversed(mixed[1::2]), strict=False) for line in pair]
    text = "".join(f"{line}\n" for line in mixed)

    assert disorder.is_shuffled(_stream(text))
    assert disorder.order_of(_stream(text)) is disorder.by_time
    assert classes(told(text)) == classes(told("".join(f"{line}\n" for line in one))) == [("dependency-missing", 1)]


@pytest.mark.parametrize("apart", ["2026-11-27T08:00:01", "2026-11-27T09:00:01"])
def test_two_logs_one_after_the_other_are_in_order(apart: str):
    """One step back in time, or many that are far: each of them has its own order."""
    lines = "".join(f"2026-11-27T09:00:01.{at:06}Z a\n" for at in range(9))

    assert not disorder.is_shuffled(_stream(lines + lines.replace("2026-11-27T09:00:01", apart)))
    far = "".join(f"2026-11-27T09:00:01.000001Z a\n{apart[:11]}08:00:01.000001Z b\n" for _ in range(9))
    assert not disorder.is_shuffled(_stream(far))


def test_upside_down_within_one_second():
    """`journalctl -r` of a start that failed at once: no step back is there, but no frame stands above its code."""
    lines = [f"Nov 27 09:00:01 web gunicorn[9]: {line}\n" for line in raising(NO_FLASK).splitlines()]

    assert disorder.is_turned(_stream("".join(reversed(lines))))
    assert not disorder.is_turned(_stream("".join(lines)))
    assert classes(told("".join(reversed(lines)))) == [("dependency-missing", 1)]
