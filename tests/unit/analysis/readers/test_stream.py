"""Whole lines out of any bytes, in bounded memory."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from bootcheck.analysis.readers.stream import Stream, blocks


def lines(data: bytes, limit: int = 1 << 20) -> list[bytes]:
    """Return the lines that blocks give."""
    return [line for block in blocks(Stream("x", io.BytesIO(data).read), limit) for line in block.split(b"\n")[:-1]]


@given(st.lists(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"").replace(b"\0", b""))))
def test_every_line_comes_once_and_in_order(expected: list[bytes]):
    """Whatever is in it, NUL bytes excepted, with or without a last newline."""
    data = b"\n".join(expected)
    if data[:3] == b"\xef\xbb\xbf" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return

    assert lines(data) == (data.split(b"\n")[:-1] if data.endswith(b"\n") else data.split(b"\n") if data else [])
    assert lines(data + b"\n") == (data + b"\n").split(b"\n")[:-1]


def test_a_giant_line_is_cut_and_the_next_is_whole():
    """Ten megabytes without a newline keep their beginning only."""
    found = lines(b"a" * 10_000_000 + b"\nnext\n", limit=1_000_000)

    assert len(found) == 2
    assert 1_000_000 <= len(found[0]) <= 1_300_000
    assert found[1] == b"next"


def test_sixteen_bit_text():
    """What PowerShell makes of a redirected log."""
    assert lines("eins\nzwei é\n".encode("utf-16")) == [b"eins", "zwei é".encode()]


def test_a_byte_order_mark_is_no_text():
    """It would hide a JSON object."""
    assert lines(b"\xef\xbb\xbf{}\n") == [b"{}"]
