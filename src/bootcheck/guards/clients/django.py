"""Django's connections: one per thread and alias, kept where CONN_MAX_AGE is not 0.

The master closes those of its main thread before the fork, where nothing would be lost: Django opens a new one
when it needs one. What is left is given up in the worker. A pool of Django's (psycopg_pool) is forgotten there,
and made again at the first use.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from bootcheck.guards.clients.base import RENEW, Claim, Found
from bootcheck.probes.engines import fileno_of
from bootcheck.probes.heap import own

WRAPPER = ("django.db.backends.base.base", "BaseDatabaseWrapper")
CLASSES = (WRAPPER,)
_PORTS = {"postgresql": 5432, "mysql": 3306}
_kept: list[Any] = []


def claims(found: Found) -> Iterator[Claim]:
    """Yield what each thread's connections hold, and what lies in Django's pools."""
    for wrapper in found.get(WRAPPER, ()):
        connection = own(wrapper, "connection")
        if connection is not None:
            fd = fileno_of(connection)
            yield Claim(
                fd=-1 if fd is None else fd,
                library="Django",
                owner=_label(wrapper),
                remedy=RENEW,
                thing=wrapper,
                port=_port(wrapper),
                inner=connection,
            )
    for alias, pool in _pools().items():
        for connection in list(own(pool, "_pool") or ()):
            fd = fileno_of(connection)
            if fd is not None:
                owner = f"the pool of Django's connection {alias!r}"
                yield Claim(fd=fd, library="Django", owner=owner, remedy=RENEW, thing=pool)


def close_idle() -> dict[str, int]:
    """Close the main thread's connections in the master, and its pools; return how many, by owner."""
    closed: dict[str, int] = {}
    handler = getattr(sys.modules.get("django.db"), "connections", None)
    try:
        wrappers = list(handler.all(initialized_only=True)) if handler is not None else []
    except Exception:  # noqa: BLE001 - no settings, or a Django that has no such argument
        return closed
    for wrapper in wrappers:
        if own(wrapper, "connection") is None or own(wrapper, "in_atomic_block") or not own(wrapper, "autocommit"):
            continue
        name = _label(wrapper)
        try:
            wrapper.close()
        except Exception:  # noqa: BLE001, S112 - the worker's half still comes
            continue
        # What lives in memory stays open.
        if own(wrapper, "connection") is None:
            closed[name] = closed.get(name, 0) + 1
    return closed


def close_pools() -> dict[str, int]:
    """Close Django's own pools in the master, where nobody holds one of their connections."""
    closed: dict[str, int] = {}
    handler: Any = getattr(sys.modules.get("django.db"), "connections", None)
    for alias, pool in list(_pools().items()):
        idle = len(own(pool, "_pool") or ())
        if not idle or own(pool, "_nconns") != idle:
            continue
        try:
            handler[alias].close_pool()
        except Exception:  # noqa: BLE001, S112
            continue
        closed[f"the pool of Django's connection {alias!r}"] = idle
    return closed


def renew(found: Found, dead: set[int]) -> dict[str, int]:
    """Give up what leads to a dead socket; the next query connects anew."""
    pools = _pools()
    given_up = len(pools)
    for pool in pools.values():
        _kept.append(pool)
        # Nobody takes it for a pool that is to be built anew, nor stops threads that are not ours.
        vars(pool)["_closed"] = True
    pools.clear()
    for wrapper in found.get(WRAPPER, ()):
        connection = own(wrapper, "connection")
        if connection is None or fileno_of(connection) not in dead:
            continue
        _kept.append(connection)
        try:
            if own(connection, "_pool") is not None:
                # To close it would give it back to a pool that is not ours.
                wrapper.connection = None
            else:
                wrapper.close()
            given_up += 1
        except Exception:  # noqa: BLE001, S112 - another thread's: no thread of this process uses it
            continue
    return {"renewed": given_up}


def _pools() -> dict[str, Any]:
    kind = getattr(sys.modules.get("django.db.backends.postgresql.base"), "DatabaseWrapper", None)
    pools = None if kind is None else vars(kind).get("_connection_pools")
    return pools if type(pools) is dict else {}


def _port(wrapper: Any) -> int | None:
    port = str((own(wrapper, "settings_dict") or {}).get("PORT") or _PORTS.get(str(getattr(wrapper, "vendor", ""))))
    return int(port) if port.isdigit() else None


def _label(wrapper: Any) -> str:
    return f"Django's connection {own(wrapper, 'alias')!r}"
