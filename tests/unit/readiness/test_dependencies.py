"""Dependencies: asked seldom, never for long, told without secrets."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

import pytest

from bootcheck.readiness.dependencies import Dependencies


def asking(questions: dict[str, Any], **options: Any) -> Dependencies:
    """Return dependencies with generous limits."""
    return Dependencies(questions, **{"timeout": 30.0, "keep": 600.0, **options})


def fail() -> None:
    """Raise as a driver does."""
    msg = "no route to postgres://shop:s3cr3t-w0rd@db/shop"
    raise OSError(msg)


def test_answers_are_kept_and_masked():
    """One question however often it is probed; a password in an error is none."""
    asked: list[int] = []
    found = asking({"model": lambda: asked.append(1), "database": fail, "cache": lambda: False})
    told = found.ask()
    assert found.ask() is told
    assert asked == [1]

    assert [(one["name"], one["ok"]) for one in told] == [("model", True), ("database", False), ("cache", False)]
    assert "OSError" in told[1]["error"]
    assert "s3cr3t" not in told[1]["error"]
    assert told[2]["error"] == "it said False"
    assert not found.required(told)


def test_an_optional_one_is_told_and_makes_nothing_unready():
    """It is known by name."""
    found = asking({"cache": fail}, optional=["cache"])
    told = found.ask()
    assert found.required(told)
    assert (told[0]["ok"], told[0]["required"]) == (False, False)
    with pytest.raises(ValueError, match="cashe"):
        asking({"cache": fail}, optional=["cashe"])
    with pytest.raises(ValueError, match="cannot be called"):
        asking({"cache": None})


def test_one_that_hangs_hangs_nobody_and_is_asked_once():
    """The limit is for all at once; until it comes back nobody asks it again."""
    release, asked = threading.Event(), []

    def hang() -> None:
        asked.append(1)
        release.wait(60)

    found = asking({"slow": hang, "quick": lambda: True}, timeout=0.2, keep=0.0)
    for _ in range(3):
        slow, quick = found.ask()
        assert (slow["ok"], quick["ok"]) == (False, True)
        assert "no answer within" in slow["error"]
    release.set()

    assert asked == [1]


def test_on_an_event_loop_coroutines_are_asked_too():
    """The loop goes on meanwhile; a coroutine that hangs is cancelled."""

    async def good() -> bool:
        return True

    async def hang() -> None:
        await asyncio.sleep(600)

    async def bad() -> None:
        fail()

    found = asking({"a": hang, "b": good, "c": lambda: True, "d": bad}, timeout=0.5)
    told = asyncio.run(found.ask_async())
    assert [(one["name"], one["ok"]) for one in told] == [("a", False), ("b", True), ("c", True), ("d", False)]
    assert "no answer" in told[0]["error"]


def test_what_is_kept_is_of_this_process():
    """Made before a fork: a lock that was held there is not held for ever here."""
    found = asking({"a": lambda: True})
    found._lock.acquire()
    found._owner = os.getpid() + 1
    assert found.ask()[0]["ok"]
