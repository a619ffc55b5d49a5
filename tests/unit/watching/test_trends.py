"""Growth that does not stop is told, a level that is reached and held is not."""

from __future__ import annotations

import math

import pytest

from bootcheck.watching.processes import Usage
from bootcheck.watching.trends import MOST, Series, Trends

MB = 1 << 20


@pytest.mark.parametrize(
    ("values", "grows"),
    [
        ([80 * MB + 2 * MB * n for n in range(60)], True),
        ([80 * MB] * 60, False),
        # A warm-up, and then the level.
        ([80 * MB + 20 * MB * min(n, 10) for n in range(60)], False),
        # A wave, as caches and collections make.
        ([int(80 * MB + 60 * MB * math.sin(n / 4)) for n in range(60)], False),
        ([80 * MB + MB // 4 * n for n in range(60)], False),
        ([80 * MB + 20 * MB * n for n in range(8)], False),
    ],
    ids=["leak", "flat", "warm-up", "wave", "little", "too-few"],
)
def test_what_grows(values: list[int], grows: bool):
    """Over everything that is kept, and by enough."""
    series = Series()
    for at, value in enumerate(values):
        series.add(at, value)

    assert (series.growth(50 * MB) is not None) is grows


def test_a_long_watch_keeps_little_and_sees_all_of_it():
    """A leak that takes a day is one, too."""
    series = Series()
    for at in range(20_000):
        series.add(at, 100 * MB + at * MB // 100)
    found = series.growth(50 * MB)

    assert found is not None
    assert found[2] > 15_000
    assert len(series._kept) <= MOST + 1
    assert (series.first, series.last) == (100 * MB, 100 * MB + 19_999 * MB // 100)


def test_each_is_told_once():
    """With its figures."""
    trends = Trends()
    said = [
        text
        for at in range(40)
        for text in trends.add(at, Usage(pid=7, start=1, rss_bytes=80 * MB, descriptors=10 + 10 * at, threads=4))
    ]

    assert len(said) == 1
    assert said[0].startswith("its descriptors grow: ")
    assert trends.summary() == "memory 80 MB, descriptors 10 to 400, threads 4"
