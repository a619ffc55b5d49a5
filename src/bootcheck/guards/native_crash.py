"""The Python stacks of a process that native code ends: faulthandler on a descriptor of our own."""

from __future__ import annotations

import faulthandler
import os
import signal

THEIRS = faulthandler.is_enabled()
"""True where `PYTHONFAULTHANDLER` or `-X faulthandler` asks for dumps on stderr."""


class FaultFile:
    """Where faulthandler writes. Re-arm after anything that sets signal handlers."""

    def __init__(self, fd: int) -> None:
        """Take over a descriptor that stays open for the life of the process; -1 means none."""
        self.fd = fd
        self._registered: set[int] = set()

    def arm(self) -> None:
        """Dump all stacks at SEGV, BUS, FPE, ILL and ABRT.

        Gunicorn's `init_signals` replaces the handler of ABRT, and a second `enable` installs
        nothing: `disarm` before it and `arm` after it, so that Gunicorn's runs after the dump.
        """
        if self.fd >= 0:
            faulthandler.enable(file=self.fd, all_threads=True)

    def register(self, signo: int) -> None:
        """Dump all stacks when this signal comes, then do what its handler did before.

        `chain=True` also takes SA_RESTART away, so that a Python handler runs although the main
        thread sits in a system call. The order matters: first `signal.signal`, then this.
        """
        if self.fd >= 0:
            faulthandler.register(signo, file=self.fd, all_threads=True, chain=True)
            self._registered.add(signo)

    def unregister(self) -> None:
        """Take the dumps at ordinary signals away again."""
        for signo in self._registered:
            faulthandler.unregister(signo)
        self._registered.clear()

    def disarm(self) -> None:
        """Leave the process to its own handlers: for children that it forks, and around `init_signals`."""
        self.unregister()
        if self.fd >= 0:
            faulthandler.disable()

    def hand_back(self) -> None:
        """Leave the process as it would be without us: dumps go to stderr where Python was told so."""
        self.disarm()
        if THEIRS and self.fd >= 0:
            try:
                faulthandler.enable()
            except (RuntimeError, AttributeError, ValueError, OSError):
                # No stderr that a dump could go to.
                return


NATIVE_SIGNALS = frozenset(
    int(getattr(signal, name)) for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT") if hasattr(signal, name)
)


def close_quietly(fd: int) -> None:
    """Close a descriptor that may be gone."""
    try:
        os.close(fd)
    except OSError:
        return
