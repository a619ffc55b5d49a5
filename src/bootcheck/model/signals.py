"""Signals by their names."""

from __future__ import annotations

import signal

_LINUX = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
    10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU",
    25: "SIGXFSZ",
}  # fmt: skip
"""Linux's numbers, whatever machine reads a report or a log."""

LIMITS = {
    "SIGXCPU": ("processor time", "ulimit -t, LimitCPU=, RLIMIT_CPU"),
    "SIGXFSZ": ("a file's size", "ulimit -f, LimitFSIZE=, RLIMIT_FSIZE"),
}
"""Signals by which the kernel ends who has used up a limit: of what, and where that is set."""


def signal_name(signo: int) -> str:
    """Return SIGTERM for 15; a number that has no name stays a number."""
    if signo in _LINUX:
        return _LINUX[signo]
    try:
        return signal.Signals(signo).name
    except ValueError:
        return f"signal {signo}"
