"""Causes that stand beside where they are looked for: above a factory that made nothing, in a hook, before a retry."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import SITE, frame, raising, start

NOTHING = "[2026-11-27 09:00:01 +0000] [11] [ERROR] {said}\nFailed to find application object: '{call}'\n"
LEFT = (
    "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
    "[2026-11-27 09:00:01 +0000] [10] [INFO] Shutting down: Master\n"
    "[2026-11-27 09:00:01 +0000] [10] [INFO] Reason: App failed to load.\n"
)
OPENS = "[2026-11-27 09:00:01 +0000] [11] [ERROR] (sqlite3.OperationalError) no such table: parcels\n"
WAITS = "[2026-11-27 09:00:01 +0000] [11] [INFO] No database yet, trying again in 5 seconds\n"
ANSWERED = '10.0.0.7 - - [27/Nov/2026:09:00:02 +0000] "GET /parcels HTTP/1.1" 200 17 "-" "curl/8"\n'


def names(log: str) -> list[str]:
    """Return the class of each incident."""
    return [name for name, _ in classes(told(log))]


@pytest.mark.parametrize("head", ["", start()])
def test_a_factory_that_returned_nothing_was_found(head: str):
    """Gunicorn says that there is no app; why the call made none is what the app said above it."""
    said = NOTHING.format(said="PARCEL_DATABASE_URL is not set in the config.", call="create_app(strict=True)")

    assert names(head + said + LEFT) == ["env-config"]


@pytest.mark.parametrize(
    "log",
    [
        NOTHING.format(said="Something else went wrong", call="create_app()") + LEFT,
        NOTHING.format(said="PARCEL_DATABASE_URL is not set", call="application") + LEFT,
    ],
)
def test_a_target_that_is_not_there_keeps_its_class(log: str):
    """Where the app's last words tell no cause, or nothing was called, the name is all there is."""
    assert names(log) == ["app-not-found"]


@pytest.mark.parametrize(
    "file", ["/srv/shop/gunicorn.conf.py", "/etc/gunicorn_prod.py", "/srv/shop/my_gunicorn_config.py"]
)
def test_a_hook_is_known_by_its_name_and_file(file: str):
    """The frame in which Gunicorn calls it was left out of the log, and so was the traceback's head."""
    log = (
        "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
        "[2026-11-27 09:00:01 +0000] [10] [ERROR] Unhandled exception in main loop\n"
        + frame(SITE + "gunicorn/arbiter.py", "handle_chld", "self.reap_workers()")
        + frame(file, "child_exit", "counters.forget(worker.pid)")
        + "TypeError: expected a path, not NoneType\n"
    )

    assert names(log) == ["config-file-error"]
    assert names(log.replace("child_exit", "tidy").replace(file, "/srv/shop/hooks.py")) == ["app-exception"]


def test_a_log_that_ends_while_an_app_waits_for_its_tables():
    """Nothing is raised: the worker asks again and again, and no request is answered meanwhile."""
    assert names(start() + OPENS + WAITS) == ["db-schema-missing"]
    assert names(start() + OPENS + WAITS + ANSWERED) == []
    assert names(start() + OPENS + WAITS.replace("trying again in 5 seconds", "going on without it")) == []


def test_the_only_request_failed_for_want_of_a_database():
    """Its traceback stands right above the answer, and nothing else is told of that server."""
    failed = (
        frame(SITE + "pymysql/connections.py", "connect", "raise exc")
        + "sqlalchemy.exc.OperationalError: (pymysql.err.OperationalError) (2003, \"Can't connect to MySQL server on "
        "'store' ([Errno -2] Name or service not known)\")\n" + ANSWERED.replace(" 200 ", " 500 ")
    )
    term = "[2026-11-27 09:00:03 +0000] [10] [INFO] Handling signal: term\n"

    assert names(failed + term) == ["db-unreachable"]


def test_a_message_below_its_exceptions_name():
    """A viewer that strips the ends of lines leaves a name with a colon alone; the message begins below it."""
    log = (
        "web-1  | redis.exceptions.ConnectionError:\n"
        "web-1  | Error 111 connecting to store:6379. Connection refused.\n"
        "web-1  | ERROR    Application startup failed. Exiting.\n"
    )

    assert names(log) == ["backend-unavailable"]


def test_a_package_that_is_asked_for_an_app_is_the_projects_own():
    """No library is called `harbour_master`, and none would be asked for a factory; a library's name stays one."""
    asks = frame("/srv/shop/wsgi.py", "<module>", "from harbour_master import create_app")
    lacks = "ModuleNotFoundError: No module named 'harbour_master'"

    assert names(raising(lacks, asks)) == ["app-import-error"]
    assert names(raising(lacks, asks.replace("create_app", "Harbour"))) == ["dependency-missing"]
    known = raising(lacks.replace("harbour_master", "airflow"), asks.replace("harbour_master", "airflow"))
    assert names(known) == ["dependency-missing"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop.errors.ShopError: Missing file /srv/shop/conf/parcels.toml", "filesystem"),
        ("shop.errors.ShopError: missing config file ./parcels.toml", "filesystem"),
        ("ValueError: Missing directory '/var/lib/parcels'", "filesystem"),
        ("shop.errors.ShopError: Missing file types for the upload", "app-exception"),
        ("AttributeError: 'FastMCP' object has no attribute 'serve'", "version-incompatible"),
        ("AttributeError: 'Babel' object has no attribute 'localeselector'", "version-incompatible"),
        ("AttributeError: 'Parcel' object has no attribute 'localeselector'", "app-exception"),
    ],
)
def test_what_a_missing_file_and_a_changed_library_are_called(text: str, expected: str):
    """Whoever raises it; the app's own classes and words for something else are neither."""
    assert names(raising(text, frame("/srv/shop/wsgi.py", "<module>", "parcels.load()"))) == [expected]


def test_services_whose_streams_are_named_beside_each_line():
    """A script starts several: one cannot log in to its database, and the other one is up."""
    log = (
        '[parcels-err]   File "/venv/lib/python3.13/site-packages/asyncpg/connect_utils.py", line 1102, in __connect_addr\n'
        "[parcels-err]     await connected\n"
        '[parcels-err] asyncpg.exceptions.InvalidPasswordError: password authentication failed for user "parcels"\n'
        "[parcels-err]\n"
        "[parcels-err] ERROR:    Application startup failed. Exiting.\n"
        "[routes-err] INFO:     Started server process [75]\n"
        "[routes-err] INFO:     Waiting for application startup.\n"
        "[routes-err] INFO:     Application startup complete.\n"
        "routes is up on port 8083\n"
    )

    assert names(log) == ["db-auth-failed"]


def test_a_program_that_asks_for_its_licence():
    """A key that lets a whole program run is a setting like one that lets it into a service."""
    text = "parcel.errors.ParcelError: No valid license key was found"

    assert names(raising(text, frame("/srv/shop/wsgi.py", "<module>", "parcel.verify()"))) == ["env-config"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ERROR:shop.db:could not connect to database, retrying in 5 s", "db-unreachable"),
        ("could not connect to database, trying again in 5 s", "db-unreachable"),
        ("2026-11-27 09:00:05 ERROR shop.cache: Redis connection failed, retry 3 of 9", "backend-unavailable"),
        ("ERROR:shop.db:could not connect to database, going on without it", "boot-timeout"),
        ("ERROR:shop.jobs:no parcels yet, retrying in 5 s", "boot-timeout"),
    ],
)
def test_a_worker_that_is_timed_out_while_it_waits(said: str, expected: str):
    """Its time was over, but what it waited for, and said so, is the cause; of anything else the time is."""
    timed_out = (
        "[2026-11-27 09:00:31 +0000] [10] [CRITICAL] WORKER TIMEOUT (pid:11)\n"
        "[2026-11-27 09:00:31 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
        "[2026-11-27 09:00:31 +0000] [12] [INFO] Booting worker with pid: 12\n"
    )

    assert names(f"{start()}{said}\n{timed_out}") == [expected]
    if expected != "boot-timeout":
        assert names(f"{start()}{said}\n{ANSWERED}{timed_out}") == ["request-timeout"]
