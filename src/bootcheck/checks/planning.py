"""Which checks a start runs: the declared ones, those that the environment asks for, the discovered ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    return order([Planned(check, True) for check in asked] + [Planned(check, everything) for check in found])
