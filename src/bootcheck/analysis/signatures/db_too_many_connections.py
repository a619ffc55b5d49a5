"""The database's connection limit is reached.

What it means
    The server refuses new connections because it has as many as it allows.

How it looks
    `FATAL: sorry, too many clients already`, `remaining connection slots are reserved`,
    `(1040, 'Too many connections')`.

Why it happens
    workers × (pool_size + max_overflow) × instances exceeds the server's limit, often during a rolling
    deploy when old and new instances run together; connections that are never returned.

What to do
    Lower the pools, put a pooler (PgBouncer, ProxySQL) in front, or raise the limit.

How to know it is fixed
    `bootcheck check` computes all pools against the server's live limit and finds room.
"""

from __future__ import annotations

import re

from bootcheck.analysis import foreign, late
from bootcheck.analysis.conclusion import conclude, one_line
from bootcheck.analysis.trouble import Raised, Trouble
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Finding

CAUSE_CLASS = "db-too-many-connections"
RULES: tuple[str, ...] = ()
WHILE_SERVING = True
TELLTALE = late.regex(
    r"error connecting in '[^']*': .*(?:too many (?:clients|connections)|remaining connection slots|connection limit)"
)
"""What psycopg's pool logs each time that it tries; who waits for it is only told that it took too long."""
WORDS = ("error connecting in '",)
TELLTALE_CAUSE = Cause.NONE

_SAID = late.regex(
    r"too many clients already|remaining connection slots are reserved|too many connections|"
    r"TooManyConnections|\(1040,|\(1203,|max_user_connections|"
    r"max_connections_per_hour|no more connections allowed|MaxClientsInSessionMode|max clients reached|"
    r"ORA-(?:0001[89]|00020|12516|12519|12520)|\(1129,|is blocked because of many connection errors|"
    r"[Mm]ax(?:imum)? (?:client )?connections (?:reached|exceeded)|[Cc]onnection limit (?:reached|exceeded|for)|"
    r"too many open connections|ORA-0239[19]|pool exhausted|QueuePool limit of size|MaxConnectionsExceeded|"
    r"WaitQueueTimeoutError|DPY-4005|psycopg_pool\.TooManyRequests|query_wait_timeout|"
    r"(?:request|session|worker) limit for the (?:database|elastic pool) is \d+|sorry, too many|"
    r"\((?:1135|9001),|ORA-24418|ORA-24459|number of connections exceeded|over your connection limit|"
    r"too many simultaneous queries|TOO_MANY_SIMULTANEOUS|too many database connection|"
    r"all server connections are in use|no free connection slots|'C': '53300'|TooManyRequests: the pool",
    re.IGNORECASE,
)
_REDIS = late.regex(r"^redis\b")


def _tells(error: Raised) -> bool:
    return bool(_SAID.search(error.text)) or foreign.says("limit", error)


def match(trouble: Trouble) -> Finding | None:
    """Conclude from the server's own words."""
    error = trouble.error
    # The pool tries again: alone such a line counts only where no server is known to go on.
    waited = trouble.unstarted if error is None else error.is_a("PoolTimeout")
    told = trouble.line(TELLTALE) if waited else ()
    if not told and (error is None or not _tells(error) or _REDIS.search(error.type)):
        return None
    text = told[0].text if told or error is None else error.text
    return conclude(
        trouble,
        f"The database's connection limit is reached: {one_line(text)}",
        "Lower pool_size and max_overflow (all workers of all instances count), or put a pooler in front of "
        "the database.",
        code=None if trouble.died else "BC215",
        confirm="select count(*) from pg_stat_activity; show processlist",
    )
