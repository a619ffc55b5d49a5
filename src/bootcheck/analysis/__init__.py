"""The offline half: from reports, journals and logs to incidents. No worker ever imports it."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from bootcheck.analysis.history import History
from bootcheck.analysis.incidents import Analysis
from bootcheck.analysis.wanted import Filter

if TYPE_CHECKING:
    from bootcheck.analysis.manifest import Container

__all__ = ["Analysis", "Filter", "History", "analyze"]

MAX_UNEXPLAINED = 50
PATIENCE = 100_000
"""Objects after which garbage is looked for."""


def analyze(  # noqa: PLR0913 - options by keyword, each with its default
    paths: Sequence[str],
    *,
    wanted: Filter | None = None,
    warnings: bool = False,
    stdin: BinaryIO | None = None,
    complain: Callable[[str], None] | None = None,
    history: History | None = None,
    progress: Callable[[str, int], None] | None = None,
    containers: Sequence[Container] = (),
    jobs: int | None = None,
) -> Analysis:
    """Read everything behind these paths and return its incidents; never raises for what is in them.

    Broken off by Ctrl-C it returns what it has read. `history` is filled where one is given, and
    `progress` is told each source and how many of its lines were read. `containers` are those of
    the manifest under which the server ran: their probes are judged by their arithmetic. Large inputs
    are read by `jobs` processes, by default one for each processor where this process has one thread.
    """
    from bootcheck.analysis import diaries, incidents, probe_kills, readers
    from bootcheck.analysis.collector import Collector
    from bootcheck.analysis.readers import crew
    from bootcheck.analysis.warned import Warned

    with _patiently():
        wanted = wanted or Filter()
        collector = Collector(complain or (lambda _: None), history, progress)
        interrupted = False
        try:
            complete = readers.read(paths, collector, stdin or sys.stdin.buffer, crew.usable(jobs))
        except KeyboardInterrupt:
            complete, interrupted = True, True
            collector.break_off()
        deaths, unexplained = collector.result()
        deaths = probe_kills.recognise(deaths, containers)
        found = collector.preflights.told(incidents.of_deaths(wanted.chosen(deaths)))
        if history is not None:
            diaries.add(history, found)
        advice = [item for item in collector.durations.advice() if wanted.names(item.code, item.rule.cause_class)]
        if warnings:
            advised = [Warned(item, count=1) for item in advice]
            found = incidents.with_warnings(found, [*collector.warned.told(), *advised], wanted)
        return Analysis(
            incidents=tuple(found),
            unexplained=tuple(unexplained[:MAX_UNEXPLAINED]),
            inputs=collector.inputs,
            complete=complete,
            advice=() if warnings else tuple(advice),
            interrupted=interrupted,
            history=history,
            probes=tuple(probe for _, probe in probe_kills.killers(containers)),
        )


@contextmanager
def _patiently() -> Iterator[None]:
    """What is read is kept, or let go at once: looking for garbage in it again and again would find none."""
    before = gc.get_threshold()
    gc.set_threshold(before[0] and max(before[0], PATIENCE), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
