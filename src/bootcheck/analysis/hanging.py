"""What a worker was waiting for when it was timed out: a connection that nobody answers is no slow work of its own."""

from __future__ import annotations

import re

from bootcheck.analysis.conclusion import conclude
from bootcheck.analysis.dumps import watchdog_of
from bootcheck.analysis.trouble import Frame, Raised, Trouble, is_library
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence, Finding

DATABASE = "database"
SERVICE = "service"
_NEAR = 9
"""Frames above the call: a driver asks the socket by way of a few functions of its own."""
_PLACES = re.compile(
    # the standard library's own sockets, those of gevent and eventlet, urllib3's
    r"(?:^|/)socket\.py (?:create_connection|getaddrinfo|connect)$|/gevent/_socket\w*\.py connect$|"
    r"/urllib3/util/connection\.py create_connection$|"
    # drivers that wait in C or in functions of their own
    r"/psycopg2/__init__\.py connect$|/psycopg/\w+\.py (?:connect|wait_conn)$|"
    r"/(?:MySQLdb|pymysql)/\w+\.py (?:[Cc]onnect|__init__)$|/mysql/connector/\w+\.py _?open_connection$|"
    r"/pymongo/(?:synchronous/)?(?:pool|pool_shared)\.py \w*connect\w*$|"
    r"/pymongo/(?:synchronous/)?topology\.py _?select_servers?\w*$|"
    r"/sqlalchemy/engine/default\.py connect$|/django/db/backends/\w+/base\.py get_new_connection$|"
    r"/redis/connection\.py _?connect$|/amqp/transport\.py _?connect$|/kombu/utils/functional\.py retry_over_time$"
)
_STANDARD = re.compile(r"/python\d\.\d+/(?!(?:site|dist)-packages)|^<")
_BY_CODE = re.compile(r"\b(?:psycopg2?|pyodbc|cx_Oracle|oracledb|pymssql|ibm_db|MySQLdb|pymysql)\.connect\(")
_OF_DATABASE = re.compile(
    r"/(?:psycopg2?|psycopg_pool|asyncpg|MySQLdb|pymysql|mysql/connector|pymongo|sqlalchemy|django/db|peewee|cassandra|"
    r"oracledb|pg8000|mongoengine)(?:/|\.py$)"
)


def awaited(trouble: Trouble) -> str | None:
    """Return what a worker was connecting to when it was aborted: a database, another service; None if neither."""
    stood = trouble.exception if trouble.cause is Cause.GUNICORN_TIMEOUT else watchdog_of(trouble)
    frames = () if stood is None else _before_abort(stood)
    if not frames:
        return None
    last = frames[-1]
    if _BY_CODE.search(last.code):
        return DATABASE
    if not _PLACES.search(f"{last.file} {last.function}"):
        return None
    return DATABASE if any(_OF_DATABASE.search(frame.file) for frame in frames[-_NEAR:]) else SERVICE


def unanswered(trouble: Trouble, who: str) -> Finding:
    """Conclude from the place at which a worker was aborted: it was still connecting."""
    stood = () if trouble.exception is None else _before_abort(trouble.exception)
    inner = min(reversed(stood), key=_how_far, default=None)
    where = "" if inner is None else f" ({inner.file}:{inner.line})"
    place = [] if inner is None else [Evidence(source=inner.file, line=inner.line or None, text=f"in {inner.function}")]
    worker = f"{trouble.who[0].lower()}{trouble.who[1:]}"
    return conclude(
        trouble,
        f"{who} does not answer: {worker} was timed out while it was connecting{where}.",
        "Check host, port and network from this machine: a firewall that drops packets looks like this.",
        "Give the client a connect timeout below --timeout: the error then names who does not answer.",
        confirm="bootcheck check",
        confidence="medium",
        evidence=[*trouble.said[-2:], *place],
    )


def by_watchdog(trouble: Trouble, when: str) -> Finding:
    """Conclude from what a watchdog of the app showed before it ended the process."""
    stood = trouble.exception
    frames = () if stood is None else stood.frames
    last = frames[-1]
    own = next((frame for frame in reversed(frames) if not is_library(frame.file)), last)
    by = "" if own is last else f", called by {own.function} ({own.file}:{own.line})"
    return conclude(
        trouble,
        f"{trouble.who} was ended by a watchdog of its own {when}: "
        f"it stood in {last.function} ({last.file}:{last.line}){by}.",
        "Give that call a timeout of its own, so that its error names what does not answer.",
        "If the work is meant to take so long, raise the seconds of faulthandler.dump_traceback_later(…, exit=True), "
        "and cancel it when the work is done.",
        evidence=[*trouble.shown()[-1:], *trouble.said[-2:]],
    )


def _how_far(frame: Frame) -> int:
    """Return how little a frame says of who was asked: the app's own says most, Python's sockets nothing."""
    return 0 if not is_library(frame.file) else 2 if _STANDARD.search(frame.file) else 1


def _before_abort(error: Raised) -> tuple[Frame, ...]:
    """Return the frames above Gunicorn's handler of SIGABRT, or those of a dump; none where neither tells it."""
    if error.dumped:
        return error.frames
    if not error.frames or error.frames[-1].function != "handle_abort":
        return ()
    return error.frames[:-1]
