"""Arbitrary values to bounded JSON: nothing a user passes breaks or bloats a journal."""

from __future__ import annotations

import enum
import json
import math
from typing import Any

import pytest
from hypothesis import given

from bootcheck.model.encode import MAX_ITEMS, MAX_LINE, MAX_TEXT, line, plain, shorten
from bootcheck.model.journal import read_line
from tests.strategies import Deceiver, Rude, RudeText, Wide, deep, details, recursive, values


class Colour(str, enum.Enum):
    """A str that is an enum."""

    RED = "red"


def reject(value: object) -> Any:
    """Fail where JSON holds a word that other readers do not know."""
    raise AssertionError(value)


@given(values)
def test_any_value_becomes_strict_json(value: object):
    """No NaN, no Infinity, no exception, and the same after a round trip."""
    told = plain(value)

    assert json.loads(json.dumps(told), parse_constant=reject) == told


@given(details)
def test_any_detail_makes_one_readable_line_under_the_cap(detail: dict[str, object]):
    """One newline, at its end; ASCII; at most the cap; kind and number survive."""
    encoded = line({"t": "checkpoint", "seq": 7, "name": "x", "detail": {k: plain(v) for k, v in detail.items()}})

    assert encoded.endswith(b"\n")
    assert encoded.count(b"\n") == 1
    assert len(encoded) <= MAX_LINE + 1
    record = read_line(encoded)
    assert record is not None
    assert (record["t"], record["seq"]) == ("checkpoint", 7)
    encoded.decode("ascii")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (3, 3),
        (2**70, str(2**70)),
        (0.5, 0.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        ("é", "é"),
        (b"\xff\0", "b'\\xff\\x00'"),
        ((1, {2: 3}), [1, {"2": 3}]),
        (frozenset({"a"}), ["a"]),
        (Colour.RED, "red"),
    ],
)
def test_common_values_stay_what_they_are(value: object, told: object):
    """JSON types are kept, others become what a person would read."""
    assert plain(value) == told or str(plain(value)) in (str(told), str(value))


def test_a_raising_repr_becomes_a_note():
    """The note names the class and the error, not its text."""
    assert plain(Rude()) == "<Rude whose repr raised RuntimeError>"
    assert plain([RudeText("x")]) == ["<RudeText whose repr raised IndexError>"]


def test_an_integer_too_long_to_print_does_no_harm():
    """Python itself refuses to print it."""
    assert isinstance(plain(10**9000), str)


def test_recursion_and_depth_end():
    """A value inside itself is told to a fixed depth; a nest too deep for repr is told as such."""
    assert "again" in json.dumps(plain(recursive()))
    json.dumps(plain(deep()))


def test_breadth_and_length_are_capped():
    """Fifty items and two thousand characters, and it says what was cut."""
    assert len(plain(list(range(999)))) == MAX_ITEMS
    assert len(plain({n: n for n in range(999)})) == MAX_ITEMS
    told = plain("x" * 5000)
    assert told.startswith("x" * MAX_TEXT)
    assert told.endswith("… [3000 more characters]")
    assert len(plain(Wide())) < MAX_TEXT + 60
    assert isinstance(plain(Deceiver()), str)


def test_every_text_is_masked_keys_and_reprs_included():
    """No way around the mask: nested, as a key, inside an object's repr, as bytes."""
    value = {"hunter2": ["hunter2", b"hunter2", {"x": {"y": {"z": {"w": "hunter2"}}}}], "o": type("O", (), {})()}

    assert "hunter2" not in json.dumps(plain(value, lambda text: text.replace("hunter2", "***")))


def test_the_mask_sees_a_text_before_it_is_cut():
    """Half a secret at the edge of the cap is still one."""
    text = "x" * (MAX_TEXT - 3) + "hunter2"

    assert "hun" not in plain(text, lambda text: text.replace("hunter2", "***"))


def test_a_line_too_long_keeps_its_small_fields_and_says_so():
    """Seq, name and outcome come through; the large detail gives way."""
    record = {"t": "checkpoint", "seq": 1, "detail": {str(n): "x" * 2000 for n in range(50)}, "name": "n", "at": 1.0}

    told = read_line(line(record))

    assert told == {"t": "checkpoint", "seq": 1, "name": "n", "at": 1.0, "cut": True}
    assert next(iter(told)) == "t"


def test_a_large_text_is_kept_as_far_as_it_fits():
    """The beginning of a traceback and above all its end, also where each character takes twelve bytes."""
    told = read_line(line({"t": "exception", "traceback": "\U0001f600" * 9000 + "the end", "kind": "exception"}))

    assert told is not None
    assert told["kind"] == "exception"
    assert told["traceback"].startswith("\U0001f600" * 300)
    assert told["traceback"].endswith("\U0001f600" * 500 + "the end")


def test_what_is_not_plain_is_told_all_the_same():
    """`line` is the last resort of a record that somebody forgot to make plain."""
    assert b"Rude" in line({"t": "note", "value": Rude()})


def test_shorten_leaves_short_texts_alone():
    """Only what is longer gets a note."""
    assert shorten("abc", 3) == "abc"
    assert shorten("abcd", 3) == "abc… [1 more characters]"


def test_of_a_long_list_the_beginning_is_kept():
    """Stacks of many deep threads: the first is the one that matters."""
    stacks = [{"thread": str(number), "frames": ["x" * 100] * 50} for number in range(10)]
    told = read_line(line({"t": "stacks", "at": 1.0, "stacks": stacks}))

    assert told is not None
    assert told["cut"] is True
    assert 0 < len(told["stacks"]) < 10
    assert told["stacks"] == stacks[: len(told["stacks"])]
