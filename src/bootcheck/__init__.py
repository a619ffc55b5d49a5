"""Start-up diagnostics for Gunicorn and other WSGI and ASGI servers.

Public names are loaded when first used; importing the package loads nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    "step": "bootcheck.recorder",
    "run_startup_diagnostics": "bootcheck.wsgi.diagnostics",
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
    "run_startup_diagnostics",
    "step",
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
