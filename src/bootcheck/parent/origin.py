"""Who sent this process a signal, read while the sender may still be there."""

from __future__ import annotations

import importlib
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
    told = _told_elsewhere(info.si_pid, info.si_uid)
    if told:
        return mask(told)
    return f"{who}: {mask(command)[:_MAX_COMMAND]}" if command else f"{who}, which is gone already"


def _told_elsewhere(pid: int, uid: int) -> str:
    """Ask `bootcheck.probes.sender` where there is one: it may know more than a command line."""
    try:
        describe = importlib.import_module("bootcheck.probes.sender").describe
        return str(describe(pid, uid) or "")
    except Exception:  # noqa: BLE001 - without it, or with another one, there is still the command line
        return ""
