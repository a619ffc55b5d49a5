"""The report directory cannot be used, so reports go elsewhere.

What it means
BC001: the place for reports and journals is missing, full, read-only, a symbolic link, slow, or
open to other users. The server starts and serves as it would without bootcheck; reports go to the
next place that works, at the end to memory and stderr only.

How it looks
    bootcheck: cannot use /var/reports (from BOOTCHECK_DIR) for reports: Permission denied
    bootcheck: no directory can be written (...): reports go to memory and stderr only

Why it happens
A volume is mounted for another user, a read-only root file system has no writable mount, the disk
is full, or somebody else made /tmp/bootcheck-<uid> first. A directory that others may write to is
used through a subfolder of our own; the default one must be ours with mode 0700. No link is ever
followed and every file is created exclusively: /tmp is shared with strangers.

What to do
Set BOOTCHECK_DIR to a directory that the server's user can write, in a container on a volume that
outlives it. Under systemd StateDirectory= or LogsDirectory= is enough. Until then
`kubectl logs --previous POD | bootcheck analyze -` works: every death also prints one line.

How to know it is fixed
The next start says nothing about the directory, and its boot reports are there.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping

from bootcheck.model.journal import Key
from bootcheck.sinks.descriptors import identity_of

if sys.platform == "linux":
    from resource import RUSAGE_THREAD, getrusage

RULES: tuple[str, ...] = ("BC001",)
LOOK_SECONDS = 0.05
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class _Watch:
    """Tells a slow disk from a machine that gave us no time.

    An operation that waits for its disk gives the processor up by itself. One that is long because
    others were running, or because the container's quota of this 100 ms was used up, does not; a pod
    with a small CPU limit would lose its reports by that.
    """

    __slots__ = ("_began", "_waits")

    def __init__(self) -> None:
        self._began, self._waits = time.monotonic(), _waits()

    def slower_than(self, seconds: float) -> bool:
        """Tell whether so many seconds went by and the disk was waited for."""
        return time.monotonic() - self._began > seconds and _waits() > self._waits


def _waits() -> float:
    """Return what has grown when this thread gave the processor up of its own accord."""
    if sys.platform == "linux":
        return getrusage(RUSAGE_THREAD).ru_nvcsw
    # Reports are only read there.
    return time.monotonic()


class ReportDirectory:
    """An open directory, or none: then `path` is None and everything goes to memory and stderr."""

    SLOW = 0.1
    """Seconds: after one operation that waited longer for the disk this process leaves it alone."""

    def __init__(self, environ: Mapping[str, str] = os.environ, *, base: str = "/tmp", at: str | None = None) -> None:  # noqa: S108
        """Find a place; `at` names one that exists, another process's, and raises OSError where it cannot be opened."""
        self.path: str | None = None
        self.notes: list[str] = []
        """What to say once: fallbacks taken, and why."""
        self.default = False
        """True where nobody chose the place."""
        self.makeshift = False
        """True where no place could be used that another process would find as well."""
        self.slow = False
        self._fd = -1
        self._identity: tuple[int, int] | None = None
        self._environ = dict(environ)
        self._base = base
        if at is None:
            self._open()
            return
        self.path = at
        self._environ = {"BOOTCHECK_DIR": at}
        self._fd = os.open(at, _DIRECTORY)
        self._identity = identity_of(self._fd)

    def __bool__(self) -> bool:
        return self._fd >= 0 and not self.slow

    def create(self, name: str, *, append: bool = False) -> int:
        """Create a new file, mode 0600, and return its descriptor, or -1 where that cannot be done."""
        flags = _NEW | (os.O_APPEND if append else 0)
        return self._timed(lambda: os.open(name, flags, 0o600, dir_fd=self._fd))

    def store(self, name: str, data: bytes) -> str | None:
        """Write a whole file under a temporary name, then rename it; return its path or None."""
        partial = f".{name}.{os.getpid()}.tmp"
        fd = self.create(partial)
        if fd < 0:
            return None
        try:
            complete = self._timed(lambda: _write_all(fd, data)) >= 0
            done = complete and self._timed(lambda: _rename(partial, name, self._fd)) >= 0
        finally:
            os.close(fd)
        if not done:
            self.remove(partial)
            return None
        return f"{self.path}/{name}"

    def read(self, name: str, limit: int) -> bytes:
        """Return the first `limit` bytes of a regular file in this directory, empty where it cannot be read."""
        if not self._open_still():
            return b""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        except OSError:
            return b""
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                return b""
            return os.pread(fd, limit, 0)
        except OSError:
            return b""
        finally:
            os.close(fd)

    def open_existing(self, name: str) -> int:
        """Open a regular file of this directory for locking, or return -1."""
        if not self._open_still():
            return -1
        try:
            fd = os.open(name, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._fd)
        except OSError:
            return -1
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        return -1

    def append_to(self, name: str, identity: tuple[int, int]) -> int:
        """Open a file of this directory again, to append to it; -1 where it is gone or another file by now."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = self._timed(lambda: os.open(name, flags, dir_fd=self._fd))
        if fd < 0 or identity_of(fd) == identity:
            return fd
        os.close(fd)
        return -1

    def remove(self, name: str) -> bool:
        """Remove a file; a missing one is fine."""
        return self._timed(lambda: _unlink(name, self._fd)) >= 0

    def forget(self, key: Key, *, journal: bool = True) -> None:
        """Remove what a process left for its report, which is made; not the journal where it could not be stored."""
        # The journal first: after a slow operation the rest stays, and a journal would be read again.
        for name in (*((key.file_name,) if journal else ()), key.fault_name, key.dump_name):
            self.remove(name)

    def rename(self, old: str, new: str) -> bool:
        """Rename a file atomically; False where another process was first or it cannot be done."""
        return self._timed(lambda: _rename(old, new, self._fd)) >= 0

    def names(self, seconds: float = LOOK_SECONDS) -> Iterator[str]:
        """Yield file names for at most that long: a directory may hold a hundred thousand."""
        if not self or not self._open_still():
            return
        deadline = time.monotonic() + seconds
        try:
            # listdir by descriptor dup: the iterator must not move the offset of the kept one.
            with os.scandir(self._fd) as entries:
                for entry in entries:
                    yield entry.name
                    if time.monotonic() > deadline:
                        return
        except OSError:
            return

    def reopen(self) -> None:
        """Find a place again if this one was removed meanwhile."""
        if self._fd < 0 or self.slow:
            return
        try:
            if os.fstat(self._fd).st_nlink:
                return
        except OSError:
            pass
        self._close()
        self._open()

    def written_at(self, name: str) -> float | None:
        """Return when a file was last written (epoch seconds), or None where it is not there."""
        if not self._open_still():
            return None
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_mtime
        except OSError:
            return None

    def size_of(self, name: str) -> int:
        """Return a file's bytes, 0 where it is not there."""
        if not self._open_still():
            return 0
        try:
            return os.stat(name, dir_fd=self._fd, follow_symlinks=False).st_size
        except OSError:
            return 0

    def _timed(self, operation: Callable[[], int]) -> int:
        """Run one operation on the disk; -1 where it failed. A slow one is the last."""
        if not self or not self._open_still():
            return -1
        watch = _Watch()
        try:
            return operation()
        except OSError as exc:
            if exc.errno == errno.ENOENT:
                return self._once_more(operation)
            return -1
        finally:
            if watch.slower_than(self.SLOW):
                self.slow = True

    def _open_still(self) -> bool:
        """Tell whether our descriptor is that directory; where somebody closed it, the directory is opened again."""
        if self._fd < 0 or identity_of(self._fd) == self._identity:
            return self._fd >= 0
        try:
            # The number may be a socket of the app's by now: it is not ours to close.
            self._fd = os.open(str(self.path), _DIRECTORY)
        except OSError:
            return False
        if identity_of(self._fd) == self._identity:
            return True
        self._close()
        return False

    def _once_more(self, operation: Callable[[], int]) -> int:
        """The directory may have been removed while we ran; then a new one may do."""
        try:
            if os.fstat(self._fd).st_nlink:
                return -1
            self.reopen()
            return operation() if self else -1
        except OSError:
            return -1

    def _open(self) -> None:
        watch = _Watch()
        for path, chosen_by in places(self._environ, base=self._base):
            try:
                self._fd = self._private(path) if chosen_by is None else self._chosen(path)
            except OSError as exc:
                self.notes.append(f"cannot use {path}{_by(chosen_by)} for reports: {_reason(exc)}")
                continue
            self.default = chosen_by is None
            self.path = self.path or path
            break
        else:
            self._last_resort()
        self._identity = identity_of(self._fd)
        if watch.slower_than(self.SLOW * 2):
            self.slow = True
            self.notes.append(f"the disk of {self.path} is slow: reports go to memory and stderr")

    def _private(self, path: str) -> int:
        """Open a directory that must be ours alone, made here if missing."""
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        fd = os.open(path, _DIRECTORY)
        info = os.fstat(fd)
        if info.st_uid != _euid() or info.st_mode & 0o077:
            os.close(fd)
            msg = f"it belongs to uid {info.st_uid} with mode {stat.S_IMODE(info.st_mode):04o}, not to us alone"
            raise PermissionError(msg)
        self._must_be_writable(fd)
        return fd

    def _chosen(self, path: str) -> int:
        """Open a directory that the operator named, whatever its owner and mode."""
        os.makedirs(path, mode=0o700, exist_ok=True)
        fd = os.open(path, _DIRECTORY)
        self.path = path
        if os.fstat(fd).st_mode & 0o022:
            # Others can write here: a folder of our own keeps them from our files.
            os.close(fd)
            self.path = f"{path}/bootcheck-{_euid()}"
            try:
                return self._private(self.path)
            except OSError:
                self.path = None
                raise
        try:
            self._must_be_writable(fd)
        except OSError:
            self.path = None
            raise
        return fd

    def _must_be_writable(self, fd: int) -> None:
        try:
            name = f".bootcheck-{os.getpid()}-{time.monotonic_ns()}"
            trial = os.open(name, _NEW, 0o600, dir_fd=fd)
            try:
                # An empty file can be made on a full disk; a page of data cannot.
                if os.write(trial, bytes(4096)) != 4096:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(trial)
                os.unlink(name, dir_fd=fd)
        except OSError:
            os.close(fd)
            raise

    def _last_resort(self) -> None:
        self.makeshift = True
        try:
            self.path = tempfile.mkdtemp(prefix="bootcheck-")
            self._fd = os.open(self.path, _DIRECTORY)
            self._must_be_writable(self._fd)
            self.notes.append(f"reports go to {self.path}")
        except OSError as exc:
            self.path = None
            self._fd = -1
            self.notes.append(f"no directory can be written ({_reason(exc)}): reports go to memory and stderr only")

    def _close(self) -> None:
        try:
            os.close(self._fd)
        except OSError:
            pass
        self._fd = -1
        self.path = None


def places(environ: Mapping[str, str], *, base: str = "/tmp") -> Iterator[tuple[str, str | None]]:  # noqa: S108
    """Yield where reports may go, the first choice first, each with the variable that names it."""
    for variable in ("BOOTCHECK_DIR", "STATE_DIRECTORY", "LOGS_DIRECTORY"):
        value = environ.get(variable, "")
        # systemd lists several directories separated by colons.
        path = value if variable == "BOOTCHECK_DIR" else value.split(":")[0]
        if path:
            yield os.path.abspath(path), variable
    yield f"{base}/bootcheck-{_euid()}", None


def _euid() -> int:
    return os.geteuid() if hasattr(os, "geteuid") else 0


def _by(variable: str | None) -> str:
    return "" if variable is None else f" (from {variable})"


def _reason(exc: OSError) -> str:
    return exc.strerror or str(exc)


def _write_all(fd: int, data: bytes) -> int:
    while data:
        written = os.write(fd, data)
        if not written:
            return -1
        data = data[written:]
    return 0


def _rename(old: str, new: str, fd: int) -> int:
    os.rename(old, new, src_dir_fd=fd, dst_dir_fd=fd)
    return 0


def _unlink(name: str, fd: int) -> int:
    try:
        os.unlink(name, dir_fd=fd)
    except FileNotFoundError:
        return 0
    return 0
