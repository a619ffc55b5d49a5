"""Addresses are read as Gunicorn reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.checks.addresses import Address, AddressError, parse

SPELLINGS = [
    "127.0.0.1:8000",
    "127.0.0.1",
    ":9000",
    "",
    "LOCALHOST:80",
    "[::1]:8000",
    "[::]",
    "tcp://0.0.0.0:5000",
    "unix:/run/app.sock",
    "unix:///run/app.sock",
    "unix:run/app.sock",
    "fd://3",
]


@pytest.mark.parametrize("text", SPELLINGS)
def test_gunicorn_agrees(text):
    """The installed Gunicorn's own function is the measure."""
    gunicorn = pytest.importorskip("gunicorn.util")
    theirs = gunicorn.parse_address(text)
    mine = parse(text)

    assert theirs == (mine.path or (mine.fd if mine.fd is not None else (mine.host, mine.port)))


def test_families():
    """Only an IPv6 literal is IPv6; a name is IPv4."""
    assert parse("[::1]:80").ipv6
    assert not parse("127.0.0.1:80").ipv6
    assert not parse("localhost:80").ipv6
    assert parse("fd://3") == Address(text="fd://3", fd=3)


@pytest.mark.parametrize(
    "text", ["h:port", "h:", "h:-1", "h:65536", "h:" + "9" * 50, "unix:", "unix://", "fd://x", "fd://"]
)
def test_what_is_no_address(text):
    """The problem ends a sentence about the text."""
    with pytest.raises(AddressError, match=r"^(has|names) "):
        parse(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    """No other exception leaves the parser."""
    try:
        address = parse(text)
    except AddressError:
        return
    assert sum(value is not None for value in (address.port, address.path, address.fd)) == 1
    assert isinstance(address.ipv6, bool)
