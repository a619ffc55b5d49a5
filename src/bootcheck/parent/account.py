"""The one report of a death: the server's own, its journal folded with the exact status, or ours by status."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bootcheck.guards.native_crash import NATIVE_SIGNALS
from bootcheck.gunicorn import last_words, obituary
from bootcheck.gunicorn.claim import Claim, claim
from bootcheck.gunicorn.verdict import Death
from bootcheck.model.journal import Key, key_of, read_lines, report_name
from bootcheck.model.redactor import Redactor
from bootcheck.model.stamps import compact
from bootcheck.parent import bystatus
from bootcheck.probes.process import boot_id
from bootcheck.sinks.console import Console
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.pruning import prune

if TYPE_CHECKING:
    from bootcheck.parent.watch import Child

MAX_REPORT = 1 << 20
LOOK = 0.5
"""Seconds for the names in a directory."""
_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "zsh", "busybox"})
_SIGKILL = 9


class Accounts:
    """What the report directory says about a server that ended, and what is added to it."""

    def __init__(self, environ: Mapping[str, str], console: Console, redactor: Redactor) -> None:
        self._environ = environ
        self._console = console
        self._redactor = redactor
        self._directory: ReportDirectory | None = None
        self._publisher: obituary.Publisher | None = None
        self._server_id: object = None
        """The server whose master died without a word, None where there is none."""

    # -- the server -----------------------------------------------------------------------------

    def settle(
        self,
        child: Child,
        *,
        died: bool,
        oom_kills: int | None,
        limit_bytes: int | None,
        stderr: Callable[[], bytes | None],
    ) -> None:
        """Write the report of this end, unless it was no death or has one already."""
        key = self._key_of(child)
        if key is None:
            if died and not self._told(child):
                report = bystatus.report_of(child, oom_kills, limit_bytes, stderr(), self._redactor)
                self._publish(report, f"THE SERVER DIED ({report.verdict.cause})")
            return
        claimed = claim(self._open(), key.file_name)
        # Without one a sweep of another server took it first: the report is its to write.
        if claimed is not None:
            with claimed:
                self._server_id = claimed.boot.head.get("server_id")
                self._settle_claimed(child, claimed, died=died, oom_kills=oom_kills, limit_bytes=limit_bytes)

    def _settle_claimed(
        self, child: Child, claimed: Claim, *, died: bool, oom_kills: int | None, limit_bytes: int | None
    ) -> None:
        boot = claimed.boot
        # What has an end was told by itself; what was ready and ended as ordered is no death.
        if boot.end is not None or not (died or boot.ready_at is None):
            return
        death = Death(
            boot=boot,
            status=child.status if boot.pid == child.pid else _as_the_shell_said(child.status),
            oom_kills=oom_kills,
            fault=claimed.fault,
            peak_rss_bytes=child.usage.ru_maxrss * 1024,
            memory_limit_bytes=limit_bytes,
            extra={"process.parent_pid": os.getpid(), **bystatus.usage_of(child.usage)},
        )
        self._fold(death, "THE MASTER DIED")

    def _key_of(self, child: Child) -> Key | None:
        """Return the key of the journal that this server left: its own, or that of a master below a shell."""
        own = Key("master", child.pid, child.start)
        keys = [key for key in map(key_of, self._open().names(LOOK)) if key is not None and key.role == "master"]
        if own in keys:
            return own
        return next((key for key in keys if self._head(key).get("ppid") == child.pid), None)

    def _told(self, child: Child) -> bool:
        """Tell whether an armed master has written reports of its own, and needs no other one."""
        directory = self._open()
        by_signal = os.WIFSIGNALED(child.status)
        if directory.makeshift or not directory:
            # It had a place of its own that we cannot know; by a signal it would have said nothing.
            return not by_signal
        kinds = self._reports_of(child)
        # After its boot it tells every end but one that came as a signal to a process without a word.
        return "crash" in kinds or ("boot" in kinds and not by_signal)

    def _reports_of(self, child: Child) -> set[str]:
        since = compact(child.since)
        wrapped = bool(child.command) and os.path.basename(child.command[0]) in _SHELLS
        kinds: set[str] = set()
        for found in map(report_name, self._open().names(LOOK)):
            if found is None or found[0] < since:
                continue
            name = found[2]
            kind, _, rest = name.partition("-")
            mine = rest.endswith(f"-master-{child.pid}.json") or (wrapped and "-master-" in rest)
            # Containers that share a volume number their processes alike.
            if mine and kind not in kinds and self._host_of(name) in (None, os.uname().nodename):
                kinds.add(kind)
        return kinds

    def _host_of(self, name: str) -> object:
        try:
            return json.loads(self._open().read(name, MAX_REPORT))["attributes"]["host.name"]
        except (ValueError, KeyError, TypeError):
            return None

    # -- what it left ---------------------------------------------------------------------------

    def settle_orphans(self, reaped: Mapping[int, tuple[int, Any]], killed: set[int]) -> None:
        """Take the journals of workers whose master died: they ended because it was gone.

        One that a fault or somebody else's SIGKILL ended died a death of its own.
        """
        if self._server_id is None:
            return
        for key in [key for key in map(key_of, self._open().names(LOOK)) if key is not None]:
            if key.role == "master" or self._head(key).get("server_id") != self._server_id:
                continue
            status, usage = reaped.get(key.pid, (None, None))
            if status is None and os.path.exists(f"/proc/{key.pid}"):
                continue
            claimed = claim(self._open(), key.file_name)
            if claimed is None:
                continue
            with claimed:
                own_death = status is not None and _own_death(status) and key.pid not in killed
                if claimed.boot.end is None and own_death:
                    extra = {} if usage is None else bystatus.usage_of(usage)
                    death = Death(boot=claimed.boot, status=status, fault=claimed.fault, extra=extra)
                    self._fold(death, f"WORKER {key.pid} DIED")

    # -- files ----------------------------------------------------------------------------------

    def _open(self) -> ReportDirectory:
        if self._directory is None:
            self._directory = ReportDirectory(self._environ)
        return self._directory

    def _head(self, key: Key) -> dict[str, Any]:
        """Return a journal's first line, empty where it is of another machine or cannot be read."""
        records, _ = read_lines(self._open().read(key.file_name, 4096).splitlines()[:1])
        return records[0] if records and records[0].get("boot_id") == boot_id() else {}

    # -- publishing -----------------------------------------------------------------------------

    def _fold(self, death: Death, headline: str) -> None:
        head = death.boot.head
        common = {"host.name": head.get("host"), "bootcheck.server.id": head.get("server_id")}
        report = obituary.report_of(death, common, hidden=int(head.get("hidden", 0) or 0))
        if report is not None:
            self._publish(report, f"{headline} ({report.verdict.cause})")

    def _publish(self, report: Any, headline: str) -> None:
        if self._publisher is None:
            for note in self._open().notes:
                self._console.note(note)
            self._publisher = obituary.Publisher(self._open(), self._console, last_words.of_parent(self._environ))
        self._publisher.death(report, headline, stops_server=report.role == "master")
        prune(self._open())


def _as_the_shell_said(status: int) -> int:
    """Read 137 as SIGKILL: a shell that waited for its server says a signal so."""
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 0
    return code - 128 if 128 < code < 128 + 65 else status


def _own_death(status: int) -> bool:
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) in (*NATIVE_SIGNALS, _SIGKILL)
