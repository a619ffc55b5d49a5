"""An answer: the contract's keys, when to ask again, and no secret."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bootcheck.readiness.access import Access
from bootcheck.readiness.answer import answer, retry_after
from bootcheck.readiness.state import ALONE

KEYS = {"phase", "step", "elapsed_s", "expected_s", "workers_ready", "workers"}
LOADING = replace(ALONE, phase="booting", ready=False, workers_ready=0, step="load", elapsed_s=3.0, reason="not yet")
DOWN: list[dict[str, Any]] = [{"name": "database", "ok": False, "required": True, "error": "refused"}]


def test_a_no_says_what_it_waits_for_and_when_to_ask_again():
    """503, JSON, Retry-After, nothing kept by a cache."""
    found = answer(LOADING, good=False)
    told, headers = json.loads(found.body), dict(found.headers)

    assert (found.status, found.line) == (503, "503 Service Unavailable")
    assert set(told) >= KEYS
    assert (told["step"], told["elapsed_s"], told["expected_s"], told["reason"]) == ("load", 3.0, None, "not yet")
    assert headers["Content-Type"] == "application/json"
    assert headers["Content-Length"] == str(len(found.body))
    assert headers["Cache-Control"] == "no-store"
    assert headers["Retry-After"] == "5"


def test_a_yes_has_the_same_keys_and_no_reason():
    """Nobody is to come back for it."""
    found = answer(ALONE, good=True)
    told = json.loads(found.body)
    assert found.status == 200
    assert set(told) >= KEYS
    assert told["reason"] is None
    assert "Retry-After" not in dict(found.headers)


@pytest.mark.parametrize(("expected", "after"), [(None, 5), (0.0, 1), (0.2, 1), (7.2, 8), (900.0, 30)])
def test_to_ask_again_is_told_by_what_is_expected(expected: float | None, after: int):
    """Whole seconds, neither none nor for ever."""
    assert retry_after(replace(LOADING, expected_s=expected)) == after


def test_dependencies_are_details():
    """Whoever is told none learns that one is missing, not which and why."""
    brief, full = (answer(ALONE, good=False, dependencies=DOWN, details=details).body for details in (False, True))
    assert json.loads(brief)["reason"] == "a dependency is not available"
    assert b"refused" not in brief
    assert b"database" not in brief
    assert json.loads(full)["dependencies"] == DOWN


@pytest.mark.parametrize(
    ("client", "forwarded", "detailed"),
    [
        ("127.0.0.1", False, True),
        ("10.2.3.4", False, True),
        ("::1", False, True),
        ("fe80::1%eth0", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("", False, True),
        ("8.8.8.8", False, False),
        ("::ffff:8.8.8.8", False, False),
        ("2a00:1450::1", False, False),
        ("10.2.3.4", True, False),
    ],
)
def test_details_are_for_private_networks_without_a_proxy_in_between(client: str, forwarded: bool, detailed: bool):
    """What comes through a proxy may come from anywhere."""
    assert Access().detailed(client, forwarded=forwarded) is detailed
    assert Access(details="always").detailed(client, forwarded=forwarded)
    assert not Access(details="never").detailed(client, forwarded=forwarded)


def test_networks_that_are_answered():
    """A unix socket has no address: who may open it is the file system's to say."""
    access = Access(["10.0.0.0/8", "::1"])
    assert [access.answered(client) for client in ("10.1.1.1", "::1", "", "11.0.0.1", "::2")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert Access().answered("8.8.8.8")


@pytest.mark.parametrize("options", [{"allow": ["10.0.0.0/99"]}, {"allow": ["pod"]}, {"details": "some"}])
def test_a_wrong_option_is_named(options: dict[str, Any]):
    """At once, not at the first probe."""
    with pytest.raises(ValueError, match=r"details|allow"):
        Access(**options)
