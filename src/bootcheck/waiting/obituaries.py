"""The report of a server's death: its master's own, else of a worker of it, else what its journal tells."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bootcheck.model.journal import report_name

MAX_REPORT = 8 << 20
MOST = 50
"""Reports that are opened: the newest."""


class Obituary(NamedTuple):
    """A report of a death."""

    report: Mapping[str, Any]
    path: str
    written: float = 0.0


def newest(
    paths: Sequence[str], *, since: float, pids: Collection[int] = (), journal: str | None = None
) -> Obituary | None:
    """Return the newest report of a death since then, of a master with such a pid or of a child of one.

    Without pids any death counts. A master that was killed could write nothing: its journal tells.
    """
    found = list(_written(paths, "crash-", since))
    mine = [one for one in found if not pids or _is_of(one.report, pids)]
    masters = [one for one in mine if one.report.get("role") == "master"]
    best = max(masters or mine, key=lambda one: one.written, default=None)
    if best is not None or journal is None or not os.path.exists(journal):
        return best
    from bootcheck.analysis import single
    from bootcheck.model.errors import BootcheckError

    try:
        return Obituary(single.one(journal, io.BytesIO()), journal)
    except (BootcheckError, OSError):
        return None


def boot_report_of(path: str, pid: int, since: float) -> Mapping[str, Any]:
    """Return the boot report of a master, empty before there is one."""
    for one in _written([path], "boot-", since):
        if one.report.get("role") == "master" and one.report.get("attributes", {}).get("process.pid") == pid:
            return one.report
    return {}


def _is_of(report: Mapping[str, Any], pids: Collection[int]) -> bool:
    attributes = report.get("attributes", {})
    return attributes.get("process.pid") in pids or attributes.get("process.parent_pid") in pids


def _written(paths: Sequence[str], prefix: str, since: float) -> Iterator[Obituary]:
    """Yield the newest reports that were written since then."""
    names: list[tuple[float, str]] = []
    for path in paths:
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name.startswith(prefix) and report_name(entry.name) is not None:
                        at = entry.stat(follow_symlinks=False).st_mtime
                        if at >= since:
                            names.append((at, entry.path))
        except OSError:
            continue
    for at, path in sorted(names, reverse=True)[:MOST]:
        report = _read(path)
        if report:
            yield Obituary(report, path, at)


def _read(path: str) -> Mapping[str, Any]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            report = json.loads(file.read(MAX_REPORT))
    except (OSError, ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) and isinstance(report.get("attributes"), dict) else {}
