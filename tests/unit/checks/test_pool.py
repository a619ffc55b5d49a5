"""The pools of a worker: options, and their sum against the server's limit."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import AssertionPool, NullPool, QueuePool, SingletonThreadPool, StaticPool

from bootcheck.checks.base import Moment
from bootcheck.checks.pool import PoolCheck, discover, pool, read
from bootcheck.model.errors import CheckOptionError
from bootcheck.probes import engines
from bootcheck.probes.objects import class_of
from bootcheck.testing import Outcome, Result, Server, run_check

URL = "postgresql+psycopg://app:hunter22@db:5432/app"
FACTS = {
    "database.max_connections": 97,
    "database.host": "db",
    "database.port": 5432,
    "database.pooler": False,
    "database.max_connections_bound_by": "max_connections",
}


class App:
    """An app that holds its engines, as the check finds them."""

    def __init__(self, *held: object) -> None:
        for index, engine in enumerate(held):
            setattr(self, f"engine{index}", engine)


def look(*held: object, facts: dict[str, object] | None = None, reserve: int = 0, **server: object) -> Result:
    """Run the check on an app with these engines only."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    return run_check(
        pool(reserve=reserve),
        app=App(*held),
        server=Server(**{"preload": True, **server}),
        facts=FACTS if facts is None else facts,
    )


@pytest.fixture(autouse=True)
def _only_the_apps_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this process have engines in their modules."""
    kind = class_of("sqlalchemy.engine.base", "Engine")
    monkeypatch.setattr(engines, "in_sight", lambda app: [one for one in vars(app).values() if isinstance(one, kind)])


def test_pools_that_fit_pass():
    """Workers x (size + overflow) is below the limit: every checkpoint is green."""
    result = look(create_engine(URL, pool_pre_ping=True), workers=4)

    assert result
    for name in ("pool.engines", "pool.pre_ping", "pool.size", "pool.limit"):
        assert result.outcome(name) is Outcome.PASSED
    assert {"workers": 4, "per_worker": 15, "total": 60, "limit": 97} in [point.detail for point in result.checkpoints]


def test_pools_that_are_too_large_name_the_largest_that_is_safe():
    """8 x 15 = 120 of 97: at most 12 for each worker."""
    result = look(create_engine(URL, pool_pre_ping=True), workers=8, worker_class="gthread", threads=15)

    assert result.codes == ("BC222",)
    assert result.outcome("pool.limit") is Outcome.FAILED
    finding = result.findings[0]
    assert finding.severity == "warning"
    assert "120" in finding.summary
    assert "at 12 or less" in finding.action[0]
    assert finding.confidence == "high"


def test_a_worker_with_one_thread_is_a_doubt():
    """It uses one connection at a time as a rule: the finding says so."""
    finding = look(create_engine(URL, pool_pre_ping=True), workers=8).findings[0]

    assert finding.against
    assert finding.confidence == "medium"


def test_a_few_threads_are_a_doubt_as_well():
    """8 x 15 connections may be opened, and 8 x 2 threads ask for them; with 15 threads there is no doubt."""
    engine = create_engine(URL, pool_pre_ping=True)
    few = look(engine, workers=8, worker_class="gthread", threads=2).findings[0]
    many = look(engine, workers=8, worker_class="gthread", threads=15).findings[0]
    greenlets = look(engine, workers=8, worker_class="gevent").findings[0]

    assert (few.confidence, many.confidence, greenlets.confidence) == ("medium", "high", "high")
    assert "16 in all" in few.against[0]


@pytest.mark.parametrize(("pooler", "judged"), [(None, False), (False, True), (True, False)])
def test_the_port_of_a_pooler_counts_where_the_server_does_not_tell(pooler, judged):
    """Behind pgbouncer the sum of all pools is the pooler's business; the pid that a server tells is surer."""
    facts = {**FACTS, "database.port": 6432, "database.pooler": pooler}
    result = look(create_engine(URL.replace("5432", "6432"), pool_pre_ping=True), workers=100, facts=facts)

    assert (result.codes == ("BC222",)) is judged
    if not judged:
        assert result.outcome("pool.limit") is Outcome.SKIPPED


def test_a_reserve_counts():
    """What others need is taken off."""
    result = look(create_engine(URL, pool_pre_ping=True), workers=6, reserve=37)

    assert result.codes == ("BC222",)
    assert "at 10 or less" in result.findings[0].action[0]


def test_more_workers_than_connections():
    """No pool size helps: fewer workers, or a pooler."""
    result = look(create_engine(URL, pool_pre_ping=True), workers=4, facts={**FACTS, "database.max_connections": 3})

    assert "pooler" in result.findings[0].action[0]


def test_engines_of_one_server_are_added_and_others_left_out():
    """Two engines of the same server share its limit; another server has its own."""
    other = create_engine(URL.replace("db:5432", "elsewhere:5432"), pool_pre_ping=True, pool_size=500)
    two = [create_engine(URL, pool_pre_ping=True, pool_size=10, max_overflow=0) for _ in range(2)]
    result = look(*two, other, workers=4)

    assert {"workers": 4, "per_worker": 20, "total": 80, "limit": 97} in [point.detail for point in result.checkpoints]


def test_an_engine_and_its_options_share_one_pool():
    """execution_options() makes an engine that is not counted twice."""
    engine = create_engine(URL, pool_pre_ping=True)
    result = look(engine, engine.execution_options(isolation_level="AUTOCOMMIT"), workers=4)

    assert result


def test_an_unlimited_overflow_is_too_large():
    """max_overflow=-1 has no largest number of connections."""
    result = look(create_engine(URL, pool_pre_ping=True, max_overflow=-1), workers=1)

    assert result.codes == ("BC222",)
    assert "any number" in result.findings[0].summary


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, "asked"),
        ({**FACTS, "database.pooler": True}, "pooler"),
        ({**FACTS, "database.pooler": None, "database.port": 6432}, "no engine uses"),
        ({**FACTS, "database.host": "elsewhere"}, "no engine uses"),
    ],
)
def test_a_limit_that_is_not_known_is_skipped_with_the_reason(facts, why):
    """Never a guess."""
    result = look(create_engine(URL, pool_pre_ping=True), workers=100, facts=facts)

    assert result
    assert result.outcome("pool.limit") is Outcome.SKIPPED
    (skipped,) = [point for point in result.checkpoints if point.name == "pool.limit"]
    assert why in skipped.detail["reason"]


def test_a_mysql_pool_that_does_not_ping_is_a_warning():
    """The server ends idle connections after eight hours."""
    pytest.importorskip("pymysql", reason="PyMySQL is not installed")
    result = look(create_engine("mysql+pymysql://app:hunter22@db:3306/app"), facts={})

    assert result.codes == ("BC221",)
    assert result.findings[0].severity == "warning"
    assert result.outcome("pool.pre_ping") is Outcome.FAILED
    assert "hunter22" not in str(result.findings[0].as_dict())


def test_a_postgresql_pool_that_does_not_ping_is_information():
    """Something between may end idle connections; the server does not."""
    result = look(create_engine(URL))

    assert [(finding.code, finding.severity) for finding in result.findings] == [("BC221", "info")]
    assert result.outcome("pool.pre_ping") is Outcome.PASSED


def test_recycling_must_be_below_the_servers_own_limit():
    """pool_recycle=3600 is no help against a server that ends idle sessions after 600 s."""
    facts = {**FACTS, "database.idle_timeout_s": 600.0}
    late = look(create_engine(URL, pool_recycle=3600), facts=facts)
    early = look(create_engine(URL, pool_recycle=300), facts=facts)

    assert late.codes == ("BC221",)
    assert late.findings[0].severity == "warning"
    assert "pool_recycle=300" in late.findings[0].action[1]
    assert early


def test_threads_without_a_connection_wait():
    """15 threads that share 5 connections: the others fail with a QueuePool timeout."""
    engine = create_engine(URL, pool_pre_ping=True, pool_size=5, max_overflow=0)
    result = look(engine, threads=15, worker_class="gthread")

    assert result.codes == ("BC221",)
    assert result.outcome("pool.size") is Outcome.FAILED


@pytest.mark.parametrize(
    ("options", "kind", "most"),
    [
        ({}, "QueuePool", 15),
        ({"poolclass": QueuePool, "pool_size": 3, "max_overflow": 0}, "QueuePool", 3),
        ({"poolclass": QueuePool, "pool_size": 0}, "QueuePool", None),
        ({"poolclass": NullPool}, "NullPool", None),
        ({"poolclass": StaticPool}, "StaticPool", 1),
        ({"poolclass": AssertionPool}, "AssertionPool", 1),
        ({"poolclass": SingletonThreadPool, "pool_size": 4}, "SingletonThreadPool", 4),
    ],
)
def test_every_kind_of_pool_is_read(options, kind, most):
    """How many connections it may hold at once."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    found = read(create_engine(URL, **options))

    assert (found.kind, found.most, found.keeps) == (kind, most, kind != "NullPool")


def test_without_a_pool_each_thread_counts():
    """NullPool opens a connection for each thread that works."""
    result = look(create_engine(URL, poolclass=NullPool), workers=4, threads=25, worker_class="gthread")

    assert result.codes == ("BC222",)
    assert result.outcome("pool.pre_ping") is Outcome.PASSED


def test_sqlite_has_no_server_to_exceed():
    """Its engines are named, and no limit is looked for."""
    result = look(create_engine("sqlite://"), workers=100)

    assert result
    assert result.outcome("pool.limit") is Outcome.SKIPPED


def test_without_sqlalchemy_or_engine_it_is_skipped(monkeypatch):
    """An app of another kind is no alarm."""
    assert look().outcome("pool.engines") is Outcome.SKIPPED
    monkeypatch.setattr(engines, "loaded", lambda: False)
    assert look().outcome("pool.engines") is Outcome.SKIPPED


def test_it_is_always_discovered_and_runs_in_workers():
    """Whether there are engines is known there only."""
    assert list(discover({}, Server())) == [PoolCheck()]
    assert PoolCheck.moment is Moment.WORKER


def test_a_reserve_that_is_no_number_is_refused():
    """At the line that gives it."""
    with pytest.raises(CheckOptionError, match="reserve"):
        pool(reserve=-1)
