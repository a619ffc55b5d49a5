"""From what a user named to open streams: files, directories, standard input.

In a directory only regular files are opened, no link is followed, and nothing is waited for.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import BinaryIO, NamedTuple

from bootcheck.analysis.readers.stream import CHUNK, MAX_LINE, Stream, Unreadable

STDIN = "-"
_OWN_FOLDER = re.compile(r"^bootcheck-\d+$")
"""Where the directory that was named can be written to by others, reports lie in such a folder."""
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_MANY = 4096
"""Entries that are looked at in one go."""
_PASSED = (".fault", ".dump", ".once")
"""Dumps: of a fault, read with its journal, or asked for and no death. What begins with a dot is half-written."""


class Place(NamedTuple):
    """One file to read, or why it cannot be read."""

    name: str
    named: bool
    """The user named it, rather than a directory around it."""
    problem: str | None = None
    missing: bool = False


def places(paths: Sequence[str]) -> Iterator[Place]:
    """Yield every file behind these paths once, in the order given and by name within a directory."""
    for found in listed(paths):
        if isinstance(found, Place):
            yield found
        else:
            yield from (Place(path, named=False) for path in found)


def listed(paths: Sequence[str]) -> Iterator[Place | list[str]]:
    """Yield the same, of files in a directory nothing but their paths, many at once: there may be very many."""
    if len(paths) < 2:
        yield from _places(paths)
        return
    # A file that is named twice, or beside its directory, would tell each death of its log twice.
    seen: set[str] = set()

    def is_new(real: str) -> bool:
        known = real in seen
        seen.add(real)
        return not known

    for found in _places(paths):
        if not isinstance(found, Place):
            yield [path for path in found if is_new(os.path.realpath(path))]
        elif is_new(found.name if found.name == STDIN or found.problem is not None else os.path.realpath(found.name)):
            yield found


def _places(paths: Sequence[str]) -> Iterator[Place | list[str]]:
    for path in paths:
        if path == STDIN:
            yield Place(STDIN, named=True)
            continue
        try:
            mode = os.stat(path).st_mode
        except (OSError, ValueError) as exc:
            missing = isinstance(exc, (FileNotFoundError, NotADirectoryError, ValueError))
            yield Place(path, named=True, problem=reason(exc), missing=missing)
            continue
        if stat.S_ISDIR(mode):
            yield from _directory(path)
        else:
            yield Place(path, named=True)


def _directory(path: str) -> Iterator[Place | list[str]]:
    try:
        names, others = _listed(path)
    except OSError as exc:
        yield Place(path, named=False, problem=reason(exc))
        return
    begin = os.path.join(path, "")
    if not others:
        yield [begin + name for name in names]
        return
    for name in names:
        if name not in others:
            yield [begin + name]
            continue
        entry = others[name]
        try:
            if entry.is_dir(follow_symlinks=False):
                if _OWN_FOLDER.match(name):
                    yield from _directory(entry.path)
            else:
                yield Place(entry.path, named=False, problem=_kind(entry.stat(follow_symlinks=False).st_mode))
        except OSError as exc:
            yield Place(entry.path, named=False, problem=reason(exc))


def _listed(path: str) -> tuple[list[str], dict[str, os.DirEntry[str]]]:
    """Return the names in a folder, sorted, and the entries of those that are no files; there may be very many."""
    names: list[str] = []
    others: dict[str, os.DirEntry[str]] = {}
    with os.scandir(path) as found:
        while some := list(islice(found, _MANY)):
            try:
                files = [entry.name for entry in some if entry.is_file(follow_symlinks=False)]
            except OSError:
                # Where the kind does not stand in the folder, each is asked for, and may be gone.
                files = [entry.name for entry in some if _is_file(entry)]
            if len(files) < len(some):
                regular = set(files)
                others.update(
                    (entry.name, entry) for entry in some if entry.name not in regular and _counts(entry.name)
                )
            # As `_counts` says, without a call for each.
            names += [name for name in files if name[:1] != "." and not name.endswith(_PASSED)]
    names = sorted([*names, *others])
    return names, others


def _counts(name: str) -> bool:
    return not name.startswith(".") and not name.endswith(_PASSED)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:
        return False


def piece(path: str, place: int | None) -> bytes:
    """Return a small file, or the line that begins at a place of one; nothing where it cannot be read."""
    try:
        fd = os.open(path, _OPEN)
    except (OSError, ValueError):
        return b""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return b""
        os.lseek(fd, place or 0, os.SEEK_SET)
        data = b""
        while len(data) < MAX_LINE and (chunk := os.read(fd, CHUNK)):
            data += chunk
            if place is not None and b"\n" in chunk:
                return data[: data.index(b"\n")]
    except OSError:
        return b""
    else:
        return data
    finally:
        os.close(fd)


@contextmanager
def opened(place: Place, stdin: BinaryIO) -> Iterator[Stream]:
    """Open a place for reading; raises Unreadable with the reason."""
    if place.name == STDIN:
        yield Stream(STDIN, _reader(stdin.fileno()) if _has_descriptor(stdin) else stdin.read)
        return
    try:
        fd = os.open(place.name, _OPEN | (0 if place.named else _NO_LINK))
    except (OSError, ValueError) as exc:
        raise Unreadable(reason(exc)) from exc
    try:
        mode = os.fstat(fd).st_mode
        pipe = stat.S_ISFIFO(mode) and place.named
        if not stat.S_ISREG(mode) and not pipe and place.name != os.devnull:
            raise Unreadable(_kind(mode))
        if pipe:
            # `analyze <(kubectl logs pod)`: a pipe without a writer is at its end at once.
            os.set_blocking(fd, True)
        yield Stream(place.name, _reader(fd), None if pipe else place.name)
    finally:
        os.close(fd)


class _reader:  # noqa: N801 - a function that keeps a descriptor
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __call__(self, size: int) -> bytes:
        try:
            data = os.read(self._fd, size)
        except OSError as exc:
            raise Unreadable(reason(exc)) from exc
        if data[-1:] == b"\0" and not data.strip(b"\0"):
            self._skip_hole()
        return data

    def _skip_hole(self) -> None:
        """Go on where the file has been written to: of a hole, which reads as NUL bytes, a little is enough."""
        try:
            os.lseek(self._fd, os.lseek(self._fd, 0, os.SEEK_CUR), os.SEEK_DATA)
        except OSError as exc:
            # A pipe has no holes; behind the last data there is nothing but one.
            if exc.errno == errno.ENXIO:
                os.lseek(self._fd, 0, os.SEEK_END)
        except AttributeError:
            return


def _has_descriptor(stream: BinaryIO) -> bool:
    try:
        return stream.fileno() >= 0
    except (OSError, AttributeError, ValueError):
        return False


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISLNK, "a symbolic link, which is not followed"),
        (stat.S_ISFIFO, "a pipe, which is not opened"),
        (stat.S_ISSOCK, "a socket, which is not opened"),
        (stat.S_ISCHR, "a device, which is not opened"),
        (stat.S_ISBLK, "a device, which is not opened"),
        (stat.S_ISDIR, "a directory"),
    ):
        if test(mode):
            return name
    return "not a regular file"


def reason(exc: Exception) -> str:
    """Return why in a few words, without the path that stands beside it."""
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)


def report_directories(environ: Mapping[str, str], base: str = "/tmp") -> list[str]:  # noqa: S108
    """Return where a server with this environment keeps its reports, likeliest first; nothing is created."""
    euid = os.geteuid() if hasattr(os, "geteuid") else 0
    found: list[str] = []
    for variable in ("BOOTCHECK_DIR", "STATE_DIRECTORY", "LOGS_DIRECTORY"):
        value = environ.get(variable, "")
        path = value if variable == "BOOTCHECK_DIR" else value.split(":")[0]
        if path:
            found.append(os.path.abspath(path))
    return [*found, f"{base}/bootcheck-{euid}"]
