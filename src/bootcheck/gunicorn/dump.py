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

from bootcheck.guards.snapshot import ANSWER, FROM_C, FROM_C_ALONE, SIGNAL
from bootcheck.gunicorn.armed import Armed, Refused, find
from bootcheck.model import bootreport, snapshot
from bootcheck.model.journal import MAX_JOURNAL, read_lines
from bootcheck.model.redactor import Redactor, secrets_of
from bootcheck.probes.fault_text import last_dump
from bootcheck.probes.process import command_line, environment_of, measures, status_of
from bootcheck.probes.threads import measured, of_process
from bootcheck.sinks.pruning import prune

SILENCE = 3.0
"""Seconds without an answer of Python, until that itself is what is known; a loaded machine is slow."""
PATIENCE = 10.0
"""Seconds for the stacks from C, which come whatever the process does."""
SETTLED = 0.3
"""Seconds without another byte, after which they are complete: they have no end of their own."""
RUNS = 5.0
"""Percent of a CPU from which on a thread may be running Python at any moment."""
TURN = 30.0
"""Seconds to wait for another `bootcheck dump` of the same process."""
MAX_DUMP = 8 << 20


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


def look(pid: int, *, seconds: float, directory: str | None, environ: Mapping[str, str], force: bool = False) -> Look:
    """Look at one process; never raises for what the process is or is not.

    `force` takes the stacks from C also while another thread may be running Python.
    """
    found = Look(pid)
    handle = -1
    try:
        handle = _handle(pid)
        armed = find(pid, directory, environ)
        _ask(found, armed, handle, seconds, force=force)
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


def _ask(found: Look, armed: Armed, handle: int, seconds: float, *, force: bool) -> None:
    # Measured first: what it does for us must not count.
    before, start = of_process(found.pid), time.monotonic()
    time.sleep(seconds)
    after, took = of_process(found.pid), time.monotonic() - start
    threads = measured(after, before, took)
    alone = not force and any(
        one["native_id"] != found.pid and (one["wanted_percent"] or 0.0) > RUNS for one in threads
    )
    fd = armed.dump_file()
    try:
        _take_turn(fd, found.pid)
        answer = _of_python(fd, armed, handle)
        text = "" if answer is not None else _from_c(fd, armed, handle, FROM_C_ALONE if alone else FROM_C)
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)
    stacks = _of_answer(answer, armed.outer_tids(threads)) if answer is not None else _of_dump(last_dump(text), armed)
    _by_elimination(stacks, threads)
    _name(threads, stacks, complete=answer is not None or not alone)
    taken = snapshot.Taken(
        records=read_lines(armed.directory.read(armed.key.file_name, MAX_JOURNAL).splitlines())[0],
        answer=answer,
        at=time.time(),
        threads=threads,
        measures=measures(found.pid),
        stacks=stacks,
        seconds=took,
        missing=_missing(stacks, answer=answer is not None, alone=alone),
    )
    found.report = snapshot.report_of(taken)
    found.conspicuous = bool(taken.busy) or answer is None
    found.path = _store(armed, found.report, taken.at)


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


def _of_python(fd: int, armed: Armed, handle: int) -> dict[str, Any] | None:
    """Ask Python; return its answer, None where it does not get to run."""
    os.ftruncate(fd, 0)
    _send(armed, handle, SIGNAL)
    deadline = time.monotonic() + SILENCE
    while time.monotonic() < deadline:
        answer = _answer_in(os.pread(fd, MAX_DUMP, 0))
        if answer is not None:
            return answer
        time.sleep(0.01)
    return None


def _from_c(fd: int, armed: Armed, handle: int, signo: int) -> str:
    """Let faulthandler write; return its text."""
    if not armed.head["dump"].get("from_c"):
        msg = f"process {armed.pid} runs no Python, and uses the signal at which its stacks would be taken from C"
        raise Refused(msg)
    os.ftruncate(fd, 0)
    _send(armed, handle, signo)
    started = changed = time.monotonic()
    data = b""
    while not data or time.monotonic() - changed < SETTLED:
        latest = os.pread(fd, MAX_DUMP, 0)
        if latest != data:
            data, changed = latest, time.monotonic()
        if not data and time.monotonic() - started > PATIENCE:
            state = status_of(armed.pid).get("State", "gone")
            msg = f"process {armed.pid} did not answer within {SILENCE + PATIENCE:.0f} s; its state is {state}"
            raise Refused(msg)
        time.sleep(0.02)
    return data.decode("utf-8", "replace")


def _send(armed: Armed, handle: int, signo: int) -> None:
    # Now, and no earlier: it may have ended, and a handler may have gone, while we measured.
    armed.check(signo)
    try:
        if handle >= 0:
            signal.pidfd_send_signal(handle, signo)
        else:
            os.kill(armed.pid, signo)
    except PermissionError:
        msg = f"no permission to signal process {armed.pid}, which belongs to uid {armed.uid}"
        raise Refused(msg) from None
    except ProcessLookupError:
        msg = f"process {armed.pid} ended while it was looked at"
        raise Refused(msg) from None


def _answer_in(data: bytes) -> dict[str, Any] | None:
    """Return the JSON line of the process once it is complete."""
    if not data.endswith(b"\n"):
        return None
    for line in data.splitlines():
        if line.startswith(b'{"t": "' + ANSWER.encode()):
            try:
                found: dict[str, Any] = json.loads(line)
            except ValueError:
                return None
            return found
    return None


def _of_answer(answer: Mapping[str, Any], tids: Mapping[int, int]) -> list[dict[str, Any]]:
    """Return the stacks that Python told, with native ids as we see them."""
    stacks: list[dict[str, Any]] = []
    for stack in answer["stacks"]:
        rest = {key: value for key, value in stack.items() if key != "native_id"}
        tid = tids.get(stack.get("native_id", 0))
        stacks.append(rest if tid is None else {**rest, "native_id": tid})
    return stacks


def _of_dump(dumped: Sequence[Mapping[str, Any]], armed: Armed) -> list[dict[str, Any]]:
    """Return the stacks that faulthandler wrote; which thread is which, its text does not say."""
    stacks: list[dict[str, Any]] = []
    for position, thread in enumerate(dumped):
        stack = {"thread": thread["name"] or f"thread {thread['ident']:#x}", "frames": thread["frames"]}
        # The kernel gives the signal to the main thread; CPython lists it last, for it is the oldest.
        if thread["current"] and position == len(dumped) - 1:
            stack |= {"thread": snapshot.MAIN, "native_id": armed.pid}
        stacks.append(stack)
    return stacks


def _missing(stacks: Sequence[Mapping[str, Any]], *, answer: bool, alone: bool) -> list[str]:
    missing = []
    if not answer:
        missing.append("what only Python knows (greenlets, tasks, names of threads): it did not get to run")
    if not answer and alone:
        missing.append(
            "the stacks of the other threads: one of them runs, and to take its stack from C could end the process; "
            "--force does it"
        )
    lost = [stack["thread"] for stack in stacks if _is_thread(stack) and "native_id" not in stack]
    if lost:
        missing.append(f"the CPU of {', '.join(lost[:10])}: which thread of the kernel that is cannot be known")
    return missing


def _is_thread(stack: Mapping[str, Any]) -> bool:
    return not str(stack["thread"]).startswith(("greenlet ", "task "))


def _by_elimination(stacks: list[dict[str, Any]], threads: Sequence[Mapping[str, Any]]) -> None:
    """One stack and one thread that are left over belong together, where there are as many of both."""
    used = {stack["native_id"] for stack in stacks if "native_id" in stack}
    open_stacks = [stack for stack in stacks if _is_thread(stack) and "native_id" not in stack]
    open_threads = [thread for thread in threads if thread["native_id"] not in used]
    if len(open_stacks) == len(open_threads) == 1:
        open_stacks[0]["native_id"] = open_threads[0]["native_id"]


def _name(threads: Sequence[dict[str, Any]], stacks: Sequence[Mapping[str, Any]], *, complete: bool) -> None:
    names = {stack["native_id"]: stack["thread"] for stack in stacks if "native_id" in stack}
    all_known = complete and all("native_id" in stack for stack in stacks if _is_thread(stack))
    for thread in threads:
        thread["python_name"] = names.get(thread["native_id"])
        # A thread that is on no stack runs no Python: certain only where every stack has its thread.
        thread["native"] = thread["native_id"] not in names if all_known else None


def _store(armed: Armed, report: Mapping[str, Any], at: float) -> str | None:
    """Store the report beside the process's other files, for the same reader."""
    name = bootreport.file_name(report, at)
    path = armed.directory.store(name, bootreport.encoded(report))
    # Somebody may look every minute for a year.
    prune(armed.directory)
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
