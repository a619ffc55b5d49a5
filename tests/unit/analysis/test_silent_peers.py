"""Workers that were timed out while somebody else did not answer them: the peer is the cause, not the time limit."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import SITE, frame, start

LINE = "[2026-11-27 09:02:{} +0000] [{}] {}\n"
OVER = LINE.format("30", 10, "[CRITICAL] WORKER TIMEOUT (pid:11)")
GONE = LINE.format("31", 11, "[INFO] Worker exiting (pid: 11)")
HANDLING = LINE.format("30", 11, "[ERROR] Error handling request /orders") + "Traceback (most recent call last):\n"
REQUEST = frame(f"{SITE}gunicorn/workers/sync.py", "handle_request", "respiter = self.wsgi(environ)")
VIEW = frame("/srv/shop/views.py", "orders", "rows = query()")
ABORT = frame(f"{SITE}gunicorn/workers/base.py", "handle_abort", "sys.exit(1)") + "SystemExit: 1\n"
CREATE = frame("/usr/lib/python3.12/socket.py", "create_connection", "sock.connect(sa)")


def named(*stack: str) -> list[str]:
    """Return the classes that are told of a worker that was aborted with this on its stack."""
    return [
        name for name, _ in classes(told(start() + OVER + HANDLING + REQUEST + VIEW + "".join(stack) + ABORT + GONE))
    ]


@pytest.mark.parametrize(
    ("cause_class", "stack"),
    [
        ("backend-unavailable", (frame(f"{SITE}redis/connection.py", "_connect", "sock.connect(socket_address)"),)),
        ("backend-unavailable", (frame("/usr/lib/python3.12/smtplib.py", "_get_socket", "return x"), CREATE)),
        (
            "backend-unavailable",
            (
                frame(f"{SITE}urllib3/connection.py", "_new_conn", "sock = connection.create_connection("),
                frame(f"{SITE}urllib3/util/connection.py", "create_connection", "sock.connect(sa)"),
            ),
        ),
        ("backend-unavailable", (frame("/usr/lib/python3.12/socket.py", "getaddrinfo", "for res in _socket:"),)),
        ("db-unreachable", (frame(f"{SITE}pymysql/connections.py", "connect", "sock = x"), CREATE)),
        ("db-unreachable", (frame(f"{SITE}psycopg2/__init__.py", "connect", "conn = _connect(dsn)"),)),
        ("db-unreachable", (frame(f"{SITE}pymongo/synchronous/topology.py", "_select_servers_loop", "wait()"),)),
        ("db-unreachable", (frame("/srv/shop/db.py", "rows", "c = pyodbc.connect(DSN)"),)),
    ],
)
def test_a_worker_that_was_still_connecting(cause_class: str, stack: tuple[str, ...]):
    """A connection that is neither taken nor refused keeps a worker until its time is over."""
    assert named(*stack) == [cause_class]


@pytest.mark.parametrize(
    "stack",
    [
        (frame("/usr/lib/python3.12/socket.py", "readinto", "return self._sock.recv_into(b)"),),
        (frame(f"{SITE}psycopg2/extras.py", "execute", "return super().execute(query, vars)"),),
        (frame(f"{SITE}redis/connection.py", "read_response", "response = self._parser.read_response()"),),
        (frame("/srv/shop/net.py", "connect", "time.sleep(60)"),),
    ],
)
def test_one_that_waits_for_an_answer_is_slow(stack: tuple[str, ...]):
    """The peer is there; what it was asked takes too long."""
    assert named(*stack) == ["request-timeout"]


FAILED = (
    "[2026-11-27 09:01:00,000] ERROR in app: Exception on /vote [POST]\nTraceback (most recent call last):\n"
    + frame(f"{SITE}flask/app.py", "wsgi_app", "response = self.full_dispatch_request()")
    + frame("/srv/shop/views.py", "vote", "cache.rpush('votes', data)")
    + frame(f"{SITE}redis/connection.py", "connect", "raise ConnectionError(self._error_message(e))")
    + "redis.exceptions.ConnectionError: {}\n"
)


@pytest.mark.parametrize(
    ("cause_class", "message"),
    [
        ("backend-unavailable", "Error connecting to redis:6379. timed out."),
        ("backend-unavailable", "Error 110 connecting to redis:6379. Connection timed out."),
        ("request-timeout", "Error 111 connecting to redis:6379. Connection refused."),
    ],
)
def test_the_request_before_it_had_waited_in_vain(cause_class: str, message: str):
    """Without a traceback of its own: what had not answered in time does so again; what refuses takes no time."""
    analysis = told(start("20.1.0") + FAILED.format(message) + OVER + GONE)

    assert [name for name, _ in classes(analysis)] == [cause_class]


def test_what_gunicorn_meets_while_it_counts_is_no_cause():
    """An error on the way to the collector of its metrics comes on top of the worker's own."""
    refused = (
        'Connection refused\n\tIs the server running on host "localhost" (::1) and accepting\n\tTCP/IP connections?\n'
    )
    log = (
        "sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) could not connect to server: "
        + refused
        + "\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n"
        + frame(f"{SITE}gunicorn/instrument/statsd.py", "_sock_send", "self.sock.send(msg)")
        + "ConnectionRefusedError: [Errno 111] Connection refused\n"
        + LINE.format("30", 11, "[INFO] Worker exiting (pid: 11)")
        + LINE.format("30", 10, "[INFO] Shutting down: Master")
        + LINE.format("30", 10, "[INFO] Reason: Worker failed to boot.")
    )

    assert [name for name, _ in classes(told(log))] == ["db-unreachable"]


@pytest.mark.parametrize(
    ("stack", "place"),
    [
        ((VIEW, frame(f"{SITE}redis/connection.py", "_connect", "sock.connect(address)")), "/srv/shop/views.py"),
        ((frame(f"{SITE}pymysql/connections.py", "connect", "sock = x"), CREATE), f"{SITE}pymysql/connections.py"),
        ((CREATE,), "/usr/lib/python3.12/socket.py"),
    ],
)
def test_the_place_says_who_was_asked(stack: tuple[str, ...], place: str):
    """The app's own line, else the driver's; never Gunicorn's handler, nor Python's sockets where there is more."""
    head = LINE.format("30", 11, "[ERROR] Exception in worker process") + "Traceback (most recent call last):\n"
    (incident,) = told(start() + OVER + head + "".join(stack) + ABORT + GONE).incidents

    assert incident.evidence[-1].source == place
    assert f"({place}:9)" in incident.summary
