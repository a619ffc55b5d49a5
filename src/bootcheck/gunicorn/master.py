"""The master: armed, preflighted, watched, and the receiver of its workers' deaths.

On every boot's path: what only a check or a death needs is imported where it is used.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from bootcheck.guards import snapshot
from bootcheck.guards.native_crash import FaultFile
from bootcheck.gunicorn import chain, hooks, seams
from bootcheck.gunicorn.orders import Orders
from bootcheck.gunicorn.receiver import Receiver
from bootcheck.gunicorn.server import SUBJECTS, Home, app_uri_of, attributes_of, head, sources_of, store_boot
from bootcheck.gunicorn.witness import TimedImports
from bootcheck.gunicorn.worker import WorkerBoot
from bootcheck.model import journal
from bootcheck.model.journal import Key
from bootcheck.model.outcome import Phase
from bootcheck.model.redactor import Redactor, secrets_of
from bootcheck.model.stamps import new_id
from bootcheck.probes.process import in_container, start_ticks
from bootcheck.recorder import Recorder, current, install
from bootcheck.settings import Settings
from bootcheck.sinks.console import Console
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.journal import Journal
from bootcheck.sinks.ring import Ring

if TYPE_CHECKING:
    from bootcheck.checks.base import Check, Context, Planned
    from bootcheck.guards.once import Once
    from bootcheck.gunicorn.dirty import Dirty
    from bootcheck.gunicorn.obituary import Publisher
    from bootcheck.sinks.base import Sink

Hook = Callable[..., Any]
FEW = 60
"""Files of a report directory that are below every limit."""
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Master:
    """What one process image of Gunicorn knows of itself, from the configuration file on."""

    def __init__(self, settings: Settings, environ: MutableMapping[str, str], sinks: Sequence[Sink]) -> None:
        self.settings = settings
        self.environ = dict(environ)
        self.extra_sinks = list(sinks)
        self.redactor = Redactor(self.environ)
        self.directory = ReportDirectory(self.environ)
        self.console = Console(settings.log)
        self.server_id = new_id()
        self.common: dict[str, Any] = {"bootcheck.server.id": self.server_id}
        self.exit_codes: Mapping[int, int] = {}
        """What to exit with instead of 78 and 69, where the user set it."""
        self.deadlines: Mapping[str, float] = {}
        """Seconds that steps of a worker's boot may take, by name."""
        self.receiver, self.orders = Receiver(self), Orders(self)
        self.termination_log: str | None = None
        self.companions: list[Callable[[Any], None]] = []
        """What else is asked for: called with the arbiter once it starts."""
        self.arbiter: Any = None
        self.facts: dict[str, Any] = {}
        self.planned: list[Planned] = []
        self.once: Once | None = None
        self.worker: WorkerBoot | None = None
        """The boot of the worker that this process is, None in the master."""
        self.dirty: Dirty | None = None
        """The dirty arbiter and its workers, once Gunicorn starts one."""
        self.board: Any = None  # A gunicorn.board.Keeper, from the first use of the state of this server on.
        self._publisher: Publisher | None = None
        self.declared: list[Check] = []
        """The checks of the configuration file."""
        self._owner = 0
        self.reseed = False
        """True where workers get random numbers of their own."""
        self.ready = False
        """True once the preflight is over."""
        self._published = self._ended = False
        self.told = False
        """True once this master's own death has its report."""
        self._stopping = False
        self.stopping = False
        """True once Gunicorn halts: from then on it stops its workers."""
        self.preflight_child: Callable[[], int | None] = lambda: None
        """Returns the pid of the process that runs the checks, while one does."""
        self.last_look: Callable[[], object] = lambda: None
        """Called where this process exits without a word of Gunicorn's."""
        self._preflighted = False
        self._before: dict[int, Any] = {}

    # -- arming ---------------------------------------------------------------------------------

    def arm(self) -> None:
        """Open the journal, watch for faults and stop signals, sweep what dead predecessors left."""
        self._open()
        for note in self.directory.notes:
            self.console.note(note)
        if self.directory.default and in_container():
            self.console.note(
                f"reports go to {self.directory.path}, which ends with this container; "
                "mount a volume and set BOOTCHECK_DIR to keep them"
            )
        self._guard_stops()
        atexit.register(self._at_exit)
        chain.quietly(self._sweep)()

    def _sweep(self) -> None:
        names = list(self.directory.names())
        left = any(name.startswith(".") or journal.key_of(name) not in (None, self.key) for name in names)
        if left or len(names) > FEW:
            from bootcheck.gunicorn.sweep import sweep

            sweep(self)

    def _open(self) -> None:
        """Begin the records of this process; again after Gunicorn forked itself into a daemon."""
        self._owner = os.getpid()
        self.key = Key("master", self._owner, start_ticks())
        self.ring = Ring()
        before = current()
        sinks: list[Sink] = [Journal(self.directory, self.key), self.ring, self.console, *self.extra_sinks]
        self.recorder = install(Recorder(sinks, redactor=self.redactor))
        self.fault = FaultFile(self.directory.create(self.key.fault_name, append=True))
        self.fault.arm()
        own = head("master", self.key, self.server_id)
        self.recorder.fact(journal.HEAD, **own, dump=self.answers(self.key, self.ring))
        self.recorder.inherit(before)
        self.recorder.home = Home(self.directory, self.key)
        self._boot = self.recorder.step("server.boot", Phase.SERVER).__enter__()

    def answers(self, key: Key, ring: Ring) -> dict[str, Any]:
        """Let the process with this key answer `bootcheck dump`; return what its journal says of that."""
        return snapshot.arm(
            key,
            directory=self.directory,
            records=lambda: ring.records,
            common=lambda: self.common,
            note=self.console.note,
            on_disk=self.drops_privileges,
        )

    def _reopen_as_daemon(self) -> None:
        old = self.key
        self._open()
        self.directory.forget(old)
        self._guard_stops()

    @property
    def is_here(self) -> bool:
        """True in the master itself, False in anything forked from it."""
        return self._owner == os.getpid()

    @property
    def drops_privileges(self) -> bool:
        """True where workers run as another user and cannot write into the report directory."""
        cfg = getattr(self.arbiter, "cfg", None)
        return cfg is not None and cfg.uid not in (None, os.geteuid())

    @property
    def publisher(self) -> Publisher:
        """Where deaths are stored and printed."""
        if self._publisher is None:
            from bootcheck.gunicorn import last_words, obituary

            self._publisher = obituary.Publisher(self.directory, self.console, last_words.of_master(self))
        return self._publisher

    def declare(
        self,
        checks: Sequence[Check],
        exit_codes: Mapping[int, int] | None = None,
        deadlines: Mapping[str, float] | None = None,
    ) -> None:
        """Take what a configuration file declares; the file of a reload replaces it."""
        self.declared = list(checks)
        self.deadlines = dict(deadlines or {})
        self.exit_codes = dict(exit_codes or {})

    # -- what Gunicorn's hooks call (see hooks.py) -----------------------------------------------

    def install(self, cfg: Any) -> None:
        """Chain the hooks into a configuration, once per configuration."""
        chain.install(cfg, hooks.table(self))

    def begin_worker(self, arbiter: Any, worker: Any) -> WorkerBoot:
        """Start the boot of the worker that this process has become."""
        self.worker = WorkerBoot(self, arbiter, worker)
        self.worker.begin()
        return self.worker

    def not_set_up(self, exc: BaseException) -> None:
        """Report what Gunicorn could not make of its configuration: the end of a server that was none yet."""
        if self.is_here and not self._ended and not self.ready and self.arbiter is None:
            from bootcheck.gunicorn.ending import over

            over(self, exc)

    def on_nworkers(self, arbiter: Any, new: int, old: int | None) -> None:  # noqa: ARG002
        """Take the Arbiter: the earliest hook that has it, before a preload import."""
        self.install(arbiter.cfg)
        self.redactor.learn(secrets_of(dict(arbiter.cfg.env)))
        # Gunicorn imports a `python:` configuration anew on HUP only if it is not loaded already.
        sys.modules.pop("bootcheck.conf", None)
        if self.arbiter is arbiter:
            return
        self.arbiter = arbiter
        if not self.is_here:
            self._reopen_as_daemon()
        self._watch(arbiter)
        if arbiter.cfg.preload_app:
            self._preflight_once(arbiter)
            seams.around(arbiter.app, "wsgi", self._loading)

    def _watch(self, arbiter: Any) -> None:
        self.common = attributes_of(arbiter.cfg, self.server_id, app_uri_of(arbiter))
        seams.on_wait(chain.quietly(self.receiver.ended), chain.quietly(self.receiver.born))
        seams.on_kill(arbiter, chain.quietly(self.receiver.sent))
        seams.on_turn(arbiter, chain.quietly(self.receiver.look))
        self.orders.follow(arbiter)
        seams.on_spawn(arbiter, chain.quietly(self.receiver.may_spawn))
        seams.halt_once(arbiter, self._halts)
        seams.around(arbiter, "run", self._running)
        seams.on_dirty(arbiter, self._with_dirty)
        if self.board is not None:
            chain.quietly(self.board.follow)(arbiter)

    def _with_dirty(self, original: Callable[[], Any]) -> Any:
        """Start the dirty arbiter; what is needed for it is loaded here, as Gunicorn loads its own."""
        if self.dirty is None:
            chain.quietly(self._begin_dirty)()
        return original() if self.dirty is None else self.dirty.spawn(original)

    def _begin_dirty(self) -> None:
        from bootcheck.gunicorn.dirty import Dirty

        self.dirty = Dirty(self)

    def _halts(self) -> None:
        self.stopping = True

    def on_starting(self, arbiter: Any) -> None:
        """Run the preflight where the app was not preloaded; from here on Gunicorn's own handlers act."""
        try:
            self._preflight_once(arbiter)
        except Exception as exc:  # noqa: BLE001 - a fault of ours in the preflight is no reason not to start
            chain.complain("the preflight", exc)
        self._release_stops()
        self.become_ready()

    def on_reload(self, arbiter: Any) -> None:  # noqa: ARG002
        """Let one-time work run again for the new code, and find the directory again."""
        if self.once is not None:
            self.once.reset()
        self.directory.reopen()
        self.recorder.home = Home(self.directory, self.key)

    # -- preflight ------------------------------------------------------------------------------

    def _preflight_once(self, arbiter: Any) -> None:
        """Run the checks once per server start; a reload or TTIN never runs them again."""
        if self._preflighted:
            return
        self._preflighted = True
        environ = {**os.environ, **arbiter.cfg.env}
        if not self._has_checks(environ):
            return
        from bootcheck.gunicorn.preflight import before_workers

        before_workers(self, arbiter)

    def _has_checks(self, environ: Mapping[str, str]) -> bool:
        """Tell whether anything is to be checked, without loading any check."""
        return bool(self.declared or self.settings.require_env or any(environ.get(name) for name in SUBJECTS))

    def context(self, arbiter: Any) -> Context:
        """Return what checks are given: the environment that workers will see, and the server."""
        from bootcheck.checks.base import Context, Server
        from bootcheck.gunicorn.preflight import facts_of

        return Context(
            environ={**os.environ, **arbiter.cfg.env},
            recorder=self.recorder,
            server=Server(**facts_of(arbiter.cfg, self.environ), app_uri=app_uri_of(arbiter)),
            sources=sources_of(self.environ, arbiter.cfg.env),
            facts=self.facts,
        )

    # -- app load under preload -----------------------------------------------------------------

    def _loading(self, original: Hook) -> Hook:
        """Wrap the app's import in the master: plain Gunicorn loses its traceback, and no hook runs."""

        def wsgi(*args: Any) -> Any:
            if not self.is_here or self.ready:
                return original(*args)
            try:
                with self.recorder.step("app.load", Phase.APP, preload=True), TimedImports(self.recorder):
                    return original(*args)
            except BaseException as exc:
                # A stop signal has had its report by now; one raised by the app itself has not.
                if not self._ended:
                    from bootcheck.gunicorn.ending import app_not_loaded

                    chain.quietly(app_not_loaded)(self, exc)
                raise

        return wsgi

    # -- ready, stop and end --------------------------------------------------------------------

    def become_ready(self) -> None:
        """Close the master's boot: its preflight is over."""
        if self.ready or not self.is_here:
            return
        self.ready = True
        self._boot.__exit__(None, None, None)
        self.recorder.fact(journal.READY)
        # Under preload the audit before the first fork has its say in the report.
        if self.arbiter is None or not (self.arbiter.cfg.preload_app and self.arbiter.cfg.workers):
            self.publish_boot()

    def publish_boot(self) -> None:
        """Store the master's boot report, once."""
        if self._published or not self.ready or not self.is_here:
            return
        self._published = True
        store_boot(self)

    def _guard_stops(self) -> None:
        """Until Gunicorn has handlers of its own, a stop signal leaves a report."""
        for signo in _STOP_SIGNALS:
            previous = signal.getsignal(signo)
            if previous in (signal.SIG_DFL, signal.default_int_handler):
                self._before[signo] = previous
                signal.signal(signo, self._stopped)
        self.fault.register(signal.SIGTERM)
        self.orders.watch()

    def _release_stops(self) -> None:
        self.fault.unregister()
        for signo, previous in self._before.items():
            if signal.getsignal(signo) == self._stopped:
                signal.signal(signo, previous)
        self._before = {}

    def _stopped(self, signo: int, frame: FrameType | None) -> None:
        """Report a stop that came before the server was up, then end as the signal would have."""
        if self._stopping and self.is_here:
            return
        self._stopping = True
        from bootcheck.gunicorn.ending import die_by, stopped

        if self.is_here and not self._ended:
            child = self.preflight_child()
            if child is not None:
                os.kill(child, signal.SIGKILL)
            chain.quietly(stopped)(self, signo, frame)
        die_by(signo, self._before.get(signo, signal.SIG_DFL))

    def _running(self, original: Hook) -> Hook:
        def run(*args: Any) -> Any:
            try:
                return original(*args)
            except BaseException as exc:
                if self.is_here and not self._ended:
                    self.publish_boot()
                    self.receiver.drain(self.arbiter)
                    from bootcheck.gunicorn.ending import over

                    chain.quietly(over)(self, exc)
                raise

        return run

    def end(self, status: int) -> None:
        """Write the end of this process's journal, and take the file away: its story is told."""
        if self._ended:
            return
        self._ended = True
        self.recorder.fact(journal.END, status=status, order=self.orders.current)
        self.fault.hand_back()
        self.directory.forget(self.key)

    def _at_exit(self) -> None:
        if self.is_here:
            if not self._ended:
                chain.quietly(self.last_look)()
            chain.quietly(self.end)(0)
