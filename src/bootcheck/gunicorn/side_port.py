"""The side port: a process of its own that answers `/health` and `/ready`, whatever the workers do.

The master opens the socket, so a port that is taken is known at once, a process that dies leaves no gap,
and an upgrade (USR2) hands the socket on. The process is forked before the app is loaded; it is none of
Gunicorn's workers, never ends with a status that Gunicorn acts upon, and does not outlive the master.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

from bootcheck.guards import snapshot
from bootcheck.guards.native_crash import close_quietly
from bootcheck.probes.board import STOPPING, Board, alive
from bootcheck.probes.process import is_running, start_ticks

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

HANDED = "_BOOTCHECK_SIDE_PORT"
"""Tells a new image the descriptor of the socket; no setting, so it does not begin like one."""
BACKLOG = 256
MOST_DEATHS = 5
WITHIN = 300.0
"""Seconds: a process that dies more often than that is not started again."""
_DEFAULT = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGTTIN", "SIGTTOU", "SIGUSR1", "SIGUSR2", "SIGWINCH")
_PREFIX = 3
"""Descriptors below stay as they are: stdin, stdout, stderr."""


class SidePort:
    """The master's half."""

    def __init__(self, master: Master, board: Board, arbiter: Any) -> None:
        self._master = master
        self._board = board
        self._arbiter = arbiter
        self._socket: socket.socket | None = None
        self._pid = 0
        self._ticks = 0
        self._deaths: list[float] = []
        self._given_up = False
        self._said: set[str] = set()
        self._predecessor = 0

    # -- the socket -------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the port and start the process; a port that is taken is tried again at each turn of the loop."""
        host, port = self._master.settings.probe_bind or ("127.0.0.1", 0)
        try:
            self._socket = self._handed() or _bound(host, port)
        except OSError as exc:
            self._say(f"the side port {_shown(host, port)} cannot be opened: {exc.strerror or exc}; the server goes on")
            return
        self._start()
        shown = _shown(*self._socket.getsockname()[:2])
        if not self._pid:
            return
        self._master.console.note(f"side port http://{shown} answers /health and /ready (process {self._pid})")

    def _handed(self) -> socket.socket | None:
        """Take the socket over that the image before this one left open."""
        told = os.environ.pop(HANDED, "")
        self._arbiter.cfg.env_orig.pop(HANDED, None)
        predecessor = os.environ.get("GUNICORN_PID", "")
        if not told.isdecimal() or not predecessor.isdecimal() or int(predecessor) != os.getppid():
            return None
        fd = int(told)
        try:
            os.set_inheritable(fd, False)
            found = socket.socket(fileno=fd)
        except OSError:
            return None
        _, port = self._master.settings.probe_bind or ("", 0)
        if not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) or port not in (0, found.getsockname()[1]):
            found.detach()
            return None
        self._predecessor = int(predecessor)
        return found

    def hand_over(self, arbiter: Any) -> None:
        """Leave the socket open for the image that is about to be executed here, and tell it so."""
        if self._socket is not None:
            os.set_inheritable(self._socket.fileno(), True)
            arbiter.cfg.env_orig[HANDED] = str(self._socket.fileno())

    def close(self) -> None:
        """Close the socket in a process that has nothing to do with it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # -- the process ------------------------------------------------------------------------------

    def look(self) -> None:
        """Start the process again where it has died, some times; try the port again where it was taken."""
        if self._given_up:
            return
        if self._socket is None:
            self.open()
        elif not is_running(self._pid, self._ticks):
            self._died()

    def _died(self) -> None:
        now = time.monotonic()
        self._deaths = [at for at in self._deaths if now - at < WITHIN] + [now]
        if len(self._deaths) > MOST_DEATHS:
            self._given_up = True
            self._say(f"the side port's process died {len(self._deaths)} times; it is not started again")
            self.close()
            return
        before = self._pid
        self._start()
        if self._pid != before:
            self._master.console.note(f"the side port's process has ended; it is process {self._pid} now")

    def _start(self) -> None:
        # Until it has handlers of its own it has the master's, which write into the master's pipe.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _signals())
        master = os.getpid()
        try:
            pid = os.fork()
            if not pid:
                self._be(master)
        except OSError as exc:
            self._say(f"the side port's process cannot be started: {exc.strerror}; the server goes on")
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._pid, self._ticks = pid, start_ticks(pid)

    def _be(self, master: int) -> None:
        """Be that process; never returns."""
        status = 1
        try:
            status = self._serve(master)
        except BaseException as exc:  # noqa: BLE001 - it must not run on as a second master
            self._master.console.note(f"the side port's process ends: {type(exc).__name__}: {exc}")
        finally:
            # Never 3 or 4: up to 25 Gunicorn takes any child with these for a worker that cannot boot.
            os._exit(status)

    def _serve(self, master: int) -> int:
        from bootcheck.readiness import past
        from bootcheck.readiness.port import Port

        # The master's objects are of no use here, and one that is collected would close a descriptor of ours.
        gc.freeze()
        _forget_signals()
        self._master.fault.disarm()
        snapshot.disarm()
        name_process("bootcheck-port")
        if self._socket is None:
            return 0
        # As long as it may still read there.
        usual = {role: past.usual(self._master.directory, self._master.common, role) for role in ("worker", "master")}
        self._board.usual = usual.get
        _close_all_but(self._socket.fileno())
        _drop_privileges(self._arbiter.cfg)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        return Port(self._socket, self._board, accepts=self._accepts).run(master)

    def _accepts(self) -> bool:
        """Tell whether this process is to answer, where an upgrade makes two: one server's word must not flap."""
        master = self._board.master()
        if master.phase == STOPPING:
            return not (master.successor and alive(master.successor))
        if self._predecessor and alive(self._predecessor):
            return master.started or any(worker.ready_at for worker in self._board.workers())
        return True

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._master.console.note(text)


def name_process(name: str) -> None:
    """Name this process for `ps` and `top`, where the system lets us."""
    try:
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write(name)
    except OSError:
        return


def _bound(host: str, port: int) -> socket.socket:
    kind, number, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][
        :5
    ]
    made = socket.socket(kind, number)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _signals() -> list[int]:
    return [int(getattr(signal, name)) for name in (*_DEFAULT, "SIGCHLD") if hasattr(signal, name)]


def _forget_signals() -> None:
    """Go on through what is sent to the whole group: this process ends when its master does."""
    signal.set_wakeup_fd(-1)
    for name in _DEFAULT:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _close_all_but(keep: int) -> None:
    """Close what is the master's: a listener that stayed open here would take connections that nobody accepts."""
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd >= _PREFIX and fd != keep:
            close_quietly(fd)


def _drop_privileges(cfg: Any) -> None:
    """Run as the workers do, where the master is root."""
    if os.geteuid() != 0 or (cfg.uid, cfg.gid) == (0, 0):
        return
    os.setgroups([])
    os.setgid(cfg.gid)
    os.setuid(cfg.uid)
