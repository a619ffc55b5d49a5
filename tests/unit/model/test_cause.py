"""The vocabulary of deaths."""

from __future__ import annotations

from bootcheck.model.cause import CAUSE_CLASSES, CODE_OF_CAUSE, Cause
from bootcheck.model.codes import CODES
from bootcheck.model.report import schema


def test_every_cause_of_a_death_has_a_code_of_its_own():
    """Only a failed check brings its own, and a boot report has none."""
    assert set(CODE_OF_CAUSE) == set(Cause) - {Cause.CHECK_FAILED, Cause.NONE}
    assert len(set(CODE_OF_CAUSE.values())) == len(CODE_OF_CAUSE)
    assert set(CODE_OF_CAUSE.values()) <= set(CODES)


def test_the_schema_knows_exactly_these_causes():
    """In the order of precedence."""
    assert schema()["properties"]["verdict"]["properties"]["cause"]["enum"] == [str(cause) for cause in Cause]


def test_each_cause_class_stands_once():
    """The first that fits wins, so the order has no ties."""
    assert len(set(CAUSE_CLASSES)) == len(CAUSE_CLASSES) == 33
    assert CAUSE_CLASSES[-1] == "none"
