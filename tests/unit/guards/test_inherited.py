"""Who owns an inherited connection, where a driver keeps its descriptor to itself."""

from __future__ import annotations

import gc
import json

import pytest

from bootcheck.guards import inherited
from bootcheck.guards.clients.base import RENEW, Claim
from bootcheck.probes.sockets import Connected
from tests.unit.children import interpreter


def hidden(port: int) -> Claim:
    """Return a claim without a descriptor."""
    return Claim(fd=-1, library="MySQL Connector/Python", owner="x", remedy=RENEW, port=port, inner=object())


def to(fd: int, peer: str) -> Connected:
    """Return a connection."""
    return Connected(fd=fd, inode=fd, peer=peer)


def test_a_port_that_leaves_no_choice_tells_the_descriptor():
    """As many connections to it that nobody claims as owners that do not tell theirs."""
    present = [to(5, "127.0.0.1:3306"), to(6, "127.0.0.1:3306"), to(7, "127.0.0.1:13306")]
    claims = {5: Claim(fd=5, library="SQLAlchemy", owner="y", remedy=RENEW)}

    inherited._place([hidden(3306)], present, claims)

    assert {fd: claim.owner for fd, claim in claims.items()} == {5: "y", 6: "x"}


def test_a_stranger_to_the_same_port_leaves_it_open():
    """Then nothing is claimed: what is not identified is left alone."""
    present = [to(5, "127.0.0.1:3306"), to(6, "127.0.0.1:3306")]
    claims: dict[int, Claim] = {}

    inherited._place([hidden(3306)], present, claims)

    assert claims == {}


class Thing:
    """Something of the app's."""


def test_what_the_app_drops_does_not_live_on():
    """The heap is remembered by weak references; what knows none is forgotten."""
    things = inherited.Things()
    thing = Thing()
    things.update({("a", "B"): [thing, 5, ()]})

    assert things.living() == {("a", "B"): [thing]}
    del thing
    gc.collect()
    assert things.living() == {("a", "B"): []}


@pytest.mark.parametrize(
    ("between", "times"),
    [
        ("pass", 1),
        ("kept.append(Thing())", 2),
        ("kept.pop().sock.close()", 2),
        ("threading.Thread(target=threading.Event().wait, daemon=True).start()", 2),
    ],
)
def test_what_children_need_is_made_again_only_where_something_moved(between, times):
    """A connection that came or went, or a thread of the app's: it may have changed anything."""
    done = interpreter(
        """
import json, socket, sys, threading, types
from bootcheck.guards import clients, fresh_pools, inherited
from bootcheck.guards.clients.base import RENEW, Claim

listener = socket.create_server(("127.0.0.1", 0))
made = []

class Thing:
    def __init__(self):
        self.sock = socket.create_connection(listener.getsockname())

def claims(found):
    for thing in found[client.CLASSES[0]]:
        if thing.sock.fileno() >= 0:
            yield Claim(fd=thing.sock.fileno(), library="its", owner="it", remedy=RENEW, thing=thing)

sys.modules["its"] = types.ModuleType("its")
sys.modules["its"].Thing = Thing
client = types.ModuleType("client")
client.CLASSES = (("its", "Thing"),)
client.prepare = lambda found: made.append(len(found[client.CLASSES[0]]))
client.renew = lambda found, dead, ready: {}
client.claims = claims
clients._loaded["its"] = client
clients.CLIENTS, clients.LIBRARIES = ("its",), {"its": ("its",)}

kept = [Thing(), Thing()]
first = fresh_pools.before_fork(2)
BETWEEN
second = fresh_pools.before_fork(2)
print(json.dumps([first.trouble, second.trouble, len(first.inherited), len(made)]))
""".replace("BETWEEN", between)
    )

    assert json.loads(done.stdout) == [None, None, 2, times], done.stderr
