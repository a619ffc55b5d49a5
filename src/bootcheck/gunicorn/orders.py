"""Orders: what the master is told by signal and by whom, for the log, its own end and those of its workers.

The senders are watched from arming on, and again after Gunicorn has set its handlers and at each turn of
the master's loop, in case the app sets one of its own.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bootcheck.guards.sigterm import STOP_SIGNALS
from bootcheck.gunicorn import chain, seams
from bootcheck.gunicorn.reaping import deaths_held
from bootcheck.model import journal
from bootcheck.probes import sender

if TYPE_CHECKING:
    from bootcheck.gunicorn.master import Master

Hook = Callable[..., Any]
_PASSING = tuple(signal.Signals[name] for name in ("SIGHUP", "SIGUSR2") if hasattr(signal, name))
"""Orders after which the master goes on."""


class Orders:
    """The signals by which one master is told what to do."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self.current: dict[str, Any] | None = None
        """What the master acts upon just now: signo, name, sender. A stop stays to the end."""
        self._handled = False

    def watch(self) -> None:
        """Keep the senders of what comes; idempotent, and cheap."""
        if self._master.is_here:
            sender.watch((*STOP_SIGNALS, *_PASSING) if self._handled else STOP_SIGNALS)

    def follow(self, arbiter: Any) -> None:
        """Watch again once Gunicorn has its handlers, and know which order it acts upon."""
        seams.around(arbiter, "init_signals", self._watching)
        for signo in (*STOP_SIGNALS, *_PASSING):
            seams.around(arbiter, f"handle_{signo.name[3:].lower()}", self._acting(signo))

    def _watching(self, original: Hook) -> Hook:
        def init_signals(*args: Any) -> Any:
            result = original(*args)
            self._handled = True
            chain.quietly(self.watch)()
            return result

        return init_signals

    def _acting(self, signo: signal.Signals) -> Callable[[Hook], Hook]:
        passing = signo in _PASSING

        def wrapper(original: Hook) -> Hook:
            def handle(*args: Any) -> Any:
                self._tell(signo, self._passes if passing else self._stops)
                try:
                    return original(*args)
                finally:
                    if passing:
                        self.current = None

            return handle

        return wrapper

    def _tell(self, signo: signal.Signals, tell: Hook) -> None:
        # An end may interrupt anything up to Gunicorn 23, also an import of ours: what tells it would be half loaded.
        with deaths_held():
            chain.quietly(tell)(signo)

    def _stops(self, signo: signal.Signals) -> None:
        from bootcheck.gunicorn import senders

        master = self._master
        who = senders.masked(sender.first(signo), master.redactor)
        self.current = {"signo": int(signo), "name": signo.name, "sender": who}
        master.recorder.fact(journal.STOP, **self.current)
        master.console.note(f"master {os.getpid()} stopped by {signo.name} from {senders.who(who)}")

    def _passes(self, signo: signal.Signals) -> None:
        """Say who told the master to reload or to start its successor, where that is known."""
        for one in sender.arrived(signo):
            from bootcheck.gunicorn import senders

            who = senders.masked(one, self._master.redactor)
            self.current = {"signo": int(signo), "name": signo.name, "sender": who}
            self._master.console.note(f"master {os.getpid()} got {signo.name} from {senders.who(who)}")
