"""Several tellings of one death: found again, and made one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bootcheck.analysis import clocks
from bootcheck.analysis.deaths import LOG, MAX_EVIDENCE, Death
from bootcheck.model.boot import Boot

NEAR = 5.0
"""Seconds by which two tellings of one end may differ: logs have whole seconds, a timeout takes one."""
SAME_START = 3.0
"""Seconds by which two tellings of one start may differ."""


class Tellings:
    """The deaths that are kept, found by who died when."""

    def __init__(self, found: Iterable[Death]) -> None:
        self._by_pid: dict[int, list[Death]] = {}
        self._by_source: dict[str, list[Death]] = {}
        self._taken: set[tuple[int, str]] = set()
        for death in found:
            self.add(death)

    def add(self, death: Death) -> None:
        """Keep a death."""
        if death.pid is not None:
            self._by_pid.setdefault(death.pid, []).append(death)
        for source in death.told_in or (death.source,):
            if death.kind != LOG:
                self._by_source.setdefault(source, []).append(death)

    def of_journal(self, boot: Boot, death: Death) -> Death | None:
        """Return the report about a journal's process."""
        for other in self._by_pid.get(death.pid or -1, ()):
            if other.role != death.role or not _same_host(other.host, death.host):
                continue
            if other.server and death.server:
                if other.server == death.server:
                    return other
                continue
            started, last = death.since, boot.last_at
            after_start = started is None or other.at is None or other.at >= started - NEAR
            if after_start and (last is None or other.at is None or other.at >= last - NEAR):
                return other
        return None

    def of_log(self, death: Death) -> Death | None:
        """Return another source's telling of a death in a log; one log never tells a death twice."""
        if death.pid is None or death.at is None:
            # Gunicorn's bare lines have neither time nor pid: a report in the same log is about them.
            others = [other for other in self._by_source.get(death.source, ()) if other.role == death.role]
            same = next((other for other in others if (id(other), death.source) not in self._taken), None)
        else:
            same = next((other for other in self._by_pid.get(death.pid, ()) if self._fits(other, death)), None)
        if same is not None:
            self._taken.add((id(same), death.source))
        return same

    def in_our_time(self, found: Sequence[Death]) -> Iterator[Death]:
        """Yield one log's deaths, corrected by what its clock is away from that of the deaths that are kept."""
        offset = clocks.offset_of(list(self._pairs(found[: clocks.MAX_ASKED])), NEAR)
        for death in found:
            if offset and death.at is not None:
                death.at += offset
                death.since = None if death.since is None else death.since + offset
            yield death

    def _pairs(self, found: Sequence[Death]) -> Iterator[clocks.Pair]:
        for number, death in enumerate(found):
            for other in self._by_pid.get(death.pid or -1, ())[: clocks.MAX_OTHERS]:
                if death.at is None or other.at is None or other.role != death.role or other.source == death.source:
                    continue
                if not _same_host(other.host, death.host) or (other.kind == LOG and other.cause is not death.cause):
                    continue
                known = death.since is not None and other.since is not None
                life = (other.at - (other.since or 0.0)) - (death.at - (death.since or 0.0)) if known else None
                yield clocks.Pair(number, other.at - death.at, life)

    def _fits(self, other: Death, death: Death) -> bool:
        if (other.kind == LOG and other.source == death.source) or (id(other), death.source) in self._taken:
            return False
        if other.kind == LOG and other.cause is not death.cause:
            return False
        return _same_host(other.host, death.host) and _same_time(other, death)


def merge(kept: Death, other: Death) -> None:
    """Let the fuller telling gain what only the other one knows."""
    kept.host = kept.host or other.host
    kept.since = kept.since if kept.since is not None else other.since
    kept.stops = kept.stops or other.stops
    if other.specific and not kept.specific:
        kept.cause_class, kept.specific = other.cause_class, True
        evidence = (*other.finding.evidence, *kept.finding.evidence)[:MAX_EVIDENCE]
        kept.told = replace(other.finding, code=kept.finding.code, evidence=evidence)
        return
    lines = tuple(item for item in other.finding.evidence if item.line is not None)[:2]
    if lines and len(kept.finding.evidence) < MAX_EVIDENCE:
        kept.told = replace(kept.finding, evidence=(*kept.finding.evidence, *lines))


def _same_host(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one.partition(".")[0] == other.partition(".")[0]


def _same_time(one: Death, other: Death) -> bool:
    if one.at is None or other.at is None:
        return other.source in (one.source, *one.told_in)
    if abs(one.at - other.at) <= NEAR:
        return True
    # A master that is waiting for others sees a death late: then the start tells that it is the same.
    return one.since is not None and other.since is not None and abs(one.since - other.since) <= SAME_START
