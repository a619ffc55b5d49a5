"""Clients that do not reach a server, and watchers that end it, as they say so in its log."""

from __future__ import annotations

import pytest

from tests.unit.analysis.making import classes, told
from tests.unit.analysis.signatures.examples import GET, NO_FLASK, TERM, raising, start

LOOPBACK = start().replace("0.0.0.0:8000", "127.0.0.1:8000")
REFUSED = (
    "curl: (7) Failed to connect to books port 8000 after 1 ms: Couldn't connect to server",
    "curl: (7) Failed to connect to books port 8000: Connection refused",
    "Connecting to books (books)|172.20.0.4|:8000... failed: Connection refused.",
    "nc: connect to books (172.20.0.4) port 8000 (tcp) failed: Connection refused",
    "books [172.20.0.4] 8000 (?) : Connection refused",
    "nc: books (172.20.0.4:8000): Connection refused",
    "bash: line 3: /dev/tcp/books/8000: Connection refused",
    "Problem with dial: dial tcp 172.20.0.4:8000: connect: connection refused. Sleeping 1s",
    "level=debug msg=\"'502 Bad Gateway' caused by: dial tcp 172.20.0.4:8000: connect: connection refused\"",
    "FetchError: request failed, reason: connect ECONNREFUSED 172.20.0.4:8000",
    "(111)Connection refused: AH00957: HTTP: attempt to connect to 172.20.0.4:8000 (books) failed",
    "wait-for-it.sh: timeout occurred after waiting 15 seconds for books:8000",
    "Timeout after 10s waiting on dependencies to become available: [tcp://books:8000]",
    "could not connect to http://books:8000/",
    "books:8000 is not reachable",
)
WATCHED = (
    "RSS of shop:books is 912680550\nRestarting shop:books",
    "watcher: health check 3 of 3 failed",
    "Health check failed (5/5)",
    "watcher: books is unhealthy, stopping it",
    "no response from http://localhost:8000/ping, restarting books",
    "books is not responding. Kill it !",
    "http://localhost:8000/ping returned 503, restarting books",
    "HEALTHCHECK FAILED - restarting books",
    "Health check timed out (attempt 3/3), sending SIGTERM to books",
    "'books' total mem amount of 612.0 MB matches resource limit [total mem amount > 512.0 MB]",
    "killing books: 3 heartbeats missed, not alive",
    "memory limit reached (612 MB), restarting books",
    "27-11-2026 09:04:59 Container /books (0c5e) found to be unhealthy - Restarting container now with 10s timeout",
    "2026-11-27 09:04:58,000 WARNING [watcher] gunicorn does not answer, terminating it",
)
AT_ONCE = "2026-11-27T09:04:59Z "


def service(text: str, name: str) -> str:
    """Return the lines as `docker compose up` prints them."""
    return "".join(f"{name}  | {line}\n" for line in text.splitlines())


@pytest.mark.parametrize("text", REFUSED)
def test_a_client_does_not_reach_a_server_on_loopback(text: str):
    """It asks another name or address for the same port."""
    assert classes(told(LOOPBACK + text + "\n")) == [("bad-bind-address", 1)]
    beside = service(LOOPBACK, "books-1") + service(text, "front-1")
    assert classes(told(beside)) == [("bad-bind-address", 1)]
    assert classes(told(LOOPBACK + text + "\n" + GET.replace("10.0.0.9", "127.0.0.1"))) == [("bad-bind-address", 1)]


@pytest.mark.parametrize("text", REFUSED)
def test_a_client_that_is_refused_otherwise_says_nothing_of_the_address(text: str):
    """It came too early or too late, asks for another port, or is answered in the end."""
    line = text + "\n"

    assert classes(told(start() + line + TERM)) == []
    assert classes(told(line + LOOPBACK + TERM)) == []
    assert classes(told(LOOPBACK + TERM + line)) == []
    assert classes(told(LOOPBACK + line.replace("8000", "9200") + TERM)) == []
    assert classes(told(LOOPBACK + line + GET + TERM)) == []


def test_a_client_of_loopback_itself_says_nothing_of_the_address():
    """The server was not up, or is another one."""
    line = "curl: (7) Failed to connect to localhost port 8000: Connection refused\n"

    assert classes(told(LOOPBACK + line + TERM)) == []


def test_a_client_of_a_server_that_did_not_boot_tells_no_cause():
    """Its worker raised."""
    log = raising(NO_FLASK).replace("0.0.0.0:8000", "127.0.0.1:8000")
    head, booting, rest = log.partition("[2026-11-27 09:00:01")

    assert classes(told(head + REFUSED[0] + "\n" + booting + rest)) == [("dependency-missing", 1)]


@pytest.mark.parametrize("text", WATCHED)
def test_a_watcher_ends_the_server(text: str):
    """It says so, and Gunicorn is told to stop just then."""
    said = "".join(line if line.startswith("2026") else f"{AT_ONCE}{line}" for line in text.splitlines(keepends=True))

    assert classes(told(start() + GET + said + "\n" + TERM)) == [("external-stop", 1)]
    assert classes(told(start() + GET + text + "\n" + TERM.replace("[2026-11-27 09:05:00 +0000] ", ""))) != []


@pytest.mark.parametrize("text", WATCHED)
def test_a_watcher_that_ends_nothing_is_no_incident(text: str):
    """Gunicorn goes on, had stopped before, was not started yet, or is stopped by somebody else much later."""
    said = (
        "".join(line if line.startswith("2026") else f"{AT_ONCE}{line}" for line in text.splitlines(keepends=True))
        + "\n"
    )

    assert classes(told(start() + GET + said + GET)) == []
    assert classes(told(start() + GET + TERM + said)) == []
    assert classes(told(said + start() + GET)) == []
    assert classes(told(start() + GET + said + GET + TERM.replace("09:05", "09:16"))) == []


def test_a_watcher_in_a_container_of_its_own():
    """What it says counts with the end of this server only."""
    said = service(WATCHED[-2], "healer-1")

    assert classes(told(service(start() + GET, "books-1") + said + service(TERM, "books-1"))) == [("external-stop", 1)]
    assert classes(told(service(start() + GET, "books-1") + said + service(GET, "books-1"))) == []


def test_a_clean_stop_without_such_words_is_healthy():
    """Checks that failed and recovered stop nobody."""
    said = f"{AT_ONCE}watcher: health check 1 of 3 failed\n{AT_ONCE}RSS of shop:books is 1024\n"

    assert classes(told(start() + GET + said + TERM)) == []
