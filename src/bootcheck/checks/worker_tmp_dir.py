"""The directory of the workers' heartbeat files cannot be used, or may make healthy workers look dead.

What it means

BC403: Gunicorn's master makes a small file for each worker in `worker_tmp_dir` (by default in the system's
temporary directory), and each worker touches it to say that it is alive. The directory is missing, not a
directory, not writable for the master, read-only or full; or (a warning) it lies on a network file system.

How it looks

`RuntimeError: /path doesn't exist. Can't create workertmp.`, `FileNotFoundError: [Errno 2] No usable temporary
directory found`, `OSError: [Errno 30] Read-only file system` while the master starts its first worker. On a slow
file system: `WORKER TIMEOUT` of workers that do nothing wrong, because touching the file blocks.

Why it happens

A read-only root file system in a container, a `worker_tmp_dir` from another machine's configuration, a full
/tmp, a /tmp on a network or an overloaded disk.

What to do

Set `worker_tmp_dir = "/dev/shm"` where it exists, or mount a small tmpfs (Kubernetes: an emptyDir with
`medium: Memory`) and name it.

How to know it is fixed

The checkpoints `worker_tmp_dir.exists`, `.writable`, `.space` and `.local` have passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from bootcheck.checks import options
from bootcheck.checks.base import Context, Moment, Server
from bootcheck.model.checkpoint import Phase
from bootcheck.model.finding import Evidence, Finding, Severity

RULES: tuple[str, ...] = ("BC403",)

_NETWORK = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "glusterfs",
    "fuse.glusterfs",
    "fuse.sshfs",
    "fuse.s3fs",
    "9p",
)
_DEFAULTS = ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108 - the standard library's own list
_SHM = "/dev/shm"  # noqa: S108 - the advice of Gunicorn's documentation
_MIN_FREE = 16 * 1024
"""The files are empty; their entries in the directory are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTmpDir:
    """Asks whether the master can make heartbeat files."""

    name: ClassVar[str] = "worker_tmp_dir"
    # The master makes the files, so it is the master's user that must be able to.
    moment: ClassVar[Moment] = Moment.MASTER
    phase: ClassVar[Phase] = Phase.SERVER

    path: str | None = None
    mounts: str = "/proc/self/mounts"

    def __post_init__(self) -> None:
        """Refuse a path that is none."""
        if self.path is not None:
            options.path("worker_tmp_dir", "path", self.path)

    @property
    def subject(self) -> str:
        """The setting: there is one per server."""
        return "worker_tmp_dir"

    @property
    def budget(self) -> float:
        """Looks at the file system only."""
        return 2.0

    def run(self, context: Context) -> Iterator[Finding]:
        """Yield what is wrong with the directory."""
        configured = self.path or context.server.worker_tmp_dir
        path = configured or _default(context.environ)
        recorder = context.recorder
        if path is None:
            recorder.failed("worker_tmp_dir.exists", self.phase, path=None)
            tried = ", ".join(_candidates(context.environ))
            yield _unusable("No temporary directory can be used for the heartbeat files.", f"tried: {tried}", tried)
            return
        if not os.path.isdir(path):
            recorder.failed("worker_tmp_dir.exists", self.phase, path=path)
            problem = "is not a directory" if os.path.lexists(path) else "does not exist"
            yield _unusable(f"worker_tmp_dir {path} {problem}.", f"{path} {problem}", path)
            return
        recorder.passed("worker_tmp_dir.exists", self.phase, path=path, configured=configured is not None)
        yield from self._writable(context, path)
        yield from self._local(context, path)

    def _writable(self, context: Context, path: str) -> Iterator[Finding]:
        recorder = context.recorder
        effective = os.access in os.supports_effective_ids
        status = os.statvfs(path)
        read_only = bool(status.f_flag & os.ST_RDONLY)
        if read_only or not os.access(path, os.W_OK | os.X_OK, effective_ids=effective):
            recorder.failed("worker_tmp_dir.writable", self.phase, path=path, read_only=read_only)
            what = "lies on a read-only file system" if read_only else f"cannot be written by uid {os.geteuid()}"
            yield _unusable(f"The heartbeat directory {path} {what}.", f"{path} {what}", path)
            return
        recorder.passed("worker_tmp_dir.writable", self.phase, path=path)
        free = status.f_bavail * status.f_frsize
        inodes = status.f_favail if status.f_files else None
        full = (status.f_blocks > 0 and free < _MIN_FREE) or (
            inodes is not None and inodes < context.server.workers + 1
        )
        detail = {"free_bytes": free, "free_inodes": inodes}
        if not full:
            recorder.passed("worker_tmp_dir.space", self.phase, **detail)
            return
        recorder.failed("worker_tmp_dir.space", self.phase, **detail)
        yield _unusable(
            f"The heartbeat directory {path} is full.", f"{free} bytes and {inodes} inodes are free in {path}", path
        )

    def _local(self, context: Context, path: str) -> Iterator[Finding]:
        kind = _file_system(path, self.mounts)
        if kind is None:
            context.recorder.skipped("worker_tmp_dir.local", self.phase, "the mount table cannot be read")
            return
        if kind not in _NETWORK:
            context.recorder.passed("worker_tmp_dir.local", self.phase, file_system=kind)
            return
        context.recorder.failed("worker_tmp_dir.local", self.phase, file_system=kind)
        yield Finding(
            code="BC403",
            severity=Severity.WARNING,
            summary=f"The heartbeat directory {path} lies on a network file system ({kind}).",
            action=(f'Set worker_tmp_dir = "{_SHM}": a slow server there makes healthy workers time out.',),
            evidence=(Evidence(source=self.mounts, text=f"{path} is on {kind}"),),
        )


def worker_tmp_dir(path: str | os.PathLike[str] | None = None) -> WorkerTmpDir:
    """Check the directory of the workers' heartbeat files.

    Args:
        path: by default what Gunicorn's `worker_tmp_dir` says, else the system's temporary directory.
    """
    return WorkerTmpDir(path=None if path is None else options.path("worker_tmp_dir", "path", path))


def discover(environ: Mapping[str, str], server: Server) -> Iterator[WorkerTmpDir]:  # noqa: ARG001 - one signature for all
    """Yield the check: every Gunicorn has this directory."""
    if server.app_uri is not None or server.bind or server.worker_tmp_dir is not None:
        yield WorkerTmpDir()


def _candidates(environ: Mapping[str, str]) -> list[str]:
    """Return the directories that the standard library tries, in its order."""
    named = [environ[name] for name in ("TMPDIR", "TEMP", "TMP") if environ.get(name)]
    return [os.path.abspath(path) for path in (*named, *_DEFAULTS, os.getcwd())]


def _default(environ: Mapping[str, str]) -> str | None:
    # Not tempfile.gettempdir(): it writes, and what it finds stays fixed for the app's process.
    effective = os.access in os.supports_effective_ids
    for path in _candidates(environ):
        try:
            usable = os.access(path, os.W_OK | os.X_OK, effective_ids=effective) and not (
                os.statvfs(path).f_flag & os.ST_RDONLY
            )
        except OSError:
            continue
        if usable and os.path.isdir(path):
            return path
    return None


def _file_system(path: str, mounts: str) -> str | None:
    real = os.path.realpath(path)
    best, kind = "", None
    try:
        with open(mounts, encoding="utf-8", errors="replace") as table:
            for line in table:
                _, where, found = line.split(" ")[:3]
                where = where.replace("\\040", " ")
                if (real + "/").startswith(where.rstrip("/") + "/") and len(where) >= len(best):
                    best, kind = where, found
    except (OSError, ValueError):
        return None
    return kind


def _unusable(summary: str, text: str, source: str) -> Finding:
    return Finding(
        code="BC403",
        summary=summary,
        action=(
            f'Set worker_tmp_dir = "{_SHM}", or another directory in memory that the master can write.'
            if os.path.isdir(_SHM)
            else "Mount a tmpfs and name it in worker_tmp_dir (Kubernetes: an emptyDir with medium: Memory).",
            "With a read-only root file system, mount an emptyDir at /tmp.",
        ),
        evidence=(Evidence(source=source, text=text),),
    )
