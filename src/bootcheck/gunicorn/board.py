"""Keeps the board of one server up to date: in its master, and in each worker.

Loaded only where the state of the server is asked for: by the side port, or by endpoints in the app.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bootcheck.guards.sigterm import STOP_SIGNALS
from bootcheck.gunicorn import chain, heartbeats, seams
from bootcheck.probes import black_box, board
from bootcheck.probes.board import Board, MasterMark, WorkerMark
from bootcheck.readiness import past

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master
    from bootcheck.gunicorn.side_port import SidePort
    from bootcheck.gunicorn.worker import WorkerBoot

Method = Callable[..., Any]
PAST_SECONDS = 60.0
"""How long what past boots say is believed."""


class Keeper:
    """What one process of a server does for the board."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self.board = Board(black_box.server)
        self.board.usual = self._usual
        self._usual_known: dict[str, tuple[float, float | None]] = {}
        self._mark: MasterMark | None = None
        self._followed: Any = None
        self._port: SidePort | None = None
        if master.is_here:
            self._begin()
        elif master.worker is not None:
            self.joins(master.worker)

    # -- in the master ----------------------------------------------------------------------------

    def _begin(self) -> None:
        master = self._master
        self._mark = MasterMark(self.board)
        for record in master.ring.records:
            self._mark.write(record, b"")
        self._mark.show()
        master.recorder.sinks.append(self._mark)
        if master.arbiter is not None:
            self.follow(master.arbiter)

    def follow(self, arbiter: Any) -> None:
        """Watch this arbiter, and open the side port where one is asked for."""
        if not self._master.is_here or self._followed is arbiter:
            return
        if self._mark is None or self._mark.shown.pid != os.getpid():
            # Gunicorn has made a daemon of itself.
            self._begin()
            return
        self._followed = arbiter
        seams.on_turn(arbiter, chain.quietly(self._turn))
        seams.on_kill(arbiter, chain.quietly(self._sent))
        seams.around(arbiter, "stop", self._stopping)
        seams.around(arbiter, "reload", self._reloading)
        self._show_server(arbiter)
        if self._master.settings.probe_bind is not None:
            self._open_port(arbiter)

    def _open_port(self, arbiter: Any) -> None:
        from bootcheck.gunicorn.side_port import SidePort

        self._port = SidePort(self._master, self.board, arbiter)
        self._port.open()

    def _show_server(self, arbiter: Any, **changes: Any) -> None:
        cfg = arbiter.cfg
        if self._mark is not None:
            self._mark.show(
                workers=int(getattr(arbiter, "num_workers", 0) or cfg.workers),
                timeout=float(cfg.timeout),
                grace=float(cfg.graceful_timeout),
                deadline=float(self._master.settings.boot_deadline),
                successor=int(getattr(arbiter, "reexec_pid", 0) or 0),
                **changes,
            )

    def _turn(self) -> None:
        """Show, once per turn of the master's loop, that it turns, and when each worker last gave a sign of life."""
        arbiter, mark = self._followed, self._mark
        if mark is None or not self._master.is_here or mark.shown.phase == board.STOPPING:
            return
        now = time.monotonic()
        beats = {pid: heartbeats.last(worker) for pid, worker in list(arbiter.WORKERS.items())}
        self.board.beats(beats, now)
        changes: dict[str, Any] = {"turned": now, "phase": board.RUNNING}
        if mark.shown.phase != board.RUNNING:
            changes["since"] = now
        ready = [worker for worker in self.board.workers() if worker.phase == board.READY]
        if ready:
            changes |= {"started": True, "took": max(0.001, ready[-1].ready_at - ready[-1].born)}
        self._show_server(arbiter, **changes)
        if self._port is not None:
            self._port.look()

    def _sent(self, pid: int, signo: int) -> None:
        # ABRT and KILL are for a worker that hangs: that it was told to go must not hide it.
        if signo in STOP_SIGNALS:
            self.board.told(pid)

    def _stopping(self, original: Method) -> Method:
        def stop(*args: Any, **kwargs: Any) -> Any:
            # A worker that raises HaltServer runs this as well.
            if self._master.is_here and self._mark is not None:
                chain.quietly(self._stops)()
            return original(*args, **kwargs)

        return stop

    def _stops(self) -> None:
        if self._mark is not None and self._mark.shown.phase != board.STOPPING:
            self._show_server(self._followed, phase=board.STOPPING, since=time.monotonic())

    def _reloading(self, original: Method) -> Method:
        def reload(*args: Any, **kwargs: Any) -> Any:
            if not self._master.is_here or self._mark is None:
                return original(*args, **kwargs)
            self._mark.show(reloading=True)
            try:
                return original(*args, **kwargs)
            finally:
                self._mark.show(reloading=False, turned=time.monotonic())

        return reload

    def hand_over(self, arbiter: Any) -> None:
        """Give the side port to the image that is about to take this process's place."""
        if self._port is not None:
            self._port.hand_over(arbiter)

    # -- in a worker ------------------------------------------------------------------------------

    def joins(self, boot: WorkerBoot | None) -> None:
        """Show this worker on the board from now on, its open steps first."""
        if self._port is not None:
            self._port.close()
            self._port = None
        if boot is None or boot.role != "worker":
            return
        arbiter, worker = self._master.arbiter, boot._worker  # noqa: SLF001
        mark = WorkerMark(self.board, self._master.receiver.forked, int(getattr(arbiter, "num_workers", 1)))
        self.board.leaving = lambda: _leaving(worker)
        for record in boot.ring.records:
            mark.write(record, b"")
        mark.show()
        boot.recorder.sinks.append(mark)

    def _usual(self, role: str) -> float | None:
        """Return what a boot of this server takes, by its reports; looked up seldom."""
        now = time.monotonic()
        known = self._usual_known.get(role)
        if known is None or now - known[0] > PAST_SECONDS:
            known = self._usual_known[role] = (now, past.usual(self._master.directory, self._master.common, role))
        return known[1]


def _leaving(worker: Any) -> bool:
    """Tell whether this worker has been told to stop, by whoever runs its loop."""
    told = getattr(worker, "bootcheck_leaving", None)
    return getattr(worker, "alive", True) is False if told is None else bool(told())
