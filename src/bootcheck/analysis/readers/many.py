"""Many small reports, of each only what decides: what is more than a report is left to the readers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing

from bootcheck.analysis.readers import Batch, Digester, Intake, crew
from bootcheck.analysis.readers.places import Place

FEW = 500
"""Files up to which reading them one by one is as fast."""
BATCH = 200
SMALL = 1 << 16
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_NONE = -1
"""In the place of the number of lines: left to the readers."""


def digested(found: Iterator[Place | list[str]], intake: Intake, jobs: int) -> Iterator[Place]:
    """Yield every place in order but those that are reports and nothing else: these are given to the intake."""
    digester = intake.digester
    listed: list[Place | str] = []
    for some in found:
        listed += [some] if isinstance(some, Place) else some
        if digester is None:
            yield from map(_place, listed)
            listed = []
    if len(listed) < FEW or digester is None:
        yield from map(_place, listed)
        return
    batches = [listed[start : start + BATCH] for start in range(0, len(listed), BATCH)]
    del listed
    with closing(crew.spread(batches, lambda batch: _read(batch, digester), jobs)) as results:
        for number, (batch, counts) in enumerate(results):
            yield from _told(batches[number], batch, counts, intake)
            batches[number] = []


def _place(found: Place | str) -> Place:
    return Place(found, named=False) if isinstance(found, str) else found


def _read(places: Iterable[str | Place], digester: Digester) -> tuple[Batch, list[int]]:
    counts = [
        _lines(place, digester) if isinstance(place, str) and place.endswith(".json") else _NONE for place in places
    ]
    return digester.taken(), counts


def _lines(path: str, digester: Digester) -> int:
    """Return 1: a report counts as one line, as in JSONL, however it is laid out."""
    data = _small(path)
    if data[:1] != b"{" or not digester.take(data, path):
        return _NONE
    return 1


def _small(path: str) -> bytes:
    """Return all of a small file, else nothing; what is no regular file (any more) has nothing to read."""
    try:
        fd = os.open(path, _OPEN)
    except (OSError, ValueError):
        return b""
    try:
        data = os.read(fd, SMALL + 1)
    except OSError:
        return b""
    finally:
        os.close(fd)
    return data if len(data) <= SMALL else b""


def _told(places: list[str | Place], batch: Batch, counts: list[int], intake: Intake) -> Iterator[Place]:
    """Give what was read to the intake, and yield the rest, all in order."""
    if _NONE not in counts:
        intake.files(batch, [place for place in places if isinstance(place, str)], sum(counts))
        return
    kinds, rows = batch
    names: list[str] = []
    lines = given = 0
    for place, count in zip(places, counts, strict=True):
        if count != _NONE and isinstance(place, str):
            names.append(place)
            lines += count
            continue
        intake.files((kinds, rows[given : given + len(names)]), names, lines)
        given, names, lines = given + len(names), [], 0
        yield _place(place)
    intake.files((kinds, rows[given:]), names, lines)
