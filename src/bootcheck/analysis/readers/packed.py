"""Compressed files and archives as streams: nothing is extracted, nothing is believed.

Told apart by their first bytes. A name inside an archive is a label and never a path; a
decompression bomb ends where its output is out of all proportion to its input.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from bootcheck.analysis.readers.stream import CHUNK, Read, Stream, Unreadable

MAX_RATIO = 250
MIN_SUSPECT = 1 << 24
"""Below this much output no ratio is suspicious."""
MAX_DEPTH = 3
MAX_MEMBERS = 200_000
MAX_MEMORY = 1 << 27
"""What a decompressor may use; xz and zstd let a file ask for gigabytes."""
_BLOCK = 512
_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)


def unpacked(stream: Stream, depth: int = MAX_DEPTH) -> Iterator[Stream]:
    """Yield the streams inside, the stream itself where it is not packed."""
    if depth == MAX_DEPTH:
        stream = Stream(stream.name, _Counted(stream), stream.path)
    head = stream.peek(_BLOCK)
    opener = next((opener for magic, opener in _MAGIC.items() if head.startswith(magic)), None)
    if opener is None and not _is_tar(head):
        if head.startswith((b"PK\x03\x04", b"7z\xbc\xaf", b"Rar!")):
            msg = "this kind of archive is not read; unpack it, or make a .tar.gz"
            raise Unreadable(msg)
        yield stream
        return
    if depth <= 0:
        msg = "archives inside archives inside archives"
        raise Unreadable(msg)
    if opener is None:
        for member in _members(stream):
            try:
                yield from unpacked(member, depth - 1)
            except Unreadable as exc:
                # One damaged member must not hide the others.
                yield Stream(member.name, _raising(exc))
        return
    raw = _raw(stream)
    inner = Stream(stream.name, _Bounded(opener(_File(stream)), raw))
    yield from unpacked(inner, depth - 1)


def _raising(exc: Unreadable) -> Read:
    def read(_: int) -> bytes:
        raise exc

    return read


class _Counted:
    """Strictly private: counts the bytes that come out of the file itself."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.count = 0

    def __call__(self, size: int) -> bytes:
        data = self._stream.take(size)
        self.count += len(data)
        return data


class _Bounded:
    """Strictly private: what a decompressor gives, until it gives too much."""

    def __init__(self, read: Read, raw: _Counted | None) -> None:
        self._read = read
        self.raw = raw
        self._given = 0

    def __call__(self, size: int) -> bytes:
        try:
            data = self._read(size)
        except _BROKEN as exc:
            msg = f"it is damaged or cut after {self._given} unpacked bytes ({str(exc) or type(exc).__name__})"
            raise Unreadable(msg) from exc
        except MemoryError as exc:
            msg = "unpacking it needs too much memory"
            raise Unreadable(msg) from exc
        self._given += len(data)
        if self._given > MIN_SUSPECT and self.raw is not None and self._given > MAX_RATIO * max(1, self.raw.count):
            msg = f"it unpacks to more than {MAX_RATIO} times its size (a decompression bomb?)"
            raise Unreadable(msg)
        return data


def _raw(stream: Stream) -> _Counted | None:
    read = stream.read
    if isinstance(read, _Counted):
        return read
    return read.raw if isinstance(read, (_Bounded, _Member)) else None


class _File:
    """Strictly private: a stream in the shape that decompressors read from."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        return self._stream.take(size if size and size > 0 else CHUNK)

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return True

    def seek(self, *_: object) -> int:
        msg = "a stream cannot be rewound"
        raise OSError(msg)

    def close(self) -> None:
        return


class _Decompressor(Protocol):
    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def _gzip(file: _File) -> Read:
    return gzip.GzipFile(fileobj=file).read1


def _bzip2(file: _File) -> Read:
    return _by_decompressor(file, bz2.BZ2Decompressor)


def _xz(file: _File) -> Read:
    return _by_decompressor(file, lambda: lzma.LZMADecompressor(memlimit=MAX_MEMORY))


def _by_decompressor(file: _File, make: Any) -> Read:
    current: _Decompressor = make()
    pending = b""

    def read(size: int) -> bytes:
        nonlocal current, pending
        while True:
            if current.eof:
                # Several streams one after the other are one file (pigz, pxz, cat).
                pending = current.unused_data.lstrip(b"\0") or file.read(CHUNK)
                if not pending:
                    return b""
                current = make()
            elif current.needs_input and not pending:
                pending = file.read(CHUNK)
                if not pending:
                    msg = "its end is missing"
                    raise EOFError(msg)
            data = current.decompress(pending, size)
            pending = b""
            if data:
                return data

    return read


def _zstd(file: _File) -> Read:
    try:
        import zstandard  # type: ignore[import-not-found,unused-ignore]
    except ImportError as exc:
        msg = "reading .zst needs zstandard: pip install 'bootcheck[zstd]'"
        raise Unreadable(msg) from exc

    opened: Any = file
    reader = zstandard.ZstdDecompressor(max_window_size=MAX_MEMORY).stream_reader(opened, read_across_frames=True)

    def read(size: int) -> bytes:
        try:
            return bytes(reader.read(size))
        except zstandard.ZstdError as exc:
            raise OSError(str(exc)) from exc

    return read


_MAGIC = {b"\x1f\x8b": _gzip, b"BZh": _bzip2, b"\xfd7zXZ\0": _xz, b"\x28\xb5\x2f\xfd": _zstd}


def _is_tar(head: bytes) -> bool:
    return len(head) == _BLOCK and head[257:262] == b"ustar" and _number(head[148:156]) == _checksum(head)


def _checksum(header: bytes) -> int:
    return sum(header) - sum(header[148:156]) + 8 * 0x20


class _Member:
    """Strictly private: reads one member of an archive and not a byte more."""

    def __init__(self, stream: Stream, size: int, raw: _Counted | None) -> None:
        self._stream = stream
        self.left = size
        self.raw = raw

    def __call__(self, size: int) -> bytes:
        if self.left <= 0:
            return b""
        data = self._stream.take(min(size, self.left))
        if not data:
            msg = "the archive is cut in the middle of a member"
            raise Unreadable(msg)
        self.left -= len(data)
        return data

    def finish(self, padding: int) -> None:
        """Pass over what was not read, and over the padding."""
        left = self.left + padding
        while left > 0:
            data = self._stream.take(min(CHUNK, left))
            if not data:
                return
            left -= len(data)


def _members(stream: Stream) -> Iterator[Stream]:
    """Yield the regular files of a tar stream: links, devices and directories are passed over."""
    raw = _raw(stream)
    long_name = ""
    for _ in range(MAX_MEMBERS):
        header = _exactly(stream, _BLOCK)
        if len(header) < _BLOCK or header == bytes(_BLOCK):
            return
        if _number(header[148:156]) != _checksum(header):
            msg = "the archive is damaged: a header does not fit its checksum"
            raise Unreadable(msg)
        size = _number(header[124:136])
        member = _Member(stream, size, raw)
        padding = -size % _BLOCK
        kind = header[156:157]
        if kind == b"L" and size <= CHUNK:
            long_name = _text(_exactly(Stream("", member), size))
        elif kind in (b"0", b"\0", b"7") and size:
            yield Stream(f"{stream.name}/{_label(long_name or _name(header))}", member)
            long_name = ""
        member.finish(padding)
    msg = f"the archive holds more than {MAX_MEMBERS} members; the rest was not read"
    raise Unreadable(msg)


def _exactly(stream: Stream, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := stream.take(size - len(data))):
        data += more
    return data


def _name(header: bytes) -> str:
    prefix = _text(header[345:500])
    return f"{prefix}/{_text(header[:100])}" if prefix else _text(header[:100])


def _label(name: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in name)[-200:].lstrip("./") or "member"


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    return int(digits, 8) if digits and all(char in b"01234567" for char in digits) else 0
