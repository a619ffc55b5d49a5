"""What deaths of one server tell of each other: who was only stopped along with another, and whose cause is lost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from operator import itemgetter

from bootcheck.analysis.classify import precedence
from bootcheck.analysis.deaths import LOG, Death
from bootcheck.model.cause import Cause

TOGETHER = 60.0
"""Seconds within which a master stops its workers because one of them failed."""
AGAIN = 60.0
"""Seconds within which a server that could not start is started again, and fails alike."""
INTERLEAVED = 2.0
"""Seconds within which workers that fail alike print over each other."""
MAX_NEAR = 50
"""Of those that are looked at: a loop of starts has many."""
_FAILURES = frozenset(
    {
        Cause.EXCEPTION,
        Cause.APP_NOT_FOUND,
        Cause.CHECK_FAILED,
        Cause.SYS_EXIT,
        Cause.OS_EXIT,
        Cause.BOOT_DEADLINE,
        Cause.NATIVE_CRASH,
    }
)
_COLLATERAL = frozenset({Cause.SIGTERM, Cause.SIGKILL_GRACEFUL_TIMEOUT})


def place_of(death: Death) -> str:
    """Return what is the same for processes of one server, as far as it is known: a log is one server's."""
    return death.server or f"{death.host or ''}\0{death.source if death.kind == LOG else ''}"


def without_collateral(deaths: list[Death]) -> list[Death]:
    """Fold workers that the master stopped into the failure that made it stop them."""
    stopped = [death for death in deaths if _may_be_collateral(death)]
    places = set(map(place_of, stopped))
    failures: dict[str, list[Death]] = {}
    for death in deaths if places else ():
        if death.cause in _FAILURES and (place := place_of(death)) in places:
            failures.setdefault(place, []).append(death)
    for group in failures.values():
        group.sort(key=lambda death: death.at or 0.0)
    folded: set[int] = set()
    for death in stopped if failures else ():
        first = _failure_before(death, failures.get(place_of(death), ()))
        if first is not None:
            first.collateral += 1
            folded.add(id(death))
    return [death for death in deaths if id(death) not in folded] if folded else deaths


def by_each_other(deaths: list[Death]) -> list[Death]:
    """Give a worker whose cause is lost among another's lines, or was told in part only, the cause of that one."""
    tellers: dict[str, _Tellers] = {}
    for death in deaths:
        if death.kind == LOG and death.cause is Cause.EXCEPTION and death.subject and not death.ready:
            tellers.setdefault(place_of(death), _Tellers()).take(death)
    for found in tellers.values():
        found.timed.sort(key=itemgetter(0))
    return [_like_a_sibling(death, tellers) for death in deaths] if tellers else deaths


class _Tellers:
    """Strictly private: those of one server that tell why they could not boot, by time; there may be very many."""

    def __init__(self) -> None:
        self.untimed: list[Death] = []
        self.timed: list[tuple[float, Death]] = []

    def take(self, death: Death) -> None:
        if death.at is None:
            self.untimed.append(death)
        else:
            self.timed.append((death.at, death))

    def near(self, at: float, within: float) -> Iterator[Death]:
        """Yield those that ended at that time or so, earliest first; they are in order by now."""
        first = bisect_left(self.timed, at - within, key=itemgetter(0))
        for when, death in islice(self.timed, first, None):
            if when > at + within:
                return
            yield death


def _may_be_collateral(death: Death) -> bool:
    return death.cause in _COLLATERAL and death.origin != "outside" and death.role != "master"


def _failure_before(death: Death, failures: Iterable[Death]) -> Death | None:
    for failure in failures:
        if failure is death or failure.at is None or death.at is None:
            continue
        if -1.0 <= death.at - failure.at <= TOGETHER and (death.origin == "master" or not death.ready):
            return failure
    return None


def _like_a_sibling(death: Death, tellers: dict[str, _Tellers]) -> Death:
    if death.kind != LOG or death.cause is not Cause.EXCEPTION or death.ready or death.at is None:
        return death
    others = tellers.get(place_of(death))
    if others is None:
        return death
    if death.bare and death.subject:
        near = islice(others.near(death.at, INTERLEAVED), MAX_NEAR)
        return next((_with_cause_of(other, death) for other in near if _tells_more(other, death)), death)
    if death.subject or (death.specific and death.told.confidence != "low"):
        # Its own last words are a hint at most.
        return death
    # Or the log begins with the end of one start, or ends within another: the next one, or the last, tells why.
    # A traceback at the top of it has no time: nobody knows whose it is.
    found = next(chain(others.untimed, others.near(death.at, AGAIN)), None)
    return death if found is None else _with_cause_of(found, death)


def _tells_more(other: Death, bare: Death) -> bool:
    """Tell whether a worker that failed at the same time names what this one's exception may have come from."""
    return not other.bare and precedence(other.cause_class) < precedence(bare.cause_class)


def _with_cause_of(other: Death, death: Death) -> Death:
    return replace(
        death, told=other.told, cause_class=other.cause_class, subject=other.subject, specific=other.specific
    )
