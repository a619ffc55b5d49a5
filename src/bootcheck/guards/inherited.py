"""What a child process will inherit: each connection with its owner, its holder and what can be done about it.

The heap is looked at once for every connection that is new, before the fork and never in the child.
"""

from __future__ import annotations

import _socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bootcheck.guards import clients
from bootcheck.guards.clients.base import RENEW, SAFE, Claim
from bootcheck.probes.heap import Name, collect
from bootcheck.probes.holders import holders_of, near
from bootcheck.probes.sockets import Connected

SOCKET = ("_socket", "socket")
_THREADED = "psycopg_pool.base"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """A connection that the workers inherit."""

    fd: int
    inode: int
    peer: str
    owner: str | None = None
    """What it belongs to, an engine's URL for instance; None where the owner is not known."""
    library: str | None = None
    holder: str | None = None
    """`module.attribute` through which it can be reached."""
    service: str | None = None
    """What its port suggests."""
    remedy: str = RENEW
    raw: bool = False
    """True for a driver's connection that is in nobody's pool."""

    def facts(self) -> dict[str, Any]:
        """Return what a report says of it."""
        facts = {"fd": self.fd, "peer": self.peer, "owner": self.owner, "holder": self.holder, "service": self.service}
        return {name: value for name, value in facts.items() if value is not None or name == "owner"}


class Things:
    """Objects of the heap by class, held weakly: what the app drops must not live on through us."""

    def __init__(self) -> None:
        self._by_class: dict[Name, dict[int, weakref.ref[Any]]] = {}

    def update(self, found: dict[Name, list[Any]]) -> None:
        """Take what a pass has found; what knows no weak references cannot be kept."""
        for name, things in found.items():
            place = self._by_class.setdefault(name, {})
            for thing in things:
                try:
                    place[id(thing)] = weakref.ref(thing)
                except TypeError:
                    continue

    def living(self, names: Iterable[Name] | None = None) -> dict[Name, list[Any]]:
        """Return what still lives, of all classes or of some."""
        living: dict[Name, list[Any]] = {name: [] for name in (self._by_class if names is None else names)}
        for name, found in living.items():
            references = self._by_class.get(name, {}).values()
            found += [thing for reference in references if (thing := reference()) is not None]
            if len(found) < len(references):
                self._by_class[name] = {id(thing): weakref.ref(thing) for thing in found}
        return living

    def any_of(self, names: Iterable[Name]) -> bool:
        """Tell whether something of these classes was ever found."""
        return any(self._by_class.get(name) for name in names)


@dataclass(slots=True)
class _Known:
    """What earlier passes over the heap found: the next fork need not repeat them."""

    things: Things = field(default_factory=Things)
    present: tuple[Connected, ...] | None = None
    inodes: frozenset[int] = frozenset()
    """Connections that were there at the last pass, explained or not."""
    files: frozenset[str] = frozenset()
    clients: tuple[str, ...] = ()
    holders: dict[int, str | None] = field(default_factory=dict)
    """By inode: the walk back to a holder is made once."""
    sockets: Things = field(default_factory=Things)
    meant: set[int] = field(default_factory=set)
    """Inodes of what the app means its workers to inherit (`bootcheck.fork_safe`)."""
    claims: dict[int, Claim] = field(default_factory=dict)
    """By inode: who owned a socket owns it, also while the driver does not tell."""
    explained: tuple[tuple[Connected, ...], tuple[Inherited, ...]] | None = None
    """What was last explained, and how, where nothing but a new connection can change that."""
    ready: list[tuple[str, tuple[Name, ...], Callable[..., dict[str, int]], tuple[Any, ...]]] | None = None
    """For each client that has something to make good: its name, the classes, how, and what it needs, held weakly.

    None where it must be found out: a connection came, went or was closed since.
    """


known = _Known()


def look(present: tuple[Connected, ...], files: frozenset[str]) -> None:
    """Look at the heap, if there is a connection, a file or a library that no pass has seen."""
    new = present is not known.present and any(item.inode not in known.inodes for item in present)
    new = new or not files <= known.files
    # A pool of psycopg_pool's is dead in a worker also where it has no connection: its threads are gone.
    if not new and _THREADED not in sys.modules:
        return
    in_use = tuple(clients.in_use())
    if new or in_use != known.clients:
        found = collect({SOCKET, *(name for client in in_use for name in clients.load(client).CLASSES)})
        known.sockets.update({SOCKET: found.pop(SOCKET)})
        known.things.update(found)
        known.clients = in_use
        known.explained = known.ready = None


def remember(present: tuple[Connected, ...], files: frozenset[str]) -> None:
    """Take what is there now as seen."""
    known.files = files
    if present is known.present:
        return
    known.present = present
    known.ready = None
    known.inodes = frozenset(item.inode for item in present)
    known.holders = {inode: name for inode, name in known.holders.items() if inode in known.inodes}
    known.claims = {inode: claim for inode, claim in known.claims.items() if inode in known.inodes}
    known.meant &= known.inodes


def close_idle() -> dict[str, int]:
    """Close, in the master, what its clients hold idle; return how many connections, by owner."""
    closed: dict[str, int] = {}
    if "sqlalchemy" in known.clients:
        # A thread that uses the pool would at once connect again, in the middle of the fork, where
        # the drivers' C libraries hold locks that no worker could ever release.
        sqlalchemy = clients.load("sqlalchemy")
        closed.update(sqlalchemy.close_idle(known.things.living(sqlalchemy.CLASSES), lambda: not other_threads()))
    if "django" in known.clients:
        django = clients.load("django")
        closed.update(django.close_idle())
        closed.update({} if other_threads() else django.close_pools())
    if closed:
        known.ready = None
    return closed


def other_threads() -> bool:
    """Tell whether the app has threads in the master; Gunicorn's own control thread uses no database."""
    for thread in threading.enumerate():
        owner = getattr(getattr(thread, "_target", None), "__self__", None)
        if thread is not threading.current_thread() and not type(owner).__module__.startswith("gunicorn"):
            return True
    return False


def prepare(*, anew: bool) -> None:
    """Make, before the fork, what every child would have to make. Never raises.

    Unless `anew`, that of the last fork is kept where no code of the app's has run since: each page of memory that
    the master touches between two forks is one more that the kernel copies.
    """
    if not anew and known.ready is not None and not other_threads():
        return
    known.ready = []
    for client in known.clients:
        module = clients.load(client)
        names = getattr(module, "RENEWED", module.CLASSES)
        if not known.things.any_of(names):
            continue
        make = getattr(module, "prepare", None)
        try:
            prepared = () if make is None else (make(known.things.living(module.CLASSES)),)
        except Exception:  # noqa: BLE001 - the child makes it, then
            prepared = ()
        known.ready.append((client, names, module.renew, prepared))


def explain(present: tuple[Connected, ...]) -> tuple[Inherited, ...]:
    """Return every connection that matters with its owner and holder; what is safe, or marked so, is left out."""
    marks = sys.modules.get("bootcheck.marks")
    marked = marks is not None and bool(marks.marked())
    if known.explained is not None and known.explained[0] == present and not marked:
        return known.explained[1]
    explained, lasting = _explain(present)
    known.explained = (present, explained) if lasting and not marked else None
    return explained


def _explain(present: tuple[Connected, ...]) -> tuple[tuple[Inherited, ...], bool]:
    """Return what is to be said of each connection, and whether that holds as long as there is no other one."""
    from bootcheck.probes.services import service_of

    claims, lasting = _claims(present)
    _name_holders(present, claims)
    explained = []
    for item in present:
        claim = claims.get(item.fd)
        if item.inode in known.meant or (claim is not None and claim.remedy == SAFE):
            continue
        explained.append(
            Inherited(
                fd=item.fd,
                inode=item.inode,
                peer=item.peer,
                owner=None if claim is None else claim.owner,
                library=None if claim is None else claim.library,
                holder=known.holders.get(item.inode),
                service=service_of(item.peer),
                remedy=RENEW if claim is None else claim.remedy,
                raw=claim is not None and claim.raw,
            )
        )
    return tuple(explained), lasting


def renew(dead: set[int]) -> list[tuple[str, str, int]]:
    """Let each client make good what leads to a dead socket; return client, word and number."""
    done: list[tuple[str, str, int]] = []
    # What this process opens from here on is its own, and looks different.
    ready, known.ready = known.ready or (), None
    for client, names, make_good, prepared in ready:
        try:
            made = make_good(known.things.living(names), dead, *prepared)
            done += [(client, word, count) for word, count in made.items() if count]
        except Exception as exc:  # noqa: BLE001 - one library's surprise must not cost the others
            done.append((client, f"failed ({type(exc).__name__})", 0))
    return done


def _claims(present: Sequence[Connected]) -> tuple[dict[int, Claim], bool]:
    """Return who owns which descriptor, and whether that is for good; who claims first has it."""
    living = known.things.living()
    claims: dict[int, Claim] = {}
    hidden: list[Claim] = []
    for client in known.clients:
        try:
            for claim in clients.load(client).claims(living):
                if claim.fd >= 0:
                    claims.setdefault(claim.fd, claim)
                elif all(claim.inner is not other.inner for other in hidden):
                    hidden.append(claim)
        except Exception:  # noqa: BLE001, S112 - what nobody claims is reported, and left alone
            continue
    _heed_marks(present, claims)
    for item in present:
        if item.fd in claims:
            known.claims[item.inode] = replace(claims[item.fd], thing=None)
        elif item.inode in known.claims:
            claims[item.fd] = known.claims[item.inode]
    _place(hidden, present, claims)
    return claims, not hidden and all(claim.lasting for claim in claims.values())


def _heed_marks(present: Sequence[Connected], claims: dict[int, Claim]) -> None:
    """Take the marked sockets, and the connections of marked owners, for what is meant to be inherited."""
    marks = sys.modules.get("bootcheck.marks")
    if marks is None:
        return
    sockets = [thing for thing in marks.marked() if issubclass(type(thing), _socket.socket)]
    numbers = {_fileno(one) for one in sockets}
    numbers |= {fd for fd, claim in claims.items() if marks.is_marked(claim.thing) or marks.is_marked(claim.inner)}
    known.meant.update(item.inode for item in present if item.fd in numbers)


def _place(hidden: Sequence[Claim], present: Sequence[Connected], claims: dict[int, Claim]) -> None:
    """Find the descriptors that a driver keeps to itself, where the server's port leaves no choice.

    mysqlclient does not tell in the middle of a query, MySQL Connector's C half never does.
    """
    for port in {claim.port for claim in hidden if claim.port is not None}:
        owners = [claim for claim in hidden if claim.port == port]
        free = [item.fd for item in present if item.fd not in claims and item.peer.endswith(f":{port}")]
        if len(owners) == len(free):
            claims.update(zip(free, owners, strict=True))


def _name_holders(present: Sequence[Connected], claims: dict[int, Claim]) -> None:
    """Find the holder of each connection that is new: of its owner, else of the Python socket that it is."""
    sockets: dict[int, Any] = {}
    find = near
    for one in known.sockets.living().get(SOCKET, ()):
        sockets[_fileno(one)] = one
    targets: dict[int, Any] = {}
    for item in present:
        if item.inode not in known.holders:
            claim = claims.get(item.fd)
            thing = sockets.get(item.fd) if claim is None else claim.thing
            known.holders[item.inode] = None
            # What is repaired has a name already, its owner's: where it is held is worth a glance only.
            if claim is None or claim.remedy != RENEW:
                find = holders_of
            if thing is not None:
                targets[item.inode] = thing
    names = find(list(targets.values())) if targets else {}
    for inode, thing in targets.items():
        known.holders[inode] = names.get(id(thing))


def _fileno(one: Any) -> int:
    # The class's own method: a subclass's may be anybody's code.
    return int(_socket.socket.fileno(one))
