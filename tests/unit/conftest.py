"""What unit tests share: a recorder with what it recorded and what it said."""

from __future__ import annotations

import pytest

from bootcheck.sinks.memory import Memory


@pytest.fixture
def memory() -> Memory:
    """What was recorded."""
    return Memory()


@pytest.fixture
def said() -> list[str]:
    """What was said on stderr."""
    return []
