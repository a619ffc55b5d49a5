"""The report of a look at a living process: never a death, made from what was measured and what it said."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from bootcheck.model import bootreport, journal

FINGERPRINT = "5ee05ee05ee05ee0"
"""All looks share it: they have no fault to tell apart."""
BUSY = 90.0
"""Percent of one CPU that the threads of a busy process want together."""
MAIN = "MainThread"


class Taken:
    """What one look came to."""

    def __init__(  # noqa: PLR0913 - what a look has
        self,
        *,
        records: Sequence[Mapping[str, Any]],
        answer: Mapping[str, Any] | None,
        at: float,
        threads: Sequence[Mapping[str, Any]],
        measures: Mapping[str, Any],
        stacks: Sequence[Mapping[str, Any]],
        seconds: float = 0.0,
        missing: Sequence[str] = (),
    ) -> None:
        """`answer` is what the process's Python said, None where it could not run."""
        self.records = records
        self.answer = answer
        self.at = at
        self.threads = threads
        self.measures = measures
        self.stacks = stacks
        self.seconds = seconds
        self.missing = missing
        self.head: Mapping[str, Any] = next((record for record in records if record["t"] == journal.HEAD), {})
        self.ready = any(record["t"] == journal.READY for record in records)

    @property
    def step(self) -> str | None:
        """The innermost step that is open, by the process's own word where it has one."""
        if self.answer is not None:
            return self.answer.get("step")
        from bootcheck.model.boot import Boot

        return Boot.from_records(self.records).open_step

    @property
    def busy(self) -> list[Mapping[str, Any]]:
        """The threads that burn a CPU: one, or several that take turns at it, as Python's do for the GIL."""
        wanted = sum(thread.get("wanted_percent") or 0.0 for thread in self.threads)
        found: list[Mapping[str, Any]] = []
        if wanted < BUSY:
            return found
        covered = 0.0
        for thread in self.threads:
            found.append(thread)
            covered += thread.get("wanted_percent") or 0.0
            if covered >= wanted * 0.9:
                break
        return found


def report_of(taken: Taken) -> dict[str, Any]:
    """Return the report of a look: what a boot report says of the process, and what was seen of it."""
    answer = taken.answer or {}
    report = bootreport.boot_report(taken.records, {}, at=taken.at, hidden=int(answer.get("hidden", 0) or 0))
    report.update(
        kind="snapshot",
        incomplete=bool(taken.missing),
        step=taken.step,
        verdict=_verdict(taken),
        fingerprint=FINGERPRINT,
        attributes={**_attributes(taken), **taken.measures},
        stacks=_ordered(taken),
        annotations={**report["annotations"], **answer.get("annotations", {})},
    )
    return report


def place(thread: Mapping[str, Any], stacks: Sequence[Mapping[str, Any]]) -> str | None:
    """Return where a thread is, `spin (app.py:12)`, by its own stack; None where that is not known."""
    for stack in stacks:
        if stack.get("native_id") == thread["native_id"]:
            frames = stack.get("frames") or ()
            if not frames:
                return None
            return _spot(frames[0])
    return None


def _spot(frame: Mapping[str, Any]) -> str:
    return f"{frame['function']} ({os.path.basename(str(frame['file']))}:{frame['line']})"


def title(thread: Mapping[str, Any]) -> str:
    """Return what a thread is called: by Python where that is known, else by the kernel."""
    return f"{thread.get('python_name') or thread['name']} ({thread['native_id']})"


def burnt(thread: Mapping[str, Any]) -> str:
    """Return what a thread did to the CPU, `used 98 % of a CPU`; on a crowded machine also what it wanted."""
    used, waited = thread["cpu_percent"], thread["wanted_percent"] - thread["cpu_percent"]
    return f"used {used:.0f} % of a CPU" + (f" and waited {waited:.0f} % of the time for one," if waited >= 10 else "")


def _attributes(taken: Taken) -> dict[str, Any]:
    head = taken.head
    answer = taken.answer or {}
    started = head.get("at")
    found: dict[str, Any] = {
        "host.name": head.get("host"),
        "bootcheck.server.id": head.get("server_id"),
        "bootcheck.gunicorn.version": head.get("gunicorn"),
        **answer.get("attributes", {}),
        "process.pid": head.get("pid", 0),
        "process.parent_pid": head.get("ppid", 0),
        "bootcheck.ready": taken.ready,
        "bootcheck.worker.uptime_s": round(taken.at - started, 3) if isinstance(started, (int, float)) else None,
        "bootcheck.snapshot.python_answered": taken.answer is not None,
        "bootcheck.snapshot.cpu_interval_s": round(taken.seconds, 3) if taken.seconds else None,
        "bootcheck.threads": [{**thread, "place": place(thread, taken.stacks)} for thread in taken.threads],
    }
    if answer.get("requests"):
        found["bootcheck.requests"] = answer["requests"]
    return found


def _ordered(taken: Taken) -> list[dict[str, Any]]:
    """The busy threads first, then the main thread, then the rest as they came."""
    busy = {thread["native_id"]: number for number, thread in enumerate(taken.busy)}

    def rank(stack: Mapping[str, Any]) -> tuple[int, int]:
        tid = stack.get("native_id")
        if tid in busy:
            return (0, busy[tid])
        return (1 if stack["thread"] == MAIN else 2, 0)

    return [dict(stack) for stack in sorted(taken.stacks, key=rank)]


def _verdict(taken: Taken) -> dict[str, Any]:
    return {
        "code": None,
        "cause": "none",
        "summary": _summary(taken),
        "action": _action(taken),
        "confirm": None,
        "confidence": "high" if not taken.missing else "medium",
        "evidence": [{"source": "/proc", "line": None, "text": f"{title(one)} {burnt(one)}"} for one in taken.busy],
        "against": [],
        "missing": list(taken.missing),
    }


def _summary(taken: Taken) -> str:
    who = f"The {taken.head.get('role', 'worker')} (pid {taken.head.get('pid')}) is alive"
    step = taken.step
    parts: list[str] = [] if step is None else [f"in step {step}"]
    for one in taken.busy[:3]:
        where = place(one, taken.stacks)
        parts.append(f"thread {title(one)} {burnt(one)} over {taken.seconds:.1f} s" + (f" in {where}" if where else ""))
    main = next((stack for stack in taken.stacks if stack["thread"] == MAIN and stack.get("frames")), None)
    inside = "" if main is None else f"in {_spot(main['frames'][0])}"
    if taken.answer is None:
        parts.append(f"its main thread runs no Python: it is inside native code or waits for the GIL, {inside}")
    elif inside and not taken.busy:
        parts.append(f"its main thread is {inside}")
    return "; ".join([who, *(part.rstrip(" ,") for part in parts)]) + "."


def _action(taken: Taken) -> list[str]:
    if taken.busy:
        return ["Look at the first stack for what runs; take a second snapshot: the same function again is a loop."]
    if taken.answer is None:
        return ["Look at the stacks for the call that went into native code and does not come back."]
    return []
