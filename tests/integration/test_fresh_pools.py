"""Pools across a fork, against real servers: workers get their own connections, the master keeps its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration import forks
from tests.integration.harness import partly

DRIVERS = ["postgresql+psycopg", "postgresql+psycopg2", "mysql+pymysql", "mysql+mysqldb"]

POOLS = """
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

PID = text("select pg_backend_pid()") if url.startswith("postgresql") else text("select connection_id()")

def warm(engine, count=2):
    held = [engine.connect() for _ in range(count)]
    pids = [connection.execute(PID).scalar() for connection in held]
    for connection in held:
        connection.close()
    return pids
"""


def run(url: str, code: str) -> Any:
    """Run a script that has SQLAlchemy."""
    return forks.run(url, code, POOLS)


@pytest.fixture(params=partly(DRIVERS, "postgresql+psycopg", "mysql+mysqldb"))
def url(request: pytest.FixtureRequest) -> str:
    """A URL of a real server for each driver."""
    scheme = request.param
    module = {"mysqldb": "MySQLdb"}.get(scheme.partition("+")[2], scheme.partition("+")[2])
    pytest.importorskip(module, reason=f"{module} is not installed")
    if scheme.startswith("postgresql"):
        return request.getfixturevalue("postgres").url(scheme, user="app", database="app")
    return request.getfixturevalue("mariadb").url(scheme)


def test_idle_connections_are_closed_in_the_master_and_workers_open_their_own(url):
    """A warmed pool is inherited by nobody: the master closed it before the fork, and says so."""
    told = run(
        url,
        """
        engine = create_engine(url)
        warmed = warm(engine)
        snapshot = fresh_pools.before_fork(2)

        def body():
            records = fresh_pools.in_child(snapshot, recorder)
            return {"records": records, "pids": warm(engine)}

        first, second = in_fork(body), in_fork(body)
        print(json.dumps({"warmed": warmed, "first": first, "second": second, "after": warm(engine)}))
        """,
    )
    pids = [set(told[name]["pids"]) for name in ("first", "second")]

    assert pids[0].isdisjoint(told["warmed"])
    assert pids[0].isdisjoint(pids[1])
    assert [record["action"] for record in told["first"]["records"]] == ["closed"]
    assert told["first"]["records"][0]["connections"] == 2
    assert "***" in told["first"]["records"][0]["owner"]


def test_a_session_left_open_at_import_is_repaired_and_the_master_keeps_its_connection(url):
    """A connection that was checked out at the fork serves the master only; in the worker it is replaced."""
    told = run(
        url,
        """
        engine = create_engine(url)
        registry = scoped_session(sessionmaker(engine))
        held = registry.execute(PID).scalar()
        snapshot = fresh_pools.before_fork(2)

        def body():
            records = fresh_pools.in_child(snapshot, recorder)
            session = registry()
            mine = session.execute(PID).scalar()
            session.commit()
            # What a worker does at its end must not reach the master either.
            engine.dispose()
            registry.remove()
            return {"records": records, "mine": mine}

        children = [in_fork(body), in_fork(body)]
        alive = registry.execute(PID).scalar()
        print(json.dumps({"held": held, "alive": alive, "children": children}))
        """,
    )

    assert told["alive"] == told["held"]
    mine = [child["mine"] for child in told["children"]]
    assert len({told["held"], *mine}) == 3
    for child in told["children"]:
        assert [record["action"] for record in child["records"]] == ["neutralised", "invalidated"]


def test_a_core_connection_left_open_at_import_reconnects_in_the_worker(url):
    """A Connection that is between transactions is replaced in the worker without an error."""
    told = run(
        url,
        """
        engine = create_engine(url)
        connection = engine.connect()
        held = connection.execute(PID).scalar()
        connection.commit()
        snapshot = fresh_pools.before_fork(2)

        def body():
            fresh_pools.in_child(snapshot, recorder)
            return connection.execute(PID).scalar()

        mine = in_fork(body)
        print(json.dumps({"held": held, "mine": mine, "alive": connection.execute(PID).scalar()}))
        """,
    )

    assert isinstance(told["mine"], int)
    assert told["mine"] != told["held"] == told["alive"]


def test_a_heartbeat_in_the_master_survives_forks_and_ends_of_workers(url):
    """A thread of the master that uses the same engine sees no error while workers come and go."""
    told = run(
        url,
        """
        import threading
        engine = create_engine(url)
        warm(engine)
        stop, errors, beats = threading.Event(), [], []

        def beat():
            while not stop.is_set():
                try:
                    with engine.connect() as connection:
                        connection.execute(PID).scalar()
                    beats.append(1)
                except Exception as exc:
                    errors.append(repr(exc))
                stop.wait(0.002)

        thread = threading.Thread(target=beat)
        thread.start()

        def cycle():
            snapshot = fresh_pools.before_fork(2)

            def body():
                fresh_pools.in_child(snapshot, recorder)
                pids = warm(engine)
                engine.dispose()
                return pids
            return in_fork(body)

        children = [cycle() for _ in range(6)]
        stop.set()
        thread.join()
        print(json.dumps({"errors": errors, "beats": len(beats), "children": children}))
        """,
    )

    assert told["errors"] == []
    assert told["beats"] > 0
    assert all(isinstance(child, list) for child in told["children"]), told["children"]


@pytest.mark.parametrize("url", partly(DRIVERS, "mysql+pymysql"), indirect=True)
def test_a_query_that_the_master_is_in_the_middle_of_blocks_no_worker(url):
    """The driver's locks are held by a thread that no child has: nothing of the driver's is called there."""
    told = run(
        url,
        """
        import signal, threading
        engine = create_engine(url)
        SLOW = "select pg_sleep(4)" if url.startswith("postgresql") else "select sleep(4)"
        began, ended = threading.Event(), []

        def beat():
            with engine.connect() as connection:
                connection.execute(PID)
                began.set()
                connection.execute(text(SLOW))
                ended.append(connection.execute(PID).scalar())

        thread = threading.Thread(target=beat)
        thread.start()
        began.wait()
        threading.Event().wait(0.5)
        snapshot = fresh_pools.before_fork(2)

        def body():
            # Whoever hangs in C or at a lock is ended.
            signal.alarm(60)
            done = fresh_pools.in_child(snapshot, recorder)
            gc.collect()
            return [record["action"] for record in done], warm(engine)

        still_busy = not ended
        worker = in_fork(body)
        thread.join()
        print(json.dumps([worker, still_busy, len(ended)]))
        """,
    )
    worker, still_busy, ended = told

    # In the middle of a query mysqlclient does not tell its descriptor: the server's port told it.
    assert worker[0] == ["neutralised", "invalidated"][: 1 if "mysqldb" in url else 2]
    assert all(isinstance(pid, int) for pid in worker[1])
    assert still_busy
    assert ended == 1


def test_one_worker_is_reported_and_left_alone(url):
    """With one worker an inherited connection works today: nothing is changed."""
    told = run(
        url,
        """
        engine = create_engine(url)
        warmed = warm(engine, 1)
        snapshot = fresh_pools.before_fork(1)

        def body():
            records = fresh_pools.in_child(snapshot, recorder)
            with engine.connect() as connection:
                return {"records": records, "mine": connection.execute(PID).scalar()}

        told = in_fork(body)
        severities = [finding.severity for finding in fresh_pools.findings(snapshot)]
        print(json.dumps({"warmed": warmed, **told, "severities": severities}))
        os._exit(0)
        """.replace("os._exit(0)", "sys.stdout.flush(); os._exit(0)"),
    )

    assert told["mine"] == told["warmed"][0]
    assert [record["action"] for record in told["records"]] == ["reported"]
    assert told["severities"] == ["info"]


def test_the_heap_is_looked_at_once_while_nothing_new_is_connected(postgres):
    """Later forks cost no pass over the heap; a new connection is found by another one."""
    told = run(
        postgres.url("postgresql+psycopg", user="app", database="app"),
        """
        from bootcheck.guards import inherited
        passes = []
        real = inherited.collect
        inherited.collect = lambda wanted: (passes.append(1), real(wanted))[1]

        fresh_pools.before_fork(2)
        nothing_connected = len(passes)
        first = create_engine(url)
        held = first.connect()
        fresh_pools.before_fork(2)
        fresh_pools.before_fork(2)
        fresh_pools.before_fork(2)
        one = len(passes)
        second = create_engine(url)
        warm(second, 1)
        closed = fresh_pools.before_fork(2).closed
        print(json.dumps([nothing_connected, one, len(passes), sum(closed.values())]))
        """,
    )

    assert told == [0, 1, 2, 1]


def test_what_is_opened_between_two_forks_is_repaired_at_the_second(postgres):
    """Nothing is known of it from the first: a connection held by an old engine, and one of a new engine."""
    told = run(
        postgres.url("postgresql+psycopg", user="app", database="app"),
        """
        first = create_engine(url)
        held = [first.connect()]
        pids = [held[0].execute(PID).scalar()]
        held[0].rollback()
        in_child = lambda snapshot: lambda: (
            [record["action"] for record in fresh_pools.in_child(snapshot, recorder)],
            [connection.execute(PID).scalar() for connection in held],
        )
        one = in_fork(in_child(fresh_pools.before_fork(2)))
        held += [first.connect(), create_engine(url).connect()]
        pids += [connection.execute(PID).scalar() for connection in held[1:]]
        [connection.rollback() for connection in held[1:]]
        two = in_fork(in_child(fresh_pools.before_fork(2)))
        three = in_fork(in_child(fresh_pools.before_fork(2)))
        alive = [connection.execute(PID).scalar() for connection in held]
        print(json.dumps({"pids": pids, "alive": alive, "children": [one, two, three]}))
        """,
    )

    assert told["alive"] == told["pids"]
    for number, (actions, pids) in zip((1, 3, 3), told["children"], strict=True):
        assert actions == ["neutralised"] * number + ["invalidated"]
        assert set(pids).isdisjoint(told["pids"])
        assert len(set(pids)) == number


def test_who_listens_to_a_pool_hears_what_becomes_of_its_connections(postgres):
    """Of a connection that was held across the fork: in the worker, and of no connection of the driver's there."""
    told = run(
        postgres.url("postgresql+psycopg", user="app", database="app"),
        """
        from sqlalchemy import event
        engine = create_engine(url)
        connection = engine.connect()
        held = connection.execute(PID).scalar()
        connection.rollback()
        heard = []
        fresh_pools.before_fork(2)
        for name in ("invalidate", "close", "checkin"):
            event.listen(engine, name, lambda one, *_, name=name: heard.append([name, type(one).__module__]))
        snapshot = fresh_pools.before_fork(2)

        def body():
            fresh_pools.in_child(snapshot, recorder)
            return [heard, connection.execute(PID).scalar(), engine.pool.status()]

        print(json.dumps([held, in_fork(body), heard, connection.execute(PID).scalar()]))
        """,
    )
    held, (in_child, pid, status), in_master, alive = told

    assert [name for name, _ in in_child] == ["invalidate", "close", "checkin"]
    assert not any(module.startswith("psycopg") for _, module in in_child)
    assert pid != held == alive
    assert in_master == []
    assert "Current Checked out connections: 1" in status


def test_frozen_objects_are_found_too(postgres):
    """An app that calls gc.freeze() before the fork hides its engines from the collector, not from the guard."""
    told = run(
        postgres.url("postgresql+psycopg", user="app", database="app"),
        """
        engine = create_engine(url)
        warm(engine, 1)
        gc.collect()
        gc.freeze()
        closed = fresh_pools.before_fork(2).closed
        print(json.dumps([sum(closed.values()), gc.get_freeze_count() > 1000]))
        """,
    )

    assert told == [1, True]


def test_encrypted_connections_are_repaired_alike(postgres):
    """Under TLS a goodbye in the worker would spoil the master's record counters; the dead socket prevents it."""
    told = run(
        postgres.url("postgresql+psycopg", user="app", database="app", query="sslmode=require"),
        """
        engine = create_engine(url)
        session = Session(engine)
        held = session.execute(PID).scalar()
        snapshot = fresh_pools.before_fork(2)

        def body():
            fresh_pools.in_child(snapshot, recorder)
            mine = session.execute(PID).scalar()
            session.close()
            engine.dispose()
            return mine

        mine = in_fork(body)
        print(json.dumps({"held": held, "mine": mine, "alive": session.execute(PID).scalar()}))
        """,
    )

    assert isinstance(told["mine"], int)
    assert told["mine"] != told["held"] == told["alive"]


def test_sqlite_in_memory_keeps_its_tables(tmp_path):
    """Data that live in the connection are not disposed of; a file's idle connection is closed before the fork."""
    told = run(
        "sqlite://",
        f"""
        memory_engine = create_engine("sqlite://")
        file_engine = create_engine("sqlite:///{tmp_path}/app.db")
        for engine in (memory_engine, file_engine):
            with engine.begin() as connection:
                connection.execute(text("create table t (n int)"))
                connection.execute(text("insert into t values (5)"))
        snapshot = fresh_pools.before_fork(2)

        def body():
            fresh_pools.in_child(snapshot, recorder)
            return [e.connect().execute(text("select n from t")).scalar() for e in (memory_engine, file_engine)]

        print(json.dumps({{"closed": list(snapshot.closed.values()), "read": in_fork(body)}}))
        """,
    )

    assert told == {"closed": [1], "read": [5, 5]}
