"""Safe reload: on HUP the new configuration and app are loaded in a child first; what cannot boot is refused.

Plain Gunicorn drops its good workers for new ones that cannot boot, and stops altogether when they
fail. Here the old ones serve on. The master never waits: it forks the child and looks for its
answer in each turn of its loop. Two processes are forked: the inner one loads the app, the outer
one waits for it, ends it at its deadline, and always exits with 0. Gunicorn reaps the outer one,
and up to 25 it would take an exit code of 3 for a worker that could not boot.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from bootcheck.checks.base import Moment
from bootcheck.gunicorn import chain, seams
from bootcheck.model.outcome import Phase
from bootcheck.sinks.stderr import say

if TYPE_CHECKING:
    from bootcheck.checks.base import Context, Planned
    from bootcheck.gunicorn.preflight import Child
    from bootcheck.gunicorn.rehearsal import AppLoad
    from bootcheck.model.finding import Finding

Hook = Callable[..., Any]
PATIENCE = 300.0
"""Seconds for a load whose deadline nobody set: the old workers serve meanwhile."""
_LOOK = 0.02
_FATHERLESS = 1
_LEFT_OUT = frozenset({"initialise"})
"""Checks that only a server that starts may run."""


class SafeReload:
    """The reloads of one master."""

    def __init__(self, master: Any, seconds: float) -> None:
        self._master = master
        self._seconds = seconds
        self._arbiter: Any = None
        self._child: Child | None = None
        self._check: NewApp | None = None
        self._reload: Callable[[], Any] = lambda: None
        self._again = False

    def begin(self, arbiter: Any) -> None:
        """Stand before Gunicorn's handler of HUP, where each turn of its loop can be seen."""
        self._arbiter = arbiter
        if seams.on_turn(arbiter, self._turns):
            seams.around(arbiter, "handle_hup", self._asked)

    def _asked(self, original: Hook) -> Hook:
        def handle_hup(*args: Any) -> Any:
            self._reload = lambda: original(*args)
            if not self._master.is_here or chain.quietly(self._try)() is None:
                # Ours could not even begin: it is the reload that Gunicorn knows.
                return original(*args)
            return None

        return handle_hup

    def _try(self) -> bool:
        """Begin to load what a reload would; True once that goes on."""
        if self._child is not None:
            self._again = True
            return True
        seconds = self._seconds or self._master.settings.boot_deadline or PATIENCE
        self._child, self._check = _rehearse(self._master, self._arbiter, seconds)
        self._master.console.note("HUP: the new app is loaded in a child first; the workers serve on")
        return True

    def _turns(self) -> None:
        if self._child is None or not self._master.is_here:
            return
        # What Gunicorn's reload raises is Gunicorn's to handle.
        if chain.quietly(self._may_reload)():
            self._reload()

    def _may_reload(self) -> bool:
        child, check = self._child, self._check
        if child is None or check is None:
            return False
        while not child.over and child.turn(0.0):
            pass
        if not child.over:
            return False
        self._child = self._check = None
        findings = [check.load.retold(finding) for finding in child.findings]
        if check.load.fault_fd >= 0:
            os.close(check.load.fault_fd)
        if self._again:
            # The files may have changed since: what counts is the newest.
            self._again = False
            return bool(chain.quietly(self._try)() is None)
        return self._judge(findings)

    def _judge(self, findings: Sequence[Finding]) -> bool:
        from bootcheck.model.finding import Severity
        from bootcheck.sinks import banner

        wrong = [finding for finding in findings if finding.declared and finding.severity is Severity.ERROR]
        if not wrong:
            self._master.console.note("the new app loads: reloading")
            return True
        observing: bool = self._master.settings.enforce == "observe"
        what = "WOULD BE REFUSED, observing only (BOOTCHECK_ENFORCE)" if observing else "REFUSED"
        rest = "" if observing else "; the old workers serve on"
        if self._master.console.mode != "off":
            rule = "-" * banner.WIDTH
            say("\n".join([rule, f"bootcheck: RELOAD {what}{rest}", "", *banner.of_findings(wrong), rule]))
        first = " ".join(wrong[0].summary.split())
        self._arbiter.log.error("Reload %s by bootcheck%s: %s [%s]", what.lower(), rest, first, wrong[0].code)
        return observing


def _rehearse(master: Any, arbiter: Any, seconds: float) -> tuple[Child, NewApp]:
    from bootcheck.checks.base import Context, Planned, Server
    from bootcheck.gunicorn.preflight import facts_of
    from bootcheck.gunicorn.rehearsal import AppLoad
    from bootcheck.gunicorn.server import app_uri_of
    from bootcheck.recorder import Recorder

    uri = app_uri_of(arbiter) or "the app"
    check = NewApp(
        master=master, load=AppLoad(application=arbiter.app, uri=uri, budget=seconds), budget=seconds, subject=uri
    )
    facts = {**facts_of(arbiter.cfg, master.environ), "uid": None, "gid": None}
    context = Context(
        environ=dict(os.environ),
        # A reload is none of the journal's: nothing that is not a death leaves a report.
        recorder=Recorder([], redactor=master.redactor),
        server=Server(**facts, app_uri=uri),
    )
    return _forked(Planned(check, True), context), check


@dataclass(frozen=True, kw_only=True)
class NewApp:
    """The check of a reload: the configuration as it is now, then the app as a new worker would load it."""

    name: ClassVar[str] = "app"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.APP

    master: Any = field(repr=False)
    load: AppLoad = field(repr=False)
    budget: float
    subject: str

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield why new workers could not boot."""
        from bootcheck.checks.base import Server
        from bootcheck.gunicorn.preflight import drop_to, facts_of

        application = self.load.application
        _forget_environment(application.cfg)
        try:
            application.reload()
        except BaseException as exc:  # noqa: BLE001 - Gunicorn says what is wrong and exits
            yield _unreadable(exc)
            return
        os.environ.update(application.cfg.env)
        server = Server(**facts_of(application.cfg, dict(os.environ)), app_uri=self.subject)
        drop_to(server)
        own = replace(context, environ=dict(os.environ), server=server)
        yield from replace(self.load, inside=self._inside(own)).run(own)

    def _inside(self, context: Context) -> tuple[Planned, ...]:
        """Return the checks that each new worker will run, as the new configuration declares them."""
        from bootcheck.checks.planning import plan

        planned = plan(self.master.declared, self.master.settings, context.environ, context.server)
        return tuple(
            item for item in planned if item.check.moment is Moment.WORKER and item.check.name not in _LEFT_OUT
        )


def _forget_environment(cfg: Any) -> None:
    """Take away what the old configuration set, as Gunicorn does before it reads the new one."""
    for name in cfg.env:
        if name in cfg.env_orig:
            os.environ[name] = cfg.env_orig[name]
        else:
            os.environ.pop(name, None)


def _unreadable(exc: BaseException) -> Finding:
    from bootcheck.gunicorn.preflight import tail
    from bootcheck.model.finding import Evidence, Finding

    said = tail(2)[-12:] if isinstance(exc, SystemExit) else [f"{type(exc).__name__}: {exc}"]
    return Finding(
        code="BC521",
        summary="The new configuration cannot be read: " + (said[-1] if said else "Gunicorn exits without a word."),
        action=("Correct the configuration, then send HUP again; `bootcheck check` reads it without a server.",),
        evidence=(Evidence(source="Gunicorn", text="\n".join(said)),) if said else (),
        declared=True,
    )


def _forked(planned: Planned, context: Context) -> Child:
    from bootcheck.gunicorn.preflight import GRACE, Child, be_child, tie_to_parent

    class Apart(Child):
        """A child of a child of a master that has workers."""

        told: tuple[int, bool] = (_FATHERLESS << 8, False)

        def _become(self, pipe: int) -> NoReturn:
            try:
                _settle_signals()
                tie_to_parent()
                pid = os.fork()
                if pid == 0:
                    be_child(self._live, self._context, pipe, self._spare)
                status, overran = _wait(pid, planned.check.budget + GRACE)
                os.write(pipe, json.dumps({"t": "ended", "status": status, "overran": overran}).encode() + b"\n")
            finally:
                os._exit(0)

        def _take(self, message: dict[str, Any]) -> None:
            if message["t"] == "ended":
                self.told = (message["status"], message["overran"])
            else:
                super()._take(message)

        def _allowed(self, index: int) -> float:
            return super()._allowed(index) + 5.0

        def _ended(self, overran: bool) -> tuple[int, bool]:  # noqa: FBT001
            # Gunicorn reaps the outer one, whenever it likes.
            return self.told[0], self.told[1] or overran

    return Apart([planned], context)


def _wait(pid: int, seconds: float) -> tuple[int, bool]:
    """Return the wait status of the inner process, and whether it had to be ended at its deadline."""
    deadline = time.monotonic() + seconds
    while True:
        waited, status = os.waitpid(pid, os.WNOHANG)
        if waited:
            return status, False
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return os.waitpid(pid, 0)[1], True
        time.sleep(_LOOK)


def _settle_signals() -> None:
    """Take the master's handlers away: an order to the master is none to this process."""
    for signo in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH):
        signal.signal(signo, signal.SIG_IGN)
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGCHLD):
        signal.signal(signo, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
