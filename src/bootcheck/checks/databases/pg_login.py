"""The login to PostgreSQL: libpq's parameters, our own login, and why a login failed."""

from __future__ import annotations

import getpass
import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bootcheck.checks.databases.asked import Asked
from bootcheck.checks.databases.failure import OTHER, TLS, Failure, login_summary, of_network, of_sqlstate
from bootcheck.checks.databases.network import Reached, open_tcp, open_unix
from bootcheck.checks.databases.pg_wire import (
    CLOSED,
    ENCRYPTING,
    FOREIGN,
    METHOD,
    Login,
    Refusal,
    Unsupported,
    Wire,
    of_tls,
)
from bootcheck.checks.databases.session import mute

EXPLAINING = 0.5
"""Seconds at least for a second login that only reads the code of a refusal; more where time is left."""

_WORKED_OUT = frozenset({"host", "port", "hostaddr", "user", "password", "dbname", "connect_timeout", "ssl"})
_NOT_LIBPQ = frozenset(
    (
        *("prepared_statement_cache_size", "prepared_statement_name_func", "statement_cache_size", "async_fallback"),
        *("command_timeout", "server_settings", "max_cached_statement_lifetime", "timeout", "direct_tls"),
        *("plugin", "autocommit", "client_encoding_errors"),
    )
)
"""Parameters of asyncpg, pg8000 and SQLAlchemy that libpq does not know."""


def libpq_parameters(asked: Asked, reached: Sequence[Reached]) -> dict[str, Any]:
    """Return what the driver connects with: the URL's own parameters, and the addresses that have just answered."""
    url = asked.url
    foreign = url.driver in ("asyncpg", "pg8000")
    parameters: dict[str, Any] = {
        name: value
        for name, value in url.query.items()
        if name not in _WORKED_OUT and not (foreign and name in _NOT_LIBPQ)
    }
    if foreign or "ssl" in url.query:
        parameters.setdefault("sslmode", sslmode(asked))
    if reached:
        parameters["host"] = ",".join(item.place.host or _folder(item) for item in reached)
        parameters["port"] = ",".join(str(item.place.port) for item in reached)
        # With the address there is no second look-up, and the time limit is for one address.
        parameters["hostaddr"] = ",".join(item.address or "" for item in reached)
    if not any(item.address for item in reached):
        parameters.pop("hostaddr", None)
    parameters |= {
        "user": url.username or url.query.get("user"),
        "password": url.password or url.query.get("password"),
        "dbname": url.database or url.query.get("dbname"),
    }
    parameters.setdefault("application_name", "bootcheck")
    return {name: value for name, value in parameters.items() if value is not None}


def sslmode(asked: Asked) -> str:
    """Return the encryption that the URL asks for, in libpq's words."""
    given = asked.url.query.get("sslmode") or asked.url.query.get("ssl") or asked.environ.get("PGSSLMODE") or "prefer"
    return {"true": "require", "1": "require", "on": "require", "false": "disable", "0": "disable"}.get(given, given)


def own_login(asked: Asked, reached: Sequence[Reached]) -> Login:
    """Return the same login for our own protocol."""
    query, environ = asked.url.query, asked.environ
    user = asked.url.username or query.get("user") or environ.get("PGUSER") or _operating_system_user()
    names = ("sslrootcert", "sslcert", "sslkey", "sslpassword")
    return Login(
        user=user,
        password=asked.url.password or query.get("password") or environ.get("PGPASSWORD"),
        database=asked.url.database or query.get("dbname") or environ.get("PGDATABASE"),
        sslmode=sslmode(asked),
        host=reached[0].place.host if reached else "",
        files={name: query[name] for name in names if query.get(name)},
    )


def log_in(place: Reached, login: Login, seconds: float) -> Wire:
    """Return our own connection, logged in; raises Failure, Refusal, Unsupported or OSError."""
    if place.address is None:
        connection = open_unix(place.place.path or "", seconds)
    else:
        family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
        connection = open_tcp(family, place.address, place.place.port, seconds)
    wire = Wire(connection, unix=place.address is None)
    try:
        wire.login(replace(login, host=place.place.host, server=str(place.place)))
    except BaseException:
        wire.close()
        raise
    return wire


def explain(reached: Sequence[Reached], login: Login, seconds: float) -> Failure | None:
    """Log in once more to read the code of the refusal; None where this login is admitted or tells nothing."""
    for place in reached:
        failure = _attempt(place, login, max(EXPLAINING, seconds))
        if failure is not None:
            return failure
    return None


def _attempt(place: Reached, login: Login, seconds: float) -> Failure | None:
    try:
        log_in(place, login, seconds).close()
    except Refusal as refused:
        return refusal(place, login, refused, seconds)
    except Exception as exc:
        failure = of_wire(exc, str(place.place), seconds)
        if failure is None:
            raise
        return None if isinstance(exc, Unsupported) and exc.kind == METHOD else failure
    return None


def of_wire(exc: BaseException, server: str, seconds: float) -> Failure | None:
    """Return the failure for whatever our own login raises, except a refusal; None for what is no such error."""
    if isinstance(exc, Failure):
        return exc
    if isinstance(exc, OSError):
        return _of_connection(exc, server, seconds)
    if isinstance(exc, (Unsupported, ValueError, IndexError, struct.error)):
        return _odd(exc, server)
    return None


def _of_connection(exc: OSError, server: str, seconds: float) -> Failure:
    if isinstance(exc, ssl.SSLError):
        return of_tls(exc, server)
    if isinstance(exc, TimeoutError):
        return mute(server, seconds)
    if isinstance(exc, (ConnectionResetError, BrokenPipeError)):
        # It had been accepted: this is no refusal.
        return _odd(Unsupported(CLOSED, str(exc)), server)
    return of_network(exc, server)


def refusal(place: Reached, login: Login, refused: Refusal, seconds: float) -> Failure:
    """Return the failure for a refusal of the server."""
    server = str(place.place)
    code = of_sqlstate(refused.sqlstate)
    summary = login_summary(code, server, login.user, login.database or login.user)
    if refused.sqlstate == "28000" and _admitted_with_tls(place, login, seconds):
        return Failure(
            TLS,
            f"{server} admits user {login.user} over TLS only.",
            text=refused.text,
            sqlstate=refused.sqlstate,
            actions=("Add ?sslmode=require (better: verify-full with sslrootcert) to the URL.",),
        )
    return Failure(code, summary, text=refused.text, sqlstate=refused.sqlstate)


def _admitted_with_tls(place: Reached, login: Login, seconds: float) -> bool:
    """Tell whether 28000 means "not without encryption" here: it also means "not from there" and "no such role"."""
    if place.address is None or login.sslmode in ENCRYPTING:
        return False
    try:
        log_in(place, replace(login, sslmode="require", files={}), seconds).close()
    except Refusal as encrypted:
        return encrypted.sqlstate != "28000"
    except (Failure, Unsupported, OSError, ValueError, IndexError, struct.error):
        return False
    return True


def _odd(exc: BaseException, server: str) -> Failure:
    kind = exc.kind if isinstance(exc, Unsupported) else FOREIGN
    if kind == FOREIGN:
        what, advice = f"What listens at {server} is no PostgreSQL server.", "Correct host and port in the URL."
    elif kind == CLOSED:
        what = f"{server} closes the connection without an answer."
        advice = "A proxy in front may have no server behind it; read its log and the server's."
    else:
        what = f"{server} asks for a login that needs a driver."
        advice = "Install psycopg: pip install 'psycopg[binary]'."
    return Failure(OTHER, what, text=str(exc), actions=(advice,))


def _folder(item: Reached) -> str:
    return (item.place.path or "").rpartition("/")[0]


def _operating_system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user id without a name.
        return ""
