"""Who sent a signal, in words."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from bootcheck.model.redactor import Redactor
from bootcheck.parent.origin import command_of, origin_of


def sent(pid: int, code: int = 0) -> Any:
    """Return as much of a siginfo as is asked for."""
    return SimpleNamespace(si_pid=pid, si_uid=1000, si_code=code)


def told_of(info: Any, mask: Any = str) -> str:
    """Return the words for a sender, asked now."""
    return origin_of(info, command_of(info), mask)


def test_the_sender_is_named_with_its_command_line_masked():
    """A deploy script may hold a password."""
    sender = subprocess.Popen(
        [sys.executable, "-c", "input('up')", "--password=hunter2hunter2"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert sender.stdout is not None
    sender.stdout.read(2)
    try:
        told = told_of(sent(sender.pid), Redactor({}).mask)
    finally:
        sender.communicate(b"\n")

    assert told.startswith(f"pid {sender.pid} (uid 1000): {sys.executable} -c input('up')")
    assert "hunter2" not in told


def test_no_pid_is_outside_the_namespace():
    """That is how a stop by the container's runtime looks."""
    assert told_of(sent(0)) == "outside this container's PID namespace"


def test_a_key_of_the_terminal_is_the_kernels():
    """It has no sender either, and is not from outside."""
    assert told_of(sent(0, code=0x80)).startswith("the kernel")


def test_a_sender_that_is_gone_is_said_so():
    """A `kill` has ended before anybody can look."""
    gone = ended()

    assert told_of(sent(gone)) == f"pid {gone} (uid 1000), which is gone already"


def ended() -> int:
    """Return the pid of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid
