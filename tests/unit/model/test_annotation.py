"""Tags that the app gives itself: whatever they are, they become small, safe and harmless."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootcheck.model.annotation import MAX_CHANGES, MAX_NAME, MAX_NAMES, MAX_VALUE, STOPPED, Tags, bounded
from bootcheck.model.redactor import Redactor

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Rude:
    """Raises whatever it is asked."""

    def __str__(self) -> str:
        """Raise."""
        raise ZeroDivisionError

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("1.2", "1.2"),
        (7, 7),
        (True, True),
        (None, None),
        (float("nan"), "nan"),
        (2**70, str(2**70)),
        (["a", 1], ["a", 1]),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (dt.date(2026, 11, 27), "2026-11-27"),
        (Path("/srv/app"), "/srv/app"),
        (b"raw", "b'raw'"),
        (Rude(), "<Rude whose repr raised ZeroDivisionError>"),
        (
            {"password": "x", "deep": [{"api_token": "y", "n": 1}]},
            {"password": "***", "deep": [{"api_token": "***", "n": 1}]},
        ),
    ],
)
def test_a_value_becomes_what_json_knows(value: object, kept: object):
    """Types that say more as text become text; what stands under a secret's name is hidden."""
    assert bounded("tag", value, Redactor()) == ("tag", kept)


def test_a_secret_is_hidden_by_name_by_value_and_by_pattern():
    """And counted."""
    redactor = Redactor({"DB_PASSWORD": "hunter22"})

    assert bounded("api_key", "abc", redactor) == ("api_key", "***")
    assert bounded("note", "with hunter22", redactor) == ("note", "with ***")
    assert bounded("url", "postgres://a:b%20c@db/x", redactor) == ("url", "postgres://a:***@db/x")
    assert redactor.hidden >= 3


@pytest.mark.parametrize("char", ["x", "é", "😀", '"', "\0"])
def test_bounds_are_bytes(char: str):
    """A name of 200, a value of 2,000, whatever the letters are."""
    name, value = bounded(char * 99_999, char * 99_999, Redactor())

    assert len(name.encode()) <= MAX_NAME
    assert len(value.encode()) <= MAX_VALUE
    assert "more characters" in name
    assert "more characters" in value


@given(anything, anything)
def test_nothing_an_app_passes_breaks_or_bloats(name: object, value: object):
    """The result is JSON, and bounded."""
    key, kept = bounded(name, value, Redactor())

    assert len(key.encode("utf-8", "replace")) <= MAX_NAME
    assert len(json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace")) <= MAX_VALUE * 2


def test_only_a_change_is_worth_a_line():
    """The same again is not; another type is."""
    values: dict[str, Any] = {}
    tags = Tags(values, lambda text: None)
    redactor = Redactor()

    told = [tags.put("a", value, redactor) for value in (1, 1, True, True, "1", 1)]

    assert told == [("a", 1), None, ("a", True), None, ("a", "1"), ("a", 1)]
    assert values == {"a": 1}


def test_further_names_are_dropped_and_said_once():
    """Known ones can still change."""
    said: list[str] = []
    values: dict[str, Any] = {}
    tags = Tags(values, said.append)
    for number in range(MAX_NAMES + 5):
        tags.put(f"n{number}", 1, Redactor())

    assert len(values) == MAX_NAMES
    assert len(said) == 1
    assert tags.put("n0", 2, Redactor()) == ("n0", 2)


def test_after_so_many_changes_the_journal_is_told_that_it_is_old():
    """Memory goes on to know the last value."""
    values: dict[str, Any] = {}
    tags = Tags(values, lambda text: None)
    redactor = Redactor()
    told = [tags.put("n", number, redactor) for number in range(MAX_CHANGES + 3)]

    assert told[MAX_CHANGES - 1] == ("n", MAX_CHANGES - 1)
    assert told[MAX_CHANGES] is not None
    assert told[MAX_CHANGES][0] == STOPPED
    assert told[MAX_CHANGES + 1 :] == [None, None]
    assert values["n"] == MAX_CHANGES + 2
