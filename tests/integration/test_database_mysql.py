"""The check database against a real MariaDB, through PyMySQL and mysqlclient."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.integration.asking import ask
from tests.integration.servers import HOST, LIMIT, Mariadb, running_mariadb

MODULES = {"mysql+pymysql": "pymysql", "mysql+mysqldb": "MySQLdb"}


@pytest.fixture(params=MODULES)
def scheme(request: pytest.FixtureRequest) -> str:
    """A URL scheme whose driver is installed."""
    module = MODULES[request.param]
    pytest.importorskip(module, reason=f"{module} is not installed")
    return request.param


@pytest.fixture
def url(scheme: str, mariadb: Mariadb) -> Callable[..., str]:
    """Return URLs of the user app to the database app, unless told otherwise."""

    def made(*, port: int | None = None, **parts: str) -> str:
        text = mariadb.url(scheme, **parts)
        return text if port is None else text.replace(f":{mariadb.port}/", f":{port}/")

    return made


def test_a_database_that_is_fine_passes_every_phase(url, scheme):
    """Each phase is a checkpoint of its own, and what later checks need is left as facts."""
    answer = ask(url(), privileges=("connect", "usage", "create", "write", "temporary"), ddl="create-drop")

    assert answer.findings == []
    passed = {name for name, outcome in answer.outcomes.items() if outcome == "passed"}
    assert passed >= {
        "database.tcp",
        "database.login",
        "database.select",
        "database.version",
        "database.privilege.create",
        "database.privilege.write",
        "database.privilege.temporary",
        "database.connections",
        "database.writable",
        "database.commit",
        "database.rollback",
        "database.create_drop",
    }
    assert answer.detail("database.login")["driver"] == MODULES[scheme]
    assert answer.facts["database.max_connections"] == 20
    assert answer.facts["database.idle_timeout_s"] == 28800
    assert answer.facts["database.server_version"].startswith("MariaDB ")


def test_encryption_is_told(url, scheme):
    """What was negotiated is in the checkpoint, and can be demanded."""
    encrypted = ask(url(query="" if scheme == "mysql+pymysql" else "ssl_mode=REQUIRED"), require_tls=True)

    assert encrypted.errors == []
    assert encrypted.detail("database.tls")["protocol"].startswith("TLSv1.")


def test_encryption_can_be_demanded(mariadb):
    """Mysqlclient uses TLS only if it is told to: require_tls makes that an error."""
    pytest.importorskip("MySQLdb", reason="mysqlclient is not installed")
    answer = ask(mariadb.url("mysql+mysqldb"), require_tls=True)

    assert answer.errors == ["BC216"]
    assert answer.outcomes["database.tls"] == "failed"


def test_nothing_is_left_in_the_database(url, mariadb):
    """No table and no session remains of a whole run, and the host has not come nearer to being blocked."""
    tables = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'bootcheck%'"
    aborted = "SHOW GLOBAL STATUS LIKE 'Aborted_connects'"
    before = mariadb.sql(aborted)
    ask(url(), ddl="create-drop")

    assert mariadb.sql(tables) == [(0,)]
    assert mariadb.sql(aborted) == before


def test_a_refused_connection_is_named(url, closed_port):
    """Nobody listens: BC210."""
    answer = ask(url(port=closed_port))

    assert answer.errors == ["BC210"]
    assert answer.outcomes["database.tcp"] == "failed"
    assert str(closed_port) in answer.findings[0].summary


def test_a_name_that_does_not_resolve_is_named(scheme):
    """A host that does not exist: BC211."""
    answer = ask(f"{scheme}://app:hunter22@no-such-host.invalid/app", "hunter22")

    assert answer.errors == ["BC211"]


def test_a_mute_server_costs_the_timeout_and_no_more(url, mute_server):
    """A server that accepts and never answers: BC212 after the timeout, at most one second later."""
    started = time.monotonic()
    answer = ask(url(port=mute_server), connect_timeout=1.5)
    took = time.monotonic() - started

    assert answer.errors == ["BC212"]
    assert "accepts the connection" in answer.findings[0].summary
    assert 1.4 < took < 2.5


def test_a_wrong_password_is_named(url):
    """BC213 with the error number, and no password anywhere."""
    answer = ask(url(password="not the right one 77"), "not the right one 77")

    assert answer.errors == ["BC213"]
    assert "error 1045" in [item.text for item in answer.findings[0].evidence]


def test_a_missing_database_is_named(url):
    """A user who may see every database hears that this one is not there: BC214."""
    answer = ask(url(user="boss", database="nowhere"))

    assert answer.errors == ["BC214"]
    assert "nowhere" in answer.findings[0].summary


def test_a_database_that_the_user_may_not_use_is_named(url):
    """The server tells others only that they may not: BC218."""
    answer = ask(url(database="other"))

    assert answer.errors == ["BC218"]
    assert "other" in answer.findings[0].summary


def test_a_reached_limit_of_the_account_is_named(url, mariadb):
    """An account that may connect once, and is connected: BC215."""
    held = mariadb.connect("limited", "app")
    try:
        answer = ask(url(user="limited"))
    finally:
        held.close()

    assert answer.errors == ["BC215"]
    assert answer.findings[0].rule.transient


def test_the_servers_own_limit_is_named(scheme, crowded):
    """All of the server's slots are taken: it says so in its first packet."""
    pymysql = pytest.importorskip("pymysql", reason="PyMySQL is not installed")
    held = []
    try:
        with contextlib.suppress(pymysql.OperationalError):
            held.extend(crowded.connect("app", "app") for _ in range(20))
        answer = ask(crowded.url(scheme))
    finally:
        for connection in held:
            connection.close()

    assert answer.errors == ["BC215"]
    assert "error 1040" in [item.text for item in answer.findings[0].evidence]


def test_an_account_that_demands_tls_is_told_from_a_wrong_password(mariadb):
    """MariaDB refuses it with the same words (1045); a second login with TLS shows the difference."""
    pytest.importorskip("MySQLdb", reason="mysqlclient is not installed")
    answer = ask(mariadb.url("mysql+mysqldb", user="tls_only"))

    assert answer.errors == ["BC216"]
    assert "TLS only" in answer.findings[0].summary
    assert ask(mariadb.url("mysql+mysqldb", user="tls_only", query="ssl_mode=REQUIRED")).errors == []


def test_a_missing_authority_is_named(url, tmp_path):
    """A certificate's file that is not there: BC216, not a missing server."""
    answer = ask(url(query=f"ssl_ca={tmp_path}/missing.pem"))

    assert answer.errors == ["BC216"]


def test_missing_privileges_are_named_when_asked_for(url):
    """A user that may only read: two errors when the app needs more, information when nobody asked."""
    answer = ask(url(user="reader"), privileges=("create", "write"))

    assert answer.errors == ["BC218", "BC218"]
    assert answer.outcomes["database.privilege.create"] == "failed"
    assert ask(url(user="reader")).codes == [("BC218", "info"), ("BC218", "info")]


def test_creating_a_table_that_is_not_allowed_is_named(url, mariadb):
    """ddl="create-drop" of a user without the privilege fails, and leaves nothing."""
    answer = ask(url(user="reader"), ddl="create-drop")

    assert answer.outcomes["database.create_drop"] == "failed"
    assert set(answer.errors) == {"BC218"}


def test_a_server_that_only_reads_is_named(scheme, crowded):
    """read_only: BC219, unless the account may write all the same or reading is all that the app does."""
    crowded.sql("SET GLOBAL read_only = 1")
    try:
        answer = ask(crowded.url(scheme))
        allowed = ask(crowded.url(scheme), read_only_ok=True)
        boss = ask(crowded.url(scheme, user="boss"))
    finally:
        crowded.sql("SET GLOBAL read_only = 0")

    assert answer.errors == ["BC219"]
    assert answer.outcomes["database.writable"] == "failed"
    assert allowed.errors == []
    assert boss.errors == []


def test_a_unix_socket_is_used(scheme, mariadb):
    """unix_socket= leads past name and TCP."""
    answer = ask(mariadb.url(scheme).replace(f"{HOST}:{mariadb.port}", "") + f"?unix_socket={mariadb.socket}")

    assert answer.errors == []
    assert answer.outcomes["database.socket"] == "passed"
    assert answer.outcomes["database.tls"] == "skipped"


def test_a_missing_socket_is_named(scheme, tmp_path):
    """No socket at the path: BC210 with the path."""
    answer = ask(f"{scheme}://app:hunter22@/app?unix_socket={tmp_path}/s.sock", "hunter22")

    assert answer.errors == ["BC210"]
    assert str(tmp_path) in answer.findings[0].summary


def test_a_url_without_a_database_is_asked_what_can_be_asked(url):
    """Without a database nothing can be created; the rest is asked."""
    answer = ask(url(database=""))

    assert answer.errors == []
    assert answer.outcomes["database.connections"] == "passed"


def test_a_server_that_is_not_ready_is_named(scheme, not_ready):
    """A first packet with error 1047, as a Galera node that joins gives it: BC217, which waiting may cure."""
    answer = ask(f"{scheme}://app:hunter22@{HOST}:{not_ready}/app", "hunter22")

    assert answer.errors == ["BC217"]
    assert answer.findings[0].rule.transient


def test_waiting_repeats_what_time_may_cure(url, closed_port):
    """A refused connection is tried again until the wait is over."""
    answer = ask(url(port=closed_port), wait=0.5)

    assert answer.errors == ["BC210"]
    assert answer.count("database.retry", "passed") >= 1
    assert answer.count("database.retry", "passed") < LIMIT


@pytest.fixture(scope="module")
def crowded() -> Iterator[Mariadb]:
    """A MariaDB of this module alone, whose global settings may be changed."""
    with running_mariadb("--max-connections=10") as server:
        yield server


@pytest.fixture
def not_ready() -> Iterator[int]:
    """The port of a server that sends an error as its first packet, as MySQL does before the login."""
    body = b"\xff" + (1047).to_bytes(2, "little") + b"#08S01WSREP is not ready"
    packet = len(body).to_bytes(3, "little") + b"\0" + body
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(10)

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(packet)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT)
