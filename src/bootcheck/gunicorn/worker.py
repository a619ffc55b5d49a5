"""One worker from its fork until it is ready: steps, guards, and the facts for its report."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from bootcheck.guards import snapshot
from bootcheck.guards.native_crash import FaultFile, close_quietly
from bootcheck.guards.sigterm import STOP_SIGNALS, StopGuard
from bootcheck.gunicorn import listeners, seams
from bootcheck.gunicorn.child import Child
from bootcheck.gunicorn.server import head, kind_of
from bootcheck.gunicorn.witness import Witness
from bootcheck.model import bootreport, journal
from bootcheck.model.journal import Key
from bootcheck.model.outcome import Phase
from bootcheck.probes.process import start_ticks
from bootcheck.recorder import Recorder, Step, install
from bootcheck.sinks.journal import Journal
from bootcheck.sinks.ring import Ring

if TYPE_CHECKING:
    from bootcheck.checks.base import Context
    from bootcheck.guards.boot_deadline import BootDeadline
    from bootcheck.gunicorn.master import Master
    from bootcheck.model.boot import Boot
    from bootcheck.sinks.base import Sink


STEPS_AFTER_READY = 1_000
"""Checkpoints that an app may record once it serves: the journal of a process must have an end."""
_READY_NOW = ("gunicorn.workers.sync", "gunicorn.workers.gthread", "gunicorn.workers.ggevent")
"""Worker classes that accept requests right after `post_worker_init`: nothing need be looked up."""


class WorkerBoot:
    """The boot of the worker that this process is."""

    role = "worker"
    boot_step = "worker.boot"

    def __init__(self, master: Master, arbiter: Any, worker: Any) -> None:
        self._master = master
        self._arbiter = arbiter
        self._worker = worker
        self._child: Child | None = getattr(worker, "bootcheck_child", None)
        self._pid = os.getpid()
        self._parent = os.getppid()
        self._aborted = False
        self._partial = -1
        self._told = False
        self._deadline: BootDeadline | None = None
        self.witness = Witness(None if self._child is None else self._child.box)
        self.ready = False
        self.unsupported: Exception | None = None
        """Why the app has no lifespan, where that is no failure."""

    # -- the first moments ----------------------------------------------------------------------

    def begin(self) -> None:
        """Open the journal, take the stop signals over, drop what was inherited; then let signals in."""
        master, child = self._master, self._child
        spare = None if child is None else child.spare()
        if child is not None:
            master.receiver.in_child(child)
        self.key = Key(self.role, self._pid, start_ticks())
        self.ring = Ring()
        self._journal = Journal(master.directory, self.key, spare=spare)
        sinks: list[Sink] = [self._journal, self.ring, master.console, *master.extra_sinks]
        self.recorder = install(Recorder(sinks, redactor=master.redactor))
        self._fault = FaultFile(master.directory.create(self.key.fault_name, append=True))
        if self._drops_privileges:
            # After the change of user this directory is closed to us: the name is given later, by the master.
            self._partial = master.directory.create(bootreport.partial_name(self._pid))
        self._record_head()
        self.recorder.inherit(master.recorder)
        self._boot = self.recorder.step(self.boot_step, Phase.WORKER, **self._facts())
        self._boot.__enter__()
        self.guard = StopGuard(self.recorder, self._fault, self._on_stop)
        self._fault.arm()
        self.guard.arm()
        os.register_at_fork(after_in_child=self._disarm_in_child)
        self.recorder.limits = master.deadlines
        self.recorder.watch = self._limit
        if self._whole_deadline:
            self._watchdog()
        self._wrap()
        self.witness.begin()
        snapshot.requests_in_flight = self.witness.in_flight
        lost = self._lost_stop()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        if lost is not None:
            self.guard.stop(lost)
        if child is not None and child.snapshot is not None:
            self._renew_pools(child.snapshot)

    def _renew_pools(self, snapshot: Any) -> None:
        from bootcheck.guards import fresh_pools

        fresh_pools.in_child(snapshot, self.recorder)

    # -- what differs in the dirty arbiter and its workers (dirty.py) -----------------------------

    @property
    def _drops_privileges(self) -> bool:
        return self._master.drops_privileges

    @property
    def _whole_deadline(self) -> float:
        return self._master.settings.boot_deadline

    def _facts(self) -> dict[str, Any]:
        """Return what is known of this process before it does anything."""
        return {"age": self._worker.age}

    def _lost_stop(self) -> int | None:
        return seams.queued_stop(self._arbiter, tuple(int(signo) for signo in STOP_SIGNALS))

    def _kind_of(self, exc: BaseException) -> str:
        return kind_of(exc, self._master.common.get("bootcheck.gunicorn.app"))

    # -- deadlines --------------------------------------------------------------------------------

    def _limit(self, step: int, seconds: float | None) -> None:
        """Give a step so many seconds, or take its limit away."""
        if self._pid == os.getpid() and not self.ready and not self.guard.stopping:
            watchdog = self._watchdog()
            if watchdog is not None:
                watchdog.limit(step, seconds)

    def _watchdog(self) -> BootDeadline | None:
        """Return the one watchdog of this boot, armed when first asked for; None without a place for its dump."""
        if self._deadline is None and self._fault.fd >= 0:
            from bootcheck.guards.boot_deadline import BootDeadline

            self._deadline = BootDeadline(self._whole_deadline, self._fault.fd)
            self._deadline.arm()
        return self._deadline

    def _record_head(self) -> None:
        seconds = self._whole_deadline
        limit = {"boot_deadline": seconds} if seconds else {}
        own = head(self.role, self.key, self._master.server_id)
        dump = self._master.answers(self.key, self.ring)
        self.recorder.fact(journal.HEAD, **own, **self._facts(), dump=dump, **limit)

    def _on_stop(self, signo: int) -> None:  # noqa: ARG002
        self.witness.freeze()
        # A worker that is being stopped must not run into its deadline on the way out.
        if self._deadline is not None:
            self._deadline.disarm()

    def _wrap(self) -> None:
        worker = self._worker
        seams.around(worker, "init_process", self._telling_method)
        seams.around(worker, "load_wsgi", self._loading)
        seams.around(worker, "init_signals", self._signalling)

    def _disarm_in_child(self) -> None:
        # What this worker forks (multiprocessing) must not write into our fault file.
        if self._pid != os.getpid() and self._fault.fd >= 0:
            self._fault.hand_back()
            snapshot.disarm()

    # -- steps ----------------------------------------------------------------------------------

    def step(self, name: str, phase: Phase, /, **detail: object) -> Step:
        """Return a step of this boot."""
        return self.recorder.step(name, phase, **detail)

    def _signalling(self, original: Callable[[], Any]) -> Callable[[], Any]:
        """Let Gunicorn set its handlers, then take the stop signals over again."""

        def init_signals() -> Any:
            if self.ready:
                return original()
            # It passes through the default action, where a signal would kill without a word.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            try:
                self._fault.disarm()
                result = original()
                self._fault.arm()
                self.guard.arm()
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            return result

        return init_signals

    def _loading(self, original: Callable[[], Any]) -> Callable[[], Any]:
        def load_wsgi() -> Any:
            if self.ready:
                return original()
            with self.recorder.step("app.load", Phase.APP, app=self._master.common.get("bootcheck.gunicorn.app")):
                return original()

        return load_wsgi

    def _telling_method(self, original: Callable[[], Any]) -> Callable[[], Any]:
        def init_process() -> Any:
            with self.telling():
                return original()

        return init_process

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Keep whatever goes through here and ends the worker, and let it go on."""
        try:
            yield
        except BaseException as exc:
            if self._pid == os.getpid():
                self.keep(exc)
            raise

    def keep(self, exc: BaseException) -> None:
        """Journal an exception that ends this worker; our own stop is no exception of the app's."""
        if self._told or self.guard.stopping or self._aborted:
            return
        if self.ready and isinstance(exc, SystemExit) and not exc.code:
            return
        self._told = True
        self.witness.died_of(exc)
        self.recorder.exception(exc, self._kind_of(exc))

    def failed(self, kind: str, text: str, trace: str) -> None:
        """Journal a failure that never was an exception here (a lifespan that reported one); our own stop is none."""
        if self._told or self.guard.stopping or self._aborted:
            return
        self._told = True
        self.recorder.redactor.catch_up(os.environ)
        self.recorder.fact(
            journal.EXCEPTION,
            kind="exception",
            type=kind,
            message=text,
            traceback=trace,
            step=self._failed_last() or self.recorder.open_step,
            frames=[],
            chain=[],
        )

    def _failed_last(self) -> str | None:
        """Return the innermost of the steps that failed just now, one after the other, None where none did."""
        innermost: str | None = None
        for record in reversed(self.ring.records):
            if record["t"] == journal.CHECKPOINT:
                if record["outcome"] != "failed":
                    break
                innermost = record["name"]
        return innermost

    def aborted(self, frame: FrameType | None) -> None:
        """Note SIGABRT: Gunicorn's timeout (then the master knows), or somebody else's."""
        from bootcheck.probes.stacks import of_all_threads

        self._aborted = True
        self.witness.freeze()
        self.recorder.fact(journal.SIGNAL, signo=int(signal.SIGABRT), name="SIGABRT", step=self.recorder.open_step)
        self.recorder.fact(journal.STACKS, stacks=of_all_threads(frame)[:20])

    # -- checks and ready -----------------------------------------------------------------------

    def check(self) -> None:
        """Run the checks that need the loaded app; a declared error ends the boot."""
        master = self._master
        if not master.planned:
            return
        from bootcheck.checks.base import Moment, run
        from bootcheck.model.finding import Severity

        planned = [item for item in master.planned if item.check.moment is Moment.WORKER]
        if not planned:
            return
        context = self._context()
        findings = run(planned, context)
        stopping = [f for f in findings if f.declared and f.severity is Severity.ERROR]
        if stopping and master.settings.enforce != "observe":
            self.recorder.fact(
                journal.EXCEPTION,
                kind="check_failed",
                type="bootcheck.Refused",
                message=f"{len(stopping)} declared checks failed",
                step=stopping[0].step,
            )
            self._told = True
            # Gunicorn stops the server at this status; any other would start the worker again without end.
            sys.exit(seams.app_error_code(self._arbiter)[0])

    def _context(self) -> Context:
        from dataclasses import replace

        base = self._master.context(self._arbiter)
        app = getattr(self._worker, "wsgi", None) or getattr(self._worker, "asgi", None)
        return replace(base, recorder=self.recorder, environ=dict(os.environ), app=app, once=self._once)

    def _once(self, name: str, function: Callable[[], Any]) -> tuple[bool, Any]:
        once = self._master.once
        return (True, function()) if once is None else once.run(name, function)

    def initialised(self) -> None:
        """The app is loaded and its hooks have run: ready, unless the worker class has more to do."""
        self.witness.watch(self._worker)
        if not self._becomes_ready_later():
            self.become_ready()

    def _becomes_ready_later(self) -> bool:
        """Tell whether the worker class has still to do, and will tell; the common ones have not."""
        if type(self._worker).__module__ in _READY_NOW:
            return False
        from bootcheck.gunicorn import workers

        return workers.will_tell(self._worker, self)

    def hold(self) -> None:
        """Hold stop signals back until `rearm`: a server in between takes them with handlers of its own."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)

    def rearm(self) -> None:
        """Take the stop signals again after a server of its own (uvicorn, asyncio) set handlers."""
        if not self.ready:
            self.guard.arm()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def become_ready(self, restore: Callable[[], None] | None = None) -> None:
        """Close the boot: report, handlers back to their owner, one line for people."""
        if self.ready or self._pid != os.getpid() or (self._journal.closed and listeners.deaf(self._worker)):
            return
        self.guard.insist()
        # A stop that comes from here on finds a worker that is ready, and Gunicorn's own handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            self._become_ready(restore)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def _become_ready(self, restore: Callable[[], None] | None) -> None:
        if self._deadline is not None:
            self._deadline.disarm()
        self._boot.__exit__(None, None, None)
        self.recorder.watch = None
        self.recorder.room = STEPS_AFTER_READY
        self.ready = True
        self.witness.ready(self.recorder)
        now = time.time()
        hidden = self._master.redactor.hidden
        report = bootreport.boot_report(self.ring.records, self._master.common, at=now, hidden=hidden)
        name = bootreport.file_name(report, now)
        path = self._store(name, bootreport.encoded(report))
        self.recorder.fact(journal.READY, file=name if self._partial >= 0 else None)
        snapshot.confirm()
        self._fault.disarm()
        self.guard.release(restore)
        self._fault.arm()
        if self.ring in self.recorder.sinks:
            self.recorder.sinks.remove(self.ring)
        took = report["attributes"]["bootcheck.boot.duration_s"]
        self._master.console.note(f"{self.role} {self._pid} ready after {took} s, report {path or 'not stored'}")

    def _store(self, name: str, data: bytes) -> str | None:
        if self._partial < 0:
            return self._master.directory.store(name, data)
        try:
            os.write(self._partial, data)
        except OSError:
            return None
        finally:
            close_quietly(self._partial)
        return f"{self._master.directory.path}/{name}"

    def boot(self) -> Boot:
        """Return this worker's records put together."""
        from dataclasses import replace

        from bootcheck.model.boot import Boot

        # Tags that were set after the boot are in the journal and in memory, not among these records.
        return replace(Boot.from_records(self.ring.records), annotations=dict(self.recorder.annotations))

    # -- the end --------------------------------------------------------------------------------

    def ended(self) -> None:
        """Write the journal's end; without a living master also the report."""
        if self._pid != os.getpid():
            return
        self.recorder.fact(journal.END)
        if os.getppid() == self._parent:
            return
        from bootcheck.gunicorn.ending import orphaned

        orphaned(self._master, self.boot(), self.role)
        self._master.directory.forget(self.key)
