"""Spare pools: like what SQLAlchemy would make in the worker, and made before the fork."""

from __future__ import annotations

from typing import Any

import pytest

sqlalchemy = pytest.importorskip("sqlalchemy")

from sqlalchemy import create_engine, event, pool, text  # noqa: E402

from bootcheck.guards.clients import spares  # noqa: E402
from bootcheck.guards.clients import sqlalchemy as client  # noqa: E402
from bootcheck.probes import engines  # noqa: E402

KINDS = ["QueuePool", "NullPool", "StaticPool", "SingletonThreadPool", "AssertionPool"]


@pytest.fixture
def url(tmp_path):
    """A database in a file: what is in memory is not disposed of."""
    return f"sqlite:///{tmp_path}/app.db"


def found(*all_of_them: Any) -> dict[Any, list[Any]]:
    """Return what the pass over the heap would."""
    return {engines.ENGINE: list(all_of_them), engines.CONNECTION: [], engines.RECORD: []}


def query(engine: Any) -> int:
    """Ask the database something."""
    with engine.connect() as connection:
        return connection.execute(text("select 7")).scalar()


def across(*all_of_them: Any) -> None:
    """Do what the master does before a fork and the worker after it."""
    client.renew(found(*all_of_them), set(), client.prepare(found(*all_of_them)))


def spare(engine: Any) -> Any:
    """Return the spare of an engine's pool after the master has looked."""
    client.prepare(found(engine))
    return getattr(engine.pool, spares.NAME, None)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pool_is_replaced_by_one_like_it_without_a_connection(url, kind):
    """The same class, settings and creator; the old one keeps what it has."""
    sizes = {"pool_size": 3, "max_overflow": 4, "pool_timeout": 5} if kind == "QueuePool" else {}
    engine = create_engine(url, poolclass=getattr(pool, kind), pool_recycle=60, pool_pre_ping=True, **sizes)
    query(engine)
    old = engine.pool
    across(engine)

    assert type(engine.pool) is type(old)
    assert engine.pool is not old
    assert engine.pool is getattr(old, spares.NAME).pool
    for name in ("_recycle", "_pre_ping", "_reset_on_return", "_max_overflow", "_timeout", "_dialect"):
        assert getattr(engine.pool, name, None) == getattr(old, name, None)
    if kind == "QueuePool":
        assert (engine.pool.size(), engine.pool.checkedin(), engine.pool.checkedout()) == (3, 0, 0)
        assert old.checkedin() == 1
    assert query(engine) == 7


def test_a_spare_is_made_once(url):
    """For as long as the engine has that pool; for its next pool there is another one."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    first = spare(engine)

    assert first is spare(engine)
    engine.dispose()
    assert spare(engine) is not first


def test_listeners_that_come_and_go_later_are_the_workers_too(url):
    """A spare that was made before them is made anew."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    heard: list[str] = []

    def first(*_: Any) -> None:
        heard.append("first")

    def second(*_: Any) -> None:
        heard.append("second")

    event.listen(engine, "checkout", first)
    spare(engine)
    event.listen(engine, "checkout", second)
    across(engine)
    query(engine)
    assert heard == ["first", "second"]

    spare(engine)
    event.remove(engine, "checkout", second)
    across(engine)
    query(engine)
    assert heard == ["first", "second", "first"]


def test_listeners_of_all_pools_are_heard(url):
    """They are not copied: every pool has them."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    spare(engine)
    heard: list[Any] = []

    def listener(*_: Any) -> None:
        heard.append(1)

    event.listen(pool.Pool, "checkout", listener)
    try:
        across(engine)
        query(engine)
    finally:
        event.remove(pool.Pool, "checkout", listener)

    assert heard == [1]


def test_each_pool_meets_its_first_connection(url):
    """As after `dispose`: `first_connect` is heard once for each pool."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    heard: list[int] = []
    event.listen(engine, "first_connect", lambda *_: heard.append(1))
    query(engine)
    across(engine)
    query(engine)
    query(engine)

    assert heard == [1, 1]


@pytest.mark.parametrize(
    ("name", "value"), [("_timeout", 99), ("_max_overflow", 99), ("_recycle", 99), ("echo", "debug")]
)
def test_a_setting_that_is_changed_later_is_the_workers_too(url, name, value):
    """A spare that was made before is made anew."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    spare(engine)
    setattr(engine.pool, name, value)
    across(engine)

    assert getattr(engine.pool, name) == value


def test_a_creator_that_is_changed_later_is_the_workers_too(url, tmp_path):
    """An app may point a pool at another server."""
    import sqlite3

    engine = create_engine(url, poolclass=pool.QueuePool)
    spare(engine)
    made: list[int] = []

    def creator() -> Any:
        made.append(1)
        return sqlite3.connect(tmp_path / "other.db")

    engine.pool._creator = creator
    across(engine)

    assert query(engine) == 7
    assert made == [1]


def test_engines_that_share_a_pool_share_the_next_one(url):
    """Those of `execution_options()`, and those that were given the pool of another one."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    option = engine.execution_options(isolation_level="AUTOCOMMIT")
    other = create_engine(url, pool=engine.pool)
    old = engine.pool
    across(option, other, engine)

    assert engine.pool is not old
    assert option.pool is other.pool is engine.pool


def test_the_same_holds_where_no_spare_can_be_made(url):
    """A class of the app's own may connect when it is made: its pools are made in the worker."""
    made: list[int] = []

    class Own(pool.QueuePool):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            made.append(1)
            super().__init__(*arguments, **named)

    engine = create_engine(url, poolclass=Own)
    other = create_engine(url, pool=engine.pool)
    old, everything = engine.pool, found(engine, other)
    ready = client.prepare(everything)
    assert made == [1]
    client.renew(everything, set(), ready)

    assert made == [1, 1]
    assert type(engine.pool) is Own
    assert engine.pool is not old
    assert other.pool is engine.pool


def test_who_listens_for_the_disposal_hears_of_it_in_the_worker(url):
    """Once, with the engine, and after the new pool is in place."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    engine.execution_options(isolation_level="AUTOCOMMIT")
    heard: list[Any] = []
    spare(engine)
    event.listen(engine, "engine_disposed", lambda one: heard.append((one, one.pool)))
    ready = client.prepare(found(engine))
    assert heard == []
    client.renew(found(engine), set(), ready)

    assert heard == [(engine, engine.pool)]


def test_a_listener_that_raises_costs_the_others_nothing(url):
    """Each engine has its new pool."""
    all_of_them = [create_engine(url, poolclass=pool.QueuePool) for _ in range(2)]

    def broken(_: Any) -> None:
        msg = "a listener of the app's"
        raise RuntimeError(msg)

    event.listen(all_of_them[0], "engine_disposed", broken)
    before = [engine.pool for engine in all_of_them]
    across(*all_of_them)

    assert all(engine.pool is not old for engine, old in zip(all_of_them, before, strict=True))


def test_a_pool_that_was_replaced_after_the_look_is_renewed_all_the_same(url):
    """By a thread of the master's, in the middle of the fork."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    ready = client.prepare(found(engine))
    made_before = getattr(engine.pool, spares.NAME).pool
    engine.dispose()
    between = engine.pool
    client.renew(found(engine), set(), ready)

    assert engine.pool not in (between, made_before)


def test_a_listener_that_comes_after_the_look_is_the_workers_too(url):
    """The look is kept for the forks that follow; a hook may do this in between."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    heard: list[str] = []
    ready = client.prepare(found(engine))
    event.listen(engine, "checkout", lambda *_: heard.append("checkout"))
    event.listen(engine, "engine_disposed", lambda _: heard.append("disposed"))
    client.renew(found(engine), set(), ready)
    query(engine)

    assert heard == ["disposed", "checkout"]


def test_one_that_goes_while_another_one_comes_is_seen(url):
    """The number of listeners is the same."""
    engine = create_engine(url, poolclass=pool.QueuePool)
    heard: list[str] = []

    def first(*_: Any) -> None:
        heard.append("first")

    event.listen(engine, "checkout", first)
    ready = client.prepare(found(engine))
    event.remove(engine, "checkout", first)
    event.listen(engine, "checkout", lambda *_: heard.append("second"))
    client.renew(found(engine), set(), ready)
    query(engine)

    assert heard == ["second"]


def test_a_look_keeps_nothing_alive(url):
    """It holds until the next connection comes or goes, which may be never."""
    import gc
    import weakref

    engine = create_engine(url, poolclass=pool.QueuePool)
    connection = engine.connect()
    everything = {engines.ENGINE: [engine], engines.CONNECTION: [connection], engines.RECORD: []}
    ready = client.prepare(everything)
    gone = [weakref.ref(thing) for thing in (engine, engine.pool, connection, connection._dbapi_connection)]
    of_the_driver = connection.connection.dbapi_connection
    del everything, engine, connection
    gc.collect()
    of_the_driver.close()

    assert ready.held
    assert [one() for one in gone] == [None] * 4


def test_data_in_memory_stay():
    """To dispose of such an engine would lose them."""
    engine = create_engine("sqlite://")
    old = engine.pool
    across(engine)

    assert engine.pool is old
    assert not hasattr(old, spares.NAME)


def test_an_async_engine_has_a_spare_that_no_loop_knows(url):
    """Its queue is made at the first use, in the loop that uses it."""
    pytest.importorskip("aiosqlite")
    import asyncio

    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"), poolclass=pool.AsyncAdaptedQueuePool)

    async def ask() -> int:
        async with engine.connect() as connection:
            return (await connection.execute(text("select 7"))).scalar()

    old = engine.sync_engine.pool
    across(engine.sync_engine)

    assert type(engine.sync_engine.pool) is type(old)
    assert engine.sync_engine.pool is not old
    assert "_queue" not in vars(engine.sync_engine.pool._pool)
    assert asyncio.run(ask()) == 7
    asyncio.run(engine.dispose())


def test_an_engine_that_the_app_drops_does_not_live_on(url):
    """Its spare goes with its pool."""
    import gc
    import weakref

    engine = create_engine(url, poolclass=pool.QueuePool)
    spare(engine)
    gone = weakref.ref(engine), weakref.ref(getattr(engine.pool, spares.NAME).pool)
    del engine
    gc.collect()

    assert [one() for one in gone] == [None, None]
