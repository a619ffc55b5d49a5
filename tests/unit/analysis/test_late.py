"""Patterns that are compiled when they are first asked."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from bootcheck.analysis import late, signatures

MODULES = [f"bootcheck.analysis.signatures.{name}" for name in signatures.SIGNATURES] + [
    f"bootcheck.analysis.{name}" for name in ("foreign", "lacking", "outsiders")
]


@pytest.mark.parametrize("name", MODULES)
def test_every_pattern_of_a_module_is_one(name: str):
    """What is wrong in one would be told by the first log that asks it."""
    for value in vars(import_module(name)).values():
        if isinstance(value, late._Late):
            assert value.flags & re.UNICODE


def test_most_modules_have_some():
    """Else the test above would look at nothing."""
    have = [
        name for name in MODULES if any(isinstance(value, late._Late) for value in vars(import_module(name)).values())
    ]

    assert len(have) > 25


def test_it_does_what_a_compiled_pattern_does():
    """For all that is asked of one here."""
    text = "one Two three"
    for flags in (0, re.IGNORECASE):
        eager, lazy = re.compile(r"(t\w+)", flags), late.regex(r"(t\w+)", flags)

        assert lazy.pattern == eager.pattern
        assert lazy.flags == eager.flags
        assert lazy.search(text)[0] == eager.search(text)[0]
        assert lazy.search(text, 7)[0] == "three"
        assert lazy.match(text) is None
        assert lazy.match(text, 8)[0] == eager.match(text, 8)[0] == "three"
        assert (lazy.fullmatch("Two") is None) == (eager.fullmatch("Two") is None)
        assert lazy.findall(text) == eager.findall(text)
        assert [found[0] for found in lazy.finditer(text)] == [found[0] for found in eager.finditer(text)]
        assert lazy.sub("-", text, 1) == eager.sub("-", text, 1)
        assert lazy.split(text, 1) == eager.split(text, 1)


def test_a_wrong_one_is_told_when_it_is_asked():
    """Not before: nothing is compiled where it is written."""
    wrong = late.regex("(")

    with pytest.raises(re.error):
        wrong.search("text")
