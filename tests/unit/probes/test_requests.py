"""Requests in flight: written without a lock, read by another process after the death."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from bootcheck.probes import requests
from bootcheck.probes.requests import Requests, read


@pytest.fixture
def memory() -> bytearray:
    """Memory with other things before and after."""
    return bytearray(b"\xff" * 8 + bytes(requests.SIZE) + b"\xff" * 8)


@pytest.fixture
def watched(memory: bytearray) -> Requests:
    """The writing half, at an offset."""
    found = Requests(memory, 8)
    found.watched()
    return found


def texts(memory: bytearray) -> list[str]:
    """Return `METHOD path` of what runs, oldest first."""
    return [f"{method} {path.decode()}" for method, path, _ in read(memory, 8, time.monotonic())[0]]


def count(memory: bytearray) -> int | None:
    """Return how many run."""
    return read(memory, 8, time.monotonic())[1]


def request(path: str = "/a", method: str = "GET") -> SimpleNamespace:
    """Return a request as Gunicorn parses it."""
    return SimpleNamespace(method=method, path=path)


def test_a_handler_is_seen_while_it_runs_and_not_after(watched, memory):
    """The result and every argument pass through."""

    def handle(listener, req, client, *, extra):
        seen.append(texts(memory))
        return listener, client, extra

    seen: list[list[str]] = []
    assert watched.around_handler(handle, 1)("l", request("/x"), "c", extra=1) == ("l", "c", 1)
    assert seen == [["GET /x"]]
    assert (texts(memory), count(memory)) == ([], 0)
    assert memory.startswith(b"\xff" * 8)
    assert memory.endswith(b"\xff" * 8)


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, StopIteration])
def test_an_exception_ends_a_request(watched, memory, error):
    """It goes on to the caller."""

    def handle(req):
        raise error

    with pytest.raises(error):
        watched.around_handler(handle, 0)(request())
    assert texts(memory) == []


@pytest.mark.parametrize("broken", [None, SimpleNamespace(), request("/\N{SNOWMAN}"), request(None)])
def test_a_request_that_cannot_be_read_is_served_all_the_same(watched, memory, broken):
    """It is only not noted; no place is lost."""
    for _ in range(20):
        assert watched.around_handler(lambda req: "served", 0)(broken) == "served"
    assert watched.around_handler(lambda req: texts(memory), 0)(request("/fine")) == ["GET /fine"]


def test_a_system_exit_carries_the_picture_of_the_request_it_left(watched, memory):
    """It is shown when the process dies of that exception, and only then."""

    def handle(req):
        raise SystemExit(3)

    with pytest.raises(SystemExit) as caught:
        watched.around_handler(handle, 0)(request("/exit"))
    assert texts(memory) == []
    watched.died_of(ValueError("another"))
    assert texts(memory) == []
    watched.died_of(caught.value)
    assert texts(memory) == ["GET /exit"]


def test_a_frozen_picture_stays(watched, memory):
    """What ends after the abort was in flight at the abort, with the time until then."""
    place = watched.begin(b"GET /slow")
    watched.freeze()
    watched.end(place)
    watched.begin(b"GET /later")
    watched.freeze()
    assert texts(memory) == ["GET /slow"]
    first = read(memory, 8, time.monotonic())[0][0][2]
    assert read(memory, 8, time.monotonic() + 100)[0][0][2] == first


def test_beyond_eight_the_oldest_of_the_newer_gives_way(watched, memory):
    """Four keep their place; all are counted, also those that are not named, until they end."""
    places = [watched.begin(f"GET /{number}".encode()) for number in range(20)]
    assert [int(text[5:]) for text in texts(memory)] == [0, 1, 2, 3, 16, 17, 18, 19]
    assert count(memory) == 20
    watched.end(places[5])
    assert count(memory) == 19
    for place in places[:5] + places[6:]:
        watched.end(place)
    assert (texts(memory), count(memory)) == ([], 0)
    again = [watched.begin(f"GET /{number}".encode()) for number in range(8)]
    assert len(texts(memory)) == len(again) == count(memory)


def test_threads_lose_no_place(watched, memory):
    """After thousands of requests in many threads all eight places are free again."""
    handler = watched.around_handler(lambda req: time.sleep(0), 0)

    def serve() -> None:
        for _ in range(500):
            handler(request())

    threads = [threading.Thread(target=serve) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (texts(memory), count(memory)) == ([], 0)
    places = [watched.begin(f"GET /{number}".encode()) for number in range(8)]
    assert len(set(places)) == len(texts(memory)) == 8


def test_a_path_that_is_too_long_loses_its_last_segment(watched, memory):
    """It may have been cut within a secret; the query is never shown."""
    watched.begin(b"GET /a/" + b"b" * 300)
    watched.begin(b"GET /c?token=1#x")
    assert texts(memory) == ["GET /a/...", "GET /c"]


def test_without_a_watch_the_count_is_unknown():
    """No entry then says nothing."""
    assert read(bytearray(requests.SIZE), 0, 1.0) == ([], None)


# -- ASGI


class App:
    """An ASGI app with an attribute of its own."""

    state = "mine"

    def __init__(self, memory: bytearray) -> None:
        self.memory = memory
        self.seen: list[list[str]] = []

    async def __call__(self, scope, receive, send):
        """Note what runs."""
        self.seen.append(texts(self.memory))
        if scope.get("raises"):
            raise scope["raises"]


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ({"type": "http", "method": "PUT", "path": "/ä", "raw_path": b"/%C3%A4"}, ["PUT /%C3%A4"]),
        ({"type": "http", "method": "GET", "path": "/a"}, ["GET /a"]),
        ({"type": "websocket", "path": "/chat"}, ["WEBSOCKET /chat"]),
        ({"type": "lifespan"}, []),
        ({"type": "http"}, []),
    ],
)
def test_an_asgi_app_is_seen_while_it_runs(watched, memory, scope, text):
    """Every scope reaches the app; lifespan is no request; attributes are the app's own."""
    app = App(memory)
    stand_in = watched.around_app(app)
    asyncio.run(stand_in(scope, None, None))
    assert app.seen == [text]
    assert texts(memory) == []
    assert stand_in.state == "mine"
    with pytest.raises(AttributeError):
        _ = stand_in.nothing


def test_an_asgi_app_that_raises(watched, memory):
    """The exception goes on; SystemExit carries the picture."""
    stop = SystemExit(1)
    for error in (ValueError("x"), stop):
        with pytest.raises(type(error)):
            asyncio.run(
                watched.around_app(App(memory))(
                    {"type": "http", "method": "GET", "path": "/a", "raises": error}, None, None
                )
            )
        assert texts(memory) == []
    watched.died_of(stop)
    assert texts(memory) == ["GET /a"]
