"""Boots that were too slow: what Gunicorn's lines tell of them where little was pasted, and what platforms say."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import SITE, frame, start, timed_out

ABORT = frame(SITE + "gunicorn/workers/base.py", "handle_abort", "sys.exit(1)") + "SystemExit: 1\n"
UVICORN = "[2026-11-27 09:00:03 +0000] [11] [INFO] Waiting for application startup.\n"
HEAD = "[2026-11-27 {} +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:11)\n"


@pytest.mark.parametrize(
    "line",
    [
        "The user-provided container failed to start and listen on the port defined provided by the PORT=8000 environment "
        "variable within the allocated timeout.",
        "==> Port scan timeout reached, no open ports detected. Bind your service to at least one port.",
        "==> Timed Out",
        "2026-11-27T09:00:15.000Z ERROR - Site startup probe failed after 230.4 seconds.",
        "2026-11-27T09:00:15.100Z INFO  - Stopping site shop because it failed during startup.",
        "instance never healthy after 1m0s: Failed to make TCP connection to port 8080: connection refused",
        "INIT_REPORT Init Duration: 10009.87 ms	Phase: init	Status: timeout",
        "timeout reached waiting for health checks to pass for machine 148e: context deadline exceeded",
    ],
)
def test_a_platform_that_waited_in_vain(line: str):
    """Alone, and below a start of which nothing else is known."""
    assert classes(told(f"{line}\n")) == [("boot-timeout", 1)]
    assert [name for name, _ in classes(told(start("20.1.0") + f"{line}\n"))] == ["boot-timeout"]


@pytest.mark.parametrize(
    "line",
    [
        "==> No open ports detected, continuing to scan...",
        "INFO - Waiting for response to warmup request for container shop_0. Elapsed time = 15.4 sec",
        "INIT_REPORT Init Duration: 900.12 ms	Phase: init	Status: ok",
        "The upload timed out",
    ],
)
def test_a_platform_that_still_waits(line: str):
    """Nothing has ended yet."""
    assert told(f"{line}\n").incidents == ()


@pytest.mark.parametrize(
    ("ended", "expected"), [("09:02:00", "boot-timeout"), ("09:01:31", "boot-timeout"), ("09:02:45", "request-timeout")]
)
def test_a_worker_alone_at_an_age_that_people_set(ended: str, expected: str):
    """Up to 21 the boot counts; any other age is that of a request."""
    assert classes(told(start("20.1.0") + HEAD.format(ended))) == [(expected, 1)]


def test_one_that_began_above_the_first_line_is_like_the_next():
    """Whatever the limit is."""
    first = "[2026-11-27 09:00:00 +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:7)\n"
    next_one = (
        "[2026-11-27 09:00:01 +0000] [11] [INFO] Booting worker with pid: 11\n"
        "[2026-11-27 {} +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:11)\n"
    )

    assert classes(told(first + next_one.format("09:01:31"))) == [("boot-timeout", 2)]
    assert classes(told(first + next_one.format("09:07:48"))) == [("request-timeout", 2)]


def test_a_startup_of_the_application_that_does_not_come_to_its_end():
    """In any release; once it has, a timeout is that of a request."""
    ready = UVICORN.replace("Waiting for application startup", "Application startup complete").replace("03", "09")

    assert classes(told(start() + UVICORN + HEAD.format("09:00:47"))) == [("boot-timeout", 1)]
    assert classes(told(start() + UVICORN + ready + HEAD.format("09:00:47"))) == [("request-timeout", 1)]


def test_an_import_in_the_rest_of_an_aborts_traceback():
    """The frames of the server above it are cut off; the loop of a worker among them says that it was ready."""
    importing = frame("/srv/shop/__init__.py", "<module>", "MODEL = load()") + ABORT
    looping = frame(SITE + "gunicorn/workers/sync.py", "run", "self.run_for_one(timeout)") + importing

    assert classes(told(importing)) == [("boot-timeout", 1)]
    assert classes(told(looping)) == [("request-timeout", 1)]


LOOP = (("09:00:00", "09:00:30"), ("09:00:31", "09:01:01"), ("09:01:02", "09:01:33"))


def one_each(text: str) -> str:
    """Return such a log with one worker at a time."""
    return "".join(
        line
        for line in text.splitlines(keepends=True)
        if not any(f"pid: {pid}" in line or f"pid:{pid}" in line for pid in (21, 23, 25))
    )


def test_workers_that_are_timed_out_one_after_the_other():
    """In a release whose timeout begins with the loop, too, if none of them says where it stood, and none had served."""
    log = one_each(timed_out(*LOOP, version="23.0.0"))
    served = log + '10.0.0.9 - - [27/Nov/2026:09:00:20 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n'

    assert classes(told(log)) == [("boot-timeout", 3)]
    assert classes(told(served)) == [("request-timeout", 3)]
    assert classes(told(timed_out(LOOP[0], version="23.0.0"))) == [("request-timeout", 2)]


def booted(*times: str) -> str:
    """Return starts of workers, each with a pid of its own."""
    return start("20.1.0") + "".join(
        f"[2026-11-27 {time} +0000] [{20 + number}] [INFO] Booting worker with pid: {20 + number}\n"
        for number, time in enumerate(times)
    )


def test_workers_that_are_started_slowly_one_after_the_other_have_ended():
    """A server starts its first ones within a second."""
    assert classes(told(booted("09:00:04", "09:00:08", "09:00:12"))) == [("app-exception", 3)]
    assert told(booted("09:00:00", "09:00:01", "09:00:01")).incidents == ()
    assert told(booted("09:10:00", "09:20:00", "09:30:00")).incidents == ()


def test_gunicorns_arguments_read_by_the_app_in_its_worker():
    """What the parser refuses ends the worker, which then says that it exits."""
    refused = "Usage: gunicorn [options]\ngunicorn: error: no such option: -k\n"
    exits = "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n"

    assert [name for name, _ in classes(told(refused + exits))] == ["app-exception"]
    assert [name for name, _ in classes(told("gunicorn : error: unrecognized arguments: --binds\n"))] == [
        "config-file-error"
    ]


def test_a_plain_error_of_the_master_is_read_by_its_words():
    """Gunicorn passes an app's error on as one line."""
    gone = "Error: module 'inspect' has no attribute 'getargspec'\n"

    assert [name for name, _ in classes(told(gone))] == ["version-incompatible"]
    assert [name for name, _ in classes(told("Error: the shelf has no attributes\n"))] == ["app-exception"]


def recycled(*ages: int, version: str = "23.0.0", worker: str = "sync") -> str:
    """Return a server whose later workers, one after the other, exit at these ages; the first one answers."""
    text = start(version).replace("Using worker: sync", f"Using worker: {worker}")
    text += '10.0.0.9 - - [27/Nov/2026:09:01:00 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n'
    text += "[2026-11-27 09:01:00 +0000] [11] [INFO] Autorestarting worker after current request.\n"
    text += "[2026-11-27 09:01:00 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
    second = 60
    for pid, age in enumerate(ages, 21):
        text += (
            f"[2026-11-27 09:{second // 60:02}:{second % 60:02} +0000] [{pid}] [INFO] Booting worker with pid: {pid}\n"
        )
        second += age
        at = f"[2026-11-27 09:{second // 60:02}:{second % 60:02} +0000]"
        text += f"{at} [10] [CRITICAL] WORKER TIMEOUT (pid:{pid})\n{at} [{pid}] [INFO] Worker exiting (pid: {pid})\n"
    return text


@pytest.mark.parametrize("worker", ["sync", "gthread"])
@pytest.mark.parametrize(
    ("ages", "version", "expected"),
    [
        ((3, 3, 3), "23.0.0", "boot-timeout"),
        ((61, 61), "27.0.1", "boot-timeout"),
        ((3,), "23.0.0", "request-timeout"),
        ((3, 22, 3), "23.0.0", "request-timeout"),
        ((57, 58), "23.0.0", "request-timeout"),
        ((3, 3, 3), "20.1.0", "request-timeout"),
    ],
)
def test_workers_that_take_the_place_of_one_that_served(
    ages: tuple[int, ...], version: str, expected: str, worker: str
):
    """From 22 on a request would be printed: without one, all at the age of a limit, they were still loading."""
    assert [name for name, _ in classes(told(recycled(*ages, version=version, worker=worker)))] == [expected]


def test_one_that_did_not_even_exit():
    """It stood where the one before it did."""
    text = start("27.0.1").replace("Using worker: sync", "Using worker: gthread")
    text += "[2026-11-27 09:00:04 +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:11)\n"
    text += "[2026-11-27 09:00:04 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
    text += "[2026-11-27 09:00:04 +0000] [12] [INFO] Booting worker with pid: 12\n"
    text += "[2026-11-27 09:00:08 +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:12)\n"
    text += "[2026-11-27 09:00:09 +0000] [10] [ERROR] Worker (pid:12) was sent SIGKILL! Perhaps out of memory?\n"

    assert classes(told(text)) == [("boot-timeout", 2)]
