"""Near misses: the name that was set instead of the one that was meant. Only names, never values."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SEPARATORS = re.compile(r"[^A-Z0-9]+")


def near_names(wanted: str, present: Iterable[str]) -> tuple[str, ...]:
    """Return the present names that may be misspellings of `wanted`, the likeliest first."""
    scored = [(score, name) for name in present if name != wanted and (score := _score(wanted, name)) is not None]
    return tuple(name for _, name in sorted(scored)[:3])


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was probably meant to be, or None."""
    allowed = 1 if len(word) <= 4 else 2 if len(word) <= 8 else 3
    others = [candidate for candidate in known if candidate != word]
    cut = [candidate for candidate in others if len(word) >= 4 and candidate.startswith(word)]
    if cut:
        return cut[0]
    scored = sorted((distance(word, candidate), candidate) for candidate in others)
    return scored[0][1] if scored and scored[0][0] <= allowed else None


def distance(left: str, right: str) -> int:
    """Return how many letters to insert, delete, replace or swap with their neighbour."""
    older: list[int] = []
    above = list(range(len(right) + 1))
    for row, char in enumerate(left, start=1):
        current = [row]
        for column, other in enumerate(right, start=1):
            best = min(above[column] + 1, current[column - 1] + 1, above[column - 1] + (char != other))
            if row > 1 and column > 1 and char == right[column - 2] and left[row - 2] == other:
                best = min(best, older[column - 2] + 1)
            current.append(best)
        older, above = above, current
    return above[-1]


def _score(wanted: str, name: str) -> int | None:
    """Smaller is nearer; None where the names only share words (REDIS_HOST and REDIS_PORT)."""
    mine, theirs = _words(wanted), _words(name)
    if "".join(mine) == "".join(theirs):
        return 0
    if len(mine) == len(theirs):
        apart = [distance(one, other) for one, other in zip(mine, theirs, strict=True)]
        return sum(apart) if all(map(_is_slip, mine, theirs, apart)) else None
    joined, other = "".join(mine), "".join(theirs)
    if abs(len(joined) - len(other)) <= 1 and distance(joined, other) <= 1:
        return 1
    # FLASK_SECRET_KEY and DJANGO_SECRET_KEY are what another framework calls it.
    if len(mine) >= 2 and len(theirs) == len(mine) + 1 and mine in (theirs[1:], theirs[:-1]):
        return 3
    return None


def _is_slip(mine: str, theirs: str, gap: int) -> bool:
    if gap > (1 if len(mine) < 6 else 2):
        return False
    # ID and IP are two words, BD and DB are one.
    return gap < len(mine) - 1 or sorted(mine) == sorted(theirs)


def _words(name: str) -> list[str]:
    return [word for word in _SEPARATORS.split(name.upper()) if word]
