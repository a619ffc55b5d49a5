"""The receiver: the master takes each worker's wait status, journal and fault file into one report."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bootcheck.guards.native_crash import THEIRS, close_quietly
from bootcheck.guards.sigterm import STOP_SIGNALS
from bootcheck.gunicorn import chain, seams
from bootcheck.gunicorn.child import Child
from bootcheck.gunicorn.reaping import deaths_held, wait
from bootcheck.gunicorn.server import has_clients
from bootcheck.model.bootreport import partial_name
from bootcheck.model.journal import HEAD, MAX_JOURNAL, READY, Key, read_lines
from bootcheck.probes import black_box
from bootcheck.probes.cgroup import Kills, memory_group
from bootcheck.probes.process import measures, start_ticks
from bootcheck.sinks.spare import make_spare
from bootcheck.sinks.stderr import say

if TYPE_CHECKING:
    from bootcheck.gunicorn.breaker import Breaker
    from bootcheck.gunicorn.lives import Lives
    from bootcheck.gunicorn.master import Master
    from bootcheck.gunicorn.verdict import Death
    from bootcheck.model.boot import Boot
    from bootcheck.model.report import Report

_SAYS_READY = b'"t":"ready"'
MAX_FAULT = 64 << 10
PRUNED_AFTER = 250
"""Workers that are started between two looks at how many reports there are."""
LAST_WAIT = 1.0
"""Seconds at the end of a stop for workers that the master killed and did not wait for."""


class Receiver:
    """Everything the master keeps about its workers."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._children: dict[int, Child] = {}
        self._forking: Child | None = None
        self._late: list[tuple[int, Child, int, Any]] = []
        """Ends that are known and not accounted for."""
        self._busy = False
        self._blocked = False
        self.kills = Kills(memory_group())
        self.boot_failures = 0
        """Workers whose exit code makes Gunicorn stop the server."""
        self.forked = 0
        self.breaker: Breaker | None = None
        self.lives: Lives | None = None
        self._pausing = False
        os.register_at_fork(after_in_parent=self.unblock)

    @property
    def is_here(self) -> bool:
        """True in the process that these children belong to."""
        return self._master.is_here

    # -- around the fork ------------------------------------------------------------------------

    def before_fork(self, arbiter: Any, worker: Any) -> None:
        """Prepare for one worker: its spare journal, its snapshot; hold stop signals back."""
        child = Child(worker, make_spare())
        worker.bootcheck_child = child
        self.forked += 1
        if self.forked % PRUNED_AFTER == 0:
            from bootcheck.sinks.pruning import prune

            # A server may run for months: each worker that it replaces leaves a report, or two.
            prune(self._master.directory)
        if arbiter.cfg.preload_app or has_clients():
            from bootcheck.guards import fresh_pools

            child.snapshot = fresh_pools.before_fork(max(arbiter.cfg.workers, arbiter.num_workers))
        self._settle_forking(arbiter)
        self.about_to_fork(child)

    def about_to_fork(self, child: Child) -> None:
        """Expect the fork of this child; between it and our handlers a stop signal would be lost."""
        self._forking = child
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        self._blocked = True

    def unblock(self) -> None:
        """Let stop signals through again: in the master after the fork, or when there was none."""
        if self._blocked and self.is_here:
            self._blocked = False
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def born(self, pid: int) -> None:
        """Enter the worker that was forked just now by its pid."""
        if self._forking is not None and self.is_here:
            child = self._children[pid] = self._forking
            self._forking = None
            if child.spare_fd < 0:
                child.start = start_ticks(pid)
        elif self._master.dirty is not None:
            self._master.dirty.born(pid)

    def in_child(self, own: Child) -> None:
        """Close, in a new worker, what belongs to others."""
        self.close_siblings(own)
        if self._master.dirty is not None:
            self._master.dirty.in_child(own)

    def close_siblings(self, own: Child) -> None:
        """Close the spare journals of all children but the one that this process is."""
        for child in self._children.values():
            if child is not own and child.spare_fd >= 0:
                close_quietly(child.spare_fd)
        self._children = {}

    def _settle_forking(self, arbiter: Any) -> None:
        """Enter workers that were forked since into the list by pid."""
        for pid, worker in list(arbiter.WORKERS.items()):
            child = getattr(worker, "bootcheck_child", None)
            if child is not None and pid not in self._children and not child.done:
                self._children[pid] = child
                if child is self._forking:
                    self._forking = None

    # -- what the master does to workers --------------------------------------------------------

    def sent(self, pid: int, signo: int) -> None:
        """Remember a signal that the master sends itself."""
        self._settle_forking(self._master.arbiter)
        child = self._children.get(pid)
        if child is not None:
            child.order = child.order or self._master.orders.current
            child.sent.append(int(signo))
            if signo in (signal.SIGABRT, signal.SIGKILL):
                seen = measures(pid)
                # What only waits to be reaped has no memory any more.
                child.last_seen = seen if seen.get("process.memory.usage") else child.last_seen

    def look(self) -> None:
        """Look around once per turn of the master's loop."""
        self.kills.look()
        black_box.heed()
        self._master.orders.watch()
        self._settle_forking(self._master.arbiter)
        for pid, child in list(self._children.items()):
            self._publish_for(pid, child)
        self._break_loop()

    def _publish_for(self, pid: int, child: Child) -> None:
        """Store the boot report of a worker that gave up the right to write here."""
        if child.published or not self._master.drops_privileges:
            return
        for record in read_lines(child.told_beside_the_disk().splitlines())[0]:
            if record["t"] == READY and isinstance(record.get("file"), str):
                child.published = True
                self._master.directory.rename(partial_name(pid), record["file"])

    # -- ends -----------------------------------------------------------------------------------

    def ended(self, pid: int, status: int, usage: Any) -> int | None:
        """Take the end of a child; called before Gunicorn looks at it, for every process it reaps.

        Returns the status that Gunicorn is to see where that is another one: it stops the whole
        server at exit codes 3 and 4, also while other workers serve.
        """
        return self._ended(pid, status, usage) if self.is_here else None

    def _ended(self, pid: int, status: int, usage: Any) -> int | None:
        arbiter = self._master.arbiter
        self._settle_forking(arbiter)
        child = self._children.pop(pid, None)
        if child is None:
            # Gunicorn up to 23 reaps in a signal handler, before the new worker is in its list.
            child = self._forking if self._is_forking(pid) else None
            if child is None:
                if self._master.dirty is not None:
                    self._master.dirty.ended(pid, status, usage)
                return None
            self._forking = None
        stops = os.WIFEXITED(status) and os.WEXITSTATUS(status) in seams.app_error_code(arbiter)
        spared = stops and not self._master.stopping and self.any_ready()
        self.boot_failures += stops and not spared
        self._took(pid, child, status, usage)
        if not spared:
            return None
        if self.breaker is not None:
            self.breaker.failed_beside_others()
        return 1 << 8

    def _is_forking(self, pid: int) -> bool:
        """Tell whether this is the worker just forked: its spare journal names the pid."""
        if self._forking is None:
            return False
        records, _ = read_lines(self._forking.told_beside_the_disk().splitlines())
        # Without a head it may be anybody's child: a user's hook forks too, and PID 1 reaps orphans.
        return any(record.get("pid") == pid for record in records if record["t"] == HEAD)

    def _took(self, pid: int, child: Child, status: int, usage: Any) -> None:
        # At once, whenever the account comes: Gunicorn still has it in its list.
        child.done = True
        self._late.append((pid, child, status, usage))
        self.account()

    def account(self) -> None:
        """Account for every end that is known and not told yet, and for each one undisturbed."""
        if self._busy:
            return
        with deaths_held():
            self._busy = True
            try:
                while self._late:
                    end = self._late.pop(0)
                    try:
                        self._account(*end)
                    except Exception as exc:  # noqa: BLE001 - the other ends must not go with it
                        chain.complain("accounting for a death", exc)
                    except BaseException:
                        # Raised by another handler: the stop accounts for what is left.
                        if not end[1].told:
                            self._late.insert(0, end)
                        raise
            finally:
                self._busy = False

    def _account(self, pid: int, child: Child, status: int, usage: Any) -> None:
        from bootcheck.gunicorn import circumstances, obituary
        from bootcheck.gunicorn.verdict import Death

        foreign_kill = os.waitstatus_to_exitcode(status) == -signal.SIGKILL and int(signal.SIGKILL) not in child.sent
        self._publish_for(pid, child)
        boot, key = self._boot_of(pid, child)
        death = Death(
            boot=boot,
            status=status,
            sent=tuple(child.sent),
            order=child.order,
            timed_out=bool(getattr(child.worker, "aborted", False)),
            oom_kills=self.kills.since(killed=foreign_kill),
            fault=self._fault_of(key),
            peak_rss_bytes=None if usage is None else usage.ru_maxrss * 1024,
            memory_limit_bytes=self.kills.limit_bytes(),
            extra={"process.parent_pid": os.getpid(), **self._facts(child)},
        )
        death = circumstances.of_child(self._master, child, death, usage)
        report = None
        if not self._retired(child, death):
            report = obituary.report_of(death, self._master.common, hidden=int(boot.head.get("hidden", 0) or 0))
        circumstances.ended(self._master, death, report)
        self._count(death.ready, report)
        stored: str | None = ""
        if report is not None:
            headline = f"{child.role.upper()} {pid} DIED ({report.verdict.cause})"
            child.told = True
            stored = self._master.publisher.death(report, headline)
            if THEIRS and death.fault and self._master.console.mode != "off":
                # Python was told to print it on stderr, and our file took it.
                say(death.fault)
        if key is not None:
            self._forget(key, told=stored is not None)
        if self._master.drops_privileges and not child.published:
            self._master.directory.remove(partial_name(pid))
        child.close()

    def _facts(self, child: Child) -> dict[str, Any]:
        return {} if child.age is None else {"bootcheck.worker.age": child.age}

    def _retired(self, child: Child, death: Death) -> bool:  # noqa: ARG002
        """Tell whether this end is no death although the process was not ready."""
        return False

    def _count(self, ready: bool, report: Report | None) -> None:  # noqa: FBT001
        """Tell the loop breaker of a death before ready, or that a worker had made it."""
        if self.breaker is None:
            from bootcheck.gunicorn.breaker import Breaker

            arbiter = self._master.arbiter
            self.breaker = Breaker(lambda: int(arbiter.num_workers))
        if ready:
            self.breaker.became_ready()
        elif report is not None:
            self.breaker.died(report.verdict.cause, report.verdict.code, report.verdict.summary)

    def any_ready(self) -> bool:
        """Tell whether a living worker is ready."""
        return any(self._is_ready(pid, child) for pid, child in self._children.items())

    def _is_ready(self, pid: int, child: Child) -> bool:
        """Ask a worker's spare journal, and its file where there is none or the app closed it."""
        told = child.told_beside_the_disk()
        if _SAYS_READY in told:
            return True
        key = _key_of(pid, child, read_lines(told.splitlines())[0])
        return key is not None and _SAYS_READY in self._master.directory.read(key.file_name, MAX_JOURNAL)

    def may_spawn(self) -> bool:
        """Tell whether the master may start workers now; said once per pause."""
        pause = 0.0 if self.breaker is None else self.breaker.pause
        if not pause:
            self._pausing = False
            return True
        if not self._pausing:
            self._pausing = True
            self._master.console.note(f"waiting {pause:.1f} s before the next worker is started")
        return False

    def _break_loop(self) -> None:
        """Stop the server when its workers die of the same permanent cause again and again."""
        if self.breaker is not None and self.breaker.tripped:
            from bootcheck.gunicorn.breaker import stop

            self._settle_forking(self._master.arbiter)
            stop(self, self.breaker)

    def _forget(self, key: Key, *, told: bool) -> None:
        """Remove a dead worker's files, except a journal whose report could not be stored."""
        self._master.directory.forget(key, journal=told)

    def _boot_of(self, pid: int, child: Child) -> tuple[Boot, Key | None]:
        from bootcheck.model.boot import Boot

        records, broken = read_lines(child.told_beside_the_disk().splitlines())
        key = _key_of(pid, child, records)
        if key is None:
            return Boot(head={"role": child.role, "pid": pid}), None
        disk, more_broken = read_lines(self._master.directory.read(key.file_name, MAX_JOURNAL).splitlines())
        if disk:
            # The essentials stand in both; what came after the disk was lost stands in the spare only.
            essential = {(record["t"], record.get("at")) for record in disk}
            records = disk + [record for record in records if (record["t"], record.get("at")) not in essential]
        return Boot.from_records(records, broken + more_broken), key

    def _fault_of(self, key: Key | None) -> str:
        if key is None:
            return ""
        return self._master.directory.read(key.fault_name, MAX_FAULT).decode("utf-8", "replace")

    def drain(self, arbiter: Any) -> None:
        """Wait for workers that the master killed at the end of its stop and left unreaped."""
        if arbiter is None or not self.is_here:
            return
        if self._master.dirty is not None:
            self._master.dirty.drain(arbiter)
        self._settle_forking(arbiter)
        self._reap(lambda _: True)

    def _reap(self, wanted: Callable[[Child], bool]) -> None:
        """Wait a moment for the ends of some children."""
        deadline = time.monotonic() + LAST_WAIT
        left = [pid for pid, child in self._children.items() if wanted(child)]
        while left and time.monotonic() < deadline:
            for pid in list(left):
                try:
                    waited, status, usage = wait(pid, os.WNOHANG)
                except ChildProcessError:
                    self._children.pop(pid, None)
                    left.remove(pid)
                    continue
                if waited:
                    left.remove(pid)
                    self.ended(pid, status, usage)
            if left:
                time.sleep(0.01)
        self.account()


def _key_of(pid: int, child: Child, records: Sequence[Mapping[str, Any]]) -> Key | None:
    """Return the key of a child by the head in its spare journal, None where nothing tells when it started."""
    head = next((record for record in records if record["t"] == HEAD), None)
    if head is None and not child.start:
        return None
    return Key(child.role, pid, child.start if head is None else int(head.get("start", 0)))
