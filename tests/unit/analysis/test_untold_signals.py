"""Workers of releases of Gunicorn that do not say which signal has ended a worker."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET


def loop(version: str, *seconds: int, year: int = 2019, served: bool = False) -> str:
    """Return a log in which workers are started at these seconds."""
    head = f"[{year}-11-27 09:00:00 +0000] [1] [INFO] "
    listening = f"{head}Listening at: http://0.0.0.0:80 (1)\n{head}Using worker: sync\n"
    boots = [
        f"[{year}-11-27 09:{at // 60:02}:{at % 60:02} +0000] [{pid}] [INFO] Booting worker with pid: {pid}\n"
        for pid, at in enumerate(seconds, 7)
    ]
    start = f"{head}Starting gunicorn {version}\n" if version else ""
    return start + listening + boots[0] + (GET if served else "") + "".join(boots[1:])


@pytest.mark.parametrize(
    "log",
    [
        loop("19.9.0", 1, 12, 25, 37),
        loop("20.0.4", 1, 12, 25, 37, served=True),
        loop("", 1, 12, 25, 37),
    ],
)
def test_a_worker_that_is_replaced_without_a_word_was_killed(log: str):
    """Whatever else ends a worker leaves a line there: most likely the kernel did it, for memory."""
    assert {name for name, _ in classes(told(log))} == {"oom-kill"}


@pytest.mark.parametrize(
    "log",
    [
        loop("20.1.0", 1, 12, 25, 37, year=2024, served=True),
        loop("19.9.0", 1, 1, 1, 1, served=True),
        loop("19.9.0", 1, 1, 1, 2),
        loop("", 1, 12, 25, year=2024),
    ],
)
def test_the_first_workers_of_a_server_replace_nobody(log: str):
    """Nor does one tell of a signal where Gunicorn would have said it."""
    assert classes(told(log)) == []


def test_what_the_kernel_says_of_such_a_worker_counts_more():
    """The same silence follows a crash in native code."""
    log = loop("19.9.0", 1, 12, 25, 37) + "[99.1] gunicorn[9]: segfault at b0 ip 00007f sp 00007f error 4 in ld.so\n"

    assert next(name for name, _ in classes(told(log))) == "native-crash"
