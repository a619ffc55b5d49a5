"""Which checks a start runs: the declared ones, those that the environment asks for, the discovered ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bootcheck.checks import discover, order
from bootcheck.checks.base import Check, Planned, Server
from bootcheck.settings import Settings


def plan(declared: Sequence[Check], settings: Settings, environ: Mapping[str, str], server: Server) -> list[Planned]:
    """Return the checks in the order in which they run, each marked as declared or as discovered."""
    asked = list(declared)
    if settings.require_env:
        from bootcheck.checks.env import env

        named = {getattr(check, "variable", check.subject) for check in asked if check.name == "env"}
        asked += [env(name) for name in settings.require_env if name not in named]
    found = list(discover(environ, server, asked))
    everything = settings.enforce == "all"
    planned = [Planned(check, True) for check in asked] + [Planned(check, everything) for check in found]
    return order(list(_once_each(planned)))


def _once_each(planned: Sequence[Planned]) -> Iterator[Planned]:
    """Let one check alone say that a URL cannot be read, where two look at the same variable."""
    texts = {item.check.subject for item in planned if item.check.name == "database_url"}
    stopping = {item.check.subject for item in planned if item.check.name == "database" and item.declared}
    for item in planned:
        check: Any = item.check
        if check.name == "database" and check.url is None and check.subject in texts:
            check = replace(check, url_is_judged=True)
        elif check.name == "database_url" and check.subject in stopping:
            check = replace(check, connects=True)
        yield Planned(check, item.declared)
