"""The asking side of a look at a living process: find what it armed, ask it, measure it, make the report.

The signal goes only to a process that catches it and whose own journal says that it is ours: any
other process would be ended by it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any

from bootcheck.guards.snapshot import ANSWER, SIGNAL
from bootcheck.gunicorn.armed import Armed, Refused, find
from bootcheck.model import snapshot
from bootcheck.model.journal import read_lines
from bootcheck.model.redactor import Redactor, secrets_of
from bootcheck.probes.fault_text import last_dump
from bootcheck.probes.process import command_line, environment_of, measures, status_of
from bootcheck.probes.threads import measured, of_process

PATIENCE = 10.0
"""Seconds until a process must have begun to write its stacks; a loaded machine is slow."""
SILENCE = 3.0
"""Seconds without a word of Python after the stacks, until that itself is what is known."""
TURN = 30.0
"""Seconds to wait for another `bootcheck dump` of the same process."""
MAX_DUMP = 8 << 20
MAX_JOURNAL = 4 << 20


class Look:
    """What asking one process came to: a report, or why not and what can be seen from outside."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.report: dict[str, Any] | None = None
        self.path: str | None = None
        self.problem: str | None = None
        self.seen: dict[str, Any] = {}
        """Without a report: what /proc alone shows."""
        self.conspicuous = False
        """A thread burns a CPU, or Python does not get to run."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "pid": self.pid,
            "problem": self.problem,
            "path": self.path,
            "report": self.report,
            "seen": self.seen or None,
        }


def look(pid: int, *, seconds: float, directory: str | None, environ: Mapping[str, str]) -> Look:
    """Look at one process; never raises for what the process is or is not."""
    found = Look(pid)
    handle = -1
    try:
        handle = _handle(pid)
        armed = find(pid, directory, environ)
        _ask(found, armed, handle, seconds)
    except Refused as exc:
        found.problem = str(exc)
        found.seen = _from_outside(pid, seconds)
    finally:
        if handle >= 0:
            os.close(handle)
    return found


def _handle(pid: int) -> int:
    """Return a descriptor that stays with this process, whoever gets its number later; -1 where there are none."""
    try:
        return os.pidfd_open(pid)
    except (OSError, AttributeError):
        # Gone, a thread, or a system that knows no such descriptors: what it is, its status tells.
        return -1


def _ask(found: Look, armed: Armed, handle: int, seconds: float) -> None:
    # Measured first: what it does for us must not count.
    before, start = of_process(found.pid), time.monotonic()
    time.sleep(seconds)
    after, took = of_process(found.pid), time.monotonic() - start
    fd = armed.dump_file()
    try:
        _take_turn(fd, found.pid)
        text, answer = _stacks(fd, armed, handle)
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)
    threads = measured(after, before, took)
    stacks, missing = _joined(last_dump(text), threads, answer, armed)
    taken = snapshot.Taken(
        records=read_lines(armed.directory.read(armed.key.file_name, MAX_JOURNAL).splitlines())[0],
        answer=answer,
        at=time.time(),
        threads=threads,
        measures=measures(found.pid),
        stacks=stacks,
        seconds=took,
        missing=missing,
    )
    found.report = snapshot.report_of(taken)
    found.conspicuous = bool(taken.busy) or answer is None
    found.path = _store(armed, found.report)


def _take_turn(fd: int, pid: int) -> None:
    """Hold the lock by which the process knows that it is asked by a command."""
    deadline = time.monotonic() + TURN
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                msg = f"another command has been looking at process {pid} for {TURN:.0f} s"
                raise Refused(msg) from None
            time.sleep(0.05)
        else:
            return


def _stacks(fd: int, armed: Armed, handle: int) -> tuple[str, dict[str, Any] | None]:
    """Send the signal; return what the process wrote, and the answer of its Python, None where there came none."""
    os.ftruncate(fd, 0)
    # Now, and no earlier: it may have ended, and a handler may have gone, while we measured.
    armed.check()
    try:
        if handle >= 0:
            signal.pidfd_send_signal(handle, SIGNAL)
        else:
            os.kill(armed.pid, SIGNAL)
    except PermissionError:
        msg = f"no permission to signal process {armed.pid}, which belongs to uid {armed.uid}"
        raise Refused(msg) from None
    except ProcessLookupError:
        msg = f"process {armed.pid} ended while it was looked at"
        raise Refused(msg) from None
    started = changed = time.monotonic()
    data = b""
    while True:
        now = time.monotonic()
        latest = os.pread(fd, MAX_DUMP, 0)
        if latest != data:
            data, changed = latest, now
        text, answer = _parted(data)
        if answer is not None:
            return text, answer
        if data and now - changed > SILENCE:
            return text, None
        if now - started > PATIENCE and not data:
            state = status_of(armed.pid).get("State", "gone")
            msg = f"process {armed.pid} did not answer within {PATIENCE:.0f} s; its state is {state}"
            raise Refused(msg)
        time.sleep(0.02)


def _parted(data: bytes) -> tuple[str, dict[str, Any] | None]:
    """Return the stacks as text, and the JSON line behind them once it is complete."""
    head, begin, rest = data.partition(b'\n{"t": "' + ANSWER.encode())
    line, end, _ = rest.partition(b"\n")
    if not end:
        return head.decode("utf-8", "replace"), None
    try:
        answer = json.loads(begin[1:] + line)
    except ValueError:
        answer = None
    return head.decode("utf-8", "replace"), answer


def _joined(
    dumped: Sequence[Mapping[str, Any]],
    threads: list[dict[str, Any]],
    answer: Mapping[str, Any] | None,
    armed: Armed,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Give every stack the kernel's number of its thread where that is certain; say where it is not."""
    tids = armed.outer_tids(threads)
    known = {one["ident"]: one for one in (answer or {}).get("threads", ())}
    stacks: list[dict[str, Any]] = []
    for position, thread in enumerate(dumped):
        said = known.get(thread["ident"])
        name = None if said is None else said["name"]
        tid = None if said is None else tids.get(said["native_id"])
        # The kernel gives the signal to the main thread; CPython lists it last, for it is the oldest.
        if tid is None and thread["current"] and position == len(dumped) - 1:
            name, tid = snapshot.MAIN, armed.pid
        stack = {"thread": name or thread["name"] or f"thread {thread['ident']:#x}", "frames": thread["frames"]}
        stacks.append(stack if tid is None else {**stack, "native_id": tid})
    _by_elimination(stacks, threads)
    _name(threads, stacks)
    lost = [stack["thread"] for stack in stacks if "native_id" not in stack]
    missing = []
    if answer is None:
        missing.append("what only Python knows (greenlets, tasks, names of threads): it did not get to run")
    if lost:
        missing.append(f"the CPU of {', '.join(lost[:10])}: which thread of the kernel that is cannot be known")
    return [*stacks, *(answer or {}).get("stacks", ())], missing


def _by_elimination(stacks: list[dict[str, Any]], threads: Sequence[Mapping[str, Any]]) -> None:
    """One stack and one thread that are left over belong together, where there are as many of both."""
    used = {stack["native_id"] for stack in stacks if "native_id" in stack}
    open_stacks = [stack for stack in stacks if "native_id" not in stack]
    open_threads = [thread for thread in threads if thread["native_id"] not in used]
    if len(open_stacks) == len(open_threads) == 1:
        open_stacks[0]["native_id"] = open_threads[0]["native_id"]


def _name(threads: Sequence[dict[str, Any]], stacks: Sequence[Mapping[str, Any]]) -> None:
    names = {stack["native_id"]: stack["thread"] for stack in stacks if "native_id" in stack}
    all_known = all("native_id" in stack for stack in stacks)
    for thread in threads:
        thread["python_name"] = names.get(thread["native_id"])
        # A thread that is on no stack runs no Python: certain only where every stack has its thread.
        thread["native"] = thread["native_id"] not in names if all_known else None


def _store(armed: Armed, report: Mapping[str, Any]) -> str | None:
    """Store the report beside the process's other files, for the same reader."""
    name = snapshot.file_name(report)
    path = armed.directory.store(name, snapshot.encoded(report))
    if path is not None and os.geteuid() == 0:
        fd = armed.directory.open_existing(name)
        if fd >= 0:
            os.fchown(fd, *armed.owner)
            os.close(fd)
    return path


def _from_outside(pid: int, seconds: float) -> dict[str, Any]:
    """Return what /proc shows of a process that cannot be asked; empty where there is none."""
    status = status_of(pid)
    if not status:
        return {}
    before, start = of_process(pid), time.monotonic()
    time.sleep(seconds)
    threads = measured(of_process(pid), before, time.monotonic() - start)
    mask = Redactor(values=secrets_of(environment_of(pid))).mask
    command = " ".join(command_line(pid))
    return {
        "command": mask(command)[:500] or status.get("Name"),
        "state": status.get("State"),
        "uid": status.get("Uid", "").split("\t")[0],
        **measures(pid),
        "threads": threads,
    }
