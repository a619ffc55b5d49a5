"""Paths as a report shows them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.model.redactor import Redactor
from bootcheck.model.route import MAX_PATH, shown


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"/orders/12345/items", "/orders/12345/items"),
        (b"/blog/how-to-upgrade-to-python-3-in-2024", "/blog/how-to-upgrade-to-python-3-in-2024"),
        (b"/a%20b", "/a%20b"),
        (b"/a\x1b[31m\n", "/a\\x1b[31m\\x0a"),
        (b"/\xc3\xa4", "/\\xc3\\xa4"),
        (b"/back\\slash", "/back\\x5cslash"),
        (b"/reset/abc123", "/reset/***"),
        (b"/reset/confirm", "/reset/confirm"),
        (b"/Token/9f", "/Token/***"),
        (b"/dl/0123456789abcdef01234567", "/dl/***"),
        (b"/u/123e4567-e89b-12d3-a456-426614174000/x", "/u/***/x"),
        (b"/card/4111111111111111", "/card/***"),
        (b"/t/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "/t/***"),
        (b"/p/sw0rdfish%21/x", "/p/***/x"),
    ],
)
def test_a_path_is_readable_and_keeps_no_secret(raw, path):
    """Route words stay; tokens, escapes and known values do not."""
    assert shown(raw, Redactor({"MY_SECRET": "sw0rdfish!"}).mask) == path


@given(st.binary(max_size=400))
def test_any_bytes_are_bounded_and_printable(raw):
    """Nothing in a path can break a line or a terminal."""
    path = shown(raw)
    assert len(path) <= MAX_PATH + 1
    assert path.isprintable()
