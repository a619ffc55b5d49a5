"""How the deaths of one incident lie in time and place: what a person would count by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from bootcheck.analysis.deaths import LOG, Death
from bootcheck.model.cause import Cause

MAX_KEPT = 1_000
MAX_ORDER = 8
GAP = 5.0
"""Seconds without a death after which the next one begins another wave."""
ALIKE = 0.05
"""Lives that differ by less than this share of their length were ended by a limit, not by chance."""
REGULAR = 0.2
"""Intervals that differ by less than this share are regular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """When, where and in which order the processes of an incident died."""

    count: int = 0
    times: tuple[float, ...] = ()
    """In order, as far as they are known."""
    order: tuple[str, ...] = ()
    """The first ones that died."""
    hosts: tuple[tuple[str, int], ...] = ()
    lives: tuple[float, ...] = ()
    """Seconds from start to end, where both are known: of a process that vanished only the last record is."""
    steps: tuple[tuple[str, int], ...] = ()
    origins: tuple[str, ...] = ()
    """Who sent the signals: master, outside."""
    ready: tuple[bool, ...] = ()
    """Whether they were ready when they died, where that is known."""
    processes: frozenset[tuple[str, int]] = frozenset()
    """Host and pid."""
    servers: frozenset[str] = frozenset()
    deaths: bool = True
    """False where no process ended of it: errors of requests."""
    only_logs: bool = False
    last_words: bool = False
    """The times are those of last records: nobody saw the deaths, which may have come later."""

    @property
    def waves(self) -> list[tuple[float, int]]:
        """Beginning and size of each run of deaths that came together."""
        found: list[tuple[float, int]] = []
        last: float | None = None
        for at in self.times:
            if last is None or at - last > GAP:
                found.append((at, 0))
            found[-1] = (found[-1][0], found[-1][1] + 1)
            last = at
        return found

    @property
    def intervals(self) -> list[float]:
        """Seconds from the beginning of each wave to that of the next."""
        begins = [at for at, _ in self.waves]
        return [later - earlier for earlier, later in pairwise(begins)]

    def sentences(self) -> Iterator[str]:
        """Yield what the pattern says, one fact a sentence."""
        yield from self._together()
        yield from self._repeats()
        yield from self._lived()
        if len(self.hosts) > 1:
            told = ", ".join(f"{host} {number}" for host, number in self.hosts[:MAX_ORDER])
            yield f"On {len(self.hosts)} hosts: {told}."
        if len(self.steps) > 1:
            told = ", ".join(f"{step} {number}" for step, number in self.steps[:MAX_ORDER])
            yield f"They stood in different steps: {told}."

    def _together(self) -> Iterator[str]:
        if len(self.times) < 2:
            return
        waves = self.waves
        spread = self.times[-1] - self.times[0]
        if len(waves) == 1:
            what = "The last records of all" if self.last_words else "All"
            verb = "lie" if self.last_words else "died" if self.deaths else "came"
            yield f"{what} {self.count} {verb} {f'within {seconds(spread)}' if spread else 'at the same time'}."
        if len(self.order) > 1 and self.deaths:
            more = f", and {self.count - len(self.order)} more" if self.count > len(self.order) else ""
            yield f"In this order: {', '.join(self.order)}{more}."

    def _repeats(self) -> Iterator[str]:
        gaps = self.intervals
        if not gaps:
            return
        each = median(gaps)
        regular = len(gaps) > 1 and max(gaps) - min(gaps) <= REGULAR * each
        told = (
            f"every {seconds(each)}" if regular or len(gaps) == 1 else f"{seconds(min(gaps))} to {seconds(max(gaps))}"
        )
        said = "regularly, " if regular else ""
        if len(gaps) == 1:
            yield f"It happened twice, {seconds(each)} apart."
        else:
            yield f"It came {len(gaps) + 1} times, {said}{told}{'' if regular else ' apart'}."

    def _lived(self) -> Iterator[str]:
        if len(self.lives) < 2:
            return
        low, high = min(self.lives), max(self.lives)
        if self.by_a_limit:
            yield (
                f"Each lived {seconds(median(self.lives))} ({seconds(low)} to {seconds(high)}): that is a limit "
                f"somewhere, not chance."
            )
        elif seconds(low) == seconds(high):
            yield f"Each lived {seconds(low)}."
        else:
            yield f"They lived {seconds(low)} to {seconds(high)}, {seconds(median(self.lives))} in the middle."

    @property
    def by_a_limit(self) -> bool:
        """True where lives are too alike, and too long, to be chance; what starts and ends together only looks so."""
        if len(self.lives) < 2 or min(self.lives) < GAP or len(self.waves) < 2:
            return False
        return max(self.lives) - min(self.lives) <= max(1.0, ALIKE * median(self.lives))


def of_group(group: Sequence[Death]) -> Pattern:
    """Return the pattern of deaths that are one incident, in the order of their times."""
    kept = group[:MAX_KEPT]
    timed = [death for death in kept if death.at is not None]
    hosts = _counted(death.host for death in kept)
    return Pattern(
        count=len(group),
        times=tuple(sorted(death.at for death in timed if death.at is not None)),
        order=tuple(_named(death, len(hosts)) for death in timed[:MAX_ORDER]),
        hosts=hosts,
        lives=tuple(
            max(0.0, death.at - death.since)
            for death in timed
            if death.since is not None
            and death.at is not None
            and death.pid is not None
            and death.cause is not Cause.VANISHED
        ),
        steps=_counted(death.step for death in kept),
        origins=tuple(dict.fromkeys(death.origin for death in kept if death.origin)),
        ready=tuple(dict.fromkeys(death.ready for death in kept if death.ready is not None)),
        processes=frozenset((death.host or "", death.pid) for death in kept if death.pid is not None),
        servers=frozenset(death.server for death in kept if death.server),
        deaths=any(death.cause is not Cause.NONE for death in kept),
        only_logs=all(death.kind == LOG for death in kept),
        last_words=all(death.cause is Cause.VANISHED for death in kept),
    )


def seconds(value: float) -> str:
    """Return a span of time as people say it."""
    if value < 1:
        return f"{value * 1000:.0f} ms" if value < 0.1 else f"{value:.2f} s"
    if value < 120:
        return f"{value:.1f} s"
    if value < 7_200:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:.1f} h" if value < 172_800 else f"{value / 86_400:.1f} days"


def _counted(values: Iterable[str | None]) -> tuple[tuple[str, int], ...]:
    return tuple(Counter(value for value in values if value).most_common())


def _named(death: Death, hosts: int) -> str:
    who = f"{death.role} {death.pid}" if death.pid is not None else death.role
    return f"{who} on {death.host}" if death.host and hosts > 1 else who
