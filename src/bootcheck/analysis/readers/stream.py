"""A named stream of bytes, and its lines: bounded, whatever is in it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CHUNK = 1 << 18
BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MAX_PADDING = 1 << 34
"""NUL bytes that are read before a text; holes of a file are not read at all."""
MAX_LINE = 1 << 22
"""Bytes that are kept of one line; the rest of a longer one is passed over."""

_PADDING = re.compile(rb"\0{16,}")
"""What stands in a log that was cut to nothing while its writer went on at the old place; others' NULs stand singly."""
_ODD = bytes(byte for byte in range(32) if byte not in b"\a\b\t\n\v\f\r\x1b")
"""Control characters that no text holds; a progress bar goes back by backspaces."""

Read = Callable[[int], bytes]


class Unreadable(Exception):  # noqa: N818 - it is a value that happens to be raised
    """Why a source cannot be read, or not to its end; its text is for people."""

    lines = 0
    """How many lines were read before."""


@dataclass(slots=True)
class Stream:
    """Bytes with a name. `read` may raise OSError or Unreadable."""

    name: str
    """What a user recognises: a path, `-`, or `archive.tar.gz/member`."""
    read: Read
    path: str | None = None
    """The regular file behind it, where there is one that was not unpacked."""
    jobs: int = 1
    """How many processes may read it."""
    padded: bool = False
    """It began with NUL bytes, which were passed over."""
    cut: int = 0
    """How many lines were longer than what is kept of one."""
    _ahead: bytes = b""

    def peek(self, size: int) -> bytes:
        """Return the first bytes without taking them."""
        while len(self._ahead) < size:
            more = self.read(size - len(self._ahead))
            if not more:
                break
            self._ahead += more
        return self._ahead[:size]

    def take(self, size: int) -> bytes:
        """Return up to `size` bytes, empty at the end."""
        if self._ahead:
            taken, self._ahead = self._ahead[:size], self._ahead[size:]
            return taken
        return self.read(size)

    def skip_padding(self) -> None:
        """Pass over the NUL bytes that it begins with: a log that was cut to nothing under its writer has them.

        Raises Unreadable where there is nothing else.
        """
        passed = 0
        while self.peek(1) == b"\0":
            self.padded = True
            # What is peeked at may be a single byte.
            data = self.take(CHUNK) + self.take(CHUNK)
            passed += len(data)
            self.push_back(data.lstrip(b"\0"))
            if passed > MAX_PADDING or not self.peek(1):
                msg = "nothing but NUL bytes"
                raise Unreadable(msg)

    def push_back(self, data: bytes) -> None:
        """Put bytes before everything that is still to come."""
        self._ahead = data + self._ahead


def blocks(stream: Stream, limit: int = MAX_LINE) -> Iterator[bytes]:
    """Yield runs of whole lines, each run ending with a newline; of a line over the limit only its beginning."""
    pending = b""
    skipping = False
    for chunk in _utf8_chunks(stream):
        cut = chunk.rfind(b"\n") + 1
        if skipping:
            start = chunk.find(b"\n") + 1
            if not start:
                continue
            chunk, cut, skipping = chunk[start:], cut - start, False  # noqa: PLW2901
        if cut > 0:
            yield pending + chunk[:cut]
            pending = chunk[cut:]
        else:
            pending += chunk
        if len(pending) > limit:
            yield pending[:limit] + b"\n"
            pending, skipping = b"", True
            stream.cut += 1
    if pending:
        yield pending + b"\n"


def _utf8_chunks(stream: Stream) -> Iterator[bytes]:
    head = stream.peek(3)
    decoder = None
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # What PowerShell makes of `kubectl logs > file`.
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
    elif head.startswith(codecs.BOM_UTF8):
        stream.take(3)
    while chunk := stream.take(CHUNK):
        text = chunk if decoder is None else decoder.decode(chunk).encode("utf-8", "replace")
        yield text.replace(b"\0", b"") if b"\0" in text else text


def is_binary(head: bytes) -> bool:
    """Tell whether the beginning of a file is neither text nor JSON."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return False
    text = _PADDING.sub(b"", head).rstrip(b"\0")
    if b"\0" in text or (head and not text):
        return True
    return (len(text) - len(text.translate(None, _ODD))) * 10 > len(text)
