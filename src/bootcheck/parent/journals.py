"""The journal of an armed master, looked for without opening a directory or loading what reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bootcheck.model.journal import Key
from bootcheck.probes.process import start_ticks
from bootcheck.sinks.directory import places


def has_left(pid: int, start: int, environ: Mapping[str, str]) -> bool:
    """Tell whether a master of this pid and start has a journal; a healthy server leaves not even a directory."""
    folders = [path for path, _ in places(environ)]
    folders += [f"{path}/bootcheck-{os.geteuid()}" for path in folders]
    name = Key("master", pid, start).file_name
    return any(os.path.exists(f"{folder}/{name}") for folder in folders)


def is_armed(pid: int, environ: Mapping[str, str]) -> bool:
    """Tell whether a living process is an armed master."""
    return has_left(pid, start_ticks(pid), environ)
