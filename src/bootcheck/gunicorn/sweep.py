"""The sweep: journals of processes that died with nobody left to report them become reports."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn import obituary
from bootcheck.gunicorn.verdict import Death
from bootcheck.model.boot import Boot
from bootcheck.model.journal import Key, key_of, read_lines
from bootcheck.probes.process import boot_id, is_running

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

MAX_SWEPT = 200
MAX_JOURNAL = 4 << 20


def sweep(master: Master) -> int:
    """Report every dead predecessor whose journal has no end; return how many were reported."""
    reported = 0
    keys = [key for key in map(key_of, master.directory.names(0.2)) if key is not None and key != master.key]
    for key in keys[:MAX_SWEPT]:
        # Two servers may start at once: who renames the journal reports it, the other finds nothing.
        claimed = f".swept-{key.file_name}"
        if _alive(master, key) or not master.directory.rename(key.file_name, claimed):
            continue
        reported += _report(master, key, claimed)
        master.directory.remove(claimed)
        master.directory.remove(key.fault_name)
    return reported


def _report(master: Master, key: Key, claimed: str) -> int:
    records, broken = read_lines(master.directory.read(claimed, MAX_JOURNAL).splitlines())
    boot = Boot.from_records(records, broken)
    if boot.end is not None or not records:
        return 0
    if "pid" not in boot.head:
        boot = Boot.from_records([{"t": "head", "role": key.role, "pid": key.pid}, *records], broken)
    fault = master.directory.read(key.fault_name, 64 << 10).decode("utf-8", "replace")
    death = Death(boot=boot, fault=fault, extra={"bootcheck.swept": True})
    common: dict[str, Any] = {"host.name": boot.head.get("host"), "bootcheck.server.id": boot.head.get("server_id")}
    report = obituary.report_of(death, common, at=boot.last_at)
    if report is None:
        return 0
    master.publisher.death(report, f"AN EARLIER {key.role.upper()} (pid {key.pid}) DIED UNREPORTED")
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
    same_machine = bool(records) and records[0].get("boot_id") == boot_id()
    return same_machine and is_running(key.pid, key.start)
