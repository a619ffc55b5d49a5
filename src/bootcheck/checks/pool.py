"""The pools of all workers together exceed the server's limit, or keep connections that went stale.

What it means

BC222: workers × (pool_size + max_overflow) is more than the database server admits; under load the last workers
get no connection. BC221: an engine's options let it hand out connections that the server has closed meanwhile.

How it looks

`FATAL: sorry, too many clients already` or `(1040) Too many connections` under load only; `QueuePool limit of size
5 overflow 10 reached`; after a quiet night `server closed the connection unexpectedly` or
`(2006) MySQL server has gone away` in the first requests.

Why it happens

Each worker process has a pool of its own, so the pool's size counts once per worker. The default of 5 + 10 with
eight workers is 120 connections; PostgreSQL admits 100 unless told otherwise, a few of them for superusers only.

What to do

Set `pool_size` and `max_overflow` so that all workers together stay below the limit that the finding names; leave
room for other clients. Set `pool_pre_ping=True`, and with MySQL `pool_recycle` below the server's `wait_timeout`.

How to know it is fixed

The checkpoints `pool.arithmetic` and `pool.pre_ping` have passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Check, Context, Moment, Server
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.probes import engines

RULES: tuple[str, ...] = ("BC221", "BC222")

_NETWORK = ("postgresql", "mysql", "mariadb", "oracle", "mssql")
_LIMIT = "database.max_connections"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Looks at the engines of a worker and does the sum over all workers."""

    name: ClassVar[str] = "pool"
    moment: ClassVar[Moment] = Moment.WORKER
    phase: ClassVar[Phase] = Phase.DATABASE

    reserve: int = 0
    replicas: int = 1

    def __post_init__(self) -> None:
        """Refuse numbers that are none."""
        options.whole("pool", "reserve", self.reserve)
        options.whole("pool", "replicas", self.replicas, least=1)

    @property
    def subject(self) -> str:
        """The process's engines."""
        return "SQLAlchemy engines"

    @property
    def budget(self) -> float:
        """Unused: this check runs in the worker."""
        return 5.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is risky about the engines."""
        used = [engine for engine in engines.in_modules() if engine.dialect.name in _NETWORK]
        if not used:
            context.recorder.skipped("pool.engines", self.phase, "no engine of a database server in a module's globals")
            return
        context.recorder.passed("pool.engines", self.phase, count=len(used))
        for engine in used:
            yield from self._options(context, engine)
        yield from self._arithmetic(context, used)

    def _options(self, context: Context, engine: Any) -> Iterator[Finding]:
        pool = engine.pool
        facts = {
            "dialect": engine.dialect.name,
            "pool": type(pool).__name__,
            "size": _size(pool),
            "overflow": _overflow(pool),
            "recycle": getattr(pool, "_recycle", None),
        }
        if _unpooled(pool):
            context.recorder.passed("pool.pre_ping", self.phase, **facts, needed=False)
            return
        recycle = facts["recycle"]
        if getattr(pool, "_pre_ping", False) or (isinstance(recycle, int) and recycle > 0):
            context.recorder.passed("pool.pre_ping", self.phase, **facts)
            return
        context.recorder.failed("pool.pre_ping", self.phase, **facts)
        yield Finding(
            code="BC221",
            severity=Severity.INFO,
            summary=f"The {engine.dialect.name} engine hands out pooled connections without testing them.",
            action=("create_engine(..., pool_pre_ping=True)", "With MySQL also pool_recycle below wait_timeout."),
            evidence=(Evidence(source="engine", text=f"pool_pre_ping is off, pool_recycle is {recycle}"),),
        )

    def _arithmetic(self, context: Context, used: list[Any]) -> Iterator[Finding]:
        limit = context.facts.get(_LIMIT)
        if not isinstance(limit, int):
            context.recorder.skipped("pool.arithmetic", self.phase, "the server's limit is not known")
            return
        # Unlimited overflow (-1) has no sum, and without a pool each thread holds at most one connection.
        sizes = [_most(engine.pool, context.server.threads) for engine in used]
        workers = context.server.workers * self.replicas
        unbounded = any(size is None for size in sizes)
        together = workers * sum(size or 0 for size in sizes)
        each = sum(size or 0 for size in sizes)
        facts = {"workers": workers, "per_worker": each, "together": together, "limit": limit}
        if together <= limit - self.reserve and not unbounded:
            context.recorder.passed("pool.arithmetic", self.phase, **facts)
            return
        context.recorder.failed("pool.arithmetic", self.phase, **facts)
        most = max(0, (limit - self.reserve) // workers)
        wanted = "without a limit (max_overflow=-1)" if unbounded else f"{together} connections"
        yield Finding(
            code="BC222",
            severity=Severity.WARNING,
            summary=f"{workers} workers may open {wanted}; the database admits {limit}.",
            action=(
                f"Let pool_size + max_overflow be at most {most} in each worker."
                if most
                else "Put a pooler (pgbouncer) in front of the database, or run fewer workers.",
            ),
            evidence=(
                Evidence(source="engines", text=", ".join(_telling(engine.pool) for engine in used)),
                Evidence(source="database", text=f"{limit} connections for ordinary users"),
            ),
        )


def pool(*, reserve: int = 0, replicas: int = 1) -> Pool:
    """Hold the pools of all workers against the server's connection limit.

    Args:
        reserve: connections to leave for other clients.
        replicas: servers like this one that use the same database.
    """
    return Pool(reserve=reserve, replicas=replicas)


def discover(environ: Mapping[str, str], server: Server) -> Iterator[Check]:  # noqa: ARG001
    """Yield the check wherever a database is configured."""
    yield Pool()


def _unpooled(found: Any) -> bool:
    return type(found).__name__ in ("NullPool", "StaticPool", "SingletonThreadPool")


def _size(found: Any) -> int | None:
    size = getattr(found, "size", None)
    try:
        return int(size()) if callable(size) else None
    except (TypeError, ValueError):
        return None


def _overflow(found: Any) -> int | None:
    value = getattr(found, "_max_overflow", None)
    return value if isinstance(value, int) else None


def _most(found: Any, threads: int) -> int | None:
    """Return the most connections that a pool may hold, None where it has no limit."""
    if _unpooled(found):
        return threads
    overflow = _overflow(found) or 0
    return None if overflow < 0 else (_size(found) or 0) + overflow


def _telling(found: Any) -> str:
    if _unpooled(found):
        return type(found).__name__
    return f"{type(found).__name__} of {_size(found)} + {_overflow(found)} overflow"
