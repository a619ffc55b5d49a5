"""For WSGI apps under any server: `Endpoints` for readiness and liveness, and start-up diagnostics.

Each is loaded when it is first used: neither pays for the other.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bootcheck.wsgi.diagnostics import Diagnostics as Diagnostics
    from bootcheck.wsgi.diagnostics import run_startup_diagnostics as run_startup_diagnostics
    from bootcheck.wsgi.diagnostics import server_name as server_name
    from bootcheck.wsgi.endpoints import Endpoints as Endpoints

_HOMES = {
    "Diagnostics": "diagnostics",
    "run_startup_diagnostics": "diagnostics",
    "server_name": "diagnostics",
    "Endpoints": "endpoints",
}

__all__ = ["Diagnostics", "Endpoints", "run_startup_diagnostics", "server_name"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        msg = f"module 'bootcheck.wsgi' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"bootcheck.wsgi.{home}"), name)
