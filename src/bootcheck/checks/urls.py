"""Database URLs read without trust: any text gives a `DatabaseUrl` or a `UrlProblem`, never another exception.

Nothing here prints what may be a password: where the reading is in doubt, the doubtful part is not quoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl, unquote

from bootcheck.model.errors import BootcheckError
from bootcheck.model.redact import HIDDEN, is_secret_name

DEFAULT_PORTS: Mapping[str, int] = MappingProxyType(
    {
        "postgresql": 5432,
        "cockroachdb": 26257,
        "mysql": 3306,
        "mariadb": 3306,
        "mssql": 1433,
        "oracle": 1521,
        "redshift": 5439,
    }
)
CANONICAL: Mapping[str, str] = MappingProxyType(
    {
        "postgres": "postgresql",
        "pgsql": "postgresql",
        "psql": "postgresql",
        "postgis": "postgresql",
        "timescale": "postgresql",
        "timescalegis": "postgresql",
        "mysql2": "mysql",
        "mysqlgis": "mysql",
        "mysql-connector": "mysql",
        "spatialite": "sqlite",
        "sqlite3": "sqlite",
        "cockroach": "cockroachdb",
        "mssqlms": "mssql",
        "oraclegis": "oracle",
    }
)
"""Spellings of Django's URL packages, and the dialect that each means."""

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-_]*)://")
_QUERY_START = re.compile(r"\?[A-Za-z_][\w.\-]*=")
_PERCENT_LOOSE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_UNEXPANDED = re.compile(
    r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|\$\([A-Za-z_][A-Za-z0-9_]*\)|\{\{[^{}]*\}\}|<[A-Za-z_][\w \-]*>"
)
_PORT = re.compile(r"[0-9]{1,5}")
_RESERVED = "@:/#?"


class UrlProblem(BootcheckError, ValueError):  # noqa: N818 - it describes; whether it is an error the check says
    """Why a text cannot be read as a database URL, in words that hold nothing of a password."""

    def __init__(self, explanation: str, *, kind: str, action: str, code: str = "BC111") -> None:
        super().__init__(explanation)
        self.code = code
        self.kind = kind
        """`empty`, `no-scheme`, `space`, `quotes`, `assignment`, `port`, `host`."""
        self.explanation = explanation
        self.action = action


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrl:
    """A database URL in parts. Its repr and `masked` never show the password."""

    scheme: str
    """As written, for example `postgresql+psycopg`."""
    dialect: str
    """In lower case, as written before the `+`: `postgres`, `mysql`."""
    driver: str | None = None
    """What follows the `+`."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    host: str | None = None
    """Without brackets; the first where there are several. None where it is left out."""
    port: int | None = None
    hosts: tuple[tuple[str, int | None], ...] = ()
    """Every host and port, as libpq allows them separated by commas."""
    database: str | None = None
    """Decoded; for SQLite what follows the third slash."""
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The last value of each name."""
    masked: str = ""
    """The whole URL with the password (and secret query values) replaced."""
    unescaped: tuple[str, ...] = ()
    """Characters of the password that must be percent-encoded and are not, each once."""
    unexpanded: bool = False
    """True where a template marker such as `${NAME}` or `$(NAME)` was left in it."""

    @property
    def backend(self) -> str:
        """The dialect by its usual name: `postgresql` for `postgres`, `pgsql` or `postgis`."""
        return CANONICAL.get(self.dialect, self.dialect)

    @property
    def effective_port(self) -> int | None:
        """The port that a client would use: the given one, else the dialect's default."""
        if self.port is not None:
            return self.port
        given = self.query.get("port") or self.query.get("host", "").rpartition(":")[2]
        return int(given) if _PORT.fullmatch(given) else DEFAULT_PORTS.get(self.backend)

    @property
    def unix_socket(self) -> str | None:
        """The path of the Unix socket (a directory for PostgreSQL) where the URL names one."""
        for name in ("unix_socket", "host"):
            value = self.query.get(name, "")
            if value.startswith(("/", "@")):
                return value
        decoded = unquote(self.host or "")
        return decoded if decoded.startswith("/") else None

    @property
    def effective_host(self) -> str | None:
        """The host name to resolve: of the authority, else of `?host=`; None for a Unix socket or none at all."""
        if self.unix_socket is not None:
            return None
        given = self.query.get("host", "")
        return self.host or (given.rpartition(":")[0] if given.count(":") == 1 else given) or None

    @property
    def sqlite_path(self) -> str | None:
        """The file of a SQLite URL, None for one in memory (or for another dialect)."""
        path = self.database or ""
        if self.backend != "sqlite" or path in ("", ":memory:") or "mode=memory" in path:
            return None
        if path.startswith("file:"):
            path = path[len("file:") :].partition("?")[0]
            return None if path in ("", ":memory:") or self.query.get("mode") == "memory" else path
        return path

    def masked_with(self, scheme: str) -> str:
        """Return the masked URL with another scheme."""
        return scheme + self.masked[len(self.scheme) :]


def parse(text: str) -> DatabaseUrl:
    """Read a database URL as its author meant it; raises UrlProblem where it has no reading."""
    scheme, rest = _scheme(text)
    dialect, _, driver = scheme.lower().partition("+")
    if CANONICAL.get(dialect, dialect) == "sqlite":
        return _sqlite(scheme, dialect, driver or None, rest)
    userinfo, location = _credentials(rest)
    location, query_text = _query(location)
    authority, slash, database = location.partition("/")
    hosts = _hosts(authority, certain=userinfo is not None)
    username, password = _user(userinfo)
    return DatabaseUrl(
        scheme=scheme,
        dialect=dialect,
        driver=driver or None,
        username=username,
        password=None if password is None else unquote(password),
        host=hosts[0][0] or None,
        port=hosts[0][1],
        hosts=hosts,
        database=unquote(database) or None,
        query=_pairs(query_text),
        masked=_masked(scheme, userinfo, authority + slash + database, query_text),
        unescaped=_unescaped(password or ""),
        unexpanded=bool(_UNEXPANDED.search(text)),
    )


def _scheme(text: str) -> tuple[str, str]:
    if not text.strip():
        explanation = "it is empty"
        raise UrlProblem(
            explanation, kind="empty", action="Set it to a URL such as postgresql://user:password@host:5432/name."
        )
    if text != text.strip() or re.search(r"[\x00-\x1f\x7f]", text):
        where = "begins or ends with white space" if text != text.strip() else "holds a control character"
        explanation = f"it {where}, which becomes part of the scheme or of the database's name"
        action = "Remove it; a file that becomes a variable usually ends with a newline (write it with `printf %s`)."
        raise UrlProblem(explanation, kind="space", action=action)
    if text[0] in "'\"`" or (text[-1] in "'\"`" and text.count(text[-1]) == 1):
        explanation = "it stands in quotation marks, and the marks are part of the value"
        action = (
            "Remove the quotation marks: `docker --env-file` and Kubernetes keep them, only a shell takes them off."
        )
        raise UrlProblem(explanation, kind="quotes", action=action)
    if re.match(r"[A-Z][A-Z0-9_]*\s*=", text):
        explanation = "it begins with a variable's name and an equals sign: the assignment was pasted as the value"
        raise UrlProblem(explanation, kind="assignment", action="Remove everything before the scheme.")
    match = _SCHEME.match(text)
    if match is None:
        raise _no_scheme(text)
    return match["scheme"], text[match.end() :]


def _no_scheme(text: str) -> UrlProblem:
    head = re.match(r"([A-Za-z][A-Za-z0-9]*)(?:\+[a-z0-9]+)?:/?(?!/)", text)
    dialect = head[1].lower() if head else ""
    if head and CANONICAL.get(dialect, dialect) in (*DEFAULT_PORTS, "sqlite"):
        return UrlProblem(
            f"after {head[1]}: there must be two slashes (three for the path of a SQLite file)",
            kind="no-scheme",
            action=f"Write {head[1]}://… (for a SQLite file: sqlite:///relative/path or sqlite:////absolute/path).",
        )
    return UrlProblem(
        "it does not begin with a scheme and ://",
        kind="no-scheme",
        action="Write the whole URL: dialect://user:password@host:port/name.",
    )


def _credentials(rest: str) -> tuple[str | None, str]:
    """Split at the `@` that ends the credentials, also where the password holds an unescaped one."""
    end = rest.rfind("@", 0, _query_start(rest))
    return (None, rest) if end < 0 else (rest[:end], rest[end + 1 :])


def _query_start(rest: str) -> int:
    for match in _QUERY_START.finditer(rest):
        before = rest[: match.start()]
        # `user:pa?x=1@host`: without an @ before it, `user:pa` is credentials unless `pa` can be a port.
        port = before.partition("/")[0].rpartition("]")[2].partition(":")[2]
        if "@" in before or "@" not in rest or not port.strip("0123456789"):
            return match.start()
    return len(rest)


def _query(location: str) -> tuple[str, str]:
    head, _, query = location.partition("?")
    return head, query


def _user(userinfo: str | None) -> tuple[str | None, str | None]:
    if userinfo is None:
        return None, None
    username, colon, password = userinfo.partition(":")
    return unquote(username) or None, password if colon else None


def _hosts(authority: str, *, certain: bool) -> tuple[tuple[str, int | None], ...]:
    return tuple(_host(part, certain=certain) for part in authority.split(","))


def _host(part: str, *, certain: bool) -> tuple[str, int | None]:
    if part.startswith("["):
        host, closed, port = part[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            explanation = "the brackets around its IPv6 address are not closed"
            raise UrlProblem(explanation, kind="host", action="Write [address]:port.")
        return host, _port(port[1:], certain=certain)
    if part.count(":") > 1 and certain:
        explanation = "its host is an IPv6 address without brackets"
        raise UrlProblem(explanation, kind="host", action="Write [address]:port.")
    host, colon, port = part.partition(":")
    # `user:/secret/name` without an @ is no host with an empty port.
    return host, _port("empty" if colon and not port and not certain else port, certain=certain)


def _port(text: str, *, certain: bool) -> int | None:
    """Never quotes the text: in `user:secret/name` without an `@` it is the password."""
    if not text:
        return None
    # int() of thousands of digits is refused by Python itself.
    digits = text.isascii() and text.isdigit()
    if digits and len(text) <= 9 and 0 < int(text) < 65536:
        return int(text)
    explanation = "its port is not between 1 and 65535" if digits else "its port is not a number"
    if certain:
        raise UrlProblem(
            explanation, kind="port", action="Write the port as digits after the host, or leave it and its colon out."
        )
    explanation += " (or it has a password, and the @ after it is missing)"
    raise UrlProblem(
        explanation, kind="port", action="Write user:password@host:port/name, the password percent-encoded."
    )


def _unescaped(password: str) -> tuple[str, ...]:
    found = dict.fromkeys(char for char in password if char in _RESERVED)
    if _PERCENT_LOOSE.search(password):
        found["%"] = None
    return tuple(found)


def _pairs(query: str) -> Mapping[str, str]:
    return MappingProxyType(dict(parse_qsl(query, keep_blank_values=True)))


def _masked(scheme: str, userinfo: str | None, location: str, query: str) -> str:
    credentials = ""
    if userinfo is not None:
        username, colon, _ = userinfo.partition(":")
        credentials = f"{username}{colon}{HIDDEN if colon else ''}@"
    shown = "&".join(_masked_pair(pair) for pair in query.split("&"))
    return f"{scheme}://{credentials}{location}{'?' if query else ''}{shown}"


def _masked_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    # `odbc_connect` holds a whole connection string, with its own PWD=.
    secret = equals and (is_secret_name(unquote(name)) or name == "odbc_connect")
    return f"{name}={HIDDEN}" if secret else pair


def _sqlite(scheme: str, dialect: str, driver: str | None, rest: str) -> DatabaseUrl:
    location, query = _query(rest)
    host, slash, path = location.partition("/")
    return DatabaseUrl(
        scheme=scheme,
        dialect=dialect,
        driver=driver,
        # `sqlite://name.db`: two slashes make the file a host, which SQLAlchemy refuses.
        host=host or None,
        database=unquote(path) if slash else None,
        query=_pairs(query),
        masked=_masked(scheme, None, location, query),
        unexpanded=bool(_UNEXPANDED.search(rest)),
    )
