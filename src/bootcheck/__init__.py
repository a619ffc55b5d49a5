"""Start-up diagnostics for Gunicorn and other WSGI and ASGI servers.

Public names are loaded when first used; importing the package loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bootcheck.guards.load_once import load_once as load_once
    from bootcheck.guards.run_once import run_once as run_once
    from bootcheck.guards.warmup import warmup as warmup
    from bootcheck.gunicorn.arm import arm as arm
    from bootcheck.gunicorn.logger import Logger as Logger
    from bootcheck.marks import fork_safe as fork_safe
    from bootcheck.model.errors import BootcheckError as BootcheckError
    from bootcheck.recorder import annotate as annotate
    from bootcheck.recorder import step as step
    from bootcheck.wsgi.diagnostics import run_startup_diagnostics as run_startup_diagnostics

__version__ = "0.1.0"

_HOMES = {
    "arm": "bootcheck.gunicorn.arm",
    "Logger": "bootcheck.gunicorn.logger",
    "BootcheckError": "bootcheck.model.errors",
    "annotate": "bootcheck.recorder",
    "fork_safe": "bootcheck.marks",
    "load_once": "bootcheck.guards.load_once",
    "run_once": "bootcheck.guards.run_once",
    "step": "bootcheck.recorder",
    "run_startup_diagnostics": "bootcheck.wsgi.diagnostics",
    "warmup": "bootcheck.guards.warmup",
    "checks": "bootcheck.checks",
}

__all__ = [
    "BootcheckError",
    "Logger",
    "__version__",
    "annotate",
    "arm",
    "checks",
    "fork_safe",
    "load_once",
    "run_once",
    "run_startup_diagnostics",
    "step",
    "warmup",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'bootcheck' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    module = import_module(home)
    value = module if name == "checks" else getattr(module, name)
    globals()[name] = value
    return value
