"""The server's last lines."""

from __future__ import annotations

from bootcheck.parent.tail import MAX_LINES, last_lines


def test_the_last_lines_that_say_something():
    """Blank ones and line ends of terminals are left out."""
    text = b"first\r\n\r\n  \nsecond \xff\nthird"

    assert last_lines(text) == ["first", "second \N{REPLACEMENT CHARACTER}", "third"]


def test_no_more_than_fifty():
    """The last ones."""
    lines = last_lines(b"".join(b"%d\n" % number for number in range(200)))

    assert len(lines) == MAX_LINES
    assert lines[-1] == "199"
