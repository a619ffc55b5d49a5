"""A path that the app needs is missing, or the workers' user cannot write or read it.

What it means

BC406: the path does not exist. BC402: it exists, and the user that the workers run as may not write (or
read) it, or the file system is mounted read-only. A full disk is told apart (BC401).

How it looks

`PermissionError: [Errno 13] Permission denied`, `OSError: [Errno 30] Read-only file system`,
`FileNotFoundError: [Errno 2] No such file or directory`, often at the first upload or the first log line and
not at the start.

Why it happens

The master starts as root and the workers run as another user; a volume was mounted with another owner; an
image was built as root and runs as an arbitrary user; `readOnlyRootFilesystem` is on; a directory on the way
lacks the x permission.

What to do

Give the path to the workers' user: the finding names the uid, the owner and the mode, and which directory on
the way blocks. In Kubernetes set `fsGroup`; on a read-only root file system mount an `emptyDir` there.

How to know it is fixed

The checkpoints `paths.<path>.exists`, `.writable` and `.readable` have passed: a file was really made there,
written and removed, by the workers' user.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding

RULES: tuple[str, ...] = ("BC402", "BC406")

_BLOCK = b"\0" * 4096
"""A file without content may still be made on a full disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Writes to and reads from paths as the workers' user."""

    name: ClassVar[str] = "paths"
    moment: ClassVar[Moment] = Moment.PREFLIGHT
    phase: ClassVar[Phase] = Phase.ENVIRONMENT

    writable: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an empty question."""
        for option, given in (("writable", self.writable), ("readable", self.readable)):
            for path in options.texts("paths", option, given):
                options.path("paths", option, path)
        if not self.writable and not self.readable:
            options.refuse("paths", "writable", "is empty, and so is readable", "Name at least one path.")

    @property
    def subject(self) -> str:
        """The paths."""
        return ", ".join((*self.writable, *self.readable))

    @property
    def budget(self) -> float:
        """A dead network file system answers never."""
        return 10.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield the paths that cannot be used, and what stands in the way."""
        for path in dict.fromkeys((*self.writable, *self.readable)):
            missing = _missing(path)
            if missing is not None:
                context.recorder.failed(f"paths.{path}.exists", self.phase, error=missing.strerror)
                yield _not_there(path, missing) if missing.errno in _ABSENT else _refused(path, missing, "reached")
                continue
            context.recorder.passed(f"paths.{path}.exists", self.phase)
            if path in self.writable:
                yield from self._attempt(context, path, "writable")
            if path in self.readable:
                yield from self._attempt(context, path, "readable")

    def _attempt(self, context: Context, path: str, wish: str) -> Iterator[Finding]:
        point = f"paths.{path}.{wish}"
        try:
            with context.recorder.step(point, self.phase, uid=os.geteuid(), gid=os.getegid()):
                _write(path) if wish == "writable" else _read(path)
        except OSError as exc:
            yield (
                _full(path, exc)
                if exc.errno in _FULL
                else _refused(path, exc, "written" if wish == "writable" else "read")
            )


def paths(*, writable: Iterable[str | os.PathLike[str]] = (), readable: Iterable[str | os.PathLike[str]] = ()) -> Paths:
    """Check paths by using them: a temporary file is written in a directory and removed.

    Args:
        writable: directories to make files in, and files to write to.
        readable: directories to list, and files to read.
    """
    return Paths(writable=_texts("writable", writable), readable=_texts("readable", readable))


_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def _texts(option: str, given: object) -> tuple[str, ...]:
    if isinstance(given, (str, bytes, os.PathLike)) or not isinstance(given, Iterable):
        options.refuse("paths", option, "is not a list of paths", "Write a list, for example ['/var/lib/myapp'].")
    return tuple(options.path("paths", option, item) for item in given)


def _missing(path: str) -> OSError | None:
    try:
        os.stat(path)
    except OSError as exc:
        return exc
    return None


def _write(path: str) -> None:
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        fd, made = tempfile.mkstemp(prefix=".bootcheck-", dir=path)
        try:
            os.write(fd, _BLOCK)
        finally:
            os.close(fd)
            os.unlink(made)
        return
    # Nothing is written to what is there: opening it for writing asks for the permission.
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | _without_waiting(path, mode)))


def _read(path: str) -> None:
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        with os.scandir(path) as entries:
            next(entries, None)
        if not os.access(path, os.X_OK):
            raise PermissionError(errno.EACCES, "Permission denied (no x: nothing in it can be opened)", path)
        return
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | _without_waiting(path, mode))
    try:
        if stat.S_ISREG(mode):
            os.read(fd, 1)
    finally:
        os.close(fd)


def _without_waiting(path: str, mode: int) -> int:
    if stat.S_ISSOCK(mode):
        raise OSError(errno.ENXIO, "it is a socket", path)
    # A FIFO without a partner would block until somebody opens its other end.
    return os.O_NONBLOCK if not stat.S_ISREG(mode) else 0


def _not_there(path: str, exc: OSError) -> Finding:
    parent = _last_existing(path)
    return Finding(
        code="BC406",
        summary=f"{path} does not exist.",
        action=(
            f"Create it for the workers' user: install -d -o {os.geteuid()} -g {os.getegid()} {path}",
            "If it is a volume, check that it is mounted, and where.",
        ),
        evidence=(
            Evidence(source=path, text=f"{exc.strerror} (errno {exc.errno})"),
            Evidence(source=parent, text=f"the last directory on the way that exists: {_described(parent)}"),
        ),
        confirm=f"ls -ld {path}",
    )


def _refused(path: str, exc: OSError, verb: str) -> Finding:
    if exc.errno == errno.EROFS:
        return Finding(
            code="BC402",
            summary=f"{path} cannot be {verb}: the file system is mounted read-only.",
            action=(
                "Mount a writable volume there (Kubernetes: an emptyDir; Docker: --tmpfs or -v).",
                "If it was writable before, look into the kernel log: a damaged disk is remounted read-only.",
            ),
            evidence=(Evidence(source="/proc/self/mounts", text=_mount(path)),),
            confirm=f"touch {path}/.bootcheck && rm {path}/.bootcheck",
        )
    blocking = _blocking(path)
    evidence = [
        Evidence(source="process", text=f"uid {os.geteuid()}, gid {os.getegid()}, groups {_groups()}"),
        Evidence(source=path, text=_described(path)),
    ]
    if blocking != path:
        evidence.append(Evidence(source=blocking, text=f"blocks the way: {_described(blocking)}"))
    if blocking != path:
        action = f"Let the workers' user through {blocking}: chmod o+x {blocking}"
    elif _owns(path):
        evidence.append(Evidence(source="/proc/self/mounts", text=_mount(path)))
        action = "Owner and mode allow it: look at the mount's options, at lsattr, and for SELinux or AppArmor denials."
    else:
        action = f"Give it to the workers' user: chown {os.geteuid()}:{os.getegid()} {path}"
    return Finding(
        code="BC402",
        summary=f"{path} cannot be {verb} by uid {os.geteuid()}: {exc.strerror or 'refused'}.",
        action=(action, "Kubernetes: set securityContext.fsGroup to a group of the workers."),
        evidence=tuple(evidence),
        confirm=f"ls -ld {path}",
    )


def _full(path: str, exc: OSError) -> Finding:
    quota = exc.errno == errno.EDQUOT
    return Finding(
        code="BC401",
        summary=f"{path} cannot be written: " + ("the disk quota is used up." if quota else "the file system is full."),
        action=(
            f"Make room: du -xh --max-depth=2 {path} | sort -h | tail",
            f"Look at the inodes too: df -i {path}",
        ),
        evidence=(Evidence(source=path, text=f"{exc.strerror} (errno {exc.errno}); {_mount(path)}"),),
        confirm=f"df -h {path}",
    )


def _last_existing(path: str) -> str:
    current = os.path.abspath(path)
    while not os.path.exists(current) and current != os.path.dirname(current):
        current = os.path.dirname(current)
    return current


def _blocking(path: str) -> str:
    """Return the first directory on the way that cannot be passed, else the path."""
    current = "/"
    for part in os.path.abspath(path).split("/")[1:-1]:
        current = os.path.join(current, part)
        if not os.access(current, os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            return current
    return path


def _owns(path: str) -> bool:
    try:
        found = os.stat(path)
    except OSError:
        return False
    return os.geteuid() in (0, found.st_uid) and bool(found.st_mode & stat.S_IWUSR)


def _described(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError as exc:
        return f"{exc.strerror}"
    return f"owner {found.st_uid}:{found.st_gid}, mode {stat.filemode(found.st_mode)}"


def _groups() -> str:
    return ",".join(map(str, os.getgroups())) or "none"


def _mount(path: str) -> str:
    """Return the line of the mount table that the path lies on."""
    real = os.path.realpath(path)
    best = ""
    try:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as table:
            for line in table:
                where = line.split(" ")[1].replace("\\040", " ")
                held = best.split(" ")[1] if best else ""
                if (real + "/").startswith(where.rstrip("/") + "/") and len(where) >= len(held):
                    best = line.strip()
    except (OSError, IndexError):
        return "the mount table cannot be read"
    return best or "the mount table does not name it"
