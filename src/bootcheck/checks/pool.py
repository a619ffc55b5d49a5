"""The connection pools of the workers invite stale connections, or are larger than the server allows.

What it means

BC221: an engine hands out connections without asking whether they are still alive (`pool_pre_ping` is off and
`pool_recycle` is not below the server's idle limit), or has fewer connections than the worker has threads.
BC222: workers x (pool_size + max_overflow), over all engines that use the same server, is more than the server
lets this user have.

How it looks

BC221: after a quiet night, a failover or a restart of the database the first requests fail: `server closed the
connection unexpectedly`, `(2006) MySQL server has gone away`, `(2013) Lost connection`; with too few connections,
`QueuePool limit of size 5 overflow 10 reached, connection timed out`.
BC222: under load, never in a test: `FATAL: sorry, too many clients already`, `(1040) Too many connections`.

Why it happens

Each worker process has a pool of its own, and so has each replica of the app; SQLAlchemy's default allows 15
connections per engine and per worker. Nothing multiplies them with the number of workers, and the server's limit
is rarely looked up. Servers, firewalls and proxies end idle connections, MySQL after `wait_timeout`.

What to do

BC221: `create_engine(..., pool_pre_ping=True)`, and `pool_recycle` below the server's idle limit; for threads,
pool_size + max_overflow at least as many as the worker's threads.
BC222: the finding names the largest pool_size + max_overflow that is safe. Fewer workers, a higher limit on the
server, or a pooler (pgbouncer, RDS Proxy) are the other ways. Count the other clients of the server too:
`checks.pool(reserve=20)` leaves room for replicas, task queues and people.

How to know it is fixed

The checkpoints `pool.pre_ping`, `pool.size` and `pool.limit` of a worker have passed; the last shows workers,
connections per worker and the server's limit. The limit is known when `database(...)` has asked the server. Behind a
pooler (it invents the pid that it tells its clients; else port 6432 or 6543) the sum is the pooler's business, and
`pool.limit` is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment, Server
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.probes import engines

RULES: tuple[str, ...] = ("BC221", "BC222")

_LOCAL = frozenset({"sqlite", "duckdb"})
"""Dialects without a server."""
_POOLERS = frozenset({6432, 6543})
"""Ports of pgbouncer and of Supabase's pooler, for servers that do not tell by their pid."""
_THREADED = ("sync", "gthread")
"""Worker classes in which a thread uses one connection at a time."""
_ENDS_IDLE = frozenset({"mysql", "mariadb"})
"""Servers that end idle connections unless they are told not to (after eight hours)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an engine's pool does, read from the pool itself."""

    engine: str
    dialect: str
    kind: str
    """The pool's class."""
    most: int | None
    """Connections at once, None for no limit."""
    pre_ping: bool
    recycle: float
    """Seconds; negative for never."""
    host: str | None
    port: int | None

    @property
    def keeps(self) -> bool:
        """True where connections are kept for later."""
        return self.kind != "NullPool"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCheck:
    """Looks at the engines of a worker."""

    name: ClassVar[str] = "pool"
    moment: ClassVar[Moment] = Moment.WORKER
    phase: ClassVar[Phase] = Phase.DATABASE

    reserve: int = 0

    def __post_init__(self) -> None:
        """Refuse a reserve that is no number of connections."""
        options.whole("pool", "reserve", self.reserve)

    @property
    def subject(self) -> str:
        """All engines together."""
        return "engines"

    @property
    def budget(self) -> float:
        """Nothing here waits."""
        return 5.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is risky; every fact is a checkpoint `pool.<fact>`."""
        recorder = context.recorder
        if not engines.loaded():
            recorder.skipped("pool.engines", Phase.DATABASE, "the app has not loaded SQLAlchemy")
            return
        pools = [read(engine) for engine in find(context)]
        if not pools:
            recorder.skipped("pool.engines", Phase.DATABASE, "no engine can be seen; it may be made at its first use")
            return
        recorder.passed("pool.engines", Phase.DATABASE, engines=[pool.engine for pool in pools])
        served = [pool for pool in pools if pool.dialect not in _LOCAL]
        for pool in served:
            yield from self._stale(pool, context)
            yield from self._size(pool, context)
        if served:
            yield from self._limit(served, context)
        else:
            recorder.skipped("pool.limit", Phase.DATABASE, "no engine uses a server")

    def _stale(self, pool: Options, context: Context) -> Iterator[Finding]:
        recorder = context.recorder
        detail = {"engine": pool.engine, "pool": pool.kind, "pre_ping": pool.pre_ping, "recycle": pool.recycle}
        if not pool.keeps or pool.pre_ping:
            recorder.passed("pool.pre_ping", Phase.DATABASE, **detail)
            return
        idle = _idle_limit(pool, context.facts)
        if pool.recycle >= 0 and not (idle is not None and pool.recycle >= idle):
            recorder.passed("pool.pre_ping", Phase.DATABASE, **detail)
            return
        serious = idle is not None or pool.dialect in _ENDS_IDLE
        (recorder.failed if serious else recorder.passed)("pool.pre_ping", Phase.DATABASE, **detail)
        recycle = 1800 if idle is None else max(int(idle / 2), 1)
        seen = f"pool_pre_ping=False, pool_recycle={pool.recycle:g}"
        if idle is not None:
            seen += f"; the server ends a connection that was idle for {idle:g} s"
        yield Finding(
            code="BC221",
            severity=Severity.WARNING if serious else Severity.INFO,
            summary=f"The pool of {pool.engine} does not notice that a connection has ended: pool_pre_ping is off.",
            action=("create_engine(..., pool_pre_ping=True)", f"create_engine(..., pool_recycle={recycle})"),
            evidence=(Evidence(source=pool.engine, text=seen),),
        )

    def _size(self, pool: Options, context: Context) -> Iterator[Finding]:
        threads = context.server.threads
        detail = {"engine": pool.engine, "pool": pool.kind, "most": pool.most, "threads": threads}
        if pool.most is None or pool.most >= threads:
            context.recorder.passed("pool.size", Phase.DATABASE, **detail)
            return
        context.recorder.failed("pool.size", Phase.DATABASE, **detail)
        yield Finding(
            code="BC221",
            severity=Severity.WARNING,
            summary=f"{threads} threads of each worker share {pool.most} connection(s) of {pool.engine}.",
            action=(f"create_engine(..., pool_size={threads}): the others wait for pool_timeout, then fail.",),
            evidence=(Evidence(source=pool.engine, text=f"{pool.kind} with {pool.most} at most, threads={threads}"),),
            against=("requests that do not use the database need no connection",),
        )

    def _limit(self, pools: list[Options], context: Context) -> Iterator[Finding]:
        facts, recorder, server = context.facts, context.recorder, context.server
        limit = facts.get("database.max_connections")
        if not isinstance(limit, int):
            recorder.skipped("pool.limit", Phase.DATABASE, "no database(...) check has asked the server for its limit")
            return
        if facts.get("database.pooler"):
            recorder.skipped("pool.limit", Phase.DATABASE, "a pooler stands between the app and the server")
            return
        counted = [pool for pool in pools if _same_server(pool, facts)]
        if not counted:
            recorder.skipped("pool.limit", Phase.DATABASE, "no engine uses the server that was asked")
            return
        if facts.get("database.pooler") is None and all(pool.port in _POOLERS for pool in counted):
            recorder.skipped("pool.limit", Phase.DATABASE, f"port {counted[0].port} is a pooler's, as a rule")
            return
        each = _per_worker(counted, server.threads)
        total = None if each is None else each * server.workers + self.reserve
        detail = {"workers": server.workers, "per_worker": each, "total": total, "limit": limit}
        if total is not None and total <= limit:
            recorder.passed("pool.limit", Phase.DATABASE, **detail)
            return
        recorder.failed("pool.limit", Phase.DATABASE, **detail)
        yield self._too_large(counted, context, total, limit)

    def _too_large(self, pools: list[Options], context: Context, total: int | None, limit: int) -> Finding:
        workers, bound_by = context.server.workers, context.facts.get("database.max_connections_bound_by")
        safe = max(limit - self.reserve, 0) // max(workers, 1)
        count = "any number of" if total is None else str(total)
        advice = f"Keep pool_size + max_overflow at {safe} or less, over all engines of a worker together."
        if safe < 1:
            advice = f"Even one connection for each of {workers} workers is too many: use fewer workers or a pooler."
        server = context.server
        at_work = server.workers * server.threads * len(pools) + self.reserve
        # A pool has room for more than the threads that ask it; one that nothing limits can leak.
        few = server.worker_class in _THREADED and total is not None and at_work <= limit
        evidence = [
            Evidence(source=pool.engine, text=f"{pool.kind} with {'no limit' if pool.most is None else pool.most}")
            for pool in pools
        ]
        evidence.append(Evidence(source="server", text=f"{limit} connections ({bound_by or 'its limit'})"))
        return Finding(
            code="BC222",
            severity=Severity.WARNING,
            summary=f"{workers} worker(s) may open {count} connections, and the server allows {limit}.",
            action=(advice, "Or raise the server's limit, or put a pooler in front."),
            evidence=tuple(evidence),
            against=(f"threads use one connection at a time, as a rule: {at_work} in all",) if few else (),
            missing=("other clients of the server: replicas of this app, task queues, people",),
            confidence="medium" if few else "high",
        )


def pool(*, reserve: int = 0) -> PoolCheck:
    """Look at the pools of the app's SQLAlchemy engines once a worker has loaded it.

    Args:
        reserve: Connections that others need: further replicas of the app, task queues, people.
    """
    return PoolCheck(reserve=reserve)


def discover(environ: Mapping[str, str], server: Server) -> Iterator[PoolCheck]:
    """Yield the check always: whether there are engines is known in the worker only."""
    del environ, server
    yield PoolCheck()


def find(context: Context) -> list[Any]:
    """Return the app's engines, one for each pool."""
    found = engines.in_sight(context.app)
    if not found and not context.server.preload:
        # Reading all objects would unshare the pages of a preloaded app.
        found = engines.on_heap()
    return list({id(engine.pool): engine for engine in found}.values())


def read(engine: Any) -> Options:
    """Return what an engine's pool does."""
    pool, url = engine.pool, engine.url
    kind = type(pool).__name__
    overflow = getattr(pool, "_max_overflow", None)
    size = getattr(pool, "size", None)
    most: int | None = None
    if kind in ("StaticPool", "AssertionPool"):
        most = 1
    elif kind == "SingletonThreadPool":
        most = int(size) if isinstance(size, int) else None
    elif overflow is not None and callable(size):
        # Zero is no limit to a pool; so is an overflow of -1.
        most = None if overflow < 0 or size() == 0 else int(size()) + int(overflow)
    return Options(
        engine=engines.label(engine),
        dialect=str(getattr(engine.dialect, "name", "")),
        kind=kind,
        most=most,
        pre_ping=bool(getattr(pool, "_pre_ping", False)),
        recycle=float(getattr(pool, "_recycle", -1)),
        host=getattr(url, "host", None),
        port=getattr(url, "port", None),
    )


def _per_worker(pools: list[Options], threads: int) -> int | None:
    """Return how many connections one worker may open, None where nothing limits them."""
    total = 0
    for pool in pools:
        # Without a pool each thread opens its own.
        most = pool.most if pool.keeps else threads
        if most is None:
            return None
        total += most
    return total


def _idle_limit(pool: Options, facts: Mapping[str, Any]) -> float | None:
    """Return after how many seconds the server ends an idle connection of this pool, None for never or unknown."""
    idle = facts.get("database.idle_timeout_s")
    return float(idle) if isinstance(idle, (int, float)) and _same_server(pool, facts) else None


def _same_server(pool: Options, facts: Mapping[str, Any]) -> bool:
    host, port = facts.get("database.host"), facts.get("database.port")
    if pool.host is None or host is None:
        # A Unix socket, or a host in a parameter: as many servers as there are places to look.
        return True
    return pool.host == host and (pool.port is None or port is None or pool.port == port)
