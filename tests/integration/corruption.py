"""The corruption harness: a preloaded app per kind of client, many questions at once, and a heartbeat in the master.

Each question names a number and each answer must hold it: an answer with another number was somebody else's.
"""

from __future__ import annotations

import http.client
import queue
import threading
from dataclasses import dataclass, field

from tests.integration.harness import FULL, PATIENCE, Server

WORKERS = (4, 8) if FULL else (4,)
REQUESTS = 1_000 if FULL else 200
CLIENTS = 8

APP = """
import os, threading
import client

def beat():
    while True:
        try:
            line = "right" if client.ask(7) == 7 else "wrong"
        except Exception as exc:
            line = "error %r" % exc
        with open("beats", "a") as file:
            file.write(line.replace("\\n", " ") + "\\n")
        threading.Event().wait(0.01)

if "HEARTBEAT" in os.environ:
    threading.Thread(target=beat, daemon=True).start()

def answer(path):
    try:
        return "200 OK", str(client.ask(int(path.strip("/"))))
    except Exception as exc:
        return "500 Internal Server Error", "%s: %s" % (type(exc).__name__, exc)
"""
WSGI = """
def app(environ, start_response):
    status, body = answer(environ["PATH_INFO"])
    start_response(status, [("Content-Type", "text/plain")])
    return [body.encode("utf-8", "replace")]
"""
ASGI = """
import asyncio

async def answer_in(path):
    if THREAD == "django":
        # As Django's own ASGI handler calls a view that is not async.
        from asgiref.sync import sync_to_async
        return await sync_to_async(answer)(path)
    if int(path.strip("/")) % 2:
        # In the handler itself, as apps do that were written without async in mind.
        return answer(path)
    # In a thread of the loop's, as FastAPI and Starlette call a handler that is not async.
    return await asyncio.to_thread(answer, path)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": kind + ".complete"})
            if kind == "lifespan.shutdown":
                return
    status, body = await answer_in(scope["path"])
    await send({"type": "http.response.start", "status": int(status[:3]), "headers": []})
    await send({"type": "http.response.body", "body": body.encode("utf-8", "replace")})
"""

ENGINE = """
import os
from sqlalchemy import create_engine, text

URL = os.environ["URL"]
SELECT = text("SELECT CAST(:n AS integer), pg_sleep(0.003)" if "postgres" in URL else "SELECT :n, SLEEP(0.003)")
engine = create_engine(URL, pool_size=5, max_overflow=5)
held = [engine.connect() for _ in range(int(os.environ.get("WARM", "5")))]
for one in held:
    one.execute(SELECT, {"n": 1})
    one.close()

def ask(n):
    with engine.connect() as connection:
        return connection.execute(SELECT, {"n": n}).first()[0]
"""
SESSION = (
    ENGINE
    + """
from sqlalchemy.orm import scoped_session, sessionmaker
Session = scoped_session(sessionmaker(engine))
Session.execute(SELECT, {"n": 1})

def ask(n):
    try:
        return Session.execute(SELECT, {"n": n}).first()[0]
    finally:
        Session.remove()
"""
)
DJANGO = """
import json, os
from urllib.parse import unquote, urlsplit
import django
from django.conf import settings

parts = urlsplit(os.environ["URL"])
POSTGRES = parts.scheme.startswith("postgres")
options = json.loads(os.environ.get("OPTIONS", "{}"))
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends." + ("postgresql" if POSTGRES else "mysql"), "NAME": parts.path[1:],
    "USER": unquote(parts.username), "PASSWORD": unquote(parts.password), "HOST": parts.hostname, "PORT": parts.port,
    "CONN_MAX_AGE": 0 if options else None, "OPTIONS": options}})
django.setup()
from django.db import close_old_connections, connection, reset_queries

def ask(n):
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s, " % int(n) + ("pg_sleep(0.003)" if POSTGRES else "SLEEP(0.003)"))
            return cursor.fetchone()[0]
    finally:
        # As at the end of a request.
        close_old_connections()

ask(1)
"""
PSYCOPG_POOL = """
import os
from psycopg_pool import ConnectionPool

pool = ConnectionPool(os.environ["URL"], min_size=2, max_size=8, open=True, timeout=30)
pool.wait()

def ask(n):
    with pool.connection() as connection:
        return connection.execute("SELECT %d, pg_sleep(0.003)" % n).fetchone()[0]
"""
REDIS = """
import os, threading
import redis

single = redis.Redis.from_url(os.environ["URL"], single_connection_client=SINGLE)
single.ping()

def ask(n):
    return int(single.eval("return ARGV[1]", 0, n))
"""
HTTP = """
import json, os, threading
LIBRARY = os.environ["LIBRARY"]
URL = os.environ["URL"]
if LIBRARY == "requests":
    import requests
    session = requests.Session()
    get = lambda path: session.get(URL + path).text
elif LIBRARY == "urllib3":
    import urllib3
    manager = urllib3.PoolManager()
    get = lambda path: manager.request("GET", URL + path, retries=False).data
elif LIBRARY == "httpx":
    import httpx
    session = httpx.Client()
    get = lambda path: session.get(URL + path).text
else:
    import http.client
    # It is no client for several threads at once; a lock that the heartbeat held at a fork would be held for ever.
    local = threading.local()
    def get(path):
        kept = vars(local).setdefault("kept", http.client.HTTPConnection(URL.removeprefix("http://")))
        kept.request("GET", path)
        return kept.getresponse().read()

def ask(n):
    return int(get("/%d" % n))

ask(1)
"""


@dataclass(frozen=True, eq=False)
class Kind:
    """One kind of client and what its app is given."""

    name: str
    client: str
    server: str
    """`postgres`, `mariadb`, `redis` or `web`."""
    scheme: str = ""
    needs: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    wrong: bool = True
    """False where plain Gunicorn answers right as well."""
    thread_of_its_own: bool = False
    """True where a request of an asgi worker is answered in a thread that has its own connection, and is right on
    plain Gunicorn too."""
    not_on: tuple[str, ...] = ()
    """Worker classes on which a client like this, made before gevent patches, does not work for greenlets."""
    rounds: int = 3
    """How often plain Gunicorn is tried before it must have gone wrong."""

    def __str__(self) -> str:
        return self.name


KINDS = (
    Kind("sqlalchemy-psycopg", ENGINE, "postgres", "postgresql+psycopg", ("sqlalchemy", "psycopg")),
    Kind("sqlalchemy-psycopg2", ENGINE, "postgres", "postgresql+psycopg2", ("sqlalchemy", "psycopg2"), rounds=8),
    Kind("sqlalchemy-pymysql", ENGINE, "mariadb", "mysql+pymysql", ("sqlalchemy", "pymysql"), rounds=12),
    Kind("sqlalchemy-mysqlclient", ENGINE, "mariadb", "mysql+mysqldb", ("sqlalchemy", "MySQLdb"), rounds=12),
    Kind(
        "sqlalchemy-mysqlconnector",
        ENGINE,
        "mariadb",
        "mysql+mysqlconnector",
        ("sqlalchemy", "mysql.connector"),
        rounds=12,
    ),
    Kind("session-psycopg", SESSION, "postgres", "postgresql+psycopg", ("sqlalchemy", "psycopg")),
    Kind("session-mysqlclient", SESSION, "mariadb", "mysql+mysqldb", ("sqlalchemy", "MySQLdb"), rounds=12),
    Kind(
        "django-postgresql",
        DJANGO,
        "postgres",
        "postgresql",
        ("django", "psycopg"),
        thread_of_its_own=True,
        not_on=("gevent",),
    ),
    Kind("django-mysql", DJANGO, "mariadb", "mysql", ("django", "MySQLdb"), thread_of_its_own=True, not_on=("gevent",)),
    Kind(
        "django-pool",
        DJANGO,
        "postgres",
        "postgresql",
        ("django", "psycopg_pool"),
        {"OPTIONS": '{"pool": {"min_size": 1, "max_size": 8}}'},
        not_on=("gevent",),
    ),
    Kind("psycopg-pool", PSYCOPG_POOL, "postgres", "postgresql", ("psycopg_pool",)),
    Kind("redis-single", REDIS.replace("SINGLE", "True"), "redis", "", ("redis",)),
    Kind("redis-pool", REDIS.replace("SINGLE", "False"), "redis", "", ("redis",), wrong=False),
    Kind("requests", HTTP, "web", "", ("requests",), {"LIBRARY": "requests"}),
    Kind("urllib3", HTTP, "web", "", ("urllib3",), {"LIBRARY": "urllib3"}),
    Kind("httpx", HTTP, "web", "", ("httpx",), {"LIBRARY": "httpx"}, not_on=("gevent",)),
    Kind("http.client", HTTP, "web", "", (), {"LIBRARY": "http.client"}, not_on=("gevent",)),
)
FEW = ("django-postgresql", "psycopg-pool", "redis-single")
"""What a default run asks; SQLAlchemy's drivers have test_pools."""
CLASSES = ("sync", "gthread", "gevent", "asgi")


def app_for(kind: Kind, worker_class: str) -> str:
    """Return the source of the app for a worker class."""
    return APP + (f"THREAD = {'django' if kind.client is DJANGO else ''!r}" + ASGI if worker_class == "asgi" else WSGI)


@dataclass
class Answers:
    """What the clients got."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def bad(self) -> list[str]:
        """Everything that is no right answer."""
        return self.wrong + self.errors


def ask(server: Server, count: int, *, until_bad: bool = False) -> Answers:
    """Ask so many different questions from several clients at once; each must get its own number back."""
    questions: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(1, count + 1):
        questions.put(number)
    answers, lock = Answers(), threading.Lock()
    port, limit = server.port, 5.0 if until_bad else PATIENCE

    def client() -> None:
        while not (until_bad and answers.bad):
            try:
                number = questions.get_nowait()
            except queue.Empty:
                return
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit)
            try:
                connection.request("GET", f"/{number}", headers={"Connection": "close"})
                with connection.getresponse() as answer:
                    status, body = answer.status, answer.read()
            except (OSError, http.client.HTTPException) as exc:
                status, body = 0, repr(exc).encode()
            finally:
                connection.close()
            with lock:
                if status != 200:
                    answers.errors.append(f"{number}: {status} {body.decode()[:300]}")
                elif body != b"%d" % number:
                    answers.wrong.append(f"{number}: {body.decode()[:300]}")
                else:
                    answers.right += 1

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
