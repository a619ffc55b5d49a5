"""Journals put back together: a boot that ended, one that still runs, or a death nobody reported."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from typing import Any

from bootcheck.analysis import tracebacks
from bootcheck.analysis.trouble import BOOT, UNKNOWN, Raised, Trouble
from bootcheck.model.boot import Boot
from bootcheck.model.cause import Cause
from bootcheck.model.finding import Evidence
from bootcheck.probes.process import boot_id, is_running

MAX_FAULT = 1 << 16
MAX_MESSAGE = 4_000
_LATEST = 1e11
_FATAL = "Fatal Python error: "


def death_of(boot: Boot, source: str, *, fault: str = "", torn: bool = False) -> Trouble | None:
    """Return how the process of a journal without an end died; None where it ended by itself."""
    if boot.end is not None or "pid" not in boot.head:
        return None
    cause = _cause(boot, fault)
    signal = (boot.signal or {}).get("name")
    return Trouble(
        cause=cause,
        role=boot.role,
        pid=boot.pid or None,
        moment=BOOT if boot.ready_at is None else UNKNOWN,
        step=boot.step,
        signal=signal if isinstance(signal, str) else None,
        at=moment_of(boot),
        since=_moment(boot.head.get("at")),
        host=_text(boot.head.get("host")),
        said=tuple(_evidence(boot, source, fault)),
        stops_server=boot.role == "master",
        facts={"torn": torn},
        **_exception(boot),
    )


def _cause(boot: Boot, fault: str) -> Cause:
    kind = str((boot.exception or {}).get("kind"))
    if kind in {cause.value for cause in (Cause.CHECK_FAILED, Cause.EXCEPTION, Cause.APP_NOT_FOUND, Cause.SYS_EXIT)}:
        return Cause(kind)
    if boot.signal is not None:
        return Cause.BOOT_DEADLINE if boot.signal.get("reason") == "boot_deadline" else Cause.SIGTERM
    return Cause.NATIVE_CRASH if _FATAL in fault else Cause.VANISHED


def _exception(boot: Boot) -> dict[str, Any]:
    record = boot.exception
    if record is None or not isinstance(record.get("type"), str):
        return {}
    chain = tracebacks.parse(str(record.get("traceback") or ""))
    last = Raised(
        type=record["type"],
        message=str(record.get("message") or "")[:MAX_MESSAGE],
        frames=chain[0].frames if chain else (),
    )
    return {"exception": last, "chain": (last, *chain[1:])}


def _evidence(boot: Boot, source: str, fault: str) -> list[Evidence]:
    found: list[Evidence] = []
    span = boot.open_span
    if span is not None:
        found.append(Evidence(source=source, text=f"{span.name} had been entered and not left"))
    last = boot.checkpoints[-1] if boot.checkpoints else None
    if last is not None and last is not span:
        found.append(Evidence(source=source, text=f"the last checkpoint is {last.name} ({last.outcome.value})"))
    if _FATAL in fault:
        line = next(text for text in fault.splitlines() if _FATAL in text)
        found.append(Evidence(source=f"{source.removesuffix('.jsonl')}.fault", text=line))
    return found


def alive(head: Mapping[str, Any], path: str | None) -> bool:
    """Tell whether the process of a journal demonstrably still lives on this machine."""
    if path is not None and _locked(path):
        return True
    pid, start = head.get("pid"), head.get("start")
    if not isinstance(pid, int) or not isinstance(start, int) or start <= 0 or pid <= 0:
        return False
    here = boot_id()
    return bool(here) and head.get("boot_id") == here and is_running(pid, start)


def _locked(path: str) -> bool:
    """Tell whether the owner holds its lock: that is seen across PID namespaces as well."""
    try:
        import fcntl
    except ImportError:
        return False
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, asked)
        return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
    except (OSError, struct.error):
        return False
    finally:
        os.close(fd)


def fault_text(path: str | None) -> str:
    """Return the fault dump that lies beside a journal, empty where there is none."""
    if path is None or not path.endswith(".jsonl"):
        return ""
    try:
        fd = os.open(
            f"{path.removesuffix('.jsonl')}.fault",
            os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0),
        )
    except OSError:
        return ""
    try:
        import stat

        return os.read(fd, MAX_FAULT).decode("utf-8", "replace") if stat.S_ISREG(os.fstat(fd).st_mode) else ""
    except OSError:
        return ""
    finally:
        os.close(fd)


def moment_of(boot: Boot) -> float | None:
    """Return when the journal's last record was written."""
    return _moment(boot.last_at)


def exception_of(boot: Boot) -> dict[str, Any]:
    """Return the exception's attributes, as a report has them."""
    record = boot.exception or {}
    names = (("exception.type", "type"), ("exception.message", "message"), ("exception.stacktrace", "traceback"))
    return {name: record[key] for name, key in names if record.get(key)}


def _moment(value: object) -> float | None:
    # A damaged line may hold any number; only those of our time are times.
    return float(value) if isinstance(value, (int, float)) and 0 < value < _LATEST else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
