"""Many small reports, read by several processes: what is more than a report is left to the readers."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain, islice
from typing import Any

from bootcheck.analysis.readers import Digester, crew
from bootcheck.analysis.readers.places import Place
from bootcheck.analysis.readers.values import parsed

FEW = 500
"""Files up to which one process is as fast."""
BATCH = 200
SMALL = 1 << 16
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
Read = tuple[tuple[Any, ...], int]
"""A digest, and the lines of its file."""


def digested(found: Iterator[Place], digester: Digester | None, jobs: int) -> Iterator[tuple[Place, Read | None]]:
    """Yield every place in order, with what was read there where it is a report and nothing else."""
    first = list(islice(found, FEW)) if jobs > 1 and digester is not None else []
    if len(first) < FEW or digester is None:
        yield from ((place, None) for place in chain(first, found))
        return
    listed = [*first, *found]
    batches = [listed[start : start + BATCH] for start in range(0, len(listed), BATCH)]
    with closing(crew.spread(batches, lambda batch: _digests(batch, digester), jobs)) as results:
        for batch, read in zip(batches, results, strict=True):
            yield from zip(batch, read, strict=True)


def _digests(batch: Iterable[Place], digester: Digester) -> list[Read | None]:
    return [_digest(place, digester) for place in batch]


def _digest(place: Place, digester: Digester) -> Read | None:
    if place.problem is not None or not place.name.endswith(".json"):
        return None
    data = _small(place)
    digest = digester.of(parsed(data), place.name) if data[:1] == b"{" else None
    return None if digest is None else (digest, data.count(b"\n") + (not data.endswith(b"\n")))


def _small(place: Place) -> bytes:
    """Return all of a small regular file, else nothing."""
    try:
        fd = os.open(place.name, _OPEN | (0 if place.named else _NO_LINK))
    except (OSError, ValueError):
        return b""
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size > SMALL:
            return b""
        data = os.read(fd, SMALL + 1)
        return data if len(data) <= SMALL else b""
    except OSError:
        return b""
    finally:
        os.close(fd)
