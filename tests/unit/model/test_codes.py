"""The catalogue of codes: unique, ordered, each in a class."""

from __future__ import annotations

import re

import pytest

from bootcheck.model.cause import CAUSE_CLASSES
from bootcheck.model.codes import _RULES, CODES, EX_CONFIG, EX_UNAVAILABLE, SLUGS, Rule, find

RULES = list(CODES.values())


def test_codes_are_unique_and_ordered():
    """A code is for ever; a reader finds it where it belongs."""
    codes = [rule.code for rule in _RULES]

    assert codes == sorted(set(codes))
    assert len(SLUGS) == len(_RULES)


@pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])
def test_a_rule_is_well_formed(rule: Rule):
    """BCnnn, a slug in kebab-case, a title that is a sentence, a known class, a known exit code."""
    assert re.fullmatch(r"BC[0-5]\d\d", rule.code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+|[a-z]+", rule.slug)
    assert rule.title[0].isupper() or rule.title.startswith("gevent")
    assert not rule.title.endswith(".")
    assert rule.cause_class in set(CAUSE_CLASSES) - {"none"}
    assert rule.exit_code in (EX_CONFIG, EX_UNAVAILABLE)
    assert rule.transient is (rule.exit_code == EX_UNAVAILABLE)


def test_exactly_the_refusals_of_services_are_transient():
    """69 for refused, DNS, timeout, too many connections, starting up; 78 for all else (contract.md §5)."""
    assert {rule.slug for rule in RULES if rule.transient} == {
        "database-refused",
        "database-host-unresolved",
        "database-timeout",
        "database-too-many-connections",
        "database-starting-up",
    }


@pytest.mark.parametrize("text", ["BC201", "bc201", "pool-shared-after-fork", "POOL-SHARED-AFTER-FORK"])
def test_a_rule_is_found_by_code_and_slug_in_any_case(text: str):
    """As people type it."""
    found = find(text)

    assert found is not None
    assert found.code == "BC201"


def test_an_unknown_code_is_none():
    """The command says so itself."""
    assert find("BC999") is None
