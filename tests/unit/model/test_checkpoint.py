"""Checkpoints: frozen, and the same after a journal line."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given

from bootcheck.model.checkpoint import Checkpoint, Outcome, Phase
from bootcheck.model.encode import line
from tests.strategies import checkpoints

ONE = Checkpoint(seq=1, name="env.SECRET_KEY", phase=Phase.ENVIRONMENT, outcome=Outcome.PASSED, at=1.5)


@given(checkpoints)
def test_a_journal_line_gives_the_same_checkpoint_back(checkpoint: Checkpoint):
    """Nothing is lost or changed by JSON, whatever the texts hold."""
    assert Checkpoint.from_record(json.loads(line(checkpoint.as_record()))) == checkpoint


def test_a_checkpoint_cannot_be_changed():
    """A later outcome is a new checkpoint."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        ONE.outcome = Outcome.FAILED  # type: ignore[misc]


def test_the_smallest_record_holds_nothing_empty():
    """A journal line is as short as it can be."""
    assert ONE.as_record() == {
        "t": "checkpoint",
        "seq": 1,
        "name": "env.SECRET_KEY",
        "phase": "environment",
        "outcome": "passed",
        "at": 1.5,
    }


def test_keys_of_a_newer_version_are_ignored():
    """An old reader understands a new line."""
    assert Checkpoint.from_record({**ONE.as_record(), "cpu_ms": 3, "colour": None}) == ONE


@pytest.mark.parametrize("missing", ["seq", "name", "phase", "outcome", "at"])
def test_a_record_without_its_essentials_is_none(missing: str):
    """The reader raises one of the errors that a fold counts."""
    record = ONE.as_record()
    del record[missing]

    with pytest.raises((KeyError, TypeError, ValueError)):
        Checkpoint.from_record(record)


@pytest.mark.parametrize("wrong", [{"phase": "lunch"}, {"outcome": "maybe"}, {"seq": "x"}, {"at": []}])
def test_a_record_with_an_unknown_word_is_none(wrong: dict[str, object]):
    """A vocabulary is closed: a typo is no phase."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        Checkpoint.from_record({**ONE.as_record(), **wrong})


def test_a_report_entry_names_every_key():
    """In a report an unknown is null, and the time is RFC 3339."""
    assert ONE.as_report_entry() == {
        "seq": 1,
        "name": "env.SECRET_KEY",
        "phase": "environment",
        "outcome": "passed",
        "at": "1970-01-01T00:00:01.500Z",
        "duration_ms": None,
        "rss_bytes": None,
        "detail": {},
    }
