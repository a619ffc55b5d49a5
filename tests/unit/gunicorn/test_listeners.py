"""Whether a worker can be reached: what it was given, what is left of it."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace

from bootcheck.gunicorn.listeners import deaf


def test_one_listener_is_enough():
    """A worker that has lost one address of two serves on the other."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        assert not deaf(SimpleNamespace(sockets=[one, other]))
        os.close(one.fileno())
        assert not deaf(SimpleNamespace(sockets=[one, other]))
        one.detach()


def test_what_is_no_listener_any_more_is_none():
    """Closed, a file of the app's by now, or a connection of its."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        number = one.fileno()
        os.close(number)
        assert deaf(SimpleNamespace(sockets=[one]))
        os.dup2(2, number)
        assert deaf(SimpleNamespace(sockets=[one]))
        with socket.socket() as theirs:
            os.dup2(theirs.fileno(), number)
        assert deaf(SimpleNamespace(sockets=[one]))


def test_who_was_given_none_is_not_deaf():
    """A dirty worker has none."""
    assert not deaf(SimpleNamespace(sockets=[]))
    assert not deaf(SimpleNamespace())
