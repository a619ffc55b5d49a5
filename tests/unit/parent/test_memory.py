"""Memory kills: how many, and since when."""

from __future__ import annotations

from typing import Any

from bootcheck.parent.memory import RECENT, MemoryKills


class Group:
    """A control group whose counter the test sets."""

    def __init__(self, count: int | None) -> None:
        self.count = count

    def oom_kills(self) -> int | None:
        """Return what the kernel counted."""
        return self.count

    def limit_bytes(self) -> int | None:
        """Return a limit."""
        return 1 << 20


def kills(count: int | None) -> tuple[MemoryKills, Any, list[float]]:
    """Return the subject, its group and its clock."""
    group, now = Group(count), [100.0]
    return MemoryKills(group, lambda: now[0]), group, now  # type: ignore[arg-type]


def test_what_was_counted_before_the_start_does_not_count():
    """A container that was killed for memory yesterday starts with a count."""
    subject, _, _ = kills(7)

    assert subject.look() == 0
    assert subject.recent() == 0


def test_a_rise_that_a_look_has_seen_still_explains_a_death_right_after_it():
    """The kernel counts before its victim is gone."""
    subject, group, now = kills(7)
    group.count = 9

    assert subject.look() == 2
    now[0] += RECENT / 2
    assert subject.recent() == 2


def test_an_old_rise_explains_nothing():
    """A worker that was killed for memory an hour ago did not kill the master now."""
    subject, group, now = kills(0)
    group.count = 1
    subject.look()
    now[0] += RECENT * 2

    assert subject.recent() == 0


def test_an_unreadable_count_is_unknown():
    """Not zero."""
    subject, _, _ = kills(None)

    assert subject.look() == 0
    assert subject.recent() is None
    assert subject.limit_bytes == 1 << 20
