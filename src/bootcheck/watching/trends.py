"""A slow accumulation: memory, descriptors or threads of one process that only ever grow."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from bootcheck.analysis.pattern import seconds
from bootcheck.watching.processes import Usage

ENOUGH = 12
"""Looks before anything is said: a start is no trend."""
MOST = 240
"""Looks that are kept of one process; of more, every second one is forgotten."""
BY = 1.3
"""The least factor by which a value grows over what is kept."""
LEAST = {"memory": 50 << 20, "descriptors": 50, "threads": 10}
"""The least growth that is worth a word, in bytes or numbers."""


class Series:
    """One value of one process."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, float]] = []
        self._skip = 0
        self._step = 1
        self.first: float | None = None
        self.last: float | None = None
        self.most: float | None = None

    def add(self, at: float, value: float) -> None:
        """Take the value of one look."""
        self.first = value if self.first is None else self.first
        self.last, self.most = value, value if self.most is None else max(self.most, value)
        self._skip = (self._skip + 1) % self._step
        if self._skip:
            return
        self._kept.append((at, value))
        if len(self._kept) > MOST:
            self._kept = self._kept[::2]
            self._step *= 2

    def growth(self, least: float) -> tuple[float, float, float] | None:
        """Return from what, to what, and in how many seconds it grew; None where it does not, or not all the time."""
        if len(self._kept) < ENOUGH:
            return None
        third = len(self._kept) // 3
        parts = [self._kept[:third], self._kept[third:-third], self._kept[-third:]]
        low, middle, high = (median(value for _, value in part) for part in parts)
        lowest, highest = min(value for _, value in parts[2]), max(value for _, value in parts[0])
        # A level that was reached once, and held since, is no growth: the later part must be above the middle.
        if not (low < middle < high and lowest > highest and high - middle >= (middle - low) / 4):
            return None
        if high - low < least or high < low * BY:
            return None
        return low, high, self._kept[-1][0] - self._kept[0][0]


class Trends:
    """The values of one process over the time it is watched."""

    def __init__(self) -> None:
        self.series = {name: Series() for name in LEAST}
        self._said: set[str] = set()

    def add(self, at: float, usage: Usage) -> Iterator[str]:
        """Take one look; yield what turns out to grow, each once."""
        values = {"memory": usage.rss_bytes, "descriptors": usage.descriptors, "threads": usage.threads}
        for name, value in values.items():
            if value is None:
                continue
            self.series[name].add(at, value)
            if name in self._said:
                continue
            found = self.series[name].growth(LEAST[name])
            if found is not None:
                self._said.add(name)
                low, high, took = found
                grown = f"{shown(name, low)} to {shown(name, high)} in {seconds(took)}"
                yield f"its {name} grow{'s' if name == 'memory' else ''}: {grown}"

    def summary(self) -> str:
        """Return how each value went: `memory 80 to 212 MB, descriptors 12 to 340, threads 5`."""
        told = []
        for name, series in self.series.items():
            if series.first is None or series.last is None:
                continue
            first, last = shown(name, series.first), shown(name, series.last)
            told.append(f"{name} {first if first == last else f'{first} to {last}'}")
        return ", ".join(told)


def shown(name: str, value: float) -> str:
    """Return a value with its unit."""
    return f"{value / (1 << 20):.0f} MB" if name == "memory" else f"{value:.0f}"
