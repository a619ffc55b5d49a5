"""The last records of a process, and the first."""

from __future__ import annotations

from bootcheck.recorder import Recorder
from bootcheck.sinks.memory import Memory
from bootcheck.sinks.ring import Ring


def test_the_head_and_the_latest_are_kept():
    """A process that records for ever does not grow."""
    ring = Ring(size=3)
    for number in range(10):
        ring.write({"t": "note", "n": number}, b"")

    assert [record["n"] for record in ring.records] == [0, 7, 8, 9]


def test_an_empty_ring_has_no_records():
    """Nothing was written yet."""
    assert Ring().records == []


def test_kept_records_are_copies():
    """What a later sink does to a record changes nothing here."""
    ring, memory = Ring(), Memory()
    record = {"t": "note", "n": 1}
    ring.write(record, b"")
    memory.write(record, b"")
    record["n"] = 2

    assert ring.records == memory.records == [{"t": "note", "n": 1}]


def test_both_are_sinks():
    """A recorder feeds them."""
    ring, memory = Ring(), Memory()
    Recorder([ring, memory]).fact("note", x=1)

    assert ring.records == memory.records
