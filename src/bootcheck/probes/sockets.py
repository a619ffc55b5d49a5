"""The connected stream sockets of this process: which descriptor leads where.

Read from /proc/self/fd and getpeername (0.3 ms). The tables of /proc/net would cost 10 ms and
more on a busy machine, and name the sockets of everybody.
"""

from __future__ import annotations

import _socket  # socket.socket may be another library's class (gevent's) that switches greenlets
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """One end of a connection."""

    fd: int
    inode: int
    """Names the socket itself: a descriptor's number may be given to another one."""
    peer: str
    """`10.0.0.5:5432`, `[::1]:5432` or a path."""


def links() -> list[tuple[int, str]]:
    """Return each descriptor and what it is; empty where there is no /proc."""
    found: list[tuple[int, str]] = []
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return found
    for name in names:
        try:
            found.append((int(name), os.readlink(f"/proc/self/fd/{name}")))
        except OSError:
            continue
    return found


def connected(among: Iterable[tuple[int, str]] | None = None) -> tuple[Connected, ...]:
    """Return the stream sockets with a peer that can be named, without those that a listener of ours accepted.

    Listeners, datagram sockets (syslog, statsd) and unnamed pairs are left out. Empty where there is no /proc.
    """
    found: list[Connected] = []
    addresses: dict[int, object] = {}
    listening: set[object] = set()
    with _no_default_timeout():
        for fd, inode in _inodes(links() if among is None else among):
            seen = _look(fd)
            if seen is None:
                continue
            local, peer = seen
            if peer is None:
                listening.add(local)
                continue
            found.append(Connected(fd=fd, inode=inode, peer=peer))
            addresses[fd] = local
    return tuple(item for item in found if not _accepted(addresses[item.fd], listening))


def inode_of(fd: int) -> int | None:
    """Return the inode of a socket's descriptor, None if it is closed or no socket."""
    try:
        target = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return None
    return int(target[8:-1]) if target.startswith("socket:[") else None


def _inodes(among: Iterable[tuple[int, str]]) -> Iterator[tuple[int, int]]:
    for fd, target in among:
        if target.startswith("socket:["):
            yield fd, int(target[8:-1])


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


def _look(fd: int) -> tuple[object, str | None] | None:
    """Return local address and peer (None for a listener), or None for what is neither."""
    try:
        # A duplicate: if anything goes wrong the object may close its own number only.
        probe = _socket.socket(fileno=os.dup(fd))
    except (OSError, ValueError):
        return None
    try:
        if probe.getsockopt(_socket.SOL_SOCKET, _socket.SO_TYPE) != _socket.SOCK_STREAM:
            return None
        local = probe.getsockname()
        if probe.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN):
            return local, None
        peer = _name(probe.family, probe.getpeername())
    except (OSError, ValueError):
        return None
    else:
        return (local, peer) if peer else None
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
