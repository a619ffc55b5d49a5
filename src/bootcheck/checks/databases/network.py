"""The way to a server: its name, its address, its port or socket, each a step of its own."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
from dataclasses import dataclass

from bootcheck.checks.databases.deadline import Deadline, Lane, TimedOut
from bootcheck.checks.databases.failure import REFUSED, TIMEOUT, UNRESOLVED, Failure, of_network
from bootcheck.model.checkpoint import Phase
from bootcheck.recorder import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a server is said to be: a host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A place that accepted a connection, and the address that did."""

    place: Place
    address: str | None = None
    """IP address; None for a Unix socket."""


def resolve(place: Place, recorder: Recorder, deadline: Deadline) -> list[tuple[int, str]]:
    """Return (family, address) pairs of a place; raises Failure if its name does not resolve in time."""
    literal = _literal(place.host)
    if literal is not None:
        recorder.skipped("database.dns", Phase.DATABASE, "the host is an address", host=place.host)
        return [literal]
    lane = Lane()
    with recorder.step("database.dns", Phase.DATABASE, host=place.host) as step:
        try:
            found = lane.call(
                lambda: socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM), deadline.left
            )
        except TimedOut:
            late = f"The name {place.host} did not resolve within {deadline.seconds:g} s: no name server answers."
            raise Failure(UNRESOLVED, late) from None
        except UnicodeError as exc:
            # An empty or overlong label never reaches a resolver.
            raise Failure(UNRESOLVED, f"{place.host} is not a possible host name.", text=str(exc)) from exc
        except OSError as exc:
            raise of_network(exc, place.host) from exc
        finally:
            lane.close()
        addresses = list(dict.fromkeys((int(family), str(sockaddr[0])) for family, _, _, _, sockaddr in found))
        step.detail(addresses=[address for _, address in addresses])
    return addresses


def reach(
    place: Place, recorder: Recorder, deadline: Deadline, *, keep: bool = False
) -> tuple[Reached, socket.socket | None]:
    """Connect to the first address that accepts; raises Failure if none does in time.

    The connection is closed again, unless `keep` asks for it: then nobody needs a second one.
    """
    if place.path is not None:
        return _reach_socket(place, recorder, deadline, keep=keep)
    addresses = resolve(place, recorder, deadline)
    with recorder.step("database.tcp", Phase.DATABASE, host=place.host, port=place.port) as step:
        failure: Failure | None = None
        for index, (family, address) in enumerate(addresses):
            # One address that swallows packets must not cost the others their chance.
            share = deadline.left / (len(addresses) - index)
            try:
                connection = open_tcp(family, address, place.port, share)
            except OSError as exc:
                failure = of_network(exc, str(place) if address == place.host else f"{place} ({address})")
                continue
            step.detail(address=address, local=str(connection.getsockname()[0]))
            if not keep:
                connection.close()
            return Reached(place=place, address=address), connection if keep else None
        raise failure or Failure(UNRESOLVED, f"The name {place.host} resolves to no address.")


def open_tcp(family: int, address: str, port: int, seconds: float) -> socket.socket:
    """Return a connected socket, or raise OSError."""
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Zero would mean "do not wait", which fails in another way than a limit that has passed.
        connection.settimeout(max(seconds, 0.001))
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def open_unix(path: str, seconds: float) -> socket.socket:
    """Return a connected Unix socket, or raise OSError; an `@` begins an abstract name."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(max(seconds, 0.01))
        connection.connect("\0" + path[1:] if path.startswith("@") else path)
    except BaseException:
        connection.close()
        raise
    return connection


def _reach_socket(
    place: Place, recorder: Recorder, deadline: Deadline, *, keep: bool
) -> tuple[Reached, socket.socket | None]:
    path = place.path or ""
    recorder.skipped("database.dns", Phase.DATABASE, "the server is reached through a Unix socket", path=path)
    with recorder.step("database.socket", Phase.DATABASE, path=path):
        try:
            connection = open_unix(path, deadline.left)
        except TimeoutError as exc:
            raise Failure(TIMEOUT, f"The server behind {path} does not accept connections in time.") from exc
        except OSError as exc:
            raise _socket_failure(path, exc) from exc
        if not keep:
            connection.close()
        return Reached(place=place), connection if keep else None


def _socket_failure(path: str, exc: OSError) -> Failure:
    """Tell a missing socket from one that was left behind and from one that we may not use."""
    failure = of_network(exc, f"the socket {path}")
    if isinstance(exc, ConnectionRefusedError):
        left = f"The socket {path} was left behind: no server listens behind it."
        return Failure(REFUSED, left, text=str(exc), number=exc.errno)
    if isinstance(exc, FileNotFoundError):
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            return Failure(REFUSED, f"There is no folder {folder} for the socket {path}.", number=exc.errno)
        others = _sockets_in(folder)
        against = (f"the folder holds {', '.join(others)}",) if others else ()
        return Failure(REFUSED, f"There is no socket {path}.", number=exc.errno, against=against)
    return failure


def _sockets_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)]
    except OSError:
        return []
    return sorted(found)[:5]


def _literal(host: str) -> tuple[int, str] | None:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return (socket.AF_INET6 if address.version == 6 else socket.AF_INET), host
