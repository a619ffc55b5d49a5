"""Who holds a port or a socket, read from /proc."""

from __future__ import annotations

import os
import socket
import struct
import sys

import pytest

from bootcheck.probes.listeners import holders, tcp_sockets, unix_sockets


@pytest.mark.parametrize(
    ("family", "host", "shown"),
    [(socket.AF_INET, "127.0.0.1", "127.0.0.1"), (socket.AF_INET6, "::1", "[::1]")],
    ids=["v4", "v6"],
)
def test_a_listening_port_and_its_holder(family, host, shown):
    """Address, state, uid, pid and descriptor of a listener are found."""
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no such address")
        listener.listen()
        port = listener.getsockname()[1]
        (found,) = tcp_sockets(port)
        (holder,) = holders([found.inode])

        assert (found.address, found.state, found.uid) == (f"{shown}:{port}", "LISTEN", os.geteuid())
        assert (holder.pid, holder.parent, holder.fd) == (os.getpid(), os.getppid(), listener.fileno())
        assert "python" in holder.command
    assert tcp_sockets(port) == []


def test_unix_sockets(tmp_path):
    """Only a socket that listens is found, by path or by abstract name."""
    path = str(tmp_path / "a b.sock")
    abstract = f"\0bctest-{tmp_path.name}"
    for name in (path, abstract):
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(name)
            assert unix_sockets(name) == []
            bound.listen()
            (found,) = unix_sockets(name)
            assert found.state == "LISTEN"
            assert [holder.pid for holder in holders([found.inode])] == [os.getpid()]


def test_a_proc_that_is_not_there(tmp_path):
    """Other systems have no such tables: then nothing is known, and nothing raised."""
    assert tcp_sockets(80, proc=str(tmp_path)) == []
    assert unix_sockets("/x", proc=str(tmp_path)) == []
    assert holders([1], proc=str(tmp_path)) == []


def test_a_table_of_another_time(tmp_path):
    """States, wildcard addresses and TIME_WAIT rows are told apart; a process that ends while looked at is left out."""
    net = tmp_path / "net"
    net.mkdir()
    any_four, port = "00000000", "1F90"
    one = struct.pack("=I" if sys.byteorder == "big" else "<I", 0x0A000001)[:: -1 if sys.byteorder == "little" else 1]
    rows = [
        f"0: {any_four}:{port} 00000000:0000 01 0:0 0:0 0 1000 0 11 1",
        f"1: {one.hex()}:{port} 00000000:0000 06 0:0 0:0 0 0 0 0 1",
        f"2: {any_four}:{port} 00000000:0000 0A 0:0 0:0 0 33 0 12 1",
        f"3: {any_four}:0050 00000000:0000 0A 0:0 0:0 0 33 0 13 1",
    ]
    net.joinpath("tcp").write_text("head\n" + "\n".join(rows) + "\nshort\n", encoding="ascii")
    process = tmp_path / "77"
    process.mkdir()
    found = tcp_sockets(0x1F90, proc=str(tmp_path))

    assert [(bound.state, bound.uid, bound.inode) for bound in found] == [("LISTEN", 33, 12), ("ESTABLISHED", 1000, 11)]
    assert holders([12], proc=str(tmp_path)) == []
