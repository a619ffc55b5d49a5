"""The server's last lines on stderr, where they can be had.

Where stderr is a file it is read there, afterwards. Anything else is left as it is (a terminal stays
one) unless `--tail` asks for it: then the server writes into a pipe, or a terminal of its own where
stderr is one, and everything is passed on.
"""

from __future__ import annotations

import os
import select
import signal
import stat
import time
from collections import deque

from bootcheck.parent import kernel
from bootcheck.parent.signals import Signals

MAX_LINES = 50
_MAX_BYTES = 64 << 10
_PIECE = 4096
"""What a pipe that is ready for writing takes without blocking (PIPE_BUF)."""
_DRAIN = 1.0
"""Seconds, after the server's end, for what it wrote last."""


class Unread:
    """Stderr as it is: its lines are known only where it is a file."""

    def __init__(self) -> None:
        try:
            info = os.fstat(2)
        except OSError:
            self._start = -1
        else:
            self._start = info.st_size if stat.S_ISREG(info.st_mode) else -1

    def in_child(self) -> None:
        """Leave the child's stderr alone."""

    def started(self) -> None:
        """Do nothing more in the parent."""

    def wait(self, signals: Signals, seconds: float) -> signal.struct_siginfo | None:
        """Return the next signal, or None after so many seconds."""
        return signals.wait(seconds)

    def resize(self) -> None:
        """Leave the terminal's size alone."""

    def text(self) -> bytes | None:
        """Return the end of what was written since the start, None where it cannot be read."""
        if self._start < 0:
            return None
        try:
            fd = os.open("/proc/self/fd/2", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            start = max(self._start, os.fstat(fd).st_size - _MAX_BYTES)
            return os.pread(fd, _MAX_BYTES, start)
        except OSError:
            return None
        finally:
            os.close(fd)


class Relay:
    """Stands between the server's stderr and ours; keeps the end of what goes through."""

    def __init__(self, signals: Signals) -> None:
        self._terminal = os.isatty(2)
        self._fd, self._theirs = _terminal_pair() if self._terminal else os.pipe()
        os.set_blocking(self._fd, False)
        self._pending = b""
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._ready = kernel.signal_descriptor(signals.all)

    def in_child(self) -> None:
        """Let the child's stderr be our end of it."""
        os.dup2(self._theirs, 2)

    def started(self) -> None:
        """Close the child's end in the parent: at its end there is an end of the stream, too."""
        os.close(self._theirs)

    def wait(self, signals: Signals, seconds: float) -> signal.struct_siginfo | None:
        """Pass stderr on until a signal comes, or so many seconds are over."""
        deadline = time.monotonic() + seconds
        # Without a signal descriptor signals are looked for ten times a second.
        step = seconds if self._ready >= 0 else 0.1
        while True:
            left = max(0.0, deadline - time.monotonic())
            if self._pump(min(step, left)) or self._ready < 0:
                info = signals.wait(0)
                if info is not None:
                    return info
            if left <= 0:
                return None

    def resize(self) -> None:
        """Give the server's terminal the size of ours."""
        if self._terminal and self._fd >= 0:
            _copy_size(2, self._fd)

    def text(self) -> bytes | None:
        """Return the end of what went through, after passing on what is still there."""
        deadline = time.monotonic() + _DRAIN
        while (self._pending or self._has_more()) and time.monotonic() < deadline:
            self._pump(0.05, signals=False)
        return b"".join(self._kept)

    def _has_more(self) -> bool:
        return self._fd >= 0 and bool(select.select([self._fd], [], [], 0)[0])

    def _pump(self, seconds: float, *, signals: bool = True) -> bool:
        """Move one piece; tell whether a signal is pending."""
        poll = select.poll()
        if signals and self._ready >= 0:
            poll.register(self._ready, select.POLLIN)
        if self._pending:
            poll.register(2, select.POLLOUT)
        elif self._fd >= 0:
            poll.register(self._fd, select.POLLIN)
        came = dict(poll.poll(seconds * 1000))
        if 2 in came:
            self._write()
        elif self._fd in came:
            self._read()
        return self._ready in came

    def _read(self) -> None:
        try:
            piece = os.read(self._fd, _PIECE)
        except BlockingIOError:
            return
        except OSError:
            # A terminal whose other side is closed says it so.
            piece = b""
        if not piece:
            os.close(self._fd)
            self._fd = -1
            return
        self._pending = piece
        self._kept.append(piece)
        self._size += len(piece)
        while self._size - len(self._kept[0]) >= _MAX_BYTES:
            self._size -= len(self._kept.popleft())

    def _write(self) -> None:
        try:
            self._pending = self._pending[os.write(2, self._pending) :]
        except OSError:
            # Nobody reads our stderr any more; the server must not wait for it.
            self._pending = b""


def last_lines(text: bytes) -> list[str]:
    """Return the last lines that say something."""
    lines = [line.rstrip() for line in text.decode("utf-8", "replace").splitlines()]
    return [line for line in lines if line][-MAX_LINES:]


def _terminal_pair() -> tuple[int, int]:
    import termios

    ours, theirs = os.openpty()
    _copy_size(2, theirs)
    # Our own terminal turns line ends into what it needs; twice would be once too often.
    modes = termios.tcgetattr(theirs)
    modes[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    return ours, theirs


def _copy_size(source: int, target: int) -> None:
    import fcntl
    import termios

    try:
        fcntl.ioctl(target, termios.TIOCSWINSZ, fcntl.ioctl(source, termios.TIOCGWINSZ, bytes(8)))
    except OSError:
        return
