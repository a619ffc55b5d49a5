"""What an app prints before it leaves without a word: the exception that its own code has caught."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, TERM, frame, request, start

EXITING = "[2026-11-27 09:00:01 +0000] [11] [INFO] Worker exiting (pid: 11)\n"
CODE = "[2026-11-27 09:00:01 +0000] [10] [ERROR] Worker (pid:11) exited with code 1\n"
LOST = (
    'Start-up error: (psycopg2.OperationalError) connection to server at "db", port 5432 failed: Connection refused\n'
)


@pytest.mark.parametrize("end", [EXITING, CODE, EXITING + CODE])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (LOST, "db-unreachable"),
        ("DB error: (1045, \"Access denied for user 'books'@'web' (using password: YES)\")\n", "db-auth-failed"),
        (
            "geheim: An error occurred (AccessDeniedException) when calling the GetSecretValue operation: no policy\n",
            "backend-unavailable",
        ),
        ("\u274c Failed to connect to the queue at mq:5672: timed out\n", "backend-unavailable"),
        ("Error: Could not connect to redis at redis:6379\n", "backend-unavailable"),
        ("error: DATABASE_URL environment variable is not set\n", "env-config"),
    ],
)
def test_a_worker_that_prints_why_and_exits(line: str, expected: str, end: str):
    """No traceback, no level: the line is all there is."""
    assert classes(told(start() + line + end)) == [(expected, 1)]


@pytest.mark.parametrize(
    "log",
    [
        start() + LOST,
        start() + LOST + GET + TERM + EXITING.replace("09:00:01", "09:05:00"),
        start() + LOST + TERM + EXITING.replace("09:00:01", "09:05:00"),
        start() + "Something is odd here\n" + EXITING,
        start() + "Failed to connect to redis, falling back to memory\n" + EXITING,
    ],
)
def test_an_app_that_goes_on_has_only_grumbled(log: str):
    """It serves, or is told to stop; or what it said need not have ended it."""
    assert classes(told(log)) == []


def test_a_paste_that_begins_within_a_line():
    """Its first line lacks what the carrier writes before each, and is still the one before the next."""
    carried = "2026-11-27T09:00:{second:02}.5+00:00 app[web.1]: {text}\n"
    lines = [
        "[2026-11-27 09:00:02 +0000] [54] [INFO] Worker exiting (pid: 54)",
        "[2026-11-27 09:00:03 +0000] [74] [INFO] Booting worker with pid: 74",
        "[2026-11-27 09:00:04 +0000] [74] [ERROR] Exception in worker process",
        "Traceback (most recent call last):",
        '  File "/app/lib/python3.12/site-packages/gunicorn/arbiter.py", line 608, in spawn_worker',
        "    worker.init_process()",
    ]
    first = 'asyncpg.exceptions.InvalidCatalogNameError: database "books" does not exist\n'
    log = first + "".join(carried.format(second=at, text=text) for at, text in enumerate(lines))
    assert [name for name, _ in classes(told(log))] == ["db-auth-failed"]


WAITED = "wait-for-it.sh: timeout occurred after waiting 15 seconds for db:5432\n"


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        (WAITED, "db-unreachable"),
        ("Postgres is unavailable - sleeping\n" * 4, "db-unreachable"),
        ("db:5432 - no response\n" * 2, "db-unreachable"),
        ("Timeout after 30s waiting on dependencies to become available: [tcp://cache:6379]\n", "backend-unavailable"),
    ],
)
def test_a_script_that_waits_in_vain(log: str, expected: str):
    """No server was ever started."""
    assert [name for name, _ in classes(told(log))] == [expected]


@pytest.mark.parametrize(
    "log",
    [
        WAITED + start(),
        "Postgres is unavailable - sleeping\nPostgres is up - executing command\n",
        "Postgres is unavailable - sleeping\n" + start() + GET + TERM,
        "worker-1  | Redis is unavailable - sleeping\nweb-1  | " + GET + "web-1  | " + TERM.splitlines()[0] + "\n",
    ],
)
def test_a_script_that_did_not_wait_in_vain(log: str):
    """What it waited for came, or a server runs all the same."""
    assert classes(told(log)) == []


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-27 09:00:01.123 | ERROR    | shop.db:connect:12 - Could not connect to the database: refused\n",
        "2026-11-27 09:00:01 [error    ] database is not reachable: connection refused [shop.db]\n",
    ],
)
def test_the_last_error_in_the_forms_of_other_loggers(line: str):
    """Loguru's level is no container's name, and structlog writes its own in small letters."""
    failed = "[2026-11-27 09:00:02 +0000] [10] [ERROR] Reason: Worker failed to boot.\n"
    assert [name for name, _ in classes(told(start() + line + failed))] == ["db-unreachable"]


AWAY = (
    (
        'psycopg2.OperationalError: could not translate host name "db" to address: Name or service not known',
        "db-unreachable",
    ),
    ("pymysql.err.OperationalError: (1045, \"Access denied for user 'books'@'web'\")", "db-auth-failed"),
    (
        "redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused.",
        "backend-unavailable",
    ),
)
ERROR = GET.replace(" 200 ", " 500 ")
ASKED = frame("/venv/lib/python3.12/site-packages/flask/app.py", "wsgi_app", "response = self.full_dispatch_request()")


@pytest.mark.parametrize(("error", "expected"), AWAY)
def test_no_request_is_answered(error: str, expected: str):
    """Where each of them raises, and of the same, the server is up and of no use."""
    trace = (
        "[2026-11-27 09:02:00,123] ERROR in app: Exception on / [GET]\n"
        f"Traceback (most recent call last):\n{ASKED}{error}\n"
    )
    for log in (start() + trace, trace, start() + (trace + ERROR) * 3, start() + trace + TERM):
        assert [name for name, _ in classes(told(log))] == [expected]
    for log in (start() + trace + ERROR + GET, start() + GET + trace + ERROR + GET, request(error)):
        assert classes(told(log)) == []


@pytest.mark.parametrize(("error", "expected"), AWAY)
def test_no_request_is_answered_any_more(error: str, expected: str):
    """It was well before; what a health check or a picture gets since then says nothing of the database."""
    trace = (
        "[2026-11-27 09:02:00,123] ERROR in app: Exception on / [GET]\n"
        f"Traceback (most recent call last):\n{ASKED}{error}\n"
    )
    health = GET.replace('"GET / ', '"GET /health ')
    picture = GET.replace('"GET / ', '"GET /static/books.png ')
    for log in (start() + GET + trace, start() + health + trace + ERROR + health + picture):
        assert [name for name, _ in classes(told(log))] == [expected]


def test_what_is_missing_is_told_where_every_request_met_it():
    """A module, a setting or a name that an app asks for late; where anything was answered, it may be one page's."""
    missing = (
        ("ModuleNotFoundError: No module named 'flask_cors'", "dependency-missing"),
        ("django.core.exceptions.ImproperlyConfigured: You must define a 'default' database", "env-config"),
        ("ImportError: cannot import name 'Mapping' from 'collections'", "version-incompatible"),
    )
    for error, expected in missing:
        trace = f"Exception on / [GET]\nTraceback (most recent call last):\n{ASKED}{error}\n"
        assert [name for name, _ in classes(told(start() + trace + ERROR))] == [expected]
        assert classes(told(start() + GET + trace + ERROR)) == []
    scanned = "django.core.exceptions.DisallowedHost: Invalid HTTP_HOST header: '54.93.11.7'. You may need to add it to ALLOWED_HOSTS."
    trace = f"Invalid HTTP_HOST header\nTraceback (most recent call last):\n{ASKED}{scanned}\n"
    assert classes(told(start() + trace + "Bad Request: /\n")) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('FATAL:  password authentication failed for user "books"', "db-auth-failed"),
        ("FATAL:  sorry, too many clients already", "db-too-many-connections"),
    ],
)
def test_what_a_database_says_in_its_own_container(said: str, expected: str):
    """Just before a request fails here; who else is turned away is no matter of this server's."""
    web = "".join(f"web_1  | {line}\n" for line in start().splitlines())
    refused = f"db_1   | 2026-11-27 09:01:00.411 UTC [71] {said}\n"
    failed, answered = f"web_1  | {ERROR}", f"web_1  | {GET}"
    assert [name for name, _ in classes(told(web + refused + failed))] == [expected]
    assert classes(told(web + refused + answered)) == []
    assert classes(told(web + answered + refused + "db_1   | LOG:  checkpoint complete\n" * 10 + failed)) == []


def test_no_request_is_answered_for_an_apps_own_mistake():
    """It is the app's, and was there before it was deployed."""
    trace = f"Exception on / [GET]\nTraceback (most recent call last):\n{ASKED}KeyError: 'price'\n"
    assert classes(told(start() + trace + ERROR)) == []


def test_a_request_of_djangos_whose_line_has_no_level():
    """Its console handler writes nothing before the text."""
    handler = frame(
        "/venv/lib/python3.12/site-packages/django/core/handlers/exception.py", "inner", "get_response(request)"
    )
    head = f"Internal Server Error: /\nTraceback (most recent call last):\n{handler}"
    away = f"{head}{AWAY[0][0]}\n"
    assert classes(told(start() + away + ERROR)) == [("db-unreachable", 1)]
    assert classes(told(start() + away + ERROR + GET)) == []
    table = f'{head}django.db.utils.ProgrammingError: relation "books" does not exist\n'
    assert classes(told(start() + GET + table + ERROR)) == [("db-schema-missing", 1)]


def test_a_group_of_exceptions_is_what_its_first_one_is():
    """The group only counts them, whoever says its head."""
    group = (
        "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/srv/shop/main.py", line 5, in lifespan\n  |     async with asyncio.TaskGroup() as group:\n'
        "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n"
        "  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n"
        '    |   File "/srv/shop/main.py", line 9, in begin\n    |     await connect()\n'
        '    | asyncpg.exceptions.InvalidPasswordError: password authentication failed for user "books"\n'
        "    +------------------------------------\n"
    )
    raised = "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process\n"
    failed = "[2026-11-27 09:00:02 +0000] [10] [ERROR] Reason: Worker failed to boot.\n"
    uvicorns = f"ERROR:    {group}\nERROR:    Application startup failed. Exiting.\n"
    for log in (start() + raised + group + failed, start() + uvicorns + failed, group):
        assert [name for name, _ in classes(told(log))] == ["db-auth-failed"]
