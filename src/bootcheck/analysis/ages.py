"""At which age workers were timed out: at one that a limit has, one after the other, they had not begun to serve."""

from __future__ import annotations

from itertools import pairwise

from bootcheck.analysis.lives import WAVE, Life, Server

DEFAULT_TIMEOUT = (29.0, 33.0)
"""Seconds of life of a worker that the default timeout ends while it boots."""
ALIKE = 2.0
"""Seconds by which workers that are timed out in their boot differ in age."""
LONGEST = 1_000.0
"""Seconds: who is timed out at a greater age had booted."""
TENS, LATE = 10.0, 3.0
"""People set limits in tens of seconds, and the master notices some seconds late."""
LIMITS = (
    40.0,
    45.0,
    50.0,
    60.0,
    90.0,
    100.0,
    120.0,
    150.0,
    180.0,
    200.0,
    240.0,
    300.0,
    360.0,
    400.0,
    500.0,
    600.0,
    900.0,
    1000.0,
)
"""Seconds that people write behind --timeout."""
AGAIN = 2
"""Workers one after the other that make a loop."""
NOTICED = 2.0
"""Seconds within which a master that is not busy notices that one of them is over."""
MANY = 4
"""Workers that no single request can have held all at once."""


def again_and_again(server: Server) -> bool:
    """Tell whether each worker that was started was timed out at one limit, and none got as far as to say where."""
    others = [item for item in server.lives.values() if item.booted_at is not None and item.ended_at is not None]
    if server.served or len(others) < AGAIN or any(item.hung_in or item.chain or item.ready for item in others):
        return False
    ages = [age for item in others if item.timed_out and (age := uptime(item)) is not None]
    alone = len({item.booted_at for item in others}) == len(others)
    return alone and len(ages) == len(others) and all(map(_by_limit, ages)) and max(ages) - min(ages) <= ALIKE


def again_since_service(server: Server) -> bool:
    """Tell whether each worker that was started since the last answer was timed out, all at one age."""
    since = server.answered_after
    later = [item for item in server.lives.values() if since is not None and item.nth >= since]
    ages = [age for item in later if item.timed_out and (age := uptime(item)) is not None]
    untold = [item for item in later if item.over and not item.timed_out]
    return len(ages) >= AGAIN and not untold and max(ages) - min(ages) <= ALIKE


def of_one_age(life: Life, other: Life) -> bool:
    """Tell whether two workers ended at the same age."""
    one, two = uptime(life), uptime(other)
    return one is not None and two is not None and abs(one - two) <= ALIKE


def as_a_boot(life: Life) -> bool:
    """Tell whether its age, if known, is one that a limit has."""
    age = uptime(life)
    return age is None or age <= DEFAULT_TIMEOUT[1] or (age <= LONGEST and age % TENS <= LATE)


def all_alike(life: Life, server: Server) -> bool:
    """Tell whether it was timed out as a boot is: at the default limit, or at the same age as the others.

    One that started before the log begins is like those that follow; or all of them began and ended together.
    """
    age = uptime(life)
    others = [item for item in server.lives.values() if item.timed_out]
    ages = [other for item in others if (other := uptime(item)) is not None]
    if (age is None and any(item.ready for item in others)) or _outlived(others, server):
        return False
    if _in_a_loop(ages) and (age is None or age <= 2 * max(DEFAULT_TIMEOUT[1], min(ages))):
        return True
    if server.served:
        return False
    if len(ages) > 1 and max(ages) - min(ages) <= ALIKE and max(ages) <= LONGEST:
        starts = [item.booted_at for item in others if item.booted_at is not None]
        return max(starts) - min(starts) > ALIKE or max(ages) % TENS <= LATE
    if age is not None or ages:
        return all(map(_by_limit, ages if age is None else [age]))
    guessed = [guess for item in others if (guess := _age(item)) is not None]
    # Pids in a row may be those of workers that began together: only the default limit is no chance then.
    in_a_row = any(item.placed_at is not None and item.pid == item.follows + 1 for item in others)
    low, high = DEFAULT_TIMEOUT
    guessed = [guess for guess in guessed if low <= guess <= high or not in_a_row]
    ends = [item.ended_at for item in others if item.ended_at is not None]
    return _in_a_loop(guessed) or _all_at_once(ends) or _without_times(others, server)


def _without_times(others: list[Life], server: Server) -> bool:
    """Tell whether each worker that was started was timed out, and no other line says when or in what."""
    untimed = all(at is None for at in server.boots) and all(item.ended_at is None for item in others)
    return (
        untimed
        and len(others) >= MANY - 1
        and len(server.boots) - len(others) in (0, 1)
        and all(item.begun and not (item.hung_in or item.ready) for item in others)
    )


def _outlived(others: list[Life], server: Server) -> bool:
    """Tell whether one that began with them lives on for seconds: what they all load does not take too long."""
    known = [at for item in server.lives.values() for at in (item.booted_at, item.ended_at) if at is not None]
    first = min(
        (item for item in others if item.ended_at is not None), key=lambda item: item.ended_at or 0.0, default=None
    )
    if first is None or first.ended_at is None or first.booted_at is None or max(known) - first.ended_at < LATE:
        return False
    return any(
        not item.timed_out
        and not item.over
        and item.booted_at is not None
        and abs(item.booted_at - first.booted_at) < 1.0
        for item in server.lives.values()
    )


def _all_at_once(ends: list[float]) -> bool:
    """Tell whether so many were timed out together, once or always, that no requests can have held all of them."""
    if len(ends) < MANY:
        return False
    if max(ends) - min(ends) <= ALIKE:
        return True
    ends.sort()
    breaks = [place for place, (one, other) in enumerate(pairwise(ends), 1) if other - one > WAVE]
    sizes = [stop - start for start, stop in pairwise([0, *breaks, len(ends)])]
    return len(sizes) > 1 and min(sizes) >= MANY - 1


def _by_limit(age: float) -> bool:
    """Tell whether an age is one at which a boot is ended: the default limit, or one that people set."""
    low, high = DEFAULT_TIMEOUT
    return low <= age <= high or any(0 <= age - limit <= NOTICED for limit in LIMITS)


def _in_a_loop(ages: list[float]) -> bool:
    """Tell whether most were timed out at the limit of a boot: a busy machine notices some of them late."""
    found = sum(map(_by_limit, ages))
    return found > 1 and 2 * found >= len(ages)


def began(life: Life) -> float | None:
    """Return when it was started, as far as the log tells or lets one conclude."""
    return life.placed_at if life.booted_at is None else life.booted_at


def _age(life: Life) -> float | None:
    born = began(life)
    return None if life.ended_at is None or born is None else life.ended_at - born


def uptime(life: Life) -> float | None:
    """Return its seconds from start to end, where both are in the log."""
    return None if life.ended_at is None or life.booted_at is None else life.ended_at - life.booted_at
