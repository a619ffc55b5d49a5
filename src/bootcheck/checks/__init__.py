"""Questions asked live, before serving: one file per check, listed here.

A check is declared in the configuration file (`checks.env("SECRET_KEY", secret=True)`), or
discovered because its subject is there. Modules are loaded when first used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bootcheck.sinks.stderr import say

if TYPE_CHECKING:
    from bootcheck.checks.base import Check, Planned, Server
    from bootcheck.checks.config_classes import config_classes as config_classes
    from bootcheck.checks.database import database as database
    from bootcheck.checks.database_url import database_url as database_url
    from bootcheck.checks.descriptors import descriptors as descriptors
    from bootcheck.checks.disk import disk as disk
    from bootcheck.checks.env import env as env
    from bootcheck.checks.flask_settings import flask_settings as flask_settings
    from bootcheck.checks.imports import imports as imports
    from bootcheck.checks.initialise import initialise as initialise
    from bootcheck.checks.migrations import migrations as migrations
    from bootcheck.checks.models import models as models
    from bootcheck.checks.paths import paths as paths
    from bootcheck.checks.pool import pool as pool
    from bootcheck.checks.port import port as port
    from bootcheck.checks.worker_tmp_dir import worker_tmp_dir as worker_tmp_dir

CHECKS = (
    "env",
    "database_url",
    "config_classes",
    "imports",
    "paths",
    "disk",
    "worker_tmp_dir",
    "descriptors",
    "port",
    "database",
    "migrations",
    "flask_settings",
    "models",
    "pool",
    "initialise",
)
"""Every check, in the order in which they run."""

__all__ = [*CHECKS, "discover", "order"]  # noqa: PLE0604 - the names are those of CHECKS


def __getattr__(name: str) -> Any:
    if name not in CHECKS:
        msg = f"module 'bootcheck.checks' has no attribute {name!r}; the checks are {', '.join(CHECKS)}"
        raise AttributeError(msg)
    return getattr(import_module(f"bootcheck.checks.{name}"), name)


class _Checks(ModuleType):
    """Strictly private: the name of a check is its function, whoever imports the module of that name first."""

    def __setattr__(self, name: str, value: object) -> None:
        # An import binds a submodule in its package, under the very name that users call.
        if name in CHECKS and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Checks


DISCOVERED = {
    "env": "SECRET_KEY",
    "database_url": "DATABASE_URL",
    "database": "DATABASE_URL",
    "pool": "DATABASE_URL",
}
"""Checks that nobody need declare, and the variable whose presence is their subject."""


def discover(environ: Mapping[str, str], server: Server, declared: Sequence[Check]) -> Iterator[Check]:
    """Yield the checks whose subject is there and that nobody declared."""
    known = {(check.name, check.subject) for check in declared}
    for name in CHECKS:
        if not environ.get(DISCOVERED.get(name, "")):
            continue
        for check in _found_by(name, environ, server):
            if (check.name, check.subject) not in known:
                yield check


def _found_by(name: str, environ: Mapping[str, str], server: Server) -> list[Check]:
    """Return what one module discovers; one that fails must not take the declared checks with it."""
    try:
        return list(import_module(f"bootcheck.checks.{name}").discover(environ, server))
    except Exception as exc:  # noqa: BLE001 - a guest never breaks the house
        say(f"bootcheck: checks.{name} could not look for its subject: {type(exc).__name__}: {exc}")
        return []


def order(planned: Sequence[Planned]) -> list[Planned]:
    """Return the checks in the order of `CHECKS`, each kind in the order of declaration."""
    place = {name: index for index, name in enumerate(CHECKS)}
    return sorted(planned, key=lambda item: place.get(item.check.name, len(place)))
