"""Each client across a fork, against real servers: workers connect anew, the master keeps its own connection."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading

import pytest

from tests.integration.forks import run
from tests.integration.harness import partly

PG = """
import psycopg
plain = url.replace("+psycopg", "")
WHO = "select pg_backend_pid()"
"""
DJANGO = """
import django
from django.conf import settings
from urllib.parse import unquote, urlsplit
parts = urlsplit(url)
options = json.loads(os.environ["OPTIONS"])
engine = "postgresql" if url.startswith("postgresql") else "mysql"
if engine == "mysql" and os.environ.get("PYMYSQL"):
    import pymysql
    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends." + engine, "NAME": parts.path[1:], "USER": unquote(parts.username),
    "PASSWORD": unquote(parts.password), "HOST": parts.hostname, "PORT": parts.port,
    "CONN_MAX_AGE": None if "pool" not in options else 0, "OPTIONS": options}})
django.setup()
from django.db import connection, transaction
WHO = "select pg_backend_pid()" if engine == "postgresql" else "select connection_id()"

def who():
    with connection.cursor() as cursor:
        cursor.execute(WHO)
        return cursor.fetchone()[0]
"""


@pytest.fixture
def pg(postgres):
    """A URL without encryption."""
    return postgres.url("postgresql+psycopg", user="app", database="app", query="sslmode=disable")


@pytest.fixture(params=partly(["disable", "require"], "require"))
def pg_any(postgres, request):
    """A URL without and with encryption."""
    return postgres.url("postgresql+psycopg", user="app", database="app", query=f"sslmode={request.param}")


@pytest.fixture
def web():
    """An HTTP/1.1 server that names the connection on which it was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/slow":
                threading.Event().wait(3)
            body = json.dumps([self.path, self.client_address[1]]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def connections_differ(told) -> None:
    """Judge a script: two workers, each with a connection of its own, and the master with the one that it had."""
    workers = [mine for _, mine in told["workers"]]
    assert all(isinstance(mine, int) for mine in workers), told
    assert told["after"] == told["before"]
    assert len({told["before"], *workers}) == 3, told


# -- databases

DATABASES = partly(["postgres", "mariadb-mysqlclient", "mariadb-pymysql"], "postgres")


def test_a_pool_of_psycopg_is_built_anew(pg_any):
    """Idle connections, one in use, and the threads: the worker's pool is a whole one; the master's lives on."""
    pytest.importorskip("psycopg_pool")
    told = run(
        pg_any,
        """
        from psycopg_pool import ConnectionPool
        pool = ConnectionPool(plain, min_size=2, max_size=4, open=True, name="mine", timeout=20)
        pool.wait()
        pool.mark = "the app's"
        held = pool.getconn()
        before = held.execute(WHO).fetchone()[0]
        held.commit()
        snapshot = fresh_pools.before_fork(2)

        def body():
            with pool.connection() as one, pool.connection() as two:
                mine = [one.execute(WHO).fetchone()[0], two.execute(WHO).fetchone()[0]]
            pool.check()
            told = [mine[0], mine[1], pool.min_size, pool.max_size, pool.name, pool.timeout, pool.mark]
            pool.close()
            return told

        workers = [as_worker(body, snapshot) for _ in range(2)]
        after = held.execute(WHO).fetchone()[0]
        pool.putconn(held)
        with pool.connection() as one:
            again = one.execute(WHO).fetchone()[0]
        seen = [[item.library, item.owner, item.holder, item.remedy] for item in snapshot.inherited]
        print(json.dumps({"before": before, "after": after, "again": again, "workers": workers, "seen": seen}))
        sys.stdout.flush()
        os._exit(0)
        """,
        PG,
    )

    assert told["after"] == told["before"]
    assert isinstance(told["again"], int)
    (_, first), (_, second) = told["workers"]
    assert len({told["before"], *first[:2], *second[:2]}) == 5
    assert first[2:] == [2, 4, "mine", 20, "the app's"]
    assert {tuple(item) for item in told["seen"]} == {
        ("psycopg_pool", "psycopg_pool.ConnectionPool 'mine'", "__main__.pool", "renew")
    }
    assert [action for action, _ in told["workers"]] == [["neutralised"] * 2 + ["renewed"]] * 2


@pytest.mark.wide
def test_a_pool_without_connections_gets_its_threads_back(pg):
    """Nothing is inherited, and the worker's pool works all the same."""
    pytest.importorskip("psycopg_pool")
    told = run(
        pg,
        """
        from psycopg_pool import ConnectionPool
        pool = ConnectionPool(plain, min_size=0, max_size=2, open=True, timeout=10)
        snapshot = fresh_pools.before_fork(2)

        def body():
            with pool.connection() as one:
                return one.execute("select 7").fetchone()[0]

        print(json.dumps(as_worker(body, snapshot)))
        sys.stdout.flush()
        os._exit(0)
        """,
        PG,
    )

    assert told == [["renewed"], 7]


def test_a_pool_of_an_unknown_class_is_cut_off_and_named(pg):
    """A subclass may have more to it: its connections fail loudly, the master's go on."""
    pytest.importorskip("psycopg_pool")
    told = run(
        pg,
        """
        from psycopg_pool import ConnectionPool
        class Mine(ConnectionPool):
            pass
        pool = Mine(plain, min_size=1, open=True)
        pool.wait()
        snapshot = fresh_pools.before_fork(2)

        def body():
            with pool.connection(timeout=1) as one:
                return one.execute(WHO).fetchone()[0]

        worker = as_worker(body, snapshot)
        with pool.connection() as one:
            alive = one.execute(WHO).fetchone()[0]
        found = [[finding.code, finding.severity] for finding in fresh_pools.findings(snapshot)]
        print(json.dumps([worker, alive, found]))
        sys.stdout.flush()
        os._exit(0)
        """,
        PG,
    )

    worker, alive, found = told
    assert "raised" in worker
    assert isinstance(alive, int)
    assert found == [["BC203", "warning"]]


@pytest.mark.parametrize("database", DATABASES)
def test_djangos_connection_is_closed_before_the_fork(database, request):
    """Django opens another one when it needs one, in the master too."""
    url, environ = django_database(database, request)
    told = run(
        url,
        """
        before = who()
        snapshot = fresh_pools.before_fork(2)
        workers = [as_worker(who, snapshot) for _ in range(2)]
        print(json.dumps({"before": before, "workers": workers, "after": who(), "closed": snapshot.closed}))
        """,
        DJANGO,
        **environ,
    )

    assert told["closed"] == {"Django's connection 'default'": 1}
    workers = [mine for _, mine in told["workers"]]
    assert len({told["before"], told["after"], *workers}) == 4


@pytest.mark.parametrize("database", DATABASES)
def test_djangos_open_transaction_stays_the_masters(database, request):
    """What is in an atomic block is not closed; in the worker it is given up."""
    url, environ = django_database(database, request)
    told = run(
        url,
        """
        import threading
        with transaction.atomic():
            before = who()
            snapshot = fresh_pools.before_fork(2)

            def body():
                # As a thread of the worker would: a connection of its own, and the inherited one is dead.
                mine = []
                thread = threading.Thread(target=lambda: mine.append(who()))
                thread.start()
                thread.join()
                return mine[0]

            workers = [as_worker(body, snapshot) for _ in range(2)]
            after = who()
        print(json.dumps({"before": before, "workers": workers, "after": after}))
        """,
        DJANGO,
        **environ,
    )

    connections_differ(told)


def test_djangos_own_pool_is_made_again(pg):
    """A pool that Django made of psycopg_pool: closed in the master, or forgotten in the worker."""
    pytest.importorskip("psycopg_pool")
    told = run(
        pg,
        """
        before = who()
        held = connection.connection
        snapshot = fresh_pools.before_fork(2)
        busy = fresh_pools.before_fork(2)

        def body():
            mine = who()
            connection.close()
            again = who()
            return mine

        workers = [as_worker(body, snapshot) for _ in range(2)]
        print(json.dumps({"before": before, "workers": workers, "after": who(), "closed": snapshot.closed}))
        sys.stdout.flush()
        os._exit(0)
        """,
        DJANGO,
        OPTIONS=json.dumps({"pool": {"min_size": 1, "max_size": 2}}),
    )

    assert "Django's connection 'default'" in told["closed"]
    workers = [mine for _, mine in told["workers"]]
    assert all(isinstance(mine, int) for mine in workers), told
    assert len({told["before"], *workers}) == 3


def django_database(name, request):
    """Return a URL and the environment of Django's prelude."""
    pytest.importorskip("django")
    if name == "postgres":
        postgres = request.getfixturevalue("postgres")
        return postgres.url("postgresql+psycopg", user="app", database="app"), {"OPTIONS": "{}"}
    pytest.importorskip("MySQLdb" if name.endswith("mysqlclient") else "pymysql")
    mariadb = request.getfixturevalue("mariadb")
    return mariadb.url(), {"OPTIONS": "{}", **({"PYMYSQL": "1"} if name.endswith("pymysql") else {})}


RAW = {
    "psycopg": "raw = psycopg.connect(plain, autocommit=True)",
    "psycopg2": "import psycopg2\nraw = psycopg2.connect(plain)\nraw.autocommit = True",
    "pymysql": "import pymysql\nraw = pymysql.connect(**account, autocommit=True)",
    "MySQLdb": "import MySQLdb\nraw = MySQLdb.connect(**account, autocommit=True)",
    "mysql.connector": "import mysql.connector as mc\nraw = mc.connect(**account, autocommit=True, use_pure=True)",
}


@pytest.mark.parametrize("driver", partly(list(RAW), "psycopg2", "MySQLdb"))
def test_a_raw_connection_is_named_and_cut_off(driver, request):
    """Its holder, its server; loud in the worker, alive in the master whatever the worker does with it."""
    pytest.importorskip(driver)
    if driver.startswith("psycopg"):
        postgres = request.getfixturevalue("postgres")
        url, where = postgres.url("postgresql", user="app", database="app"), (postgres.host, postgres.port)
        prelude = "import psycopg\nplain = url\nWHO = 'select pg_backend_pid()'\n"
    else:
        mariadb = request.getfixturevalue("mariadb")
        url, where = mariadb.url(), (mariadb.host, mariadb.port)
        prelude = """
from urllib.parse import unquote, urlsplit
parts = urlsplit(url)
account = dict(host=parts.hostname, port=parts.port, user=parts.username, password=unquote(parts.password))
WHO = 'select connection_id()'
"""
    told = run(
        url,
        f"""
{RAW[driver]}
class Repository:
    pass
REPOSITORY = Repository()
REPOSITORY.db = raw
del raw

def who():
    cursor = REPOSITORY.db.cursor()
    cursor.execute(WHO)
    return cursor.fetchone()[0]

before = who()
refused = fresh_pools.before_start(2)
alone = fresh_pools.before_start(1)
snapshot = fresh_pools.before_fork(2)

def body():
    try:
        who()
        said = "no error"
    except Exception as exc:
        said = type(exc).__name__
    try:
        REPOSITORY.db.close()
    except Exception:
        pass
    return said

workers = [as_worker(body, snapshot) for _ in range(2)]
seen = [[item.holder, item.peer, item.raw] for item in snapshot.inherited]
print(json.dumps({{
    "before": before, "after": who(), "workers": workers, "seen": seen, "alone": len(alone),
    "refused": [finding.as_dict() for finding in refused],
}}))
""",
        prelude,
    )

    peer = f"{where[0]}:{where[1]}"
    assert told["after"] == told["before"]
    assert told["seen"] == [["__main__.REPOSITORY.db", peer, True]]
    for actions, said in told["workers"]:
        assert actions == ["cut"]
        assert said != "no error"
    (refused,) = told["refused"]
    assert (refused["code"], refused["severity"], refused["declared"]) == ("BC202", "error", True)
    assert "__main__.REPOSITORY.db" in refused["summary"]
    assert peer in refused["summary"]
    assert told["alone"] == 0


# -- clients of an event loop that goes on in the master

LOOP = """
import asyncio, threading
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()

def in_master(call, *arguments):
    async def body():
        return await call(*arguments)
    return asyncio.run_coroutine_threadsafe(body(), loop).result(30)

def in_worker(call, *arguments):
    async def body():
        return await call(*arguments)
    try:
        return asyncio.run(asyncio.wait_for(body(), 30))
    except Exception as exc:
        return type(exc).__name__
"""


def test_connections_of_asyncpg_are_cut_off_in_the_worker(pg):
    """Its query fails there, as it must, and does not reach the server: the master's own get their own answers."""
    pytest.importorskip("asyncpg")
    told = run(
        pg.replace("+psycopg", ""),
        """
        import asyncpg
        held = in_master(asyncpg.connect, url)
        async def make():
            return await asyncpg.create_pool(url, min_size=2, max_size=2)
        pool = in_master(make)
        first = fresh_pools.before_fork(2)
        findings = [finding.as_dict() for finding in fresh_pools.findings(first)]

        def body():
            return [in_worker(held.fetchval, "select 'worker'"), in_worker(pool.fetchval, "select 'worker'")]

        workers = [as_worker(body, first), as_worker(body, fresh_pools.before_fork(2))]
        after = [in_master(held.fetchval, "select 'master'") for _ in range(3)]
        after += [in_master(pool.fetchval, "select 'master'") for _ in range(6)]
        print(json.dumps({"workers": workers, "after": after, "findings": findings}), flush=True)
        os._exit(0)
        """,
        LOOP,
    )

    assert told["after"] == ["master"] * 9
    for actions, answers in told["workers"]:
        assert actions == ["neutralised"] * 3
        assert "worker" not in answers
    (finding,) = told["findings"]
    assert (finding["code"], finding["severity"]) == ("BC203", "warning")
    assert "asyncpg" in finding["action"][0]


def test_connections_of_redis_asyncio_reconnect_in_the_worker(redis_server):
    """Also those that lie idle: the worker has a connection in its own loop, the master the one that it had."""
    pytest.importorskip("redis")
    told = run(
        redis_server.url(),
        """
        import redis.asyncio
        pooled = redis.asyncio.Redis.from_url(url)
        single = redis.asyncio.Redis.from_url(url, single_connection_client=True)
        before = [in_master(pooled.client_id), in_master(single.client_id)]

        def body():
            async def ask():
                return [await pooled.client_id(), await single.client_id(), (await pooled.echo("worker")).decode()]
            return in_worker(ask)

        workers = [as_worker(body, fresh_pools.before_fork(2)) for _ in range(2)]
        after = [in_master(pooled.client_id), in_master(single.client_id)]
        echoed = [in_master(one.echo, "master").decode() for one in (pooled, single) for _ in range(3)]
        print(json.dumps({"before": before, "after": after, "workers": workers, "echoed": echoed}), flush=True)
        os._exit(0)
        """,
        LOOP,
    )

    assert told["after"] == told["before"]
    assert told["echoed"] == ["master"] * 6
    for actions, (pooled, single, said) in told["workers"]:
        assert actions == ["neutralised", "neutralised", "reset"]
        assert said == "worker"
        assert {pooled, single}.isdisjoint(told["before"])


# -- Redis and HTTP


def test_redis_connections_that_are_held_reconnect(redis_server):
    """A single-connection client and a subscription; an idle pool is left alone and not even mentioned."""
    pytest.importorskip("redis")
    told = run(
        redis_server.url(),
        """
        import redis, threading
        single = redis.Redis.from_url(url, single_connection_client=True)
        pooled = redis.Redis.from_url(url)
        listener = redis.Redis.from_url(url).pubsub(ignore_subscribe_messages=True)
        before = single.client_id()
        pooled_before = pooled.client_id()
        listener.subscribe("news")
        while listener.get_message(timeout=1) is None and not listener.subscribed:
            pass
        snapshot = fresh_pools.before_fork(2)
        # A thread of the master is in the middle of a command: no child has it to release the lock.
        held, done = threading.Event(), threading.Event()

        def busy():
            # Older ones have no such lock.
            with getattr(single, "single_connection_lock", threading.Lock()):
                held.set()
                done.wait()

        thread = threading.Thread(target=busy)
        thread.start()
        held.wait()

        def body():
            for _ in range(3):
                listener.get_message(timeout=0.2)
            pooled.publish("news", "for %d" % os.getpid())
            message = None
            while message is None:
                message = listener.get_message(timeout=5)
            assert message["data"].decode().startswith("for "), message
            return single.client_id(), pooled.client_id()

        workers = [as_worker(body, snapshot) for _ in range(2)]
        done.set()
        thread.join()
        print(json.dumps({
            "before": [before, pooled_before], "after": [single.client_id(), pooled.client_id()], "workers": workers,
            "seen": [[item.library, item.holder] for item in snapshot.inherited],
        }))
        """,
    )

    assert told["after"] == told["before"]
    (_, first), (_, second) = told["workers"]
    assert len({*told["before"], *first, *second}) == 6
    assert sorted(holder for _, holder in told["seen"]) == [
        "__main__.listener.connection",
        "__main__.single.connection",
    ]
    assert [actions for actions, _ in told["workers"]] == [["neutralised", "neutralised", "reset"]] * 2


HTTP = {
    "http.client": """
        import http.client
        client = http.client.HTTPConnection(url.removeprefix("http://"))
        def ask(path):
            client.request("GET", path)
            return json.loads(client.getresponse().read())
        """,
    "urllib3": """
        import urllib3
        pool = urllib3.PoolManager()
        def ask(path):
            return json.loads(pool.request("GET", url + path, retries=False).data)
        """,
    "requests": """
        import requests
        session = requests.Session()
        def ask(path):
            return session.get(url + path).json()
        """,
    "httpx": """
        import httpx
        client = httpx.Client()
        def ask(path):
            return client.get(url + path).json()
        """,
}


@pytest.mark.parametrize("library", partly(list(HTTP), "urllib3", "httpx"))
def test_http_connections_that_are_kept_alive_are_replaced(library, web):
    """Each worker's first request goes over a connection of its own, without an error."""
    pytest.importorskip(library)
    told = run(
        web,
        HTTP[library]
        + """
        before = ask("/master")[1]
        snapshot = fresh_pools.before_fork(2)

        def body():
            path, mine = ask("/worker")
            assert path == "/worker", path
            assert ask("/worker")[1] == mine
            return mine

        workers = [as_worker(body, snapshot) for _ in range(2)]
        path, after = ask("/again")
        assert path == "/again"
        print(json.dumps({"before": before, "after": after, "workers": workers}))
        """,
    )

    connections_differ(told)
    assert all("neutralised" in actions for actions, _ in told["workers"])


def test_a_response_that_the_master_is_in_the_middle_of_blocks_no_worker(web):
    """The lock of its buffer is held by a thread that no child has."""
    told = run(
        web,
        """
        import http.client, signal, threading
        client = http.client.HTTPConnection(url.removeprefix("http://"))
        client.request("GET", "/slow")
        before = []
        thread = threading.Thread(target=lambda: before.append(json.loads(client.getresponse().read())))
        thread.start()
        threading.Event().wait(0.5)
        snapshot = fresh_pools.before_fork(2)

        def body():
            signal.alarm(60)
            client.request("GET", "/worker")
            return json.loads(client.getresponse().read())[0]

        def worker():
            signal.alarm(60)
            return [[record["action"] for record in fresh_pools.in_child(snapshot, recorder)], body()]

        answer = in_fork(worker)
        thread.join()
        print(json.dumps([answer, before[0][0]]))
        """,
    )

    assert told == [[["neutralised", "reset"], "/worker"], "/slow"]
