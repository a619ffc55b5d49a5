"""The sweep: journals of processes that died with nobody left to report them become reports."""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn import obituary
from bootcheck.gunicorn.circumstances import of_fault
from bootcheck.gunicorn.claim import Claim, claim, left_behind
from bootcheck.gunicorn.verdict import Death
from bootcheck.model.boot import Boot
from bootcheck.model.journal import Key, read_lines
from bootcheck.model.stamps import compact
from bootcheck.probes.process import boot_id, is_running
from bootcheck.sinks.pruning import prune

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

MAX_SWEPT = 200
MAX_REPORT = 4 << 20
ABANDONED = 3600.0
"""Seconds after which a half-written file belongs to nobody: writing one takes milliseconds."""


def sweep(master: Master) -> int:
    """Report every dead predecessor whose journal has no end, and prune; return how many were reported."""
    reported = 0
    names = list(master.directory.names(0.2))
    keys = [(key, name) for name in names if (key := left_behind(name)) is not None and key != master.key]
    for key, name in keys[:MAX_SWEPT]:
        if name == key.file_name and _alive(master, key):
            continue
        claimed = claim(master.directory, name)
        if claimed is not None:
            with claimed:
                reported += _report(master, claimed, names)
    _remove_abandoned(master, names)
    prune(master.directory)
    return reported


def _remove_abandoned(master: Master, names: list[str]) -> None:
    """Take away what a writer left half-written when it was killed."""
    for name in names:
        if name.startswith(".") and name.endswith(".tmp"):
            written = master.directory.written_at(name)
            if written is not None and time.time() - written > ABANDONED:
                master.directory.remove(name)


def _reported(master: Master, boot: Boot, names: list[str]) -> bool:
    """Tell whether a process has its report: its master may have been killed before it removed the journal.

    By the server as well as by the pid: servers in containers share directories, and each is pid 1.
    """
    ending = f"-{boot.role}-{boot.pid}.json"
    since = compact(boot.head.get("at") or 0.0)
    mark = str(boot.head.get("server_id") or "").encode()
    return any(
        name.startswith("crash-")
        and name.endswith(ending)
        and name[6:] >= since
        and mark in master.directory.read(name, MAX_REPORT)
        for name in names
    )


def _report(master: Master, claimed: Claim, names: list[str]) -> int:
    boot, fault, role = claimed.boot, claimed.fault, claimed.key.role
    if boot.end is not None or _reported(master, boot, names):
        return 0
    told = of_fault(fault, master.environ, master.redactor) if "Fatal Python error:" in fault else {}
    death = Death(boot=boot, fault=fault, extra={"bootcheck.swept": True, **told})
    common: dict[str, Any] = {"host.name": boot.head.get("host"), "bootcheck.server.id": boot.head.get("server_id")}
    report = obituary.report_of(death, common, at=boot.last_at)
    if report is None:
        return 0
    master.publisher.death(report, f"AN EARLIER {role.upper()} (pid {boot.pid}) DIED UNREPORTED", earlier=True)
    return 1


def _alive(master: Master, key: Key) -> bool:
    """Tell whether a journal's owner lives: it holds the lock, also across PID namespaces."""
    fd = master.directory.open_existing(key.file_name)
    if fd < 0:
        return True
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    records, _ = read_lines(master.directory.read(key.file_name, 4096).splitlines()[:1])
    # Without a first line the pid and its start must do: it may be about to write that line.
    same_machine = not records or records[0].get("boot_id") == boot_id()
    return same_machine and is_running(key.pid, key.start)
