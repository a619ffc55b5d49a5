"""What Gunicorn, a platform or a client leaves unsaid: an address that is refused, a loopback, a client that is gone."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, SITE, TERM, frame, raising, start

RETRY = "[2026-11-27 09:00:01 +0000] [10] [ERROR] Retrying in 1 second.\n"
IN_USE = "[2026-11-27 09:00:01 +0000] [10] [ERROR] Connection in use: ('127.0.0.1', 8000)\n"
STARTING = "[2026-11-27 09:00:00 +0000] [10] [INFO] Starting gunicorn 20.1.0\n"


def error(text: str) -> str:
    """Return an error line of the master's."""
    return f"[2026-11-27 09:00:01 +0000] [10] [ERROR] {text}\n"


def inside(where: str = "127.0.0.1") -> str:
    """Return the start of a server that is the first process of its container."""
    return start().replace("0.0.0.0", where).replace("(10)", "(1)").replace("[10]", "[1]")


def test_an_address_that_is_tried_again_without_a_reason_is_refused():
    """Up to release 22 nothing is said of EACCES, and who copied the log stopped here."""
    assert classes(told(STARTING + RETRY * 3)) == [("permission-denied", 1)]
    assert classes(told(STARTING + (IN_USE + RETRY) * 3)) == [("address-in-use", 1)]
    # Once is not again and again, and the second try may have gone well.
    assert classes(told(STARTING + RETRY)) == []
    assert classes(told(STARTING + RETRY * 2 + start().partition("\n")[2])) == []


def test_the_folder_of_a_socket_that_is_not_there():
    """From release 23 on the reason is printed; of a name that nobody knows it is the address."""
    for number in (2, 20):
        told_so = f"connection to /run/books/web.sock failed: [Errno {number}] No such file or directory"
        (incident,) = told(STARTING + error(told_so) * 2 + error("Can't connect to /run/books/web.sock")).incidents
        assert incident.cause_class == "filesystem"
        assert "/run/books" in incident.action[0]
    unknown = "connection to ('bokks', 8000) failed: [Errno -2] Name or service not known"
    assert classes(told(STARTING + error(unknown) * 2)) == [("bad-bind-address", 1)]


def test_a_loopback_in_a_container_is_reached_by_nobody():
    """Its pid tells that it is alone there; one that has answered somebody is well."""
    (incident,) = told(inside()).incidents
    assert (incident.cause_class, incident.code, incident.confidence) == ("bad-bind-address", "BC524", "medium")
    assert "nobody outside" in incident.summary
    assert classes(told(inside("localhost"))) == [("bad-bind-address", 1)]
    assert classes(told(inside() + GET)) == []
    assert classes(told(inside("0.0.0.0"))) == []
    assert classes(told(start())) == []


def test_a_container_whose_server_fails_tells_that_instead():
    """Where it listens is of no matter then."""
    failed = raising("KeyError: 'SHOP_TOKEN'").replace("(10)", "(1)").replace("[10]", "[1]")
    assert classes(told(failed.replace("0.0.0.0", "127.0.0.1"))) == [("env-config", 1)]


SOCKET_ERROR = "[2026-11-27 09:02:00 +0000] [11] [ERROR] Socket error processing request.\n"
READING = (
    "Traceback (most recent call last):\n"
    + frame(SITE + "gunicorn/workers/gthread.py", "handle", "req = next(conn.parser)")
    + frame(SITE + "gunicorn/http/message.py", "get_data", "data = unreader.read()")
    + frame(SITE + "gunicorn/http/unreader.py", "chunk", "return self.sock.recv(self.mxchunk)")
)


@pytest.mark.parametrize("said", ["TimeoutError: [Errno 110] Connection timed out", "error: [Errno 104] Reset by peer"])
def test_a_client_that_is_gone_is_no_service(said: str):
    """Whole, by its last line alone, or through gevent's socket and Gunicorn's own way to write."""
    assert classes(told(start() + SOCKET_ERROR + READING + said + "\n" + TERM)) == []
    assert classes(told(f"{said}\n" + SOCKET_ERROR + READING)) == []
    writing = (
        "2026-11-27 09:02:00,770 ERROR Error handling request\nTraceback (most recent call last):\n"
        + frame("/srv/lib/python2.7/gunicorn/workers/async.py", "handle_request", "resp.write(item)")
        + frame("/srv/lib/python2.7/gunicorn/util.py", "write_chunk", "sock.sendall(chunk)")
        + frame("/srv/lib/python2.7/gevent/socket.py", "send", "return sock.send(data, flags)")
    )
    assert classes(told(f"{writing}{said}\n")) == []


def test_a_service_that_a_request_did_not_reach_is_one():
    """The same words, where the frames are those of a client that connects."""
    asked = "2026-11-27 09:02:00,770 ERROR app Exception on / [GET]\nTraceback (most recent call last):\n" + frame(
        SITE + "redis/connection.py", "_connect", "sock.connect(socket_address)"
    )
    assert classes(told(start() + asked + "OSError: [Errno 99] Cannot assign requested address\n")) == [
        ("backend-unavailable", 1)
    ]


def test_the_platforms_line_below_the_apps_last_word():
    """That it ended what did not come up tells less than why it did not."""
    word = "2026-11-27 09:00:09  [ERROR] pyodbc.OperationalError: ('HYT00', '[HYT00] Login timeout expired (0)')\n"
    ended = "2026-11-27 09:00:09  Stopping site books because it failed during startup.\n"
    assert classes(told(start() + word + ended)) == [("db-unreachable", 1)]
    assert classes(told(start() + ended)) == [("boot-timeout", 1)]


def test_compose_names_the_project_before_the_service():
    """The kill at the end of a stop is of the stream that has the service's name alone."""
    lines = (*start().splitlines(), "[2026-11-27 09:05:00 +0000] [10] [INFO] Handling signal: term")
    log = "Gracefully stopping... (press Ctrl+C again to force)\n" + "".join(f"web_1  | {line}\n" for line in lines)
    assert classes(told(f"{log}books_web_1 exited with code 137\n")) == [("shutdown-timeout", 1)]
    assert classes(told(f"{log}books_web_1 exited with code 0\n")) == []
    assert classes(told(f"{log}books_cache_1 exited with code 137\n")) == []
