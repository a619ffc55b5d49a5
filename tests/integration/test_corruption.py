"""Many questions at once to preloaded apps whose clients connected at import: with bootcheck every answer is right.

By default three kinds of client under sync workers; `BOOTCHECK_TEST_MATRIX=full` asks 1,000 questions of every kind
under every worker class, with 4 and with 8 workers, and prints the figures with `-s`. Under asgi workers half of the
questions are answered in the async handler itself, half in a thread of its loop; Django's all in the thread that
asgiref gives them.
"""

from __future__ import annotations

import http.server
import importlib.util
import re
import socketserver
import threading
from collections import Counter

import pytest

from tests.integration.corruption import CLASSES, FEW, FULL, KINDS, REQUESTS, WORKERS, app_for, ask
from tests.integration.harness import partly, wait_until
from tests.integration.servers import running_mariadb, running_postgres

CHOSEN = partly(list(KINDS), *(kind for kind in KINDS if kind.name in FEW))
SLOW = {"psycopg-pool"}
"""Kinds that the short run leaves to the wide one."""
WRONG = [kind for kind in KINDS if kind.wrong]
RECYCLED = 120 if FULL else 40
"""Requests after which a worker ends and another one is forked."""


@pytest.fixture(scope="module")
def large_postgres():
    """A PostgreSQL that has room for every worker's pool."""
    with running_postgres("max_connections=200") as server:
        yield server


@pytest.fixture(scope="module")
def large_mariadb():
    """A MariaDB that has room for every worker's pool."""
    with running_mariadb("--max-connections=200") as server:
        yield server


@pytest.fixture(scope="module")
def echo():
    """An HTTP/1.1 server that answers with the number it was asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            threading.Event().wait(0.003)
            body = self.path.strip("/").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request, client_address) -> None:
            """Say nothing: a mixed-up request is what plain Gunicorn is to show."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def corruptible(serve, python, request):
    """Start the app of one kind under --preload."""

    def start(kind, worker_class="sync", workers=WORKERS[0], *, options=(), **environ):
        for module in kind.needs:
            # The server runs with this interpreter or with one that says what it has.
            if importlib.util.find_spec(module) is None or (module in ASKED and module not in python.has):
                pytest.skip(f"{module} is not installed")
        threads = ["--threads", "4"] if worker_class == "gthread" else []
        return serve(
            app=app_for(kind, worker_class),
            files={"client.py": kind.client},
            worker_class=worker_class,
            workers=workers,
            # A disk that is slow for a moment is none of the questions here.
            stored=False,
            options=["--preload", "--timeout", "60", *threads, *options],
            environ={"URL": url_of(kind, request), **kind.environ, **environ},
        )

    return start


ASKED = ("sqlalchemy", "psycopg", "psycopg2", "pymysql", "MySQLdb")


def ready(server):
    """Return how many workers have said that they are ready."""
    return len(re.findall(r"^bootcheck: worker \d+ ready", server.stderr, re.MULTILINE))


def url_of(kind, request):
    """Return the address of the kind's server; encryption would hide rows that are mixed up."""
    if kind.server == "web":
        return request.getfixturevalue("echo")
    if kind.server == "redis":
        return request.getfixturevalue("redis_server").url()
    if kind.server == "mariadb":
        return request.getfixturevalue("large_mariadb" if FULL else "mariadb").url(kind.scheme)
    if FULL:
        return request.getfixturevalue("large_postgres").url(kind.scheme, query="sslmode=disable")
    return request.getfixturevalue("postgres").url(kind.scheme, user="app", database="app", query="sslmode=disable")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.wide) if getattr(kind, "name", "") in SLOW else kind for kind in CHOSEN],
    ids=str,
)
@pytest.mark.parametrize("worker_class", partly(CLASSES, "sync"))
@pytest.mark.parametrize("workers", WORKERS)
def test_every_answer_is_right_and_the_master_lives_on(corruptible, kind, worker_class, workers):
    """No wrong row, no error, no failed heartbeat of the master, while workers come and go."""
    if worker_class in kind.not_on:
        pytest.skip("made before gevent patches, its locks and thread-locals are not those of greenlets")
    server = corruptible(kind, worker_class, workers, options=["--max-requests", str(RECYCLED)], HEARTBEAT="1")
    wait_until(lambda: ready(server) >= workers, lambda: "workers" + server.story())
    answers = ask(server, REQUESTS)
    wait_until(lambda: ready(server) >= workers + 2, lambda: "replacements" + server.story())
    wait_until(
        lambda: server.stderr.count("Booting worker") == ready(server),
        lambda: "the last replacement" + server.story(),
    )
    beats = server.home / "beats"
    before = len(beats.read_text().splitlines())
    wait_until(lambda: len(beats.read_text().splitlines()) > before + 5, lambda: "more heartbeats" + server.story())
    told = Counter(beats.read_text().splitlines())
    booted = ready(server)
    server.stop()
    print(
        f"\non  {kind} {worker_class} {workers}: {answers.right} right, {len(answers.wrong)} wrong, "
        f"{len(answers.errors)} errors; master {dict(told)}; {booted} workers"
    )

    assert (answers.right, answers.bad) == (REQUESTS, [])
    assert set(told) == {"right"}
    # A worker that another one's last request had replaced may be in the middle of its boot at the stop.
    assert {report["verdict"]["cause"] for report in server.reports("crash")} <= {"sigterm"}, server.story()


@pytest.mark.parametrize("kind", partly(WRONG, *(kind for kind in WRONG if kind.name == "redis-single")), ids=str)
@pytest.mark.parametrize("worker_class", partly(("sync", "asgi"), "sync"))
@pytest.mark.parametrize("workers", WORKERS)
def test_without_bootcheck_answers_go_wrong(corruptible, kind, worker_class, workers):
    """Plain Gunicorn mixes them up; if it did not, the test above would prove nothing."""
    if worker_class == "asgi" and kind.thread_of_its_own:
        pytest.skip("Django refuses to be asked on an event loop's thread, and has connections by thread")
    for _ in range(kind.rounds):
        # A worker that waits for its neighbour's answer must not delay the stop.
        server = corruptible(
            kind,
            worker_class,
            workers,
            options=["--graceful-timeout", "1"],
            BOOTCHECK_DISABLE="1",
            WARM="1" if kind.rounds < 12 else "5",
        )
        server.wait_for_line("Booting worker", count=workers)
        answers = ask(server, REQUESTS, until_bad=True)
        server.stop()
        assert server.own_lines == []
        if answers.bad:
            print(
                f"\noff {kind} {worker_class} {workers}: {answers.right} right, {len(answers.wrong)} wrong, "
                f"{len(answers.errors)} errors"
            )
            return

    pytest.fail(f"{kind.rounds} rounds of {REQUESTS} requests without a wrong answer")
