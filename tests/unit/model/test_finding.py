"""Findings: conclusions that survive a pipe, a journal and a report."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from bootcheck.model.codes import CODES
from bootcheck.model.finding import Evidence, Finding, Severity
from tests.strategies import findings

ONE = Finding(code="BC101", summary="SECRET_KEY is not set.")


@given(findings)
def test_a_finding_comes_back_as_it_was(finding: Finding):
    """The preflight child's findings are the master's."""
    assert Finding.from_dict(json.loads(json.dumps(finding.as_dict()))) == finding


def test_a_finding_is_an_error_of_nobody_until_told_otherwise():
    """The defaults are the ones a check relies on."""
    assert (ONE.severity, ONE.declared, ONE.confidence, ONE.step) == (Severity.ERROR, False, "high", None)


def test_declaring_changes_nothing_else():
    """Discovered and declared findings differ in that word only."""
    assert ONE.with_declared(True) == replace(ONE, declared=True)


def test_the_slug_is_that_of_the_code():
    """The catalogue names the bad thing."""
    assert ONE.slug == CODES["BC101"].slug == "env-variable-missing"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"code": "BC101"},
        {"summary": "x"},
        {"code": "BC999", "summary": "x"},
        {"code": "BC101", "summary": "x", "severity": "fatal"},
    ],
)
def test_what_is_no_finding_is_refused(data: dict[str, str]):
    """A fold counts it as a line that could not be read."""
    with pytest.raises((KeyError, ValueError)):
        Finding.from_dict(data)


def test_lists_of_the_wrong_kind_become_empty():
    """A text where a list belongs is not taken apart into letters."""
    assert Finding.from_dict({"code": "BC101", "summary": "x", "action": "restart", "missing": None}).action == ()


def test_evidence_without_a_place_has_none():
    """Missing keys are empty, never an error."""
    assert Evidence.from_dict({}) == Evidence(text="")
    assert Evidence.from_dict({"text": "t", "line": "7"}).line is None
