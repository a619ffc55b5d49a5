"""Our own PostgreSQL protocol against servers that say anything at all."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.checks.databases.failure import Failure
from bootcheck.checks.databases.pg_wire import Login, Refusal, Unsupported, Wire, tls_context

READY = b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I"
LOGIN = Login(user="app", password="hunter22", database="shop", sslmode="disable", server="db:5432")


def message(kind: bytes, body: bytes) -> bytes:
    """Return one message of the protocol."""
    return kind + struct.pack("!i", len(body) + 4) + body


@contextmanager
def talking(act: Callable[[socket.socket], object]) -> Iterator[Wire]:
    """Yield a wire to a server that does one thing in a thread."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)

    def serve() -> None:
        try:
            act(theirs)
        except OSError:
            pass
        theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    wire = Wire(ours)
    try:
        yield wire
    finally:
        wire.close()
        thread.join()


def saying(*answers: bytes) -> Callable[[socket.socket], None]:
    """Return a server that reads once before each answer."""

    def act(connection: socket.socket) -> None:
        for answer in answers:
            connection.recv(65536)
            connection.sendall(answer)

    return act


def test_a_login_and_a_query():
    """Rows come back as texts, NULL as None."""
    row = message(b"D", struct.pack("!h", 2) + struct.pack("!i", 2) + b"ok" + struct.pack("!i", -1))
    with talking(saying(READY, message(b"T", b"\0\0") + row + message(b"C", b"SELECT 1\0") + READY[-6:])) as wire:
        wire.login(LOGIN)

        assert wire.query("SELECT 'ok', NULL") == [("ok", None)]


def test_a_refusal_carries_its_code():
    """The words are the server's, the code is everybody's."""
    refusal = message(b"E", b"SFATAL\0VFATAL\0C28P01\0MPasswort falsch\0\0")
    with talking(saying(refusal)) as wire, pytest.raises(Refusal) as raised:
        wire.login(LOGIN)

    assert (raised.value.sqlstate, raised.value.text) == ("28P01", "Passwort falsch")


def test_a_failed_statement_leaves_the_session_usable():
    """After an error the server is ready again, and so are we."""
    failed = message(b"E", b"SERROR\0C42703\0Mno column\0\0") + READY[-6:]
    fine = message(b"C", b"SELECT 0\0") + READY[-6:]
    with talking(saying(READY, failed, fine)) as wire:
        wire.login(LOGIN)
        with pytest.raises(Refusal):
            wire.query("SELECT x")

        assert wire.query("SELECT") == []


def test_a_password_is_sent_only_when_asked_for():
    """A trusting server never sees it."""
    seen: list[bytes] = []

    def act(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(READY)

    with talking(act) as wire:
        wire.login(LOGIN)

    assert b"hunter22" not in seen[0]
    assert not wire.asked_for_password


def test_a_server_without_tls_fails_a_url_that_demands_it():
    """It never gets the login."""
    with talking(saying(b"N")) as wire, pytest.raises(Failure) as raised:
        wire.login(Login(user="app", sslmode="require", server="db:5432"))

    assert raised.value.code == "BC216"
    assert "db:5432" in raised.value.summary


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "foreign"),
        (b"R\x7f\xff\xff\xff", "foreign"),
        (message(b"R", struct.pack("!i", 7)), "method"),
        (message(b"R", struct.pack("!i", 10) + b"SCRAM-SHA-1024\0\0"), "method"),
        (READY[:5], "closed"),
    ],
)
def test_what_is_no_postgresql_is_told_apart(answer, kind):
    """Another protocol, a server that hangs up, and a login that only a driver can do."""
    with talking(saying(answer)) as wire, pytest.raises(Unsupported) as raised:
        wire.login(LOGIN)

    assert raised.value.kind == kind


@given(st.binary(max_size=300))
def test_no_answer_breaks_it(answer):
    """Any bytes end as one of the exceptions that the caller judges, or as a login."""
    with talking(saying(answer)) as wire:
        try:
            wire.login(LOGIN)
        except (Refusal, Unsupported, Failure, OSError, ValueError, IndexError, struct.error):
            pass


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """Sslrootcert that is not there is a finding about TLS with its path."""
    missing = str(tmp_path / "missing.crt")
    with pytest.raises(Failure) as raised:
        tls_context(Login(user="a", sslmode="verify-full", files={"sslrootcert": missing}))

    assert raised.value.code == "BC216"
    assert missing in raised.value.summary


def test_the_mode_decides_what_is_verified():
    """As libpq: require encrypts, verify-full verifies name and authority."""
    prefer = tls_context(Login(user="a", sslmode="prefer"))
    system = tls_context(Login(user="a", sslmode="verify-full", files={"sslrootcert": "system"}))

    assert prefer.verify_mode is ssl.CERT_NONE
    assert system.verify_mode is ssl.CERT_REQUIRED
    assert system.check_hostname
