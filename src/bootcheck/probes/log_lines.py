"""The last log records of a process, in memory that its master can read after the death.

Records are seen where `logging` makes them, so no handler is added: an app without any logging
configuration keeps Python's last resort, and one that configures it later loses nothing. Until the
process is ready every record that a logger makes is kept, from then on warnings and worse, and what
Gunicorn or Uvicorn log of themselves. The arguments of a record are formatted only where that runs
no code of the app.
"""

from __future__ import annotations

import itertools
import os
import struct
import sys
from collections.abc import Callable
from typing import Any

LINES = 20
MAX_RAW = 600
"""Twice what is shown: a secret is masked whole before the text is cut."""
MAX_SHOWN = 300
_ENTRY = struct.Struct(f"<QdBH{MAX_RAW}s")
"""Running number, epoch seconds, level, length in full (capped), `logger NUL text`."""
SIZE = LINES * _ENTRY.size

_WARNING = 30
_ERROR = 40
_SERVERS = frozenset({"gunicorn.error", "uvicorn.error"})
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
_OWN_TEXT = frozenset({BaseException.__str__, OSError.__str__, KeyError.__str__, ImportError.__str__})
"""How exceptions tell themselves without code of the app."""
Memory = Any


class LogLines:
    """The writing half, in the worker."""

    def __init__(self, memory: Memory, base: int) -> None:
        """Use `SIZE` bytes of the memory from `base` on."""
        self._memory = memory
        self._base = base
        self._numbers = itertools.count(1)
        self._owner = os.getpid()
        self._lowest = 0
        self.hide: Callable[[str], str] = str
        """Takes secrets out of a text that only this process knows: the master masks what it knows itself."""

    def begin(self) -> None:
        """Look at every record from now on, behind whatever factory makes them."""
        logging = sys.modules.get("logging")
        if logging is None:
            return
        make = logging.getLogRecordFactory()
        keep = self._keep

        def factory(name: Any, level: Any, *args: Any, **kwargs: Any) -> Any:
            record = make(name, level, *args, **kwargs)
            try:
                if level >= self._lowest or name in _SERVERS:
                    keep(record)
            except Exception:  # noqa: BLE001, S110 - a guest never breaks the house; a made-up record has no level
                pass
            return record

        logging.setLogRecordFactory(factory)

    def ready(self) -> None:
        """From now on only warnings and worse: this is the path of requests."""
        self._lowest = _WARNING

    def _keep(self, record: Any) -> None:
        if os.getpid() != self._owner:
            return
        number = next(self._numbers)
        text = text_of(record)
        if record.levelno >= _ERROR:
            text = self.hide(text)
        raw = f"{record.name}\0{text}".encode("utf-8", "replace")
        _ENTRY.pack_into(
            self._memory,
            self._base + number % LINES * _ENTRY.size,
            number,
            record.created,
            min(255, max(0, record.levelno)),
            min(len(raw), 65535),
            raw,
        )


def text_of(record: Any) -> str:
    """Return a record's message and the exception it carries, without running code of the app."""
    message, arguments = record.msg, record.args
    text = message if type(message) is str else plain(message)
    if arguments and type(message) is str:
        try:
            if type(arguments) is dict:
                text = message % {key: plain(value) for key, value in arguments.items()}
            else:
                text = message % tuple(map(plain, arguments))
        except (TypeError, ValueError, KeyError):
            text = message
    info = record.exc_info
    if isinstance(info, tuple) and len(info) == 3 and isinstance(info[1], BaseException):
        text = f"{text} [{type(info[1]).__name__}: {plain(info[1])}]"
    return text


def plain(value: Any) -> Any:
    """Return a value that can be formatted, or the name of its class where that would run code of the app."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, BaseException) and type(value).__str__ in _OWN_TEXT and all(map(_is_plain, value.args)):
        return str(value)
    return f"<{type(value).__name__}>"


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN


def read(memory: Memory, base: int) -> list[tuple[float, int, str, str, bool]]:
    """Return (epoch seconds, level, logger, text, whether it is whole) of each line that is kept, oldest first."""
    entries = sorted(_ENTRY.unpack_from(memory, base + place * _ENTRY.size) for place in range(LINES))
    found: list[tuple[float, int, str, str, bool]] = []
    for number, created, level, length, raw in entries:
        if number:
            name, _, text = raw[: min(length, MAX_RAW)].partition(b"\0")
            whole = length <= MAX_RAW
            found.append((created, level, name.decode("utf-8", "replace"), text.decode("utf-8", "replace"), whole))
    return found
