"""What clients of databases and services say, whole and cut down to the exception's own line."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, GET, TERM, raising, request, start

RAISED = "[2026-11-27 09:00:01 +0000] [11] [ERROR] Exception in worker process\n"
BY_CLASS = {
    "db-auth-failed": (
        "psycopg2.errors.InsufficientPrivilege: permission denied for table orders",
        "pymongo.errors.OperationFailure: Authentication failed.",
        "mongoengine.connection.ConnectionFailure: Cannot connect to database default : Authentication failed.",
        "prisma.errors.PrismaError: P1000: Authentication failed against database server at `db`",
        "influxdb_client.rest.ApiException: (401)",
        "psycopg2.OperationalError: FATAL:  server login has been failing, try again later (server_login_retry)",
        'django.db.utils.ProgrammingError: permission denied to create extension "hstore"',
    ),
    "db-too-many-connections": (
        "psycopg2.OperationalError: FATAL:  Max client connections reached",
        "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out",
        "mysql.connector.errors.PoolError: Failed getting connection; pool exhausted",
        "oracledb.exceptions.DatabaseError: DPY-4005: timed out waiting for the connection pool",
    ),
    "db-schema-missing": (
        'django.db.utils.ProgrammingError: table "orders" does not exist',
        "alembic.util.exc.CommandError: Target database is not up to date.",
        "prisma.errors.TableNotFoundError: The table `public.Order` does not exist in the current database.",
        "psycopg2.errors.UndefinedFunction: function uuid_generate_v4() does not exist",
    ),
    "db-unreachable": (
        "prisma.errors.PrismaError: P1001: Can't reach database server at `db:5432`",
        "psycopg2.OperationalError: ERROR:  pgbouncer cannot connect to server",
        "pymongo.errors.AutoReconnect: connection closed",
    ),
    "backend-unavailable": (
        "keycloak.exceptions.KeycloakConnectionError: Can't connect to server (HTTPConnectionPool(host='sso'))",
        "pysolr.SolrError: Failed to connect to server at 'http://solr:8983/solr/shop'",
        "google.api_core.exceptions.Unauthenticated: 401 Request had invalid authentication credentials.",
        "botocore.errorfactory.NoSuchBucket: An error occurred (NoSuchBucket) when calling the GetObject operation",
        "slack_bolt.error.BoltError: `token` is invalid (auth.test result: {'error': 'invalid_auth'})",
        "chatlib.apihelper.ApiException: A request was unsuccessful. Error code: 401. Description: Unauthorized",
        "shop.errors.ShopError: Could not connect to the price service",
        "ValueError: Could not connect to tenant default_tenant. Are you sure it exists?",
        "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:997)",
    ),
    "app-startup-race": (
        "pymongo.errors.CollectionInvalid: collection shelves already exists",
        "pymongo.errors.DuplicateKeyError: E11000 duplicate key error collection: shop.shelves",
        "elasticsearch.BadRequestError: BadRequestError(400, 'resource_already_exists_exception', 'there')",
        "parcel.errors.ResourceExistsError: The container is there.",
        "cx_Oracle.IntegrityError: ORA-00001: unique constraint (SHOP.SHELVES) violated",
        'psycopg2.errors.DuplicateObject: type "status" already exists',
        "telegram.error.Conflict: Conflict: terminated by other getUpdates request",
        "RuntimeError: Storage folder ./vectors is already accessed by another instance of the client.",
        "FileNotFoundError: [Errno 2] No such file or directory: '/tmp/m/a.new' -> '/tmp/m/a'",
    ),
}
ALL = [pytest.param(name, text, id=f"{name}-{at}") for name, texts in BY_CLASS.items() for at, text in enumerate(texts)]


@pytest.mark.parametrize(("expected", "text"), ALL)
def test_its_words_tell_its_class(expected: str, text: str):
    """In a whole traceback, and where only Gunicorn's word and the exception's line were pasted."""
    assert classes(told(raising(text))) == [(expected, 1)]
    assert classes(told(start() + RAISED + text + "\n" + END)) == [(expected, 1)]
    assert [name for name, _ in classes(told(RAISED + text + "\n"))] == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "werkzeug.exceptions.Unauthorized: 401 Unauthorized: no such user",
        "jinja2.exceptions.TemplateNotFound: orders.html",
        "shop.errors.OutOfStock: status: 3 left",
        "subprocess.TimeoutExpired: Command 'convert' timed out after 5 seconds",
        "AttributeError: 'NoneType' object has no attribute 'connect'",
        "ValueError: invalid response: 401 rows expected, got 3",
    ],
)
def test_other_faults_are_no_services(text: str):
    """A framework's own answers, and mistakes in the code, have similar names and numbers."""
    assert classes(told(raising(text))) == [("app-exception", 1)]


@pytest.mark.parametrize("name", ["db-auth-failed", "backend-unavailable", "app-startup-race"])
def test_one_request_that_met_it_harms_nobody(name: str):
    """The server goes on."""
    for text in BY_CLASS[name]:
        assert classes(told(request(text))) == []


@pytest.mark.parametrize(
    "text", ["ldap.SERVER_DOWN: {'desc': 'down'}", "httpx.ReadTimeout", "smtplib.SMTPServerDisconnected: x"]
)
def test_an_exception_with_an_odd_name_is_expected_after_gunicorns_word(text: str):
    """Its line holds no word that errors have; without that word of Gunicorn's it is nobody's."""
    assert classes(told(start() + RAISED + text + "\n" + END)) == [("backend-unavailable", 1)]
    assert classes(told(start() + GET + text + "\n" + GET + TERM)) == []
