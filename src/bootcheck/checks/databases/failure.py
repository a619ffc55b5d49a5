"""Why a database said no, told by SQLSTATE and error number: a server's words may be in any language."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping
from types import MappingProxyType

from bootcheck.model.codes import CODES
from bootcheck.model.encode import shorten
from bootcheck.model.finding import Evidence, Finding, Severity

NO_DRIVER = "BC112"
REFUSED = "BC210"
UNRESOLVED = "BC211"
TIMEOUT = "BC212"
AUTH = "BC213"
NO_DATABASE = "BC214"
TOO_MANY = "BC215"
TLS = "BC216"
STARTING = "BC217"
PRIVILEGE = "BC218"
READ_ONLY = "BC219"
OTHER = "BC220"

_SQLSTATES: Mapping[str, str] = MappingProxyType(
    {
        "28000": AUTH,
        "28P01": AUTH,
        "3D000": NO_DATABASE,
        "53300": TOO_MANY,
        "57P01": STARTING,  # an administrator ends it: the next start is under way
        "57P02": STARTING,
        "57P03": STARTING,
        "57014": TIMEOUT,
        "55P03": TIMEOUT,
        "42501": PRIVILEGE,
        "25006": READ_ONLY,
    }
)

_MYSQL_ERRORS: Mapping[int, str] = MappingProxyType(
    {
        1040: TOO_MANY,
        1203: TOO_MANY,
        1226: TOO_MANY,
        1041: TOO_MANY,  # out of memory for another thread
        1135: TOO_MANY,  # cannot create a thread
        1044: PRIVILEGE,
        1142: PRIVILEGE,
        1143: PRIVILEGE,
        1227: PRIVILEGE,
        1370: PRIVILEGE,
        1045: AUTH,
        1130: AUTH,  # no account for this host
        1156: AUTH,
        1251: AUTH,
        1275: AUTH,
        1524: AUTH,
        1698: AUTH,
        1820: AUTH,
        1862: AUTH,
        2049: AUTH,
        2054: AUTH,
        2059: AUTH,
        3118: AUTH,
        3955: AUTH,
        4151: AUTH,
        4165: AUTH,
        1049: NO_DATABASE,
        1047: STARTING,  # Galera: this node is not ready for the application yet
        1053: STARTING,
        1077: STARTING,
        1079: STARTING,
        3032: STARTING,
        2003: REFUSED,
        2002: REFUSED,
        2005: UNRESOLVED,
        2026: TLS,
        2061: TLS,
        3159: TLS,
        1205: TIMEOUT,
        1290: READ_ONLY,
        1792: READ_ONLY,
        1836: READ_ONLY,
    }
)

_UNREACHABLE = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ENETDOWN,
        errno.ENOENT,
    }
)
_LATE = frozenset({errno.ETIMEDOUT, errno.EAGAIN})

_ACTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        REFUSED: (
            "Start the database, or correct host and port in the URL.",
            "In containers the host is the service's name, not localhost.",
            "If it only starts more slowly than the app: database(wait=30).",
        ),
        UNRESOLVED: (
            "Correct the host name in the URL; try `getent hosts NAME` where the app runs.",
            "In Docker both containers must be on one network; in Kubernetes use service.namespace.",
        ),
        TIMEOUT: (
            "Look for a firewall, security group or network policy that drops packets between here and the server.",
            "If the server is overloaded or a pooler has no free server connection, look there first.",
        ),
        AUTH: (
            "Correct user and password; a password with @ : / # ? % must be percent-encoded in a URL.",
            "Make sure the server allows this user from this host (PostgreSQL: pg_hba.conf, MySQL: 'user'@'host').",
        ),
        NO_DATABASE: ("Create the database, or correct its name at the end of the URL.",),
        TOO_MANY: (
            "Make the pools smaller (workers x (pool_size + max_overflow)), or put a pooler in front.",
            "Look for connections that nobody uses: pg_stat_activity, or SHOW PROCESSLIST.",
        ),
        TLS: (
            "Make client and server agree: sslmode (PostgreSQL) or ssl_ca and ssl_mode (MySQL) in the URL.",
            "For a certificate that does not verify, give the authority that signed it (sslrootcert, ssl_ca).",
        ),
        STARTING: (
            "Wait until it is ready: database(wait=30) retries with growing pauses.",
            "If it stays like this, read the server's log: it is recovering, shutting down, or its standby is closed.",
        ),
        PRIVILEGE: ("Grant the privilege to the user, or connect with the right one.",),
        READ_ONLY: (
            "Point the URL at the primary (PostgreSQL: target_session_attrs=read-write with several hosts).",
            "If the app only reads, say so: database(read_only_ok=True).",
        ),
        NO_DRIVER: (),
        OTHER: ("Read the server's words in the evidence, and its log at the same time.",),
    }
)


class Failure(Exception):  # noqa: N818 - the conclusion about an error, not one of ours
    """A database that could not be used, and why."""

    def __init__(  # noqa: PLR0913 - all but two by keyword
        self,
        code: str,
        summary: str,
        *,
        text: str = "",
        sqlstate: str | None = None,
        number: int | None = None,
        actions: tuple[str, ...] = (),
        against: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"{code} {summary}")
        self.code = code
        self.summary = summary
        self.text = text
        """What server or driver said, in its own words: evidence, never the ground of the conclusion."""
        self.sqlstate = sqlstate
        self.number = number
        self.actions = actions
        self.against = against

    @property
    def transient(self) -> bool:
        """True where waiting may cure it."""
        return CODES[self.code].transient

    def finding(self, source: str, mask: Callable[[str], str], *, confirm: str | None = None) -> Finding:
        """Return it as a finding, every text masked."""
        evidence = []
        if self.sqlstate is not None:
            evidence.append(Evidence(source=source, text=f"SQLSTATE {self.sqlstate}"))
        if self.number is not None:
            evidence.append(Evidence(source=source, text=f"error {self.number}"))
        if self.text:
            evidence.append(Evidence(source=source, text=shorten(mask(self.text.strip()), 600)))
        return Finding(
            code=self.code,
            severity=Severity.ERROR,
            summary=mask(self.summary),
            action=(*self.actions, *_ACTIONS[self.code]),
            evidence=tuple(evidence),
            against=self.against,
            confirm=confirm,
        )


class Masker:
    """Takes secrets out of text: those the recorder knows, and this URL's own password."""

    def __init__(self, known: Callable[[str], str], *secrets: str | None) -> None:
        self._known = known
        self._secrets = sorted({secret for secret in secrets if secret and len(secret) >= 3}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text without them."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return self._known(text)


def login_summary(code: str, server: str, user: str, database: str) -> str:
    """Return the sentence for a login that the server refused with this code."""
    return {
        AUTH: f"{server} refuses user {user}: wrong password, no such user, or not from this host.",
        NO_DATABASE: f"{server} has no database {database}.",
        TOO_MANY: f"{server} has no free connection for user {user}: a limit is reached.",
        STARTING: f"{server} is starting, recovering or shutting down.",
        PRIVILEGE: f"User {user} may not use the database {database} of {server}.",
        READ_ONLY: f"{server} admits no session that writes.",
        TIMEOUT: f"{server} gave up the login: it took too long there.",
        TLS: f"{server} and this client do not agree on TLS.",
    }.get(code, f"{server} refuses the login of user {user} with an error.")


def statement_summary(code: str, server: str) -> str:
    """Return the sentence for a question that failed with this code after the login."""
    return {
        PRIVILEGE: f"{server} refuses a statement: the user lacks a privilege.",
        READ_ONLY: f"{server} refuses to write.",
        TIMEOUT: f"{server} gave up a statement: it took too long.",
        STARTING: f"{server} ends the session: it shuts down, or is not ready yet.",
    }.get(code, f"{server} answers a question with an error.")


def of_sqlstate(sqlstate: str | None, otherwise: str = OTHER) -> str:
    """Return the code for a SQLSTATE."""
    return _SQLSTATES.get(sqlstate or "", otherwise)


def of_mysql_error(number: int | None) -> str:
    """Return the code for an error number of MySQL, MariaDB or their client libraries."""
    return _MYSQL_ERRORS.get(number or 0, OTHER)


def of_network(exc: OSError, what: str) -> Failure:
    """Return the failure of reaching `what` (host:port or a path)."""
    if isinstance(exc, socket.gaierror):
        return Failure(UNRESOLVED, f"The name of {what} does not resolve.", text=str(exc), number=exc.errno)
    if isinstance(exc, TimeoutError) or exc.errno in _LATE:
        return Failure(TIMEOUT, f"{what} does not answer: the connection was not accepted in time.", text=str(exc))
    if exc.errno in _UNREACHABLE:
        why = {
            errno.ECONNREFUSED: "nothing listens there",
            errno.ENOENT: "there is no socket",
            errno.ECONNRESET: "the connection was reset",
        }.get(exc.errno or 0, "there is no way to it")
        return Failure(REFUSED, f"No connection to {what}: {why}.", text=str(exc), number=exc.errno)
    return Failure(OTHER, f"No connection to {what}: {exc.strerror or type(exc).__name__}.", number=exc.errno)
