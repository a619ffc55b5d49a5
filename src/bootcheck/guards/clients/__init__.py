"""Clients whose connections do not survive a fork: one file per library, listed here.

Each names the classes that it looks for, claims the connections that are its own, and makes them good in
a child. A file is loaded only where its library is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

CLIENTS = ("sqlalchemy", "django", "psycopg_pool", "redis", "redis_asyncio", "asyncpg", "http", "httpcore", "dbapi")
"""Every client, in the order in which they claim: who pools a driver's connections comes before the driver."""

LIBRARIES = {
    "sqlalchemy": ("sqlalchemy.engine.base",),
    "django": ("django.db.backends.base.base",),
    "psycopg_pool": ("psycopg_pool.base",),
    "redis": ("redis.connection",),
    "redis_asyncio": ("redis.asyncio.connection",),
    "asyncpg": ("asyncpg.connection",),
    "http": ("http.client",),
    "httpcore": ("httpcore._backends.sync",),
    "dbapi": ("psycopg", "psycopg2.extensions", "pymysql.connections", "MySQLdb.connections", "mysql.connector"),
}
"""The modules one of which is loaded where a client is in use."""


def in_use(modules: Iterable[str] | None = None) -> list[str]:
    """Return the names of the clients whose library this process has loaded."""
    loaded = sys.modules if modules is None else set(modules)
    return [name for name in CLIENTS if any(library in loaded for library in LIBRARIES[name])]


_loaded: dict[str, ModuleType] = {}


def load(name: str) -> ModuleType:
    """Return the module of one client."""
    found = _loaded.get(name)
    if found is None:
        found = _loaded[name] = import_module(f"bootcheck.guards.clients.{name}")
    return found
