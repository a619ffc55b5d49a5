"""Who sent this process a signal, read while the sender may still be there."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from bootcheck.probes.process import command_line

_BY_KERNEL = 0x80
_MAX_COMMAND = 300


def command_of(info: signal.struct_siginfo) -> str:
    """Return the sender's command line as it is, empty where there is none."""
    return " ".join(command_line(info.si_pid)) if info.si_pid > 0 else ""


def origin_of(info: signal.struct_siginfo, command: str, mask: Callable[[str], str]) -> str:
    """Return the sender in a few words, secrets masked."""
    if info.si_code == _BY_KERNEL:
        return "the kernel (a key of the terminal, or its hang-up)"
    if info.si_pid == 0:
        return "outside this container's PID namespace"
    if info.si_pid == os.getpid():
        return "itself"
    who = f"pid {info.si_pid} (uid {info.si_uid})"
    return f"{who}: {mask(command)[:_MAX_COMMAND]}" if command else f"{who}, which is gone already"
