"""Options are refused at the line that gives them, with what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootcheck.checks import options
from bootcheck.model.errors import BootcheckError, CheckOptionError


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (options.whole, True),
        (options.whole, -1),
        (options.whole, "3"),
        (options.whole, 1.0),
        (options.number, float("nan")),
        (options.number, float("inf")),
        (options.number, -0.1),
        (options.number, "1"),
        (options.number, False),
        (options.flag, 1),
        (options.flag, "yes"),
        (options.variable, "A=B"),
        (options.variable, "A B"),
        (options.variable, ""),
        (options.variable, None),
        (options.module, "a-b"),
        (options.module, "a..b"),
        (options.module, ".a"),
        (options.module, 3),
        (options.path, ""),
        (options.path, "a\0b"),
        (options.path, 3),
        (options.texts, "one"),
        (options.texts, b"two"),
        (options.texts, 3),
        (options.texts, ["a", ""]),
        (options.texts, ["a", 1]),
        (options.texts, ["a", "a"]),
        (options.size, "many"),
        (options.size, -1),
        (options.size, True),
        (options.size, "5 parsecs"),
    ],
)
def test_a_bad_value_is_refused_by_name(function, value):
    """The message names the check and the option, and it can be caught as ValueError."""
    with pytest.raises(CheckOptionError, match=r"^checks\.disk: the option min_free .*\.$") as caught:
        function("disk", "min_free", value)

    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, BootcheckError)


def test_good_values_come_back():
    """What is right is returned in the one form that checks work with."""
    assert options.whole("c", "o", 3, least=1) == 3
    assert options.number("c", "o", 3) == 3.0
    assert options.flag("c", "o", False) is False
    assert options.variable("c", "o", "A_b") == "A_b"
    assert options.module("c", "o", "a.b_c") == "a.b_c"
    assert options.path("c", "o", Path("/var")) == "/var"
    assert options.texts("c", "o", ["a", "b"]) == ("a", "b")


@pytest.mark.parametrize(
    ("value", "size"),
    [(5, 5), ("7", 7), ("500MB", 500_000_000), ("1.5 GiB", 1_610_612_736), ("2k", 2000), ("1tb", 10**12), ("3 B", 3)],
)
def test_sizes(value, size):
    """Bytes are given as a number or with a unit, decimal or binary."""
    assert options.size("disk", "min_free", value) == size


def test_an_unknown_word_gets_its_nearest():
    """A misspelt choice is answered with the right one, a strange one with all of them."""
    with pytest.raises(CheckOptionError, match="Did you mean 'integer'"):
        options.one_of("env", "kind", "interger", ("text", "integer"))
    with pytest.raises(CheckOptionError, match="Known: 'text', 'integer'"):
        options.one_of("env", "kind", "zzz", ("text", "integer"))
    assert options.one_of("env", "kind", "text", ("text", "integer")) == "text"
