"""Connected sockets, told from listeners, datagrams, pairs and what we accepted ourselves."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bootcheck.probes.sockets import connected, inode_of

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no /proc here")


def listener(family: int = socket.AF_INET, address: object = ("127.0.0.1", 0)) -> socket.socket:
    """Return a listening socket."""
    made = socket.socket(family)
    made.bind(address)
    made.listen(5)
    return made


def seen() -> dict[int, str]:
    """Return descriptor and peer of each connection."""
    return {item.fd: item.peer for item in connected()}


@contextmanager
def elsewhere() -> Iterator[tuple[socket.socket, int]]:
    """Yield a connection to a listener that this process has no longer, and its port."""
    with listener() as server:
        port = server.getsockname()[1]
        ours = socket.create_connection(("127.0.0.1", port))
        theirs, _ = server.accept()
    with ours, theirs:
        yield ours, port


def test_a_connection_is_named_by_its_peer():
    """Host and port, and the inode that stays its own."""
    with elsewhere() as (ours, port):
        found = {item.fd: item for item in connected()}[ours.fileno()]

        assert found.peer == f"127.0.0.1:{port}"
        assert found.inode == inode_of(ours.fileno()) == os.fstat(ours.fileno()).st_ino


def test_a_unix_connection_is_named_by_its_path(tmp_path):
    """A database behind a socket file is as shared as one behind a port."""
    path = f"{os.path.relpath(tmp_path)}/s" if len(str(tmp_path)) > 90 else str(tmp_path / "s")
    server = listener(socket.AF_UNIX, path)
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(path)
        server.close()

        assert seen()[ours.fileno()] == path


def test_what_is_no_connection_of_a_client_is_left_out():
    """Listeners, datagrams, unnamed pairs, and what our own listener accepted."""
    with (
        listener() as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        socket.create_connection(server.getsockname()) as client,
    ):
        accepted, _ = server.accept()
        datagram.connect(server.getsockname())
        one, other = socket.socketpair()
        with accepted, one, other:
            found = seen()

            for left_out in (server, datagram, accepted, one, other):
                assert left_out.fileno() not in found
            assert client.fileno() in found


def test_looking_changes_nothing():
    """With a default timeout, wrapping a descriptor would make the shared socket non-blocking."""
    before = socket.getdefaulttimeout()
    try:
        with elsewhere() as (ours, _):
            socket.setdefaulttimeout(7)
            ours.setblocking(True)
            blocking = os.get_blocking(ours.fileno())
            count = len(os.listdir("/proc/self/fd"))
            connected()

            assert os.get_blocking(ours.fileno()) == blocking is True
            assert len(os.listdir("/proc/self/fd")) == count
            assert socket.getdefaulttimeout() == 7
    finally:
        socket.setdefaulttimeout(before)


def test_a_closed_descriptor_has_no_inode(tmp_path):
    """Nor has one that is no socket."""
    with open(tmp_path / "file", "wb") as file:
        assert inode_of(file.fileno()) is None
        number = file.fileno()
    assert inode_of(number) is None


def test_a_number_that_means_another_socket_is_looked_at_again():
    """What was found out of a socket is kept for the socket, not for its descriptor."""
    with elsewhere() as (ours, port), elsewhere() as (other, other_port):
        number = ours.fileno()
        assert seen()[number] == f"127.0.0.1:{port}"
        os.dup2(other.fileno(), number)

        assert seen()[number] == f"127.0.0.1:{other_port}"


def test_a_socket_that_connects_later_is_found_then():
    """One that is neither connected nor listening may still become either."""
    with listener() as server, socket.socket() as ours, socket.socket() as late:
        late.bind(("127.0.0.1", 0))
        assert ours.fileno() not in seen()
        ours.connect(server.getsockname())
        accepted, _ = server.accept()
        with accepted:
            assert ours.fileno() in seen()
            assert accepted.fileno() not in seen()
            late.listen(1)
            with socket.create_connection(late.getsockname()) as client:
                accepted_late, _ = late.accept()
                with accepted_late:
                    found = seen()
                    assert client.fileno() in found
                    assert accepted_late.fileno() not in found
