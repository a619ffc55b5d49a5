"""The `attributes` of a death: OpenTelemetry names where they exist, `bootcheck.*` elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bootcheck.gunicorn import senders
from bootcheck.gunicorn.verdict import Death
from bootcheck.model.signals import signal_name
from bootcheck.model.stamps import rfc3339


def of_death(death: Death, ended_at: float) -> dict[str, Any]:
    """Return what is known of the end of one process."""
    found: dict[str, Any] = {
        "process.pid": death.boot.pid,
        "process.exit.time": rfc3339(ended_at),
        "bootcheck.ready": death.ready,
    }
    if death.exit_code is not None:
        found["process.exit.code"] = death.exit_code
    started = death.boot.head.get("at")
    if isinstance(started, (int, float)):
        found["bootcheck.worker.uptime_s"] = round(max(0.0, ended_at - started), 3)
    found.update(_signal(death))
    found.update(senders.attributes_of(death))
    if death.peak_rss_bytes:
        found["bootcheck.process.memory.peak"] = death.peak_rss_bytes
    if death.memory_limit_bytes:
        found["bootcheck.cgroup.memory.limit"] = death.memory_limit_bytes
    if death.boot.exception is not None:
        found.update(of_exception(death.boot.exception))
    if death.boot.imports:
        found["bootcheck.imports"] = list(death.boot.imports)
    return found


def of_exception(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the exception's attributes from its journal record."""
    return {
        "exception.type": record.get("type"),
        "exception.message": record.get("message"),
        "exception.stacktrace": record.get("traceback"),
        "bootcheck.exception.chain": record.get("chain") or [],
    }


def _signal(death: Death) -> dict[str, Any]:
    signo = death.signo or (death.boot.signal or {}).get("signo")
    if not isinstance(signo, int):
        return {}
    parent = "dirty-arbiter" if death.boot.role == "dirty-worker" else "master"
    origin = senders.origin_of(death, signo)
    found: dict[str, Any] = {
        "bootcheck.exit.signal.name": signal_name(signo),
        "bootcheck.exit.signal.number": signo,
        "bootcheck.signal.origin": parent if origin == "master" else origin,
    }
    if death.status is not None and death.signo is not None:
        found["bootcheck.exit.core_dumped"] = os.WCOREDUMP(death.status)
    return found
