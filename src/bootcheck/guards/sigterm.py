"""A stop signal before ready: keep step and stack, unwind, and be gone within a second.

Gunicorn's own handler only sets a flag that an import never looks at, and a signal between
fork and `init_signals` is lost in a copy of the master's queue. This guard owns the stop
signals from the fork until the worker is ready, then gives them back.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from bootcheck.guards.native_crash import FaultFile
from bootcheck.model import journal
from bootcheck.probes import sender
from bootcheck.probes.stacks import of_all_threads
from bootcheck.recorder import Recorder

# Windows has no SIGQUIT; arming there only says that it needs Linux.
STOP_SIGNALS = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGINT", "SIGQUIT") if hasattr(signal, name))
PATIENCE = 0.5
"""Seconds that `finally` blocks get before the process is ended without them."""

Handler = Callable[[int, "FrameType | None"], Any]


class StopGuard:
    """Handles the stop signals of a process that is not ready."""

    def __init__(self, recorder: Recorder, fault: FaultFile, on_stop: Callable[[int], None] | None = None) -> None:
        """`on_stop` runs once the facts are kept and before the process unwinds."""
        self._recorder = recorder
        self._fault = fault
        self._on_stop = on_stop
        self._owner = os.getpid()
        self._previous: dict[int, Any] = {}
        self._signo = 0
        self._keeping = False
        self.armed = False

    @property
    def stopping(self) -> bool:
        """True once a stop signal has been taken."""
        return self._signo != 0

    def arm(self) -> None:
        """Take the stop signals over; what was there is kept for `release`."""
        for signo in STOP_SIGNALS:
            found = signal.getsignal(signo)
            # Armed a second time with nobody in between, it would find itself, and give that back in the end.
            if found != self._handle:
                self._previous[int(signo)] = found
        self.rearm()

    def rearm(self) -> None:
        """Take the stop signals over again after something else did."""
        self._fault.unregister()
        for signo in STOP_SIGNALS:
            # No siginterrupt(False): a blocking call must give way to the handler.
            signal.signal(signo, self._handle)
        self._fault.register(signal.SIGTERM)
        sender.watch(STOP_SIGNALS)
        self.armed = True

    def release(self, restore: Callable[[], None] | None = None) -> None:
        """Give the signals back: through `restore` where their owner sets them anew.

        A handler that the app has set meanwhile stays: plain Gunicorn would have kept it, too.
        """
        if not self.armed:
            return
        self.armed = False
        self._fault.unregister()
        if restore is not None:
            restore()
            return
        for signo, handler in self._previous.items():
            if signal.getsignal(signo) != self._handle:
                continue
            signal.signal(signo, signal.SIG_DFL if handler is None else handler)
            if signo == signal.SIGTERM and callable(handler):
                # As Gunicorn and asyncio leave it: a request under way is not to be interrupted.
                signal.siginterrupt(signo, False)

    def stop(self, signo: int, frame: FrameType | None = None) -> NoReturn:
        """Do what a signal would: keep the facts, then unwind with 128 + its number."""
        if not self._signo:
            self._signo = int(signo)
            self._keeping = True
            # The cause first: a slow machine may not come to the stacks before the patience ends.
            name, step, who = signal.Signals(signo).name, self._recorder.open_step, sender.first(signo)
            self._recorder.fact(journal.SIGNAL, signo=int(signo), name=name, step=step, sender=who)
            self._end_anyway(128 + signo)
            self._keep(signo, frame)
            self._keeping = False
        raise SystemExit(128 + signo)

    def insist(self) -> None:
        """Unwind once more where somebody swallowed the first SystemExit (an event loop, a bare except)."""
        if self._signo:
            raise SystemExit(128 + self._signo)

    def _handle(self, signo: int, frame: FrameType | None) -> None:
        if self._owner != os.getpid() or not self.armed:
            # A child of ours inherited the handler, or a server (uvicorn) put it back and raises
            # the signal again after its graceful stop: do what would have been done without us.
            signal.signal(signo, signal.SIG_DFL)
            os.kill(os.getpid(), signo)
            return
        if not self._keeping:
            # Supervisors signal the group as well as the process: the second signal must not cut the first short.
            self.stop(signo, frame)

    def _keep(self, signo: int, frame: FrameType | None) -> None:
        stacks = of_all_threads(frame)
        # Under gevent the main thread sits in the hub; the stuck code is in a greenlet.
        if stacks and _in_hub(stacks[0]):
            stacks.sort(key=lambda stack: not stack["thread"].startswith("greenlet"))
        self._recorder.fact(journal.STACKS, stacks=stacks[:20])
        if self._on_stop is not None:
            self._on_stop(signo)

    def _end_anyway(self, status: int) -> None:
        """End the process soon even if its code swallows SystemExit or blocks in a `finally`."""
        start, sleep = _unpatched()

        def end() -> None:
            sleep(PATIENCE)
            os._exit(status)

        try:
            start(end, ())
        except RuntimeError:
            # No thread can be had (limit reached, or the interpreter is going down): end now.
            os._exit(status)


def _in_hub(stack: dict[str, Any]) -> bool:
    frames = stack.get("frames") or [{}]
    return str(frames[0].get("file", "")).endswith(("gevent/hub.py", "gevent/greenlet.py")) or any(
        str(frame.get("function", "")).endswith("Hub.run") for frame in frames[:6]
    )


def _unpatched() -> tuple[Callable[..., Any], Callable[[float], None]]:
    """Return thread start and sleep as they were before gevent patched them."""
    import _thread

    monkey = sys.modules.get("gevent.monkey")
    if monkey is None:
        return _thread.start_new_thread, time.sleep
    return monkey.get_original("_thread", "start_new_thread"), monkey.get_original("time", "sleep")
