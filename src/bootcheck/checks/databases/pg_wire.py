"""PostgreSQL's own protocol, as far as a login and plain queries need it: version 3, standard library only.

Two uses. libpq gives no SQLSTATE for a login that fails, only the server's words, in the server's
language: the same login is done once more here, and the code read. And an app whose driver is
asynchronous only (asyncpg) can be checked without another driver.
"""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bootcheck.checks.databases import scram
from bootcheck.checks.databases.failure import AUTH, OTHER, TLS, Failure, of_sqlstate
from bootcheck.checks.databases.session import Row

_TLS_REQUEST = 80877103
_VERSION = 196608
_MAX_MESSAGE = 64 << 20
METHOD, CLOSED, FOREIGN = "method", "closed", "foreign"
ENCRYPTING = ("require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who wants in, and how."""

    user: str
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    sslmode: str = "prefer"
    host: str = ""
    """The name that a certificate must be for."""
    server: str = "The server"
    """The address in words."""
    files: Mapping[str, str] = field(default_factory=dict)
    """`sslrootcert`, `sslcert`, `sslkey`, `sslpassword`."""


class Refusal(Exception):  # noqa: N818 - the server's answer, with its code
    """The server answered with an error."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.sqlstate = fields.get("C", "")
        self.text = fields.get("M", "")
        super().__init__(self.text)


class Unsupported(Exception):  # noqa: N818 - the login can go no further here; a driver may
    """The login can go no further here: `method` is unknown, the connection was `closed`, the server is `foreign`."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class Wire:
    """A connection to a PostgreSQL server, logged in by `login`."""

    driver = "bootcheck"

    def __init__(self, connection: socket.socket, *, unix: bool = False) -> None:
        self._socket = connection
        self._unix = unix
        self._buffer = b""
        self.backend_pid: int | None = None
        self.tls: dict[str, Any] = {"in_use": False}
        self.asked_for_password = False

    def login(self, login: Login) -> None:
        """Log in; raises Refusal, Failure, Unsupported or OSError."""
        if login.sslmode not in ("disable", "allow") and not self._unix:
            self._start_tls(login)
        parameters = {
            "user": login.user,
            "database": login.database or login.user,
            "application_name": "bootcheck",
            "client_encoding": "UTF8",
        }
        body = b"".join(part.encode() + b"\0" for pair in parameters.items() for part in pair) + b"\0"
        self._socket.sendall(struct.pack("!ii", len(body) + 8, _VERSION) + body)
        exchange: scram.Exchange | None = None
        for kind, payload in self._messages():
            if kind == b"R":
                exchange = self._authenticate(payload, login, exchange)
            elif kind == b"K":
                self.backend_pid = struct.unpack_from("!i", payload)[0]
            elif kind == b"Z":
                # From here on the lane's own limits hold.
                self._socket.settimeout(None)
                return

    def query(self, sql: str) -> list[Row]:
        """Run one statement and return its rows as texts."""
        self._send(b"Q", sql.encode() + b"\0")
        rows: list[Row] = []
        refusal: Refusal | None = None
        for kind, payload in self._messages(errors=False):
            if kind == b"D":
                rows.append(_columns(payload))
            elif kind == b"E":
                refusal = Refusal(_fields(payload))
            elif kind == b"Z":
                break
        if refusal is not None:
            raise refusal
        return rows

    def close(self) -> None:
        """Say goodbye and close."""
        try:
            self._send(b"X", b"")
        except OSError:
            pass
        self._socket.close()

    def judge(self, exc: BaseException) -> Failure | None:
        """Return what one of our own exceptions means."""
        if isinstance(exc, Refusal):
            return Failure(of_sqlstate(exc.sqlstate), str(exc), text=exc.text, sqlstate=exc.sqlstate)
        return Failure(OTHER, str(exc), text=str(exc)) if isinstance(exc, (OSError, Unsupported)) else None

    def _start_tls(self, login: Login) -> None:
        self._socket.sendall(struct.pack("!ii", 8, _TLS_REQUEST))
        answer = self._socket.recv(1)
        if answer == b"S":
            context = tls_context(login)
            self._socket = context.wrap_socket(self._socket, server_hostname=login.host or None)
            cipher = self._socket.cipher()
            self.tls = {"in_use": True, "protocol": self._socket.version(), "cipher": cipher[0] if cipher else None}
        elif answer == b"N":
            if login.sslmode in ENCRYPTING:
                raise Failure(TLS, f"{login.server} offers no TLS, and sslmode={login.sslmode} demands it.")
        elif answer == b"E":
            self._buffer = answer
            next(self._messages())
        elif answer == b"":
            text = "the server closed the connection at the first byte"
            raise Unsupported(CLOSED, text)
        else:
            text = "the answer to a request for TLS is not PostgreSQL's"
            raise Unsupported(FOREIGN, text)

    def _authenticate(self, payload: bytes, login: Login, exchange: scram.Exchange | None) -> scram.Exchange | None:
        code = struct.unpack_from("!i", payload)[0]
        rest = payload[4:]
        if code in (0, 12):
            return exchange
        if code not in (3, 5, 10, 11):
            text = f"the server asks for a login of kind {code}"
            raise Unsupported(METHOD, text)
        self.asked_for_password = True
        if login.password is None:
            raise Failure(AUTH, f"{login.server} asks user {login.user} for a password, and the URL has none.")
        if code == 3:
            self._send(b"p", login.password.encode() + b"\0")
        elif code == 5:
            inner = hashlib.md5(login.password.encode() + login.user.encode(), usedforsecurity=False).hexdigest()
            outer = hashlib.md5(inner.encode() + rest[:4], usedforsecurity=False).hexdigest()
            self._send(b"p", b"md5" + outer.encode() + b"\0")
        elif code == 10:
            mechanisms = rest.split(b"\0")
            if scram.MECHANISM.encode() not in mechanisms:
                text = "the server offers no login that is known here"
                raise Unsupported(METHOD, text)
            exchange = scram.Exchange(login.password)
            first = exchange.first()
            self._send(b"p", scram.MECHANISM.encode() + b"\0" + struct.pack("!i", len(first)) + first)
        elif exchange is not None:
            self._send(b"p", exchange.final(rest))
        return exchange

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def _messages(self, *, errors: bool = True) -> Iterator[tuple[bytes, bytes]]:
        while True:
            head = self._read(5)
            kind, size = head[:1], struct.unpack("!i", head[1:])[0]
            if not 4 <= size <= _MAX_MESSAGE:
                text = "a message is not PostgreSQL's"
                raise Unsupported(FOREIGN, text)
            payload = self._read(size - 4)
            if kind == b"E" and errors:
                raise Refusal(_fields(payload))
            yield kind, payload

    def _read(self, size: int) -> bytes:
        while len(self._buffer) < size:
            part = self._socket.recv(65536)
            if not part:
                text = "the server closed the connection"
                raise Unsupported(CLOSED, text)
            self._buffer += part
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


def tls_context(login: Login) -> ssl.SSLContext:
    """Return a context that verifies as much as libpq would; raises Failure where a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["postgresql"])
    roots = login.files.get("sslrootcert") or os.path.expanduser("~/.postgresql/root.crt")
    verify = login.sslmode in ("verify-ca", "verify-full")
    # As libpq does: with an authority at hand, require verifies too.
    verify = verify or (login.sslmode == "require" and roots != "system" and os.path.exists(roots))
    context.check_hostname = login.sslmode == "verify-full"
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    try:
        if verify and roots == "system":
            context.load_default_certs()
        elif verify:
            context.load_verify_locations(roots)
        if login.files.get("sslcert"):
            context.load_cert_chain(
                login.files["sslcert"], login.files.get("sslkey"), lambda: login.files.get("sslpassword", "")
            )
    except (OSError, ssl.SSLError) as exc:
        what = f"sslcert={login.files.get('sslcert')}"
        if verify:
            what = f"sslmode={login.sslmode} needs the authority's certificate, and {roots}"
        raise Failure(TLS, f"{what} cannot be used.", text=f"{type(exc).__name__}: {exc}") from exc
    return context


def of_tls(exc: ssl.SSLError, server: str) -> Failure:
    """Return the failure of a TLS handshake."""
    reason = getattr(exc, "verify_message", "") or getattr(exc, "reason", "") or type(exc).__name__
    return Failure(TLS, f"TLS with {server} fails: {reason}.", text=str(exc))


def _fields(payload: bytes) -> dict[str, str]:
    return {
        part[:1].decode("ascii", "replace"): part[1:].decode("utf-8", "replace")
        for part in payload.split(b"\0")
        if part
    }


def _columns(payload: bytes) -> Row:
    columns: list[str | None] = []
    position = 2
    for _ in range(struct.unpack_from("!h", payload)[0]):
        size = struct.unpack_from("!i", payload, position)[0]
        position += 4
        if size < 0:
            columns.append(None)
            continue
        columns.append(payload[position : position + size].decode("utf-8", "replace"))
        position += size
    return tuple(columns)
