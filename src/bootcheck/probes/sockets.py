"""The connected stream sockets of this process: which descriptor leads where.

Read from /proc/self/fd and getpeername. The tables of /proc/net would cost 10 ms and more on a
busy machine, and name the sockets of everybody.
"""

from __future__ import annotations

import _socket  # socket.socket may be another library's class (gevent's) that switches greenlets
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """One end of a connection."""

    fd: int
    inode: int
    """Names the socket itself: a descriptor's number may be given to another one."""
    peer: str
    """`10.0.0.5:5432`, `[::1]:5432` or a path."""


class Descriptor(NamedTuple):
    """One open descriptor of this process."""

    fd: int
    kind: int
    """As `stat.S_IFMT` gives it."""
    inode: int


_Seen = tuple[object, "str | None"]
"""Local address and peer; None for a listener's."""


@dataclass(slots=True)
class _Past:
    """What the last look found out for good: what a socket is does not change, what a number means does."""

    settled: dict[int, _Seen | None] = field(default_factory=dict)
    """By inode; None for what is no stream to anybody."""
    sockets: tuple[tuple[int, int], ...] | None = None
    """Number and inode of each socket, where every one of them was settled."""
    connected: tuple[Connected, ...] = ()


_past = _Past()


def descriptors() -> list[Descriptor]:
    """Return each descriptor that is open; empty where there is no /proc."""
    found: list[Descriptor] = []
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return found
    for name in names:
        try:
            seen = os.fstat(int(name))
        except OSError:
            continue
        found.append(Descriptor(int(name), stat.S_IFMT(seen.st_mode), seen.st_ino))
    return found


def connected(among: Iterable[Descriptor] | None = None) -> tuple[Connected, ...]:
    """Return the stream sockets with a peer that can be named, without those that a listener of ours accepted.

    Listeners, datagram sockets (syslog, statsd) and unnamed pairs are left out. Empty where there is no /proc.
    A socket that was connected once is asked no more: it counts until its descriptor is closed.
    """
    every = descriptors() if among is None else among
    sockets = tuple([(fd, inode) for fd, kind, inode in every if kind == stat.S_IFSOCK])
    if sockets == _past.sockets:
        return _past.connected
    found: list[Connected] = []
    addresses: dict[int, object] = {}
    listening: set[object] = set()
    settled: dict[int, _Seen | None] = {}
    with _no_default_timeout():
        for fd, inode in sockets:
            seen, lasting = (_past.settled[inode], True) if inode in _past.settled else _look(fd)
            if lasting:
                settled[inode] = seen
            if seen is None:
                continue
            local, peer = seen
            if peer is None:
                listening.add(local)
                continue
            found.append(Connected(fd=fd, inode=inode, peer=peer))
            addresses[fd] = local
    _past.settled, _past.sockets = settled, sockets if len(settled) == len(sockets) else None
    _past.connected = tuple(item for item in found if not _accepted(addresses[item.fd], listening))
    return _past.connected


def inode_of(fd: int) -> int | None:
    """Return the inode of a socket's descriptor, None if it is closed or no socket."""
    try:
        seen = os.fstat(fd)
    except (OSError, OverflowError):
        return None
    return seen.st_ino if stat.S_ISSOCK(seen.st_mode) else None


@contextmanager
def _no_default_timeout() -> Iterator[None]:
    """With a default timeout, wrapping a descriptor would make the shared socket non-blocking."""
    before = _socket.getdefaulttimeout()
    if before is not None:
        _socket.setdefaulttimeout(None)
    try:
        yield
    finally:
        if before is not None:
            _socket.setdefaulttimeout(before)


def _look(fd: int) -> tuple[_Seen | None, bool]:
    """Return what a socket is, None for what is neither a listener nor connected, and whether that is for good."""
    try:
        # A duplicate: if anything goes wrong the object may close its own number only.
        probe = _socket.socket(fileno=os.dup(fd))
    except (OSError, ValueError):
        return None, False
    try:
        if probe.getsockopt(_socket.SOL_SOCKET, _socket.SO_TYPE) != _socket.SOCK_STREAM:
            return None, True
        local = probe.getsockname()
        if probe.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN):
            return (local, None), True
        peer = _name(probe.family, probe.getpeername())
    except (OSError, ValueError):
        # Not connected: not yet, perhaps.
        return None, False
    else:
        return ((local, peer) if peer else None), True
    finally:
        probe.close()


def _name(family: int, address: object) -> str:
    if family == getattr(_socket, "AF_UNIX", None):
        return address.decode("utf-8", "replace").replace("\0", "@") if isinstance(address, bytes) else str(address)
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[0], address[1]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return ""


def _accepted(local: object, listening: set[object]) -> bool:
    """Tell whether a listener of this process accepted the connection: then we are its server."""
    if local in listening:
        return True
    ports = {address[1] for address in listening if isinstance(address, tuple)}
    return isinstance(local, tuple) and local[1] in ports
