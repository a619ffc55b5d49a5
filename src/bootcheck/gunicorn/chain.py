"""Our hooks around the user's: theirs of any name still run, and what they raise goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bootcheck.sinks.stderr import say

Hook = Callable[..., Any]
_said: set[str] = set()

ARITY = {
    "nworkers_changed": 3,
    "on_starting": 1,
    "when_ready": 1,
    "pre_fork": 2,
    "post_fork": 2,
    "post_worker_init": 1,
    "worker_abort": 1,
    "worker_exit": 2,
    "child_exit": 2,
    "on_exit": 1,
    "pre_exec": 1,
    "on_reload": 1,
    "on_dirty_starting": 1,
    "dirty_worker_init": 1,
}
"""Gunicorn refuses a hook whose number of parameters is not exactly this."""


def quietly(function: Hook) -> Hook:
    """Return a function that keeps an error of bootcheck's own from the app, said once on stderr.

    SystemExit goes on: it is how a start is stopped on purpose.
    """

    def guarded(*args: Any) -> Any:
        try:
            return function(*args)
        except Exception as exc:
            from bootcheck.model.errors import BootcheckError

            if isinstance(exc, BootcheckError):
                raise
            complain(f"{function.__name__}", exc)
            return None

    return guarded


def complain(where: str, exc: BaseException) -> None:
    """Say once per place that bootcheck itself failed there."""
    key = f"{where}:{type(exc).__name__}"
    if key not in _said:
        _said.add(key)
        say(f"bootcheck: {where} failed ({type(exc).__name__}: {exc}); the server goes on. Please report this.")


def install(cfg: Any, hooks: dict[str, Callable[[Hook], Hook]]) -> None:
    """Put `hooks[name](the user's hook)` into a Gunicorn configuration, once per configuration."""
    for name, make in hooks.items():
        if name not in cfg.settings:
            continue
        current = cfg.settings[name].get()
        if getattr(current, "bootcheck_owned", False):
            continue
        cfg.set(name, _with_arity(make(current), ARITY[name]))


def plain(name: str, hook: Hook) -> Hook:
    """Return a hook of ours for a configuration file that has none of that name."""
    return _with_arity(hook, ARITY[name])


def _with_arity(hook: Hook, arity: int) -> Hook:
    def one(first: Any) -> Any:
        return hook(first)

    def two(first: Any, second: Any) -> Any:
        return hook(first, second)

    def three(first: Any, second: Any, third: Any) -> Any:
        return hook(first, second, third)

    chained: Any = (one, two, three)[arity - 1]
    chained.bootcheck_owned = True
    hooked: Hook = chained
    return hooked
