"""The preflight: static checks here, live ones in a forked child that can be killed.

The master never imports a driver and never opens a connection. The child has the workers' uid
and environment, sends its records through a pipe, and is ended when a check overruns its budget;
the checks after that one go on in a new child.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from bootcheck.checks.base import Context, Moment, Planned, Server, run, run_one
from bootcheck.checks.planning import plan
from bootcheck.gunicorn.absorption import Absorption
from bootcheck.model import journal
from bootcheck.model.checkpoint import Outcome, Phase
from bootcheck.model.finding import Evidence, Finding, Severity
from bootcheck.model.signals import signal_name
from bootcheck.recorder import Recorder
from bootcheck.sinks.descriptors import unnamed

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

GRACE = 0.9
"""Seconds that a check may take over its own budget."""
_PR_SET_PDEATHSIG = 1


def before_workers(master: Master, arbiter: Any) -> None:
    """Plan and run the checks of a server start; a declared error refuses it, unless only watching is asked for."""
    context = master.context(arbiter)
    master.planned = plan(master.declared, master.settings, context.environ, context.server)
    if any(item.check.moment is Moment.WORKER for item in master.planned):
        from bootcheck.guards.once import Once

        master.once = Once()
    preflight = Preflight(master.planned, context)
    master.preflight_child = lambda: preflight.child
    findings = preflight.run()
    stopping = [finding for finding in findings if finding.declared and finding.severity is Severity.ERROR]
    if stopping and master.settings.enforce == "observe":
        master.console.note(
            f"observing only: {len(stopping)} of these findings would have stopped the start (BOOTCHECK_ENFORCE)"
        )
    elif stopping:
        from bootcheck.gunicorn.ending import refuse

        refuse(master, arbiter, stopping)


class Preflight:
    """One run of the checks that come before any worker."""

    def __init__(self, planned: Sequence[Planned], context: Context) -> None:
        self._planned = planned
        self._context = context
        self.child: int | None = None
        """The pid of the running child, for a signal handler of the master."""

    def run(self) -> list[Finding]:
        """Run every check of the master's and the preflight's moment; return all findings together."""
        static = [item for item in self._planned if item.check.moment is Moment.MASTER]
        live = [item for item in self._planned if item.check.moment is Moment.PREFLIGHT]
        findings = run(static, self._context)
        while live:
            child = Child(live, self._context)
            self.child = child.pid
            try:
                found, done = child.follow()
            finally:
                self.child = None
            findings += found
            live = live[done:]
        return findings


class Child:
    """One forked process that runs a list of checks."""

    def __init__(self, live: Sequence[Planned], context: Context) -> None:
        self._live = live
        self._context = context
        self.findings: list[Finding] = []
        self.done = 0
        """How many checks are settled."""
        self.over = False
        self._buffer = b""
        self._absorption = Absorption(context.recorder)
        for stream in (sys.stdout, sys.stderr):
            # Either may be closed, full, or None: then nothing is buffered that could be written twice.
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
        self._spare = unnamed("bootcheck-preflight")
        self._read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._read)
            self._become(write)
        os.close(write)
        self._deadline = time.monotonic() + self._allowed(0)

    def follow(self) -> tuple[list[Finding], int]:
        """Take over the child's records; return its findings and how many checks are settled."""
        while not self.over:
            self.turn(max(0.0, self._deadline - time.monotonic()))
        return self.findings, self.done

    def turn(self, seconds: float) -> bool:
        """Take over what the child sends within so many seconds, and end it at its deadline; False for nothing."""
        if select.select([self._read], [], [], seconds)[0]:
            chunk = os.read(self._read, 65536)
            *lines, self._buffer = (self._buffer + chunk).split(b"\n")
            for line in lines:
                self._take(json.loads(line))
            if not chunk:
                self._finish(overran=False)
            return True
        if time.monotonic() < self._deadline:
            return False
        self._kill()
        self._finish(overran=True)
        return True

    def _take(self, message: dict[str, Any]) -> None:
        if message["t"] == "done":
            self.done += 1
            self._deadline = time.monotonic() + self._allowed(self.done)
            self._context.facts.update(message["facts"])
            return
        if message["t"] == journal.FINDING:
            self.findings.append(Finding.from_dict(message["finding"]))
        self._absorption.absorb(message)

    def _finish(self, *, overran: bool) -> None:
        self.over = True
        os.close(self._read)
        status, overran = self._ended(overran)
        if self.done < len(self._live):
            self.findings.append(self._unfinished(self._live[self.done], status, overran=overran))
            self.done += 1
        if self._spare >= 0:
            os.close(self._spare)

    # -- what differs where the master has workers to look after (safe_reload.py) -----------------

    def _become(self, pipe: int) -> NoReturn:
        be_child(self._live, self._context, pipe, self._spare)

    def _ended(self, overran: bool) -> tuple[int, bool]:  # noqa: FBT001
        """Return the child's wait status, and whether it was ended for its deadline."""
        return os.waitpid(self.pid, 0)[1], overran

    def _allowed(self, index: int) -> float:
        return GRACE + (self._live[index].check.budget if index < len(self._live) else 5.0)

    def _kill(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    def _unfinished(self, item: Planned, status: int, *, overran: bool) -> Finding:
        """Return the finding about a check that was ended, or that took its process with it."""
        check = item.check
        recorder = self._context.recorder
        step = f"check.{check.name}"
        for seq in self._absorption.forget():
            recorder.stamp(step, check.phase, Outcome.FAILED, {"reason": "ended"}, of=seq)
        said = tail(self._spare)
        if overran:
            what = f"did not finish within {check.budget:g} s"
        elif os.WIFSIGNALED(status):
            what = f"was ended by {signal_name(os.WTERMSIG(status))}"
        else:
            what = f"ended its process with status {os.WEXITSTATUS(status)}"
        finding = Finding(
            code="BC212" if overran and check.phase is Phase.DATABASE else "BC002",
            severity=Severity.ERROR if item.declared else Severity.WARNING,
            summary=f"The check {check.name} ({check.subject}) {what}.",
            action=("Run `bootcheck check` to see it alone; the last checkpoint names where it was.",),
            evidence=tuple(Evidence(source="stderr of the check", text=line) for line in said[-5:]),
            declared=item.declared,
            step=step,
            confidence="medium",
        )
        recorder.finding(finding)
        return finding


class _Pipe:
    """The sink of the child: its journal lines go to the master."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, record: object, line: bytes) -> None:  # noqa: ARG002
        while line:
            line = line[os.write(self._fd, line) :]


def be_child(live: Sequence[Planned], context: Context, pipe: int, spare: int) -> NoReturn:
    """Be the process that runs these checks."""
    status = 1
    try:
        _settle(context, spare)
        recorder = Recorder([_Pipe(pipe)], redactor=context.recorder.redactor)
        from bootcheck.recorder import install

        install(recorder)
        own = replace(context, recorder=recorder)
        for item in live:
            run_one(item, own)
            message = {"t": "done", "facts": own.facts}
            _Pipe(pipe).write(None, json.dumps(message, default=str).encode() + b"\n")
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may unwind into the master's frames
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _settle(context: Context, spare: int) -> None:
    """Make the child what a worker will be, and nothing of the master's."""
    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT):
        signal.signal(signo, signal.SIG_DFL)
    # The file of the master's faults must not tell of ours.
    faulthandler.disable()
    tie_to_parent()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    # What checks and imported modules print belongs to the finding, not to the server's log.
    os.dup2(spare if spare >= 0 else null, 2)
    os.environ.update(context.environ)
    drop_to(context.server)


def tie_to_parent() -> None:
    """End with the process that forked this one."""
    import ctypes

    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        pass


def drop_to(server: Server) -> None:
    """Become the workers' user, where that is another one."""
    if server.gid is not None and server.gid != os.getegid():
        os.setgid(server.gid)
    if server.uid is not None and server.uid != os.geteuid():
        os.setuid(server.uid)


def tail(fd: int) -> list[str]:
    """Return the last lines of what was written to an unnamed file."""
    if fd < 0:
        return []
    size = os.fstat(fd).st_size
    text = os.pread(fd, 4096, max(0, size - 4096)).decode("utf-8", "replace")
    return [line for line in text.splitlines() if line.strip()]


def facts_of(cfg: Any, environ: dict[str, str]) -> dict[str, Any]:
    """Return the fields of `checks.base.Server` from a Gunicorn configuration."""
    inherited = any(name in environ for name in ("GUNICORN_FD", "LISTEN_FDS"))
    return {
        "workers": cfg.workers,
        "threads": cfg.threads,
        "worker_connections": cfg.worker_connections,
        "worker_class": str(cfg.worker_class_str),
        "bind": () if inherited else tuple(cfg.settings["bind"].get() or ()),
        "reuse_port": bool(cfg.reuse_port),
        "worker_tmp_dir": cfg.worker_tmp_dir,
        "uid": cfg.uid,
        "gid": cfg.gid,
        "preload": cfg.preload_app,
        "timeout": float(cfg.timeout),
    }
