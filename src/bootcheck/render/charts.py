"""The geometry of the charts in HTML: shares of the width and height, so that they fit every screen.

No chart library: pygal, the one of those that need nothing else, has no Gantt chart and loads a script
from elsewhere; Matplotlib and Plotly weigh more than everything else together. What is left is division.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bootcheck.analysis.pattern import seconds
from bootcheck.analysis.spans import Span
from bootcheck.model.stamps import rfc3339

MAX_ROWS = 40
MAX_LINES = 12
MAX_STEPS = 20
BINS = 12
MIN_WIDTH = 0.4
"""Percent: a boot of milliseconds in a day is still seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A part of a row, in percent of the width."""

    kind: str
    """boot, serving, open, death, value, before."""
    x: float
    width: float
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a chart: a label, its bars and a remark."""

    label: str
    bars: tuple[Bar, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Rows over one axis."""

    rows: tuple[Row, ...] = ()
    ticks: tuple[str, ...] = ()
    """Labels of the axis, from left to right at equal distances."""
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One curve in a box of 100 by 100, its y downwards."""

    points: str
    label: str
    dead: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Curves over one axis."""

    lines: tuple[Line, ...] = ()
    ticks: tuple[str, ...] = ()
    top: str = ""
    left_out: int = 0


def lives(spans: Sequence[Span]) -> Chart:
    """Return the Gantt chart of boots and deaths: a row per process."""
    timed = [span for span in spans if span.first is not None]
    if not timed:
        return Chart()
    # What died is what one looks for; of the rest the latest.
    chosen = sorted(timed, key=lambda span: (span.cause is None, -(span.first or 0.0)))[:MAX_ROWS]
    chosen.sort(key=lambda span: span.first or 0.0)
    times = [at for span in chosen for at in (span.started, span.ready, span.ended) if at is not None]
    start, end = min(times), max(times)
    died = [span.first for span in chosen if span.cause is not None and span.first is not None]
    if died:
        # Whoever lived long before must not press the deaths against the edge.
        start = max(start, min(died) - (end - min(died)) - 1.0)
    scale = _Scale(start, max(end - start, 0.001))
    return Chart(
        rows=tuple(_life(span, scale, end) for span in chosen),
        ticks=_clock_ticks(start, end),
        left_out=len(timed) - len(chosen),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Strictly private: from epoch seconds to percent."""

    start: float
    length: float

    def bar(self, kind: str, begin: float, end: float, title: str) -> Bar:
        begin = max(begin, self.start)
        x = max(0.0, min(100.0 - MIN_WIDTH, 100 * (begin - self.start) / self.length))
        width = max(MIN_WIDTH, min(100.0 - x, 100 * (end - begin) / self.length))
        return Bar(kind=kind, x=round(x, 3), width=round(width, 3), title=title)


def _life(span: Span, scale: _Scale, end: float) -> Row:
    begin = span.started if span.started is not None else span.first or end
    stop = span.ended if span.ended is not None else end
    bars: list[Bar] = []
    ready = span.ready
    if ready is not None:
        if span.started is not None:
            bars.append(scale.bar("boot", begin, ready, f"start to ready: {seconds(max(0.0, ready - begin))}"))
        kind = "serving" if span.ended is not None else "open"
        bars.append(scale.bar(kind, ready, stop, f"ready for {seconds(max(0.0, stop - ready))}"))
    elif span.started is not None:
        kind = "boot" if span.ended is not None else "open"
        bars.append(scale.bar(kind, begin, stop, f"never seen ready, {seconds(max(0.0, stop - begin))}"))
    if span.cause is not None and span.ended is not None:
        bars.append(scale.bar("death", span.ended, span.ended, f"{span.cause} at {_clock(span.ended)}"))
    label = f"{span.role} {span.pid}" + (f" on {span.host}" if span.host else "")
    return Row(label=label, bars=tuple(bars), note=_note(span))


def _note(span: Span) -> str:
    took = f" after {seconds(span.uptime)}" if span.uptime is not None else ""
    where = f" in {span.step}" if span.cause is not None and span.step else ""
    if span.cause == "vanished":
        return f"last record{took}: vanished{where}"
    if span.cause is not None:
        return f"died{took}: {span.cause}{where}"
    if span.ended is not None:
        return f"ended{took}"
    return "ready" if span.good else "no end known"


def memory(spans: Sequence[Span]) -> Curves:
    """Return the memory of boots over the seconds since their start."""
    measured = [span for span in spans if len(span.memory) > 1]
    chosen = sorted(measured, key=lambda span: (span.cause is None, -(span.first or 0.0)))[:MAX_LINES]
    if not chosen:
        return Curves()
    longest = max(max(at for at, _ in span.memory) for span in chosen) or 0.001
    highest = max(max(size for _, size in span.memory) for span in chosen) * 1.05 or 1.0
    return Curves(
        lines=tuple(
            Line(
                points=" ".join(
                    f"{100 * at / longest:.2f},{100 - 100 * size / highest:.2f}" for at, size in span.memory
                ),
                label=f"{span.role} {span.pid}: {span.memory[0][1] / 1048576:.1f} to "
                f"{max(size for _, size in span.memory) / 1048576:.1f} MB",
                dead=span.cause is not None,
            )
            for span in chosen
        ),
        ticks=("0", seconds(longest / 2), seconds(longest)),
        top=f"{highest / 1048576:.0f} MB",
        left_out=len(measured) - len(chosen),
    )


def uptimes(spans: Iterable[Span]) -> Chart:
    """Return the histogram of the lives of processes that died."""
    known = sorted(span.uptime for span in spans if span.cause not in (None, "vanished") and span.uptime is not None)
    if not known:
        return Chart()
    low, high = known[0], known[-1]
    bins = 1 if high - low < 0.001 else min(BINS, max(3, math.ceil(math.sqrt(len(known))) + 2))
    width = (high - low) / bins
    counts = [0] * bins
    for lived in known:
        counts[min(bins - 1, int((lived - low) / width)) if width else 0] += 1
    most = max(counts)
    return Chart(
        rows=tuple(
            Row(
                label=seconds(low)
                if bins == 1
                else f"{seconds(low + number * width)} to {seconds(low + (number + 1) * width)}",
                bars=(Bar(kind="death", x=0, width=round(100 * count / most, 2), title=f"{count} deaths"),),
                note=str(count),
            )
            for number, count in enumerate(counts)
        ),
        ticks=("0", str(most)),
    )


def steps(spans: Sequence[Span]) -> Chart:
    """Return the longest steps: of the boots that died, or of the last one, against the boots before."""
    booted = [span for span in spans if span.steps]
    if not booted:
        return Chart()
    dead = [span for span in booted if span.cause is not None and span.ready is None]
    looked = dead or booted[-1:]
    earlier = [span for span in booted if span not in looked and span.good]
    now, before = _durations(looked), _durations(earlier)
    longest = sorted(now, key=lambda name: -now[name])[:MAX_STEPS]
    most = max((max(now[name], before.get(name, 0.0)) for name in longest), default=0.0) or 0.001
    return Chart(
        rows=tuple(_step(name, now[name], before.get(name), most) for name in longest),
        ticks=("0", seconds(most / 2000), seconds(most / 1000)),
        left_out=len(now) - len(longest),
    )


def _step(name: str, now: float, before: float | None, most: float) -> Row:
    bars = [Bar(kind="value", x=0, width=max(MIN_WIDTH, round(100 * now / most, 2)), title=f"{name}: {_ms(now)}")]
    note = _ms(now)
    if before is not None:
        x = min(100 - MIN_WIDTH, round(100 * before / most, 2))
        bars.append(Bar(kind="before", x=x, width=MIN_WIDTH, title=f"earlier boots: {_ms(before)}"))
        note += f", before {_ms(before)}"
    return Row(label=name, bars=tuple(bars), note=note)


def _durations(spans: Iterable[Span]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for span in spans:
        for step in span.steps:
            took = step.duration_ms
            if took is None and step.outcome == "entered" and span.uptime is not None and step.at is not None:
                # It stood there when it died.
                took = max(0.0, span.uptime - step.at) * 1000
            if took is not None:
                found.setdefault(step.name, []).append(took)
    return {name: median(took) for name, took in found.items()}


def _ms(value: float) -> str:
    return f"{value:.1f} ms" if value < 1000 else seconds(value / 1000)


def _clock(at: float) -> str:
    return rfc3339(at)[11:23]


def _clock_ticks(start: float, end: float) -> tuple[str, ...]:
    times = (start, (start + end) / 2, end)
    cut = 23 if end - start < 10 else 19
    days = rfc3339(start)[:10] != rfc3339(end)[:10]
    return tuple(rfc3339(at)[5 if days else 11 : cut].replace("T", " ") for at in times)
