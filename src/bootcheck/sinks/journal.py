"""The journal file of one process: whole lines with each `write(2)`, locked while its owner lives.

Once a write fails or takes longer than 100 ms the process goes on in memory (an anonymous file
that the master can still read after the process died), and says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from bootcheck.model.encode import line
from bootcheck.model.journal import HEAD, NOTE, READY, Key
from bootcheck.sinks.descriptors import identity_of
from bootcheck.sinks.directory import ReportDirectory
from bootcheck.sinks.spare import Spare
from bootcheck.sinks.stderr import Say, say

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: `run_startup_diagnostics` works there, without the lock
    fcntl = None  # type: ignore[assignment]

_ESSENTIAL = frozenset({HEAD, READY})


class Journal:
    """Appends the lines of one process."""

    def __init__(self, directory: ReportDirectory, key: Key, *, spare: Spare | None = None, notify: Say = say) -> None:
        """Open `<role>-<pid>-<start>.jsonl`; never raises, a place that cannot be used means memory.

        Without a `spare` the fallback is known to this process alone.
        """
        self.key = key
        self._directory = directory
        self._notify = notify
        self._owner = os.getpid()
        self._spare = spare
        self._fd = directory.create(key.file_name, append=True)
        self._identity = identity_of(self._fd)
        self.closed = False
        """True once somebody closed the descriptor that the lines go to."""
        self._lock()

    @property
    def on_disk(self) -> bool:
        """True while lines reach the file."""
        return self._fd >= 0

    def write(self, record: Mapping[str, Any], line: bytes) -> None:
        """Append one line."""
        self._append(line, essential=record["t"] in _ESSENTIAL)

    def write_all(self, records: Iterable[Mapping[str, Any]], lines: Iterable[bytes]) -> None:
        """Append several lines, with one `write(2)` for all."""
        self._append(b"".join(lines), essential=any(record["t"] in _ESSENTIAL for record in records))

    def _lock(self) -> None:
        if self._fd >= 0 and fcntl is not None:
            try:
                # POSIX locks belong to the process, so a forked child does not keep this one alive.
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pass

    def _append(self, lines: bytes, *, essential: bool) -> None:
        # A child that did not open a journal of its own must not write into its parent's.
        if self._owner != os.getpid():
            return
        on_disk = self._fd >= 0 and self._to_disk(lines)
        # The master finds the file by the head and counts on `ready` whatever the disk does.
        if self._spare is not None and (essential or not on_disk):
            self._spare.write(lines, essential=essential)

    def _to_disk(self, lines: bytes) -> bool:
        before = time.monotonic()
        if identity_of(self._fd) != self._identity and not self._open_again():
            return False
        try:
            written = os.write(self._fd, lines)
        except OSError as exc:
            self._lose(f"{exc.strerror or exc}")
            return False
        took = time.monotonic() - before
        if took > self._directory.SLOW:
            self._directory.slow = True
            self._lose(f"one write took {took:.1f} s")
        elif written != len(lines):
            self._lose("the disk is full")
            return False
        return True

    def _open_again(self) -> bool:
        """Somebody closed every descriptor, and the number is another file's, or a socket's, by now: say so, go on."""
        self._fd = -1 if self._identity is None else self._directory.append_to(self.key.file_name, self._identity)
        whose = f"bootcheck: the journal of pid {os.getpid()} was closed by somebody else"
        first, self.closed = not self.closed, True
        if self._fd < 0:
            self._notify(f"{whose} and stops here.")
            return False
        # The lock went with the descriptor.
        self._lock()
        if first:
            self._notify(f"{whose}, perhaps with descriptors that others need; it is open again.")
            try:
                os.write(self._fd, line({"t": NOTE, "at": time.time(), "closed": True}))
            except OSError:
                # The caller's own line meets the same disk, and tells.
                pass
        return True

    def _lose(self, why: str) -> None:
        # The descriptor stays open: closing it could block on the same disk.
        self._fd = -1
        self._notify(
            f"bootcheck: the journal in {self._directory.path} stops here ({why}). "
            f"pid {os.getpid()} goes on in memory; the boot is not affected."
        )
