"""A connection whose owner is not known was inherited by the workers.

What it means

BC204: the master had a connection open when it forked, and bootcheck could not tell which client it belongs to. It is
reported and left alone: it may be a debugger's, a logging handler's, or a client's of which only the master makes use.

How it looks

Nothing, if only the master uses it. If workers use it too: answers that belong to somebody else, protocol errors,
messages cut into each other.

Why it happens

Under `preload_app` the import of the app connected to something. bootcheck identifies connections of SQLAlchemy,
Django, psycopg_pool, http.client (urllib3, requests), httpx, redis-py and the database drivers; everything else it
only sees from outside: an address, and the name through which a Python socket is held.

What to do

Look at the address and the name in the finding. If workers use that client, make it in each worker: in a
`post_worker_init` hook, or at its first use.

How to know it is fixed

The workers' boot reports hold no BC204.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bootcheck.guards.clients.base import CUT, RENEW
from bootcheck.model.finding import Evidence, Finding, Severity

if TYPE_CHECKING:
    from bootcheck.guards.fresh_pools import Snapshot
    from bootcheck.guards.inherited import Inherited

RULES: tuple[str, ...] = ("BC204",)

FEW = 5
_BY_WORKER = "in post_worker_init, or at its first use"
_OPEN_LATER = f"Make the pool with open=False and open it in each worker: {_BY_WORKER}."
_IN_EACH = {"asyncpg": "Make asyncpg's connections in each worker: in the app's lifespan."}


def findings_of(snapshot: Snapshot) -> list[Finding]:
    """Return the findings of one fork: a warning only where workers share what nobody could repair."""
    owned = [item for item in snapshot.inherited if item.owner is not None]
    found: list[Finding] = []
    renewed = [item for item in owned if item.remedy == RENEW]
    if snapshot.closed or renewed:
        found.append(_repaired(snapshot, renewed))
    found += [raw_finding(item, cut=snapshot.repair) for item in owned if item.raw]
    broken = [item for item in owned if item.remedy == CUT and not item.raw]
    if broken:
        found.append(_not_renewable(broken, cut=snapshot.repair))
    strangers = [item for item in snapshot.inherited if item.owner is None]
    if strangers:
        found.append(_unidentified(strangers, repair=snapshot.repair))
    return found


def raw_finding(item: Inherited, *, cut: bool) -> Finding:
    """Return BC202 about one driver's connection; `cut`: the workers cannot use it any more."""
    heirs = "Each worker inherits" if cut else "The one worker inherits"
    fate = "; bootcheck cut it off, so that its use fails instead of returning other requests' rows" if cut else ""
    return Finding(
        code="BC202",
        severity=Severity.WARNING if cut else Severity.INFO,
        summary=f"{heirs} {_named(item)}{fate}.",
        action=_raw_actions(),
        evidence=(_seen(item),),
    )


def refusals(inherited: Sequence[Inherited]) -> list[Finding]:
    """Return BC202, as a declared error, for each driver's connection that a module leads to."""
    return [
        Finding(
            code="BC202",
            severity=Severity.ERROR,
            summary=f"All workers would share {_named(item)}: they would read each other's answers.",
            action=(*_raw_actions(), "To start all the same, set BOOTCHECK_ENFORCE=observe."),
            evidence=(_seen(item),),
            declared=True,
        )
        for item in inherited
        if item.raw and item.holder is not None
    ]


def _raw_actions() -> tuple[str, ...]:
    return (
        f"Open the connection in each worker: {_BY_WORKER}; or use a pool (a SQLAlchemy engine, Django's connections).",
        "If only the import needs it, close it at the end of the import.",
    )


def _named(item: Inherited) -> str:
    where = item.peer if item.service is None else f"{item.peer} ({item.service})"
    what = f"a raw {item.library} connection to {where}"
    return what if item.holder is None else f"{item.holder}, {what}"


def _seen(item: Inherited) -> Evidence:
    what = [f"descriptor {item.fd} to {item.peer}"]
    what += [f"of {item.owner}"] if item.owner else []
    what += [f"held by {item.holder}"] if item.holder else []
    return Evidence(source="master", text=", ".join(what))


def _few(items: Sequence[Inherited]) -> list[Evidence]:
    """Return the first, and how many more there are: each is composed and masked in every child."""
    more = len(items) - FEW
    told = [_seen(item) for item in items[:FEW]]
    return [*told, Evidence(source="master", text=f"and {more} more")] if more > 0 else told


def _repaired(snapshot: Snapshot, renewed: Sequence[Inherited]) -> Finding:
    total = sum(snapshot.closed.values()) + len(renewed)
    evidence = [
        Evidence(source="master", text=f"{count} idle connection(s) of {owner}, closed before the fork")
        for owner, count in snapshot.closed.items()
    ]
    evidence += _few(renewed)
    deed = "gives each worker connections of its own" if snapshot.repair else "left them alone: there is one worker"
    return Finding(
        code="BC201",
        severity=Severity.INFO,
        summary=f"The import of the app opened {total} connection(s) in the master; bootcheck {deed}.",
        action=(
            "Do not query the database while the app is imported: do it in initialise(...) or in post_worker_init.",
            "Close what an import opens: Session.remove(), the end of the app context, connection.close().",
        ),
        evidence=tuple(evidence),
    )


def _not_renewable(broken: Sequence[Inherited], *, cut: bool) -> Finding:
    owners = ", ".join(dict.fromkeys(str(item.owner) for item in broken))
    fate = "bootcheck does not know how to build it anew" + (", and cut its connections off" if cut else "")
    return Finding(
        code="BC203",
        severity=Severity.WARNING if cut else Severity.INFO,
        summary=f"{owners} was opened before the fork; {fate}.",
        action=tuple(dict.fromkeys(_IN_EACH.get(str(item.library), _OPEN_LATER) for item in broken)),
        evidence=tuple(_few(broken)),
    )


def _unidentified(strangers: Sequence[Inherited], *, repair: bool) -> Finding:
    peers = ", ".join(dict.fromkeys(item.peer for item in strangers))
    heirs = "Every worker inherits" if repair else "The worker inherits"
    return Finding(
        code="BC204",
        severity=Severity.WARNING if repair else Severity.INFO,
        summary=f"{heirs} {len(strangers)} connection(s) of the master, to {peers}; whose they are is not known.",
        action=(f"If workers use this client, make it in each worker: {_BY_WORKER}.",),
        evidence=tuple(_few(strangers)),
        missing=("the owner of each descriptor",),
        confidence="medium",
    )
