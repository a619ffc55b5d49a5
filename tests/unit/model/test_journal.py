"""The journal's grammar: any cut leaves a readable prefix, any file name is told apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.model import journal
from bootcheck.model.boot import Boot
from bootcheck.model.checkpoint import Checkpoint
from bootcheck.model.encode import line
from bootcheck.model.journal import Key, key_of, read_line, read_lines, report_name
from tests.strategies import checkpoints

HEAD = {"t": journal.HEAD, "role": "worker", "pid": 7, "at": 1.0}


@given(st.lists(checkpoints, max_size=8), st.data())
def test_any_cut_leaves_a_readable_prefix(written: list[Checkpoint], data: st.DataObject):
    """Every line before the cut is read as written, and at most one line counts as broken."""
    lines = [line(HEAD), *(line(checkpoint.as_record()) for checkpoint in written)]
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))

    records, broken = read_lines(whole[:cut].splitlines())

    complete = whole[:cut].count(b"\n")
    assert len(records) in (complete, complete + 1)
    assert broken in (0, 1)
    expected = [Checkpoint.from_record(record) for record in records[1:]]
    assert expected == written[: max(0, len(records) - 1)]
    Boot.from_records(records, broken)


@given(st.lists(checkpoints, min_size=1, max_size=6), st.data())
def test_a_corrupt_line_costs_that_line_only(written: list[Checkpoint], data: st.DataObject):
    """The rest of the boot is still told."""
    lines = [line(checkpoint.as_record()) for checkpoint in written]
    bad = data.draw(st.integers(0, len(lines) - 1))
    lines[bad] = data.draw(st.binary(max_size=60)).replace(b"\n", b"").replace(b"\r", b"") + b"\x01\n"

    records, broken = read_lines(lines)

    assert [Checkpoint.from_record(record) for record in records] == [*written[:bad], *written[bad + 1 :]]
    assert broken == 1


@given(st.binary(max_size=400))
def test_any_bytes_can_be_read(raw: bytes):
    """A file that is no journal yields nothing, and raises nothing."""
    records, _ = read_lines(raw.splitlines())

    assert all(isinstance(record["t"], str) for record in records)


def test_holes_that_a_full_disk_leaves_are_not_broken_lines():
    """A run of zero bytes is what a file system puts where nothing was written."""
    assert read_lines([b"\0" * 512, b"", b"  \n"]) == ([], 0)


def test_a_nest_too_deep_for_the_parser_is_a_broken_line():
    """Somebody else's file must not raise RecursionError."""
    assert read_line(b'{"t":' + b"[" * 100_000) is None


@pytest.mark.parametrize("text", [b"[]", b"1", b'"t"', b"{}", b'{"t":1}', b"{", b'{"t":"x"', b"\xff"])
def test_what_is_no_record_is_none(text: bytes):
    """A record is an object with a kind."""
    assert read_line(text) is None


@pytest.mark.parametrize("role", journal.ROLES)
def test_a_file_name_gives_its_key_back(role: str):
    """Roles hold hyphens; the last two numbers are pid and start."""
    key = Key(role, 412, 998877)

    assert key_of(key.file_name) == key
    assert len({key, Key(role, 412, 998877), Key(role, 413, 998877)}) == 2
    assert key.fault_name == key.file_name.replace(".jsonl", ".fault")
    assert key.file_name in repr(key)


@pytest.mark.parametrize(
    "name",
    ["", "worker-1-2.json", "worker-1.jsonl", "boss-1-2.jsonl", "worker-x-2.jsonl", "worker-1--2.jsonl", "worker-1-2",
     ".swept-worker-1-2.jsonl", "worker-1-2.jsonl.gz"],
)  # fmt: skip
def test_other_names_are_no_journals(name: str):
    """The sweep touches nothing that is not ours."""
    assert key_of(name) is None


def test_a_key_is_no_text():
    """Equality is about keys only."""
    assert Key("worker", 1, 2) != "worker-1-2.jsonl"


def test_report_names_are_told_apart():
    """Pruning goes by these three parts."""
    name = "crash-20261127T084459123Z-0123456789abcdef-dirty-worker-412.json"

    assert report_name(name) == ("20261127T084459123Z", "0123456789abcdef", name)
    for other in ("crash-x.json", "crash-2026-ab-worker-1.json", name + ".tmp", "." + name, "note-" + name[6:]):
        assert report_name(other) is None


def test_the_head_is_known_by_its_keys():
    """`analyze` tells journals from other JSON by content."""
    assert journal.is_head(HEAD)
    assert not journal.is_head({"t": "head"})
    assert not journal.is_head({"role": "worker", "pid": 1})
