"""Who holds a TCP port or a Unix socket: from /proc/net and the descriptors of processes that may be read."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bootcheck.probes.process import command_line

STATES = {
    "01": "ESTABLISHED",
    "02": "SYN_SENT",
    "03": "SYN_RECV",
    "04": "FIN_WAIT1",
    "05": "FIN_WAIT2",
    "06": "TIME_WAIT",
    "07": "CLOSE",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    "0A": "LISTEN",
    "0B": "CLOSING",
}
_LITTLE = sys.byteorder == "little"
_SOCKET = re.compile(r"socket:\[(\d+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundSocket:
    """One socket of the kernel's table."""

    address: str
    """Local address, `host:port` or a path."""
    state: str
    uid: int | None
    """The owner of a TCP socket; the kernel tells it even where the process may not be looked at."""
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that has the socket open."""

    pid: int
    parent: int | None
    command: str
    fd: int


def tcp_sockets(port: int, *, proc: str = "/proc") -> list[BoundSocket]:
    """Return the sockets with this local port, listening ones first; TIME_WAIT ones hold nothing."""
    found = [
        bound
        for table in ("tcp", "tcp6")
        for bound in _tcp_table(f"{proc}/net/{table}")
        if bound.address.rpartition(":")[2] == str(port) and bound.state != "TIME_WAIT"
    ]
    return sorted(found, key=lambda bound: bound.state != "LISTEN")


def unix_sockets(path: str, *, proc: str = "/proc") -> list[BoundSocket]:
    """Return the listening sockets that were bound to this path; an abstract name begins with a zero byte."""
    shown = "@" + path[1:] if path.startswith("\0") else path
    found = []
    for fields in _rows(f"{proc}/net/unix", 8):
        # Flags 00010000: it accepts connections.
        if " ".join(fields[7:]) == shown and int(fields[3], 16) & 0x10000:
            found.append(BoundSocket(address=shown, state="LISTEN", uid=None, inode=int(fields[6])))
    return found


def holders(inodes: Iterable[int], *, proc: str = "/proc") -> list[Holder]:
    """Return the processes that have one of these sockets open, as far as this user may see them."""
    wanted = set(inodes)
    found: list[Holder] = []
    for pid in _pids(proc):
        fd = _fd_of(f"{proc}/{pid}/fd", wanted)
        if fd is not None:
            command = " ".join(command_line(pid)) or _name(f"{proc}/{pid}/comm")
            found.append(Holder(pid=pid, parent=_parent(f"{proc}/{pid}/stat"), command=command, fd=fd))
    return found


def _tcp_table(path: str) -> Iterator[BoundSocket]:
    for fields in _rows(path, 10):
        yield BoundSocket(
            address=_address(fields[1]),
            state=STATES.get(fields[3], fields[3]),
            uid=int(fields[7]),
            inode=int(fields[9]),
        )


def _rows(path: str, least: int) -> Iterator[list[str]]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as table:
            next(table, None)
            for line in table:
                fields = line.split()
                if len(fields) >= least:
                    yield fields
    except OSError:
        return


def _address(text: str) -> str:
    host, _, port = text.partition(":")
    raw = bytes.fromhex(host)
    # The kernel prints each 32-bit word in the byte order of the machine.
    words = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
    shown = socket.inet_ntop(family, words if _LITTLE else raw)
    return f"[{shown}]:{int(port, 16)}" if family == socket.AF_INET6 else f"{shown}:{int(port, 16)}"


def _pids(proc: str) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(proc) if name.isdigit())
    except OSError:
        return []


def _fd_of(folder: str, wanted: set[int]) -> int | None:
    try:
        names = os.listdir(folder)
    except OSError:
        return None
    for name in names:
        try:
            match = _SOCKET.fullmatch(os.readlink(f"{folder}/{name}"))
        except OSError:
            continue
        if match is not None and int(match[1]) in wanted:
            return int(name)
    return None


def _name(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _parent(path: str) -> int | None:
    try:
        with open(path, "rb") as file:
            # The command in field 2 may hold spaces and brackets: count from its closing one.
            return int(file.read(1024).rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None
