"""What clients of databases and services say, whole and cut down to the exception's own line."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import END, GET, SITE, TERM, frame, raising, request, start

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
        "psycopg2.OperationalError: FATAL:  Passwort-Authentifizierung für Benutzer »books« fehlgeschlagen",
        "psycopg2.OperationalError: FATAL:  le rôle « books » n'existe pas",
        "psycopg2.OperationalError: FATAL:  no existe la base de datos «books»",
        'psycopg2.OperationalError: ВАЖНО:  роль "books" не существует',
        'psycopg2.OperationalError: 致命错误:  数据库 "books" 不存在',
        'psycopg2.OperationalError: FATAL:  autenticação do tipo senha falhou para usuário "books"',
        'psycopg2.OperationalError: FATAL:  ロール"books"は存在しません',
        "pg8000.exceptions.InterfaceError: The server requests password authentication, but no password was provided.",
        "pymongo.errors.OperationFailure: auth failed",
        "neo4j.exceptions.ClientError: {code: Neo.ClientError.Security.AuthenticationRateLimit} {message: too many}",
        "clickhouse_driver.errors.ServerException: Code: 81.\nDB::Exception: Database books doesn't exist.",
        "trino.exceptions.HttpError: error 401: b'Unauthorized'",
        "vertica_python.errors.ConnectionError: Severity: FATAL, Message: Invalid username or password",
        "psycopg2.OperationalError: FATAL:  This RDS Proxy has no credentials for the role books.",
        "MySQLdb.OperationalError: (2061, 'Authentication plugin \\'caching_sha2_password\\' reported error')",
    ),
    "db-too-many-connections": (
        "psycopg2.OperationalError: FATAL:  Max client connections reached",
        "sqlalchemy.exc.TimeoutError: QueuePool limit of size 5 overflow 10 reached, connection timed out",
        "mysql.connector.errors.PoolError: Failed getting connection; pool exhausted",
        "oracledb.exceptions.DatabaseError: DPY-4005: timed out waiting for the connection pool",
        "psycopg2.OperationalError: FATAL:  désolé, trop de clients sont déjà connectés",
        'psycopg2.OperationalError: ВАЖНО:  слишком много подключений для роли "books"',
        "pymysql.err.OperationalError: (9001, 'Max connect timeout reached while reaching hostgroup 0')",
    ),
    "db-schema-missing": (
        'django.db.utils.ProgrammingError: table "orders" does not exist',
        "alembic.util.exc.CommandError: Target database is not up to date.",
        "prisma.errors.TableNotFoundError: The table `public.Order` does not exist in the current database.",
        "psycopg2.errors.UndefinedFunction: function uuid_generate_v4() does not exist",
        "django.db.utils.ProgrammingError: FEHLER:  Spalte »books.price« existiert nicht",
        "django.db.utils.ProgrammingError: no existe la relación «books»",
        'django.db.utils.ProgrammingError: リレーション"books"は存在しません',
        "mysql.connector.errors.ProgrammingError: 1146 (42S02): La table 'books' n'existe pas",
        "duckdb.CatalogException: Catalog Error: Table with name books does not exist!",
        "snowflake.connector.errors.ProgrammingError: 002003 (42S02): Object 'BOOKS' does not exist or not authorized.",
        "RuntimeError: The database is not initialized. Please run `flask db upgrade`.",
    ),
    "db-unreachable": (
        "prisma.errors.PrismaError: P1001: Can't reach database server at `db:5432`",
        "psycopg2.OperationalError: ERROR:  pgbouncer cannot connect to server",
        "pymongo.errors.AutoReconnect: connection closed",
        "psycopg2.OperationalError: Verbindung zum Server auf »db«, Port 5432 fehlgeschlagen: Verbindungsaufbau abgelehnt",
        "psycopg2.OperationalError: no se pudo conectar con el servidor: Conexión rehusada",
        'psycopg2.OperationalError: подключиться к серверу "db", порту 5432 не удалось: В соединении отказано',
        'psycopg2.OperationalError: 连接到服务器 "db" 的端口 5432 失败: 拒绝连接',
        "ibm_db_dbi.ProgrammingError: [IBM][CLI Driver] SQL30081N  A communication error has been detected.",
        "neo4j.exceptions.ServiceUnavailable: Unable to retrieve routing information",
        "neo4j.exceptions.SessionExpired: failed to write",
        "dns.resolver.NXDOMAIN: The DNS query name does not exist: _mongodb._tcp.books.example.net.",
        "RuntimeError: Could not connect to the database after 10 tries",
        "Exception: PostgreSQL is not available",
        "psycopg2.OperationalError: ERROR:  connection is insecure (try using `sslmode=require`)",
        "Exception: DB connection failed after 5 attempts",
        "RuntimeError: Timed out waiting for database",
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
        "RuntimeError: Redis is not available",
        "RuntimeError: the broker at amqp://mq did not respond",
        "Exception: Failed to fetch secrets from Vault: 403",
        "Exception: API request failed with status 502",
        "RuntimeError: RabbitMQ connection failed",
        "ValueError: Invalid response from auth server: 500",
        "Exception: OIDC discovery failed: 404",
        "Exception: Unable to authenticate with the licence office",
        "ValueError: Connection error, and we cannot find the files. Please make sure your Internet connection is on.",
        "tenacity.RetryError: RetryError[<Future at 0x7f state=finished raised ConnectTimeout>]",
        "shop.errors.UpstreamError: the warehouse is silent",
        "kafka.errors.LeaderNotAvailableError: [Error 5] LeaderNotAvailableError",
        "hvac.exceptions.BadGateway: None, on get https://vault:8200/v1/sys/health",
        "pika.exceptions.ChannelClosed: the channel is gone",
        "qdrant_client.http.exceptions.UnexpectedResponse: Unexpected Response: 502",
        "aiogram.exceptions.TelegramRetryAfter: Flood control exceeded",
        'ChatError: {"message": "Invalid config", "error": "BadRequest"}',
        "discord.errors.LoginFailure: Improper token has been passed.",
        "ldap3.core.exceptions.LDAPBindError: automatic bind not successful - invalidCredentials",
        "elasticsearch.AuthenticationException: AuthenticationException(401, 'missing authentication credentials')",
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
        "RuntimeError: no running event loop",
        "RuntimeError: GPU is not available",
        "RuntimeError: Database failed its integrity check",
        "ValueError: Failed to load prices from server.yaml",
        "ValueError: no existe el tipo de libro «tebeo»",
        "RuntimeError: cannot load model: token embedding has another size",
        "RuntimeError: database schema version 401 expected, got 400",
        'psycopg2.errors.SyntaxError: syntax error at or near "FROM"',
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


def test_a_database_that_is_asked_over_http_is_a_database():
    """Its driver's frames say so, where the exception is an HTTP client's."""
    away = "requests.exceptions.ConnectionError: HTTPConnectionPool(host='metrics', port=8086): Max retries exceeded"
    driver = frame(f"{SITE}influxdb/client.py", "request", "response = self._session.request(")
    assert classes(told(raising(away, driver))) == [("db-unreachable", 1)]
    assert classes(told(raising(away, frame("/srv/shop/databases/prices.py")))) == [("backend-unavailable", 1)]
