"""Temporary directories and files that disappear when a process ends which has inherited them."""

from __future__ import annotations

import os
import sys
import weakref
from typing import Any

from bootcheck.marks import is_marked
from bootcheck.probes.objects import attributes, class_of


def file_kind() -> type | None:
    """Return the class that removes a NamedTemporaryFile, None where `tempfile` is not loaded."""
    return class_of("tempfile", "_TemporaryFileCloser")


def kept(closers: list[Any]) -> list[dict[str, str]]:
    """Return {path, kind} of what is there now and is removed by whoever ends first."""
    found = [{"path": path, "kind": "TemporaryDirectory"} for path in _directories()]
    for closer in closers:
        own = attributes(closer) or {}
        # Of the closed ones the instance says so; of the others only the class.
        opened = own.get("delete") is True and not own.get("close_called", False)
        if opened and not is_marked(own.get("file")):
            found.append({"path": str(own.get("name")), "kind": "NamedTemporaryFile"})
    return [entry for entry in found if os.path.exists(entry["path"])]


def _directories() -> list[str]:
    """Return the paths that `weakref.finalize` is to remove at the end of each process that has them."""
    if "tempfile" not in sys.modules:
        return []
    registry: Any = getattr(weakref.finalize, "_registry", {})
    found: list[str] = []
    for info in list(registry.values()):
        function = getattr(info.func, "__func__", info.func)
        of_tempfile = getattr(function, "__qualname__", "") == "TemporaryDirectory._cleanup"
        removes = of_tempfile and info.atexit and info.args and (info.kwargs or {}).get("delete", True)
        if removes and not is_marked(info.weakref()):
            found.append(str(info.args[0]))
    return found
