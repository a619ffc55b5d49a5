"""The check database against a real PostgreSQL, through psycopg, psycopg2 and our own protocol."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from bootcheck.checks.databases import pg_drivers
from tests.integration.asking import ask
from tests.integration.servers import (
    HOST,
    LIMIT,
    PASSWORD,
    Postgres,
    free_port,
    german_messages,
    listens,
    make_certificate,
    running_postgres,
)

DRIVERS = ["postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg"]


@pytest.fixture(params=DRIVERS)
def scheme(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A URL scheme; for asyncpg neither psycopg is there, so the check speaks the protocol itself."""
    driver = request.param.partition("+")[2]
    if driver == "asyncpg":
        monkeypatch.setattr(pg_drivers, "PREFERENCE", ())
    else:
        pytest.importorskip(driver, reason=f"{driver} is not installed")
    return request.param


@pytest.fixture
def url(scheme: str, postgres: Postgres):
    """Return URLs of the user app to the database app, unless told otherwise."""

    def made(**parts: object) -> str:
        return postgres.url(scheme, **{"user": "app", "database": "app", **parts})

    return made


def test_a_database_that_is_fine_passes_every_phase(url, scheme):
    """Each phase is a checkpoint of its own, and what later checks need is left as facts."""
    answer = ask(url(), privileges=("connect", "usage", "create", "write", "temporary"), ddl="create-drop")

    assert answer.findings == []
    passed = {name for name, outcome in answer.outcomes.items() if outcome == "passed"}
    assert passed == {
        "check.database",
        "database.tcp",
        "database.login",
        "database.select",
        "database.version",
        "database.tls",
        "database.privilege.connect",
        "database.privilege.usage",
        "database.privilege.create",
        "database.privilege.write",
        "database.privilege.temporary",
        "database.connections",
        "database.writable",
        "database.commit",
        "database.rollback",
        "database.create_drop",
    }
    assert answer.detail("database.login")["driver"] == {"asyncpg": "bootcheck"}.get(
        scheme.partition("+")[2], scheme.partition("+")[2]
    )
    assert answer.detail("database.tls")["protocol"].startswith("TLSv1.")
    assert answer.facts["database.max_connections"] == 38
    assert answer.facts["database.pooler"] is False
    assert answer.facts["database.server_version"].startswith("PostgreSQL ")
    assert answer.facts["database.port"] > 0


def test_nothing_is_left_in_the_database(url, postgres):
    """No table, no schema and no session remains of a whole run."""
    none = [(0,)]
    objects = "SELECT (SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_namespace)"
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bootcheck'"

    def settled(query: str, expected: list[tuple]) -> list[tuple]:
        deadline = time.monotonic() + LIMIT
        while (found := postgres.sql(query, database="app")) != expected and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    # The server ends a session a moment after its client: that of an earlier test may still be there.
    assert settled(sessions, none) == none
    before = postgres.sql(objects, database="app")
    ask(url(), ddl="create-drop")

    assert settled(objects, before) == before
    assert settled(sessions, none) == none


def test_a_refused_connection_is_named(url, closed_port):
    """Nobody listens: BC210, and the login is not tried."""
    answer = ask(url(port=closed_port))

    assert answer.errors == ["BC210"]
    assert answer.outcomes["database.tcp"] == "failed"
    assert "database.login" not in answer.outcomes
    assert str(closed_port) in answer.findings[0].summary


def test_a_name_that_does_not_resolve_is_named(scheme):
    """A host that does not exist: BC211."""
    answer = ask(f"{scheme}://app:hunter22@no-such-host.invalid/app", "hunter22")

    assert answer.errors == ["BC211"]
    assert answer.outcomes["database.dns"] == "failed"
    assert "no-such-host.invalid" in answer.findings[0].summary


def test_a_mute_server_costs_the_timeout_and_no_more(url, mute_server):
    """A server that accepts and never answers: BC212 after the timeout, at most one second later."""
    started = time.monotonic()
    answer = ask(url(port=mute_server), connect_timeout=1.5)
    took = time.monotonic() - started

    assert answer.errors == ["BC212"]
    assert answer.outcomes["database.tcp"] == "passed"
    assert answer.outcomes["database.login"] == "failed"
    assert 1.4 < took < 2.5


@pytest.mark.parametrize("user", ["app", "md5_user", "plain_user"])
def test_a_wrong_password_is_named(url, user):
    """Whatever kind of login the server asks for: BC213 with the SQLSTATE, and no password anywhere."""
    answer = ask(url(user=user, password="not the right one 77"), "not the right one 77")

    assert answer.errors == ["BC213"]
    assert user in answer.findings[0].summary
    assert "SQLSTATE 28P01" in [item.text for item in answer.findings[0].evidence]


@pytest.mark.parametrize("user", ["md5_user", "plain_user", "trusted"])
def test_every_kind_of_login_works(url, user):
    """MD5, plain and trusted logins pass as SCRAM does."""
    assert ask(url(user=user)).outcomes["database.select"] == "passed"


def test_a_missing_password_is_told_from_a_wrong_one(url, postgres, scheme):
    """The server asks for a password that the URL does not have."""
    answer = ask(f"{scheme}://app@{postgres.host}:{postgres.port}/app")

    assert answer.errors == ["BC213"]
    assert "has none" in answer.findings[0].summary


def test_a_missing_database_is_named(url):
    """The login is right and the database is not there: BC214."""
    answer = ask(url(database="nowhere"))

    assert answer.errors == ["BC214"]
    assert "nowhere" in answer.findings[0].summary


def test_a_reached_limit_is_named(url, postgres):
    """A role that may connect once, and is connected: BC215, which waiting may cure."""
    with postgres.connect("app", "limited"):
        answer = ask(url(user="limited"))

    assert answer.errors == ["BC215"]
    assert answer.findings[0].rule.transient


def test_the_servers_own_limit_is_named(scheme):
    """All of the server's slots are taken: refused before the login."""
    with running_postgres("max_connections=4", "superuser_reserved_connections=0") as server:
        held = [server.connect() for _ in range(4)]
        try:
            answer = ask(server.url(scheme))
        finally:
            for connection in held:
                connection.close()

        assert answer.errors == ["BC215"]
        assert "SQLSTATE 53300" in [item.text for item in answer.findings[0].evidence]


def test_few_free_connections_are_a_warning(url):
    """Fewer free connections than workers: a warning before it becomes an outage."""
    answer = ask(url(), workers=500)

    assert ("BC215", "warning") in answer.codes
    assert answer.errors == []


def test_a_login_that_needs_tls_is_told_from_a_wrong_password(url):
    """The same refusal (28000) means want of encryption here: BC216."""
    answer = ask(url(user="tls_only", query="sslmode=disable"))

    assert answer.errors == ["BC216"]
    assert "TLS only" in answer.findings[0].summary
    assert ask(url(user="tls_only")).errors == []


def test_a_certificate_that_does_not_verify_is_named(url, tmp_path, postgres):
    """verify-full with the wrong authority fails, with the right one passes."""
    other = tmp_path / "other.crt"
    other.write_text(_another_certificate(tmp_path))
    answer = ask(url(query=f"sslmode=verify-full&sslrootcert={other}"))

    assert answer.errors == ["BC216"]
    right = ask(url(query=f"sslmode=verify-full&sslrootcert={postgres.certificate}"))
    assert right.errors == []
    assert right.outcomes["database.tls"] == "passed"


def test_a_missing_authority_is_named(url, tmp_path):
    """The file of the authority is not there: its name is in the finding."""
    missing = tmp_path / "missing.crt"
    answer = ask(url(query=f"sslmode=verify-full&sslrootcert={missing}"))

    assert answer.errors == ["BC216"]
    assert str(missing) in answer.findings[0].summary


def test_encryption_can_be_demanded(url):
    """require_tls turns an unencrypted connection into an error."""
    answer = ask(url(query="sslmode=disable"), require_tls=True)

    assert answer.errors == ["BC216"]
    assert answer.outcomes["database.tls"] == "failed"
    assert ask(url(query="sslmode=disable")).errors == []


def test_missing_privileges_are_named_when_asked_for(url):
    """A user that may only read: two errors when the app needs more, information when nobody asked."""
    answer = ask(url(user="reader"), privileges=("create", "write"))

    assert answer.errors == ["BC218", "BC218"]
    assert answer.outcomes["database.privilege.create"] == "failed"
    assert answer.outcomes["database.privilege.write"] == "failed"
    assert "account" in answer.findings[1].summary
    unasked = ask(url(user="reader"))
    assert unasked.codes == [("BC218", "info"), ("BC218", "info")]
    assert unasked.outcomes["database.privilege.create"] == "skipped"


def test_a_database_that_admits_others_only_is_named(url):
    """The login is right, the database is there, and the user may not use it: BC218."""
    answer = ask(url(user="reader", database="closed"))

    assert answer.errors == ["BC218"]
    assert "closed" in answer.findings[0].summary


def test_creating_a_table_that_is_not_allowed_is_named(url):
    """ddl="create-drop" of a user without the privilege fails in both places, and the session still ends well."""
    answer = ask(url(user="reader"), ddl="create-drop")

    assert answer.errors == ["BC218", "BC218"]
    assert answer.outcomes["database.create_drop"] == "failed"


def test_a_session_that_only_reads_is_named(url):
    """default_transaction_read_only: BC219, unless reading is all that the app does."""
    answer = ask(url(user="careful"))

    assert answer.errors == ["BC219"]
    assert answer.outcomes["database.writable"] == "failed"
    assert answer.outcomes["database.commit"] == "skipped"
    allowed = ask(url(user="careful"), read_only_ok=True)
    assert allowed.errors == []
    assert allowed.outcomes["database.writable"] == "passed"


def test_a_standby_is_named(standby, scheme):
    """A server in recovery answers queries and cannot be written: BC219."""
    answer = ask(standby.url(scheme))

    assert answer.errors == ["BC219"]
    assert "standby" in answer.findings[0].summary
    assert ask(standby.url(scheme), read_only_ok=True).errors == []


def test_a_server_that_is_starting_is_named(starting, scheme):
    """A server that accepts connections and is not ready yet: BC217, which waiting may cure."""
    answer = ask(starting.url(scheme))

    assert answer.errors == ["BC217"]
    assert answer.findings[0].rule.transient
    assert "SQLSTATE 57P03" in [item.text for item in answer.findings[0].evidence]


def test_a_server_that_answers_in_german_is_understood(german, scheme):
    """The conclusions go by SQLSTATE; the German words are evidence."""
    wrong = ask(german.url(scheme, password="falsch"))
    missing = ask(german.url(scheme, database="nirgendwo"))

    assert [wrong.errors, missing.errors] == [["BC213"], ["BC214"]]
    assert any("existiert nicht" in item.text for item in missing.findings[0].evidence)
    assert any("fehlgeschlagen" in item.text for item in wrong.findings[0].evidence)


def test_another_kind_of_server_is_named(url, mariadb):
    """A MariaDB at the port is no PostgreSQL, and no wrong password."""
    answer = ask(url(port=mariadb.port))

    assert answer.errors == ["BC220"]
    assert "no PostgreSQL" in answer.findings[0].summary


def test_a_server_that_hangs_up_is_named(url):
    """A proxy without a server behind it accepts and closes."""
    with _hanging_up() as port:
        answer = ask(url(port=port))

    assert answer.errors == ["BC220"]
    assert "closes the connection" in answer.findings[0].summary


def test_an_option_that_libpq_does_not_know_is_named(url, scheme):
    """An option of another tool in the URL breaks the driver, not the login: the driver's words are evidence."""
    if scheme.endswith("asyncpg"):
        pytest.skip("our own protocol knows no options of libpq")
    answer = ask(url(query="schema=public"))

    assert answer.errors == ["BC220"]
    assert any('"schema"' in item.text for item in answer.findings[0].evidence)


def test_a_unix_socket_is_used(postgres, scheme):
    """A folder as host means the socket in it; name and TCP are skipped."""
    answer = ask(f"{scheme}:///app?host={postgres.socket_folder}&port={postgres.port}&user=app")

    assert answer.errors == []
    assert answer.outcomes["database.socket"] == "passed"
    assert answer.outcomes["database.tls"] == "skipped"


def test_a_missing_socket_is_named(scheme, tmp_path):
    """No socket in the folder: BC210 with the path."""
    answer = ask(f"{scheme}:///app?host={tmp_path}&user=app")

    assert answer.errors == ["BC210"]
    assert str(tmp_path) in answer.findings[0].summary


def test_of_several_hosts_the_dead_one_is_a_warning(postgres, scheme, closed_port):
    """The first of two hosts refuses: the second is used, and the first is said."""
    credentials = postgres.url(user="app").partition("://")[2].rpartition("@")[0]
    answer = ask(f"{scheme}://{credentials}@/app?host={HOST}:{closed_port}&host={HOST}:{postgres.port}")

    assert answer.codes == [("BC210", "warning")]
    assert str(closed_port) in answer.findings[0].summary


def test_waiting_outlasts_a_server_that_comes_later(scheme, postgres):
    """wait= tries again with growing pauses, and says each time why."""
    port = free_port()
    with _Relay(port, postgres.port, after=1.0):
        answer = ask(postgres.url(scheme, user="app", database="app", port=port), wait=LIMIT)

    assert answer.errors == []
    assert answer.outcomes["database.wait"] == "passed"
    assert answer.detail("database.wait")["attempts"] >= 2
    assert answer.count("database.retry", "passed") >= 1
    assert answer.detail("database.retry")["after"] == "BC210"
    pauses = [
        record["detail"]["pause_s"]
        for record in answer.records
        if record["t"] == "checkpoint" and record["name"] == "database.retry"
    ]
    assert pauses == sorted(pauses)


def test_waiting_does_not_repeat_what_time_cannot_cure(url):
    """A wrong password is asked once, whatever the wait."""
    answer = ask(url(password="not the right one 77"), wait=LIMIT)

    assert answer.errors == ["BC213"]
    assert answer.detail("database.wait")["attempts"] == 1
    assert answer.count("database.retry", "passed") == 0


def test_waiting_ends(url, closed_port):
    """A server that never comes is given up when the wait is over."""
    answer = ask(url(port=closed_port), wait=0.5)

    assert answer.errors == ["BC210"]
    assert answer.outcomes["database.wait"] == "failed"


def test_a_pooler_that_lets_in_and_answers_no_query_is_named(url):
    """The login succeeds and SELECT 1 waits for ever: BC212 that says so, not a hang."""
    with _pooler_without_server() as port:
        started = time.monotonic()
        answer = ask(url(port=port, query="sslmode=disable"), connect_timeout=1)

    assert answer.errors == ["BC212"]
    assert answer.outcomes["database.login"] == "passed"
    assert answer.outcomes["database.select"] == "failed"
    assert time.monotonic() - started < LIMIT


def test_facts_are_json(url):
    """Facts cross a pipe to the workers."""
    assert json.loads(json.dumps(ask(url()).facts))["database.connections_in_use"] >= 0


@pytest.fixture(scope="module")
def standby() -> Iterator[Postgres]:
    """A server in recovery that accepts readers: a standby whose primary is silent."""
    # A standby must allow for as many connections as its primary did.
    settings = ("hot_standby=on", "wal_level=replica", "max_connections=100", "max_wal_senders=10")
    with running_postgres(*settings, prepare=_make_standby) as server:
        yield server


@pytest.fixture(scope="module")
def starting() -> Iterator[Postgres]:
    """A real server that accepts connections and answers 57P03: in recovery, closed to readers."""
    with running_postgres("hot_standby=off", prepare=_make_standby, answers=False) as server:
        yield server


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A server whose messages are German."""
    with tempfile.TemporaryDirectory(prefix="bootcheck-locale-") as folder:
        os.chmod(folder, 0o755)
        environ = german_messages(folder)
        with running_postgres("lc_messages=de_DE.UTF-8", environ=environ) as server:
            yield server


def _make_standby(data: str) -> None:
    with open(os.path.join(data, "standby.signal"), "wb"):
        pass


def _another_certificate(folder: object) -> str:
    path, _ = make_certificate(str(folder), "elsewhere")
    with open(path, encoding="ascii") as file:
        return file.read()


class _Relay:
    """Listens at a port after a while, and passes everything on to another one."""

    def __init__(self, port: int, target: int, *, after: float) -> None:
        self._port = port
        self._target = target
        self._open: list[socket.socket] = [socket.socket()]
        self._threads: list[threading.Thread] = [threading.Timer(after, self._serve)]

    def __enter__(self) -> None:
        self._threads[0].start()

    def __exit__(self, *exc: object) -> None:
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LIMIT)
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        listener = self._open[0]
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, self._port))
        listener.listen(10)
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection((HOST, self._target))
            self._open += [client, server]
            for ends in ((client, server), (server, client)):
                self._threads.append(threading.Thread(target=_pump, args=ends))
                self._threads[-1].start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class _Scripted:
    """A server that does one thing with each connection, in a thread."""

    def __init__(self, act: Callable[[socket.socket], None]) -> None:
        self._act = act
        self._listener = socket.socket()
        self._open: list[socket.socket] = []

    def __enter__(self) -> int:
        self._listener.bind((HOST, 0))
        self._listener.listen(10)
        threading.Thread(target=self._serve, daemon=True).start()
        port = int(self._listener.getsockname()[1])
        assert listens(port)
        return port

    def __exit__(self, *exc: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            with contextlib.suppress(OSError):
                self._act(connection)


def _hanging_up() -> _Scripted:
    return _Scripted(lambda connection: connection.close())


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _pooler_without_server() -> _Scripted:
    status = {"client_encoding": "UTF8", "server_version": "15.0", "DateStyle": "ISO, MDY"}

    def act(connection: socket.socket) -> None:
        if not connection.recv(1024):
            return
        parameters = [_message(b"S", f"{name}\0{value}\0".encode()) for name, value in status.items()]
        key = _message(b"K", struct.pack("!ii", 7, 7))
        connection.sendall(_message(b"R", struct.pack("!i", 0)) + b"".join(parameters) + key + _message(b"Z", b"I"))

    return _Scripted(act)


def test_the_password_of_the_tests_breaks_what_does_not_quote():
    """The password holds what URLs, shells and SQL need quoted, and something beyond ASCII."""
    assert {"@", ":", "/", "%", " "} < set(PASSWORD)
    assert not PASSWORD.isascii()
