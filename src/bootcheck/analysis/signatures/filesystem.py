"""A path that the start needs is missing, read-only or full.

What it means
    The file system, not the code, stops the start: no such file or directory, no space, no inodes,
    a read-only mount, no usable temporary directory.

How it looks
    `FileNotFoundError: [Errno 2] No such file or directory: 'settings/production.yaml'`,
    `[Errno 28] No space left on device`, `Read-only file system`, `Can't create workertmp`.

Why it happens
    A relative path and another working directory; a file left out of the image; a volume that is not
    mounted; `readOnlyRootFilesystem` without a writable /tmp.

What to do
    Create or mount what the message names. For the heartbeat file use `--worker-tmp-dir /dev/shm`.

How to know it is fixed
    `df -h PATH`, `df -i PATH` and `ls -l PATH` as the workers' user show room and the file.
"""

from __future__ import annotations

import re

from bootcheck.analysis.conclusion import conclude, first, one_line
from bootcheck.analysis.trouble import Trouble
from bootcheck.model.finding import Finding

CAUSE_CLASS = "filesystem"
RULES: tuple[str, ...] = ()

_TYPES = ("FileNotFoundError", "NotADirectoryError", "IsADirectoryError")
_SAID = re.compile(
    r"\[Errno (?:2|5|16|18|20|21|26|27|28|30|36|40|116|122)\]|No space left on device|Read-only file system|"
    r"Can't create (?:workertmp|pidfile)|isn't writable \[|No usable temporary directory|"
    r"unable to open database file|Disk quota exceeded|Stale (?:NFS )?file handle|disk I/O error|"
    r"database or disk is full",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"No such file or directory$|errno = 2,|No file or directory found at |file does not exist at: |"
    r"^File not found: |^File \S+ was not found|^Directory '[^']+' does not exist"
)
"""In the words of h5py, Keras, TensorFlow, Google's credentials and Starlette."""
_ABSENT_TYPES = ("OSError", "IOError", "NotFoundError", "ValueError", "RuntimeError", "DefaultCredentialsError")
_PATH = re.compile(
    r"(?:directory|file system|device): ['\"]?([^'\"\n]+)|Error: (\S+) doesn't exist|"
    r"RuntimeError: (\S+) doesn't exist|'([^'\n]+)' isn't writable"
)
_REMOVES = re.compile(r"\b(?:os\.|shutil\.)?(?:remove|unlink|rename|rmdir|rmtree)\(")
_MOVES = re.compile(r"' -> '")
"""Two paths: one was to become the other."""
_SOCKET = re.compile(r"\.sock\b")
_WATCHES = re.compile(r"inotify (?:watch|instance) limit")
"""The kernel says ENOSPC of a limit, and no disk is full."""


def match(trouble: Trouble) -> Finding | None:
    """Conclude from ENOENT, ENOSPC, EROFS and their like."""
    error = trouble.error
    if error is None or not (
        error.is_a(*_TYPES)
        or _SAID.search(error.text)
        or (error.is_a(*_ABSENT_TYPES) and _ABSENT.search(error.message.strip()))
    ):
        return None
    moves = _MOVES.search(error.text) or (error.frames and _REMOVES.search(error.frames[-1].code))
    if moves and "[Errno 2]" in error.text:
        # What was to go is gone already: no path is missing, another worker was faster.
        return None
    if (
        error.is_a("FileExistsError")
        or _WATCHES.search(error.text)
        or ("No such file" in error.text and _SOCKET.search(error.text))
    ):
        return None
    path = first(_PATH, error.text)
    temporary = "workertmp" in error.text or "temporary directory" in error.text
    return conclude(
        trouble,
        f"The file system stops the start: {one_line(error.text)}",
        "Give the heartbeat file a place: --worker-tmp-dir /dev/shm."
        if temporary
        else f"Create, mount or make room for {path or 'the path that is named'}.",
        "Check that the path is right from the server's working directory (relative paths start there).",
        confirm=f"ls -ld {path}; df -h {path}" if path.startswith("/") else "df -h; df -i",
    )
