"""The finding about an address that is taken: by which process, as far as this user may see it."""

from __future__ import annotations

import os

from bootcheck.checks.addresses import Address
from bootcheck.checks.base import Context
from bootcheck.model.encode import shorten
from bootcheck.model.finding import Evidence, Finding
from bootcheck.probes.listeners import BoundSocket, Holder, holders, tcp_sockets, unix_sockets

_EVERY = ("0.0.0.0", "[::]")  # noqa: S104 - compared with, not bound


def listening(address: Address) -> bool:
    """Tell whether the kernel's table shows a listener at an address, without connecting to it."""
    return any(bound.state == "LISTEN" for bound in _sockets(address))


def in_use(context: Context, address: Address) -> Finding:
    """Return the finding with the holder's pid and command line."""
    sockets = _sockets(address)
    owners = [holder for holder in holders(bound.inode for bound in sockets) if holder.pid != os.getpid()]
    who = _who(owners, sockets)
    return Finding(
        code="BC405",
        summary=f"The address {address.text} is taken by {who}."
        + ("" if address.path is None else " Gunicorn would take its socket's file away."),
        action=_action(address, owners, sockets),
        evidence=(
            *(_process(context, holder) for holder in owners[:5]),
            *(_socket(bound) for bound in sockets[:3]),
        ),
        missing=()
        if owners
        else ("the holder's pid: it belongs to another user, or to another container's pid namespace",),
        confirm=f"ss -lxp 'src {address.path}'" if address.path else f"ss -ltnp 'sport = :{address.port}'",
    )


def _sockets(address: Address) -> list[BoundSocket]:
    if address.path is not None:
        absolute = address.path if address.path.startswith("\0") else os.path.abspath(address.path)
        return unix_sockets(absolute) or unix_sockets(address.path)
    found = tcp_sockets(address.port or 0)
    # A name is not resolved here: then every socket of the port is of interest.
    host = f"[{address.host}]" if address.ipv6 else address.host
    near = [bound for bound in found if _overlap(bound.address.rpartition(":")[0], host)]
    return near or ([] if host[:1].isdigit() or address.ipv6 else found)


def _overlap(theirs: str, mine: str) -> bool:
    return theirs == mine or theirs in _EVERY or mine in (*_EVERY, "")


def _who(owners: list[Holder], sockets: list[BoundSocket]) -> str:
    if owners:
        first = owners[0]
        more = f" and {len(owners) - 1} more" if len(owners) > 1 else ""
        return f"pid {first.pid} ({_program(first.command)}){more}"
    uids = sorted({bound.uid for bound in sockets if bound.uid is not None})
    return f"a process of uid {uids[0]}" if uids else "another process"


def _program(command: str) -> str:
    """Return what runs: of an interpreter the script or module."""
    words = [word for word in command.split(" ") if word]
    name = os.path.basename(words[0]) if words else "unnamed"
    if not name.startswith("python") or len(words) < 2:
        return name
    if words[1] == "-m" and len(words) > 2:
        return words[2]
    return name if words[1].startswith("-") else os.path.basename(words[1])


def _action(address: Address, owners: list[Holder], sockets: list[BoundSocket]) -> tuple[str, ...]:
    if sockets and all(bound.state != "LISTEN" for bound in sockets):
        return (
            "It is the local end of a connection: bind a port outside net.ipv4.ip_local_port_range,",
            f"or reserve it: sysctl net.ipv4.ip_local_reserved_ports={address.port}",
        )
    if not owners:
        other = "Find the holder as root, stop it, or bind another address."
        return (other, "In a container, look at the host and at the pod's other containers too.")
    # Whoever ends a master ends its workers.
    heads = [holder for holder in owners if holder.parent not in {other.pid for other in owners}]
    pids = " ".join(str(holder.pid) for holder in heads)
    orphans = all(holder.parent == 1 and "gunicorn" in holder.command for holder in owners)
    stop = f"Stop it if it is a leftover: kill {pids}"
    if orphans:
        stop = f"These Gunicorn processes have outlived their master: kill {pids}"
    return (stop, "Or bind another address.")


def _process(context: Context, holder: Holder) -> Evidence:
    command = shorten(context.recorder.redactor.mask(holder.command), 300)
    return Evidence(source=f"/proc/{holder.pid}", text=f"pid {holder.pid}, parent {holder.parent}: {command}")


def _socket(bound: BoundSocket) -> Evidence:
    owner = "" if bound.uid is None else f", uid {bound.uid}"
    return Evidence(source="/proc/net", text=f"{bound.address} {bound.state}{owner}")
