"""What systemd is told of a server under `Type=notify`: ready when its workers are, and until then what they do.

Gunicorn says READY=1 before it forks its first worker. Here that is held back until the workers
accept requests; each turn of the master's loop says which step they are in, asks for more time
while a boot goes on, and feeds the watchdog. Loaded only where NOTIFY_SOCKET is set. No thread;
a datagram that cannot be sent at once is not sent, and the next turn says it anew.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bootcheck.gunicorn import chain, heartbeats, seams
from bootcheck.model.boot import Boot
from bootcheck.model.journal import CHECKPOINT, EXCEPTION, HEAD, MAX_JOURNAL, READY, Key, read_lines

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

Hook = Callable[..., Any]
EVERY = 0.9
"""Seconds between two messages; the loop turns once a second when idle."""
MORE = 30
"""Seconds of time that are asked for."""
ASK_EVERY = 5.0
LAST_ONES = 10.0
"""Seconds for which a server whose first worker serves waits for the others before it says that it is ready."""


class Notifier:
    """The messages of one master."""

    def __init__(self, master: Master, environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._master = master
        self._clock = clock
        self._address = address_of(environ["NOTIFY_SOCKET"])
        self._watchdog = watchdog_of(environ)
        self._arbiter: Any = None
        self._began = clock()
        self._said = self._asked = self._fed = float("-inf")
        self._serving_since: float | None = None
        self._patience = float("inf")
        """Seconds that the boot of a later worker may take before it counts as hanging."""
        self._status = ""
        self.ready = False
        self._over = False
        self._broken = False

    def arm(self) -> None:
        """Tell the steps that come before the loop, and follow the arbiter once it starts."""
        if self._address is None:
            return
        self._master.recorder.sinks.append(self)
        self._master.companions.append(self.begin)

    # -- before the loop: a sink of the master's checkpoints --------------------------------------

    def write(self, record: Mapping[str, Any], line: bytes) -> None:  # noqa: ARG002 - as a sink is called
        """Say which step the master enters, and why it did not start."""
        if not self._master.is_here or self._over:
            return
        if record["t"] == CHECKPOINT and record["outcome"] == "entered" and self._arbiter is None:
            self._send(f"STATUS=starting: {_one_line(record['name'])}", *self._more_time(self._clock()))
        elif record["t"] == EXCEPTION:
            self._send(f"STATUS=failed: {_one_line(record['message'])}")

    # -- the loop -------------------------------------------------------------------------------

    def begin(self, arbiter: Any) -> None:
        """Follow the arbiter; READY=1 is held back only where each turn can be seen."""
        self._arbiter = arbiter
        self._began = self._clock()
        if seams.on_turn(arbiter, self._turns):
            seams.around(arbiter, "halt", self._halting)
            if _major() >= _WAITS_IN_RELOAD:
                seams.around(arbiter, "reap_workers", self._reaping)
            seams.around(sys.modules.get("gunicorn.systemd"), "sd_notify", self._holding)

    def _holding(self, original: Hook) -> Hook:
        def sd_notify(state: str, *args: Any, **kwargs: Any) -> Any:
            if "READY=1" in state.splitlines() and self._master.is_here and not (self.ready or self._broken):
                return None
            return original(state, *args, **kwargs)

        return sd_notify

    def _reaping(self, original: Hook) -> Hook:
        """Go on while a reload waits for the old workers: the loop does not turn then."""

        def reap_workers(*args: Any) -> Any:
            self._turns()
            return original(*args)

        return reap_workers

    def _turns(self) -> None:
        if not self._master.is_here or self._over:
            return
        try:
            self._turn(self._clock())
        except Exception as exc:  # noqa: BLE001 - a fault of ours must not leave a server unready for ever
            chain.complain("telling systemd", exc)
            self._broken = True
            if self._send("READY=1", "WATCHDOG=1"):
                self.ready = True

    def _turn(self, now: float) -> None:
        if self._broken:
            if not self.ready or self._watchdog:
                self.ready = self._send("READY=1", "WATCHDOG=1") or self.ready
            return
        if now - self._said < EVERY:
            return
        workers = [Seen(self._master, pid, worker) for pid, worker in list(self._arbiter.WORKERS.items())]
        serving = sum(worker.ready for worker in workers)
        if serving and self._serving_since is None:
            self._serving_since = now
        lines = self._ready(now, serving)
        status = self._told(workers, serving)
        if status != self._status:
            lines.append(f"STATUS={status}")
        lines += self._more_time(now)
        if self._watchdog and now - self._fed >= self._watchdog / 4 and self._lives(workers):
            lines.append("WATCHDOG=1")
        if lines and self._send(*lines):
            self._said = now
            self._status = status
            if "READY=1" in lines:
                self.ready = True
                self._patience = self._master.settings.boot_deadline or max(MORE * 2, 3 * (now - self._began))
            self._fed = now if "WATCHDOG=1" in lines else self._fed

    def _ready(self, now: float, serving: int) -> list[str]:
        """Return READY=1 when every worker serves, or the first has for a while."""
        if self.ready:
            return []
        late = self._serving_since is not None and now - self._serving_since >= LAST_ONES
        return ["READY=1"] if serving >= self._arbiter.num_workers or (serving and late) else []

    def _told(self, workers: list[Seen], serving: int) -> str:
        total = max(self._arbiter.num_workers, len(workers))
        counted = f"{serving} of {total} worker{'s' if total != 1 else ''} ready"
        slowest = max((worker for worker in workers if not worker.ready), key=lambda one: one.seconds, default=None)
        if slowest is not None:
            return f"{slowest.said}; {counted}"
        breaker = self._master.receiver.breaker
        if serving == 0 and breaker is not None and breaker.last_summary:
            return f"no worker: {_one_line(breaker.last_summary)}"
        return counted

    def _more_time(self, now: float) -> list[str]:
        """Return the line that keeps systemd patient while the start goes on, within its deadline if it has one."""
        deadline = self._master.settings.boot_deadline
        left = self._began + deadline + 1 - now if deadline else float(MORE)
        if self.ready or left <= 0 or now - self._asked < ASK_EVERY:
            return []
        self._asked = now
        # Before the loop no turn can ask again: an import under preload gets its deadline at once.
        seconds = left if self._arbiter is None else min(left, MORE)
        return [f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}"]

    def _lives(self, workers: list[Seen]) -> bool:
        """Tell whether the server does what it should: a worker is alive, or one is on its way."""
        timeout = float(self._arbiter.cfg.timeout or 0)
        breaker = self._master.receiver.breaker
        waiting = breaker is not None and breaker.pause > 0
        return waiting or any(worker.lives(timeout, self._patience) for worker in workers)

    def _halting(self, original: Hook) -> Hook:
        def halt(*args: Any, **kwargs: Any) -> Any:
            if self._master.is_here and not self._over:
                chain.quietly(self._stops)()
            return original(*args, **kwargs)

        return halt

    def _stops(self) -> None:
        breaker, failed = self._master.receiver.breaker, self._master.receiver.boot_failures
        why = breaker.last_summary if failed and breaker is not None else ""
        self._send("STOPPING=1", f"STATUS=failed: {_one_line(why)}" if why else "STATUS=stopping")
        self._over = True

    # -- sending --------------------------------------------------------------------------------

    def _send(self, *lines: str) -> bool:
        """Send one message; False where it could not be sent at once."""
        if self._address is None:
            return False
        # A descriptor that is kept might be closed by the app, and be something else by then.
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as sender:
                sender.sendto("\n".join(lines).encode("utf-8", "backslashreplace"), self._address)
        except OSError:
            return False
        return True


class Seen:
    """One worker as its own journal tells of it."""

    def __init__(self, master: Master, pid: int, worker: Any) -> None:
        self._worker = worker
        child = getattr(worker, "bootcheck_child", None)
        records, _ = read_lines([] if child is None else child.told_beside_the_disk().splitlines())
        head = next((record for record in records if record["t"] == HEAD), None)
        self.seconds = 0.0
        self.said = ""
        # Without a journal nothing will ever be told; then its heartbeat has to do.
        self.ready = any(record["t"] == READY for record in records) if head else self._beats()
        if not self.ready and head is not None:
            disk = master.directory.read(Key("worker", pid, int(head.get("start", 0))).file_name, MAX_JOURNAL)
            self._tell(Boot.from_records([*read_lines(disk.splitlines())[0]] or records))
        if not self.ready and not self.said:
            self.said = f"worker {worker.age}: starting"

    def _tell(self, boot: Boot) -> None:
        began = boot.head.get("at")
        span = boot.open_span
        now = time.time()
        self.seconds = now - began if isinstance(began, (int, float)) else 0.0
        if span is not None:
            self.said = f"worker {self._worker.age}: {_one_line(span.name)} {max(0.0, now - span.at):.0f} s"

    def _beats(self) -> bool:
        return heartbeats.tell_the_first() and heartbeats.last(self._worker) > 0

    def lives(self, timeout: float, patience: float) -> bool:
        """Tell whether it has not been starting for longer, or gave a sign of life within Gunicorn's timeout."""
        if not self.ready:
            return self.seconds <= patience
        at = heartbeats.last(self._worker)
        return not timeout or not at or time.monotonic() - at <= timeout


_WAITS_IN_RELOAD = 25
"""From this Gunicorn on HUP waits for the old workers' end."""


def _major() -> int:
    major = seams.version().partition(".")[0]
    return int(major) if major.isdigit() else _WAITS_IN_RELOAD


def address_of(text: str) -> bytes | None:
    """Return the address of the socket: a path, or a name in the abstract namespace; None for another kind."""
    if text.startswith("@") and len(text) > 1:
        return b"\0" + os.fsencode(text[1:])
    return os.fsencode(text) if text.startswith("/") else None


def watchdog_of(environ: Mapping[str, str]) -> float:
    """Return the watchdog's seconds, 0 where there is none or it is another process's."""
    text, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not text.isdigit() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(text) / 1e6


def _one_line(text: object, limit: int = 200) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
