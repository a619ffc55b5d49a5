"""Who owns an inherited connection, where a driver keeps its descriptor to itself."""

from __future__ import annotations

import gc

from bootcheck.guards import inherited
from bootcheck.guards.clients.base import RENEW, Claim
from bootcheck.probes.sockets import Connected


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
