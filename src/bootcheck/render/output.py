"""Where a command's output goes: to a stream line by line, or to a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from typing import TextIO

from bootcheck.model.errors import BootcheckError


def printed(lines: Iterable[str], out: TextIO) -> None:
    """Write lines to a stream."""
    for line in lines:
        print(line, file=out)


def written(lines: Iterable[str], path: str) -> None:
    """Write lines to a file: it is there whole, or as it was before. Raises BootcheckError where it cannot be."""
    text = "".join(f"{line}\n" for line in lines)
    data = text.encode("utf-8", "backslashreplace")
    try:
        if _is_special(path):
            with open(path, "wb") as stream:
                stream.write(data)
        else:
            _replaced(path, data)
    except OSError as exc:
        msg = f"cannot write {path}: {exc.strerror}. Name a file in a directory that you may write to."
        raise BootcheckError(msg) from exc


def _is_special(path: str) -> bool:
    """Tell whether it is something that cannot be replaced: a pipe, a terminal, /dev/stdout."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _replaced(path: str, data: bytes) -> None:
    # A link is followed: what it points to is replaced, as with any other writer.
    target = os.path.realpath(path)
    aside = f"{target}.{os.getpid()}.tmp"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        with open(fd, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(OSError):
            # Whoever could read it before can read it now.
            os.chmod(aside, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(aside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
