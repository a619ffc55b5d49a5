"""A server by its files: the journals of living processes, and the report of its death."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bootcheck.model import journal
from bootcheck.model.boot import Boot
from bootcheck.model.journal import MAX_JOURNAL, Key, key_of, read_lines
from bootcheck.probes.process import environment_of, is_running, start_ticks
from bootcheck.waiting import DIED, READY, CannotWait, Seen
from bootcheck.waiting.obituaries import Obituary, newest

BEFORE = 30.0
"""A server that died before it was ready, at most so many seconds before the wait began, is the one meant."""
SETTLE = 3.0
"""Seconds for a living server to show up before a death that came before the wait is told."""
LATE = 1.0
"""Seconds for the same after one that came meanwhile."""


class Files:
    """One server in one of some directories."""

    def __init__(
        self,
        directories: Sequence[str],
        *,
        least: int | None = 1,
        pid: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        euid = os.geteuid() if hasattr(os, "geteuid") else 0
        self._paths = [path for place in directories for path in (place, f"{place}/bootcheck-{euid}")]
        self._least = least
        self._pid = pid
        self._ticks = 0 if pid is None else start_ticks(pid)
        self._clock = clock
        self._begun = clock()
        self._master: Key | None = None
        self._server: Mapping[str, Any] = {}
        self._journal: str | None = None

    @classmethod
    def of_pid(cls, pid: int, directory: str | None, environ: Mapping[str, str], *, least: int | None = 1) -> Files:
        """Return what watches the server of this pid: its master's, or that of the process that started it.

        Its directory is the named one, else what the environment of the process says, else ours.
        """
        from bootcheck.analysis.readers.places import report_directories

        named = [directory] if directory is not None else []
        found = named or [*report_directories(environment_of(pid) or environ)[:1], *report_directories(environ)[:1]]
        files = cls(list(dict.fromkeys(found)), least=least, pid=pid)
        if not is_running(pid, files._ticks) and files.obituary() is None:
            told = ", ".join(dict.fromkeys(found))
            msg = f"there is no process {pid}, and no report of its death in {told}. Name a directory with --dir."
            raise CannotWait(msg)
        return files

    def look(self, limit: float) -> Seen:  # noqa: ARG002 - files answer at once
        """Look at the journals once."""
        living = self._living()
        master = self._choose(living)
        if self._pid is not None and not is_running(self._pid, self._ticks):
            return self._died(f"process {self._pid} has ended")
        if master is None:
            return self._nobody()
        return self._server_of(*master, living)

    def obituary(self) -> Obituary | None:
        """Return the report of this server's death, where there is one."""
        since = self._since()
        pids = {pid for pid in (self._pid, None if self._master is None else self._master.pid) if pid is not None}
        return newest(self._paths, since=since, pids=pids, journal=self._journal)

    def _since(self) -> float:
        at = self._server.get("at")
        return float(at) - 1.0 if isinstance(at, (int, float)) else self._begun - BEFORE

    def _living(self) -> list[tuple[Key, str]]:
        """Return the journals of processes that run, with their paths."""
        found = []
        for path in self._paths:
            try:
                names = os.listdir(path)
            except OSError:
                continue
            for name in names:
                key = key_of(name)
                if key is not None and is_running(key.pid, key.start):
                    found.append((key, f"{path}/{name}"))
        return found

    def _choose(self, living: Sequence[tuple[Key, str]]) -> tuple[Key, str] | None:
        """Return the master that is waited for: the one seen before, else the youngest."""
        masters = [one for one in living if one[0].role == "master"]
        if self._pid is not None:
            masters = [one for one in masters if self._pid in (one[0].pid, _head(one[1]).get("ppid"))]
        same = [one for one in masters if one[0] == self._master]
        chosen = max(same or masters, key=lambda one: one[0].start, default=None)
        if chosen is not None and chosen[0] != self._master:
            self._master, self._journal = chosen
            self._server = _head(chosen[1])
        return chosen

    def _nobody(self) -> Seen:
        """Tell a server that has died from one that has not begun."""
        if self._master is not None:
            return self._died(f"the server (master {self._master.pid}) has ended")
        found = self.obituary()
        if found is not None and self._clock() - self._begun > (LATE if found.written >= self._begun else SETTLE):
            ready = found.report.get("attributes", {}).get("bootcheck.ready")
            if self._pid is not None or not ready:
                return self._died("the server has died before it was ready")
        place = self._paths[0]
        what = f"no living server in {place}" if os.path.isdir(place) else f"{place} does not exist yet"
        if self._pid is not None:
            what = f"process {self._pid} has no journal in {place}: not armed yet, or not at all"
        return Seen(text=what)

    def _died(self, text: str) -> Seen:
        found = self.obituary()
        if found is None:
            return Seen(outcome=DIED, text=f"{text}; it left no report: ended on order, or not under bootcheck")
        return Seen(outcome=DIED, text=text, report=found.report, path=found.path)

    def _server_of(self, key: Key, path: str, living: Sequence[tuple[Key, str]]) -> Seen:
        """Return how far the server of this master is."""
        boots = [_boot(place) for one, place in living if one.role == "worker"]
        boots = [boot for boot in boots if boot.head.get("ppid") == key.pid]
        ready = [boot for boot in boots if boot.ready_at is not None]
        wanted = self._wanted(path, key)
        enough = len(ready) >= (wanted if self._least is None else min(self._least, wanted)) and bool(ready)
        state: dict[str, Any] = {"phase": "ready" if enough else "booting"}
        state |= {"workers_ready": len(ready), "workers": wanted}
        if enough:
            return Seen(outcome=READY, text=f"master {key.pid} serves", state=state)
        booting = sorted((boot for boot in boots if boot.ready_at is None), key=lambda boot: boot.head.get("at", 0))
        slowest = booting[0] if booting else _boot(path)
        span = slowest.open_span
        if span is not None:
            state |= {"step": span.name, "elapsed_s": round(max(0.0, self._clock() - span.at), 3)}
        what = "almost ready" if span is None else span.name
        if not booting and slowest.ready_at is not None:
            what = "no worker yet"
        return Seen(text=f"{slowest.role} {slowest.pid}: {what}", state=state)

    def _wanted(self, path: str, key: Key) -> int:
        """Return how many workers the server is to have, as the master's boot report says; 1 before there is one."""
        from bootcheck.waiting.obituaries import boot_report_of

        found = boot_report_of(os.path.dirname(path), key.pid, self._since())
        count = found.get("attributes", {}).get("bootcheck.gunicorn.workers")
        return count if isinstance(count, int) and count > 0 else 1


def _read(path: str, limit: int = MAX_JOURNAL) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    with open(fd, "rb") as file:
        try:
            return file.read(limit)
        except OSError:
            return b""


def _head(path: str) -> Mapping[str, Any]:
    records, _ = read_lines(_read(path, 65536).splitlines()[:1])
    return records[0] if records and records[0]["t"] == journal.HEAD else {}


def _boot(path: str) -> Boot:
    return Boot.from_records(read_lines(_read(path).splitlines())[0])
