"""The watch: one loop over signals, from the start of the server until nothing of it is left to tell."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bootcheck.model.signals import signal_name
from bootcheck.parent import descendants, journals, kernel
from bootcheck.parent.launch import start
from bootcheck.parent.origin import command_of, origin_of
from bootcheck.parent.signals import STOP, Signals
from bootcheck.parent.tail import Relay, Unread
from bootcheck.parent.terminal import Terminal
from bootcheck.probes.cgroup import Kills, memory_group
from bootcheck.probes.process import start_ticks
from bootcheck.settings import Settings
from bootcheck.sinks.console import Console

if TYPE_CHECKING:
    from bootcheck.model.redactor import Redactor
    from bootcheck.parent.account import Accounts

RECENT = 2.0
"""Seconds in which a kill for memory may have been that of the server: more is below it than in a worker."""
TURN = 1.0
"""Seconds between two looks at the count of memory kills."""
_MAX_REAPED = 256
_LAST = 1.0
"""Seconds for what was killed to be gone."""
_KEYS = frozenset({int(signal.SIGINT), int(signal.SIGQUIT), int(signal.SIGHUP)})
"""What a terminal sends to the server itself: its keys, and its end."""


class Child:
    """The server, as its parent knows it."""

    def __init__(self, pid: int, argv: Sequence[str], predecessor: Sequence[str] = ()) -> None:
        self.pid = pid
        self.argv = tuple(argv)
        self.start = start_ticks(pid)
        # A copy on its way to become a daemon may have ended by now, and is to be known by what it left.
        self.command = descendants.command_after_exec(pid) or list(predecessor)
        self.since = time.time()
        self.told: list[tuple[int, str]] = []
        """Signals that were passed on to it, each with who sent it."""
        self.status = 0
        self.usage: Any = None


class Watch:
    """The parent of one command."""

    def __init__(
        self, argv: Sequence[str], settings: Settings, environ: Mapping[str, str], *, tail: bool, grace: float
    ) -> None:
        self._argv = list(argv)
        self._environ = dict(environ)
        self._disabled = settings.disabled
        self._grace = grace
        self._console = Console("off" if settings.disabled else settings.log)
        self._signals = Signals()
        self._terminal = Terminal()
        self._kills = Kills(memory_group(), RECENT)
        self._tail = Relay(self._signals) if tail else Unread()
        self._reaped: dict[int, tuple[int, Any]] = {}
        self._masking: Redactor | None = None
        self._accounts: Accounts | None = None
        self._ordered: int | None = None
        """The last order to end that was passed on."""
        self._child: Child

    def run(self) -> int:
        """Start the command and return the wait status that it ended with."""
        self._signals.block()
        kernel.adopt_orphans()
        before = time.time()
        pid = start(self._argv, self._environ, self._signals, self._terminal, self._tail.in_child)
        self._tail.started()
        self._child = Child(pid, self._argv)
        self._child.since = before
        while True:
            self._until_it_ends()
            successor = self._successor()
            # Who became a daemon goes on in it: that takes the records of its first life away, soon or late.
            died = (successor is None or self._child.status != 0) and self._account()
            if successor is None:
                break
            self._follow(successor)
        if died:
            self._end_orphans()
        self._tail.text()
        return self._child.status

    # -- while it runs --------------------------------------------------------------------------

    def _until_it_ends(self) -> None:
        while self._child.pid not in self._reaped:
            info = self._tail.wait(self._signals, TURN)
            if info is None:
                self._look_at_memory()
            elif info.si_signo == signal.SIGCHLD:
                self._reap()
            else:
                self._pass_on(info)
        self._child.status, self._child.usage = self._reaped.pop(self._child.pid)
        self._terminal.take()

    def _look_at_memory(self) -> None:
        kills = self._kills.look()
        if kills:
            plural = "process" if kills == 1 else "processes"
            self._console.note(f"the kernel killed {kills} {plural} of this control group for memory")

    def _reap(self) -> None:
        """Take the status of every child that ended; one SIGCHLD may stand for several."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG | os.WUNTRACED)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if os.WIFSTOPPED(status):
                if pid == self._child.pid:
                    self._terminal.stopped(pid, os.WSTOPSIG(status))
                continue
            self._reaped[pid] = (status, usage)
            while len(self._reaped) > _MAX_REAPED:
                self._reaped.pop(next(other for other in self._reaped if other != self._child.pid))

    def _pass_on(self, info: signal.struct_siginfo) -> None:
        signo = info.si_signo
        stops = signo in STOP
        # At once: the sender of a stop may be gone in a moment.
        command = command_of(info) if stops else ""
        if signo == signal.SIGWINCH:
            self._tail.resize()
        if signo == signal.SIGCONT and self._terminal:
            self._continue()
        else:
            self._send(self._child.pid, signo)
        if stops:
            self._ordered = signo
        origin = origin_of(info, command, self._mask) if stops and not self._disabled else ""
        self._child.told.append((signo, origin))
        del self._child.told[:-20]
        if stops:
            self._console.note(f"{signal_name(signo)} from {origin}; passed on to pid {self._child.pid}")

    def _continue(self) -> None:
        """Let the server go on: a terminal had stopped its whole group."""
        self._terminal.give(self._child.pid)
        try:
            os.killpg(self._child.pid, signal.SIGCONT)
        except ProcessLookupError:
            self._send(self._child.pid, signal.SIGCONT)

    def _send(self, pid: int, signo: int) -> None:
        # It has not been reaped, so the pid cannot be anybody else's.
        try:
            os.kill(pid, signo)
        except (ProcessLookupError, PermissionError) as exc:
            self._console.note(f"{signal_name(signo)} could not be passed on to pid {pid}: {exc.strerror}")

    def _mask(self, text: str) -> str:
        if self._masking is None:
            from bootcheck.model.redactor import Redactor

            self._masking = Redactor(self._environ)
        return self._masking.mask(text)

    # -- when it has ended ----------------------------------------------------------------------

    def _successor(self) -> int | None:
        """Return who serves now: the daemon that the command became, or Gunicorn's new master."""
        ended = self._child
        upgraded = descendants.upgrade_of(ended.pid)
        if upgraded is not None or ended.status != 0:
            return upgraded
        # Also after an order: it may have gone to a process that was about to leave a daemon behind.
        return descendants.daemon_of(ended.command, self._is_armed)

    def _is_armed(self, pid: int) -> bool:
        return not self._disabled and journals.is_armed(pid, self._environ)

    def _follow(self, pid: int) -> None:
        self._child = Child(pid, self._argv, self._child.command)
        self._console.note(f"the server goes on as pid {pid}; so does this parent")
        if self._ordered is not None:
            self._child.told.append((self._ordered, "who stopped its predecessor"))
            self._send(pid, self._ordered)

    def _account(self) -> bool:
        """See to the one report of a death; tell whether this end was one."""
        died = not self._ended_as_told()
        child = self._child
        if not self._disabled and (died or journals.has_left(child.pid, child.start, self._environ)):
            from bootcheck.gunicorn.chain import quietly

            quietly(self._tell)(died)
        return died

    def _ended_as_told(self) -> bool:
        """Tell whether the server ended with 0, by an order that was passed on, or by a key of its terminal."""
        status = self._child.status
        keys = _KEYS if self._terminal else frozenset()
        ordered = any(signo in STOP for signo, _ in self._child.told)
        if os.WIFEXITED(status):
            code = os.WEXITSTATUS(status)
            return ordered or code == 0 or code - 128 in keys
        return os.WTERMSIG(status) in (keys | STOP if ordered else keys)

    def _tell(self, died: bool) -> None:  # noqa: FBT001
        self._books().settle(
            self._child,
            died=died,
            oom_kills=self._kills.since(killed=True),
            limit_bytes=self._kills.limit_bytes(),
            stderr=self._tail.text,
        )

    def _books(self) -> Accounts:
        if self._accounts is None:
            from bootcheck.parent.account import Accounts

            self._mask("")
            assert self._masking is not None  # noqa: S101 - made by the line above
            self._accounts = Accounts(self._environ, self._console, self._masking)
        return self._accounts

    # -- what it left ---------------------------------------------------------------------------

    def _end_orphans(self) -> None:
        """Ask what a dead server left to end, and kill what has not ended in time."""
        deadline = time.monotonic() + self._grace
        asked: set[int] = set()
        killed: set[int] = set()
        while left := set(descendants.children()):
            now = time.monotonic()
            if killed and now > deadline + _LAST:
                break
            signo, done = (signal.SIGKILL, killed) if now > deadline else (signal.SIGTERM, asked)
            for pid in left - done:
                self._send(pid, signo)
                done.add(pid)
            info = self._tail.wait(self._signals, 0.1)
            if info is not None and info.si_signo in STOP:
                deadline = min(deadline, time.monotonic())
            self._reap()
        self._reap()
        if not self._disabled:
            from bootcheck.gunicorn.chain import quietly

            quietly(self._books().settle_orphans)(self._reaped, killed)
