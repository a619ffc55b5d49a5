"""No line that a pattern finds is lost by the words: proven from the pattern, not from examples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest

from bootcheck.analysis import gunicorn_lines, signatures

try:
    from re import _parser as parser
except ImportError:  # Python 3.10
    import sre_parse as parser

GAP = "\0"
"""Where a pattern leaves open what stands there."""
MAX_VARIANTS = 50_000
NAMES = [
    name
    for name in (*signatures.SIGNATURES, *signatures.GENERAL)
    if signatures.telltale(signatures.load(name)) is not None
]

BESIDE = [name for name in signatures.SIGNATURES if signatures.beside(signatures.load(name)) is not None]


def texts(items: Sequence[Any]) -> list[str]:
    """Return every text that a parsed pattern can find, with gaps where it is not certain."""
    found = [""]
    for operator, argument in items:
        parts = _parts(str(operator), argument)
        found = [before + after for before, after in product(found, parts)]
        assert len(found) <= MAX_VARIANTS, "too many variants to look at each"
    return found


def _parts(operator: str, argument: Any) -> list[str]:  # noqa: PLR0911
    if operator == "LITERAL":
        return [chr(argument)]
    if operator == "IN" and len(argument) <= 4 and all(str(kind) == "LITERAL" for kind, _ in argument):
        return [chr(letter) for _, letter in argument]
    if operator == "BRANCH":
        return [text for branch in argument[1] for text in texts(branch)]
    if operator == "SUBPATTERN":
        return texts(argument[3])
    if operator in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = argument
        if most == 1:
            return texts(inner) if least else ["", *texts(inner)]
        return [f"{text}{GAP}" for text in texts(inner)] if least else [GAP]
    if operator in ("AT", "ASSERT", "ASSERT_NOT"):
        return [""]
    return [GAP]


def uncovered(pattern: re.Pattern[str], words: Sequence[str]) -> list[str]:
    """Return the texts that the pattern finds and in which no word stands."""
    assert not pattern.flags & re.IGNORECASE, "words are looked for as they are written"
    return [text for text in texts(parser.parse(pattern.pattern)) if not any(word in text for word in words)]


@pytest.mark.parametrize("name", NAMES)
def test_every_telltale_line_holds_a_word(name: str):
    """A signature whose WORDS miss a part of its TELLTALE would never be asked about such a line."""
    module = signatures.load(name)

    assert uncovered(signatures.telltale(module), signatures.words(module)) == []


@pytest.mark.parametrize("name", BESIDE)
def test_every_line_about_this_server_holds_a_word(name: str):
    """The same for what counts beside a server only."""
    module = signatures.load(name)

    assert uncovered(signatures.beside(module), signatures.beside_words(module)) == []


@pytest.mark.parametrize("number", range(len(gunicorn_lines._LINES)))
def test_every_line_of_gunicorn_holds_a_word(number: int):
    """The same for what Gunicorn itself says."""
    _, pattern = gunicorn_lines._LINES[number]

    assert uncovered(re.compile(pattern), gunicorn_lines.WORDS) == []


def test_a_missing_word_is_seen():
    """The proof itself: alternatives, optional parts and gaps."""
    pattern = re.compile(r"(?:exit|status) (?:code )?137\b|[Oo]ut of \w+ memory|Killed")

    assert uncovered(pattern, ["137", "memory", "Killed"]) == []
    assert uncovered(pattern, ["137", "memory"]) == ["Killed"]
    assert uncovered(pattern, ["code 137", "memory", "Killed"]) == ["exit 137", "status 137"]
