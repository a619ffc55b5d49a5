"""A look at a living process: at one signal it tells all its stacks, and goes on as if nothing had been.

A Python handler answers: it holds the GIL, so no thread can move while it is looked at, and it knows
greenlets, tasks, names, the step and the requests. Only where Python does not get to run (native code
keeps the GIL, or does not come back) faulthandler takes the stacks from C, at another signal: it
reads the frames of threads without holding them, and one that runs at that moment can make it
crash the process. `bootcheck dump` asks in this order; sent by hand, the first signal makes the
process write the report itself.

Nothing of this is ever taken for a death: it goes to a file of its own.
"""

from __future__ import annotations

import faulthandler
import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

from bootcheck.model.journal import NOTE, Key
from bootcheck.probes.stacks import of_frame, of_greenlets, of_tasks
from bootcheck.recorder import current
from bootcheck.sinks.descriptors import in_memory
from bootcheck.sinks.directory import ReportDirectory

SIGNAL = int(getattr(signal, "SIGRTMIN", -7)) + 7
"""Python answers. Unused by Gunicorn, its worker classes and the C library; 0 where there are no real-time signals."""
FROM_C = SIGNAL + 1
"""faulthandler writes all stacks; safe while no thread runs Python."""
FROM_C_ALONE = SIGNAL + 2
"""faulthandler writes the stack of the thread that takes the signal, the main thread; always safe."""
MEMORY = "bootcheck-stacks"
"""The name of the file in memory that the stacks go to."""
ANSWER = "answer"
"""The kind of the JSON line that our handler writes after the stacks."""
TAKEN = "the app handles this signal itself"
MAIN = "MainThread"
MAX_THREADS = 200

requests_in_flight: Callable[[], Sequence[Mapping[str, Any]]] = tuple
"""Who knows the requests in flight puts a function here; it is called in a signal handler: no lock, no I/O."""


class Answering:
    """What one process needs to answer."""

    def __init__(  # noqa: PLR0913 - what its report needs
        self,
        key: Key,
        fd: int,
        *,
        directory: ReportDirectory,
        records: Callable[[], Sequence[Mapping[str, Any]]],
        common: Callable[[], Mapping[str, Any]],
        note: Callable[[str], None],
    ) -> None:
        self.key = key
        self.fd = fd
        self.pid = os.getpid()
        self._directory = directory
        self._records = records
        self._common = common
        self._note = note

    def answer(self, frame: FrameType | None) -> None:
        """Tell what Python knows to the command that waits for it; without one make the report."""
        answer = facts(frame, self._common())
        if self._awaited():
            _append(self.fd, b"\n" + json.dumps(answer, default=repr).encode("ascii") + b"\n")
        else:
            self._report(answer)

    def _awaited(self) -> bool:
        """Tell whether a `bootcheck dump` holds the file's lock: then it makes the report."""
        try:
            fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.lockf(self.fd, fcntl.LOCK_UN)
        return False

    def _report(self, answer: Mapping[str, Any]) -> None:
        from bootcheck.model import bootreport, snapshot
        from bootcheck.probes.process import measures
        from bootcheck.probes.threads import measured, of_process

        names = {stack.get("native_id"): stack["thread"] for stack in answer["stacks"]}
        threads = measured(of_process(self.pid), None, 0.0)
        taken = snapshot.Taken(
            records=list(self._records()),
            answer=answer,
            at=time.time(),
            threads=[{**thread, "python_name": names.get(thread["native_id"])} for thread in threads],
            measures=measures(self.pid),
            stacks=answer["stacks"],
        )
        report = snapshot.report_of(taken)
        path = self._directory.store(bootreport.file_name(report, taken.at), bootreport.encoded(report))
        self._note(f"snapshot of {self.key.role} {self.pid}, report {path or 'not stored'}")


_here: Answering | None = None


def arm(  # noqa: PLR0913 - what an answer needs
    key: Key,
    *,
    directory: ReportDirectory,
    records: Callable[[], Sequence[Mapping[str, Any]]],
    common: Callable[[], Mapping[str, Any]],
    note: Callable[[str], None],
    on_disk: bool = False,
) -> dict[str, Any]:
    """Let this process answer the signal; return what its journal's head says of that.

    A handler of the app's own wins: then nothing is changed. In a worker the master's registration
    is there already, and only the file becomes another. `on_disk` is for a process that will change its
    user: the system then closes its descriptors to others.
    """
    try:
        before = signal.getsignal(SIGNAL) if SIGNAL else None
        if before not in (signal.SIG_DFL, _asked):
            return {"number": None, "why": TAKEN if SIGNAL else "this system has no such signal"}
        fd = -1 if on_disk else in_memory(MEMORY)
        on_disk = fd < 0
        if on_disk:
            fd = directory.create(key.dump_name)
        if fd < 0:
            disarm()
            return {"number": None, "why": "no file could be made for its stacks"}
        # faulthandler and Python both write, and a command empties it in between.
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)
        if before is not _asked:
            signal.signal(SIGNAL, _asked)
        from_c = all(signal.getsignal(signo) is signal.SIG_DFL for signo in (FROM_C, FROM_C_ALONE))
        if from_c:
            faulthandler.register(FROM_C, file=fd, all_threads=True)
            faulthandler.register(FROM_C_ALONE, file=fd, all_threads=False)
        _replace(Answering(key, fd, directory=directory, records=records, common=common, note=note))
    except Exception as exc:  # noqa: BLE001 - a process that cannot be looked at boots all the same
        return {"number": None, "why": f"arming failed: {type(exc).__name__}"}
    return {"number": SIGNAL, "from_c": from_c, "fd": fd, "on_disk": on_disk}


def disarm() -> None:
    """Write nothing any more: for what a process forks. The signal for Python stays harmless there."""
    if _here is not None:
        faulthandler.unregister(FROM_C)
        faulthandler.unregister(FROM_C_ALONE)


def confirm() -> None:
    """Tell the journal where the app has meanwhile put a handler of its own in the place of ours."""
    if _here is not None and _here.pid == os.getpid() and signal.getsignal(SIGNAL) is not _asked:
        current().fact(NOTE, dump=TAKEN)


def _replace(answering: Answering) -> None:
    old = _here
    globals()["_here"] = answering
    if old is not None:
        try:
            os.close(old.fd)
        except OSError:
            return


def _asked(signo: int, frame: FrameType | None) -> None:  # noqa: ARG001
    here = _here
    # A child that was forked from it is nobody's to ask.
    if here is None or here.pid != os.getpid():
        return
    try:
        here.answer(frame)
    except Exception as exc:  # noqa: BLE001 - it interrupts code of the app, which must not see it
        here._note(f"a snapshot could not be completed: {type(exc).__name__}: {exc}")  # noqa: SLF001


def facts(frame: FrameType | None, common: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Python knows of this process; `frame` is where the main thread was interrupted."""
    recorder = current()
    mask = recorder.redactor.mask
    threads = [{**stack, "thread": mask(stack["thread"])} for stack in _stacks(frame)]
    return {
        "t": ANSWER,
        "at": time.time(),
        "pid": os.getpid(),
        "stacks": [*threads, *_tried(of_greenlets), *_tried(of_tasks)],
        "step": recorder.open_step,
        "requests": _tried(requests_in_flight),
        "annotations": dict(recorder.annotations),
        "attributes": dict(common),
        "hidden": recorder.redactor.hidden,
    }


def _tried(function: Callable[[], Sequence[Any]]) -> list[Any]:
    """Return what a function finds; where it fails, the rest of the answer must not be lost."""
    try:
        return list(function())
    except Exception:  # noqa: BLE001 - it may meet objects in any state
        return []


def _stacks(interrupted: FrameType | None) -> list[dict[str, Any]]:
    """Return the stack of every thread with its name and native id, the main thread's first."""
    me = sys._getframe()  # noqa: SLF001
    active = dict(threading._active)  # type: ignore[attr-defined]  # noqa: SLF001
    found: list[dict[str, Any]] = []
    for ident, frame in list(sys._current_frames().items())[:MAX_THREADS]:  # noqa: SLF001
        if frame is me:
            # Signals are handled in the main thread only; gevent and a fork leave other numbers with its object.
            found.insert(0, {"thread": MAIN, "native_id": os.getpid(), "frames": of_frame(interrupted)})
            continue
        thread = active.get(ident)
        stack = {"thread": f"thread {ident:#x}" if thread is None else str(thread.name), "frames": of_frame(frame)}
        native = getattr(thread, "native_id", None)
        found.append(stack if native in (None, os.getpid()) else {**stack, "native_id": native})
    return found


def _append(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
