"""Colour for a terminal that has Rich, and the same words everywhere."""

from __future__ import annotations

import io
import re
import sys

import pytest

from bootcheck.analysis.incidents import Analysis
from bootcheck.render import Style, text
from bootcheck.render.terminal import dressed
from tests.unit.render.test_text import DOWN

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


class _Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_the_words_and_their_places_are_the_same():
    """Dressed for a terminal, nothing moves."""
    pytest.importorskip("rich", reason="Rich is not installed: pip install 'bootcheck[rich]'")
    plain = list(text.incidents(Analysis(incidents=(DOWN,)), Style()))
    style = Style(colour=True)
    shown = list(dressed(text.incidents(Analysis(incidents=(DOWN,)), style), _Terminal(), style))

    assert [ESCAPES.sub("", line) for line in shown] == plain
    assert any("\x1b[" in line for line in shown)


def test_what_is_no_terminal_gets_plain_lines():
    """A pipe, a file."""
    assert list(dressed(["BC501 x"], io.StringIO(), Style())) == ["BC501 x"]


def test_without_rich_lines_are_plain(monkeypatch: pytest.MonkeyPatch):
    """As the text renderer made them."""
    monkeypatch.setitem(sys.modules, "rich.console", None)

    assert list(dressed(["BC501 x"], _Terminal(), Style(colour=True))) == ["BC501 x"]


@pytest.mark.parametrize(
    ("environ", "colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"NO_COLOR": ""}, True)]
)
def test_colour_is_for_terminals_that_want_it(environ: dict[str, str], colour: bool, monkeypatch: pytest.MonkeyPatch):
    """https://no-color.org: set and not empty."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    assert Style.of(_Terminal()).colour is colour
    assert not Style.of(io.StringIO()).colour
