"""What differs between two boots or releases, on a screen, for `bootcheck diff`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bootcheck.analysis.comparison import Comparison, Difference
from bootcheck.analysis.pattern import seconds
from bootcheck.render import Style
from bootcheck.render.text import paragraph, plain

MAX_LINES = 15
_WIDTH = 34


def lines(found: Comparison, names: tuple[str, str], style: Style) -> Iterator[str]:
    """Yield the verdict, then each kind of difference."""
    yield from paragraph(_verdict(found), style, bold=True)
    yield from paragraph(
        f"A is {names[0]} ({_boots(found.boots[0])}), B is {names[1]} ({_boots(found.boots[1])}).", style
    )
    yield from _block("Steps, A to B", (_timed(item) for item in found.steps), style)
    yield from _block("Imports, A to B", (_timed(item) for item in found.imports), style)
    yield from _block("Memory, A to B", (_sized(item) for item in found.memory), style)
    yield from _block(
        "Versions and settings", (f"{n}: {a or 'unset'} -> {b or 'unset'}" for n, a, b in found.settings), style
    )
    yield from _block("New findings", found.findings_new, style)
    yield from _block("Findings that are gone", found.findings_gone, style)
    yield from _block("New incidents", _told(found.incidents_new), style)
    yield from _block("Incidents in both", _told(found.incidents_still), style)
    yield from _block("Incidents that are gone", _told(found.incidents_gone), style)
    if not all(found.boots):
        yield ""
        yield from paragraph("A side without a boot report has no steps, imports or memory to compare.", style)


def _verdict(found: Comparison) -> str:
    parts = [
        (sum(item.delta > 0 for item in found.steps), "slower step"),
        (sum(item.delta > 0 for item in found.imports), "slower import"),
        (sum(item.delta > 0 for item in found.memory), "role with more memory"),
        (len(found.findings_new), "new finding"),
        (len(found.incidents_new), "new incident"),
    ]
    told = [
        f"{number} {what}{'s' if number > 1 and what != 'role with more memory' else ''}"
        for number, what in parts
        if number
    ]
    if told:
        return f"B is worse: {', '.join(told)}."
    changed = len(found.settings)
    also = f"; {changed} version{'s' if changed > 1 else ''} or settings differ" if changed else ""
    return f"B is not worse than A{also}."


def _block(title: str, texts: Iterable[str], style: Style) -> Iterator[str]:
    items: Sequence[str] = list(texts)
    if not items:
        return
    yield ""
    yield title
    for text in items[:MAX_LINES]:
        line = plain(" ".join(text.splitlines()))
        yield from [f"  {line}"] if len(line) < style.width - 2 else paragraph(f"  {line}", style, indent=6)
    if len(items) > MAX_LINES:
        yield f"  and {len(items) - MAX_LINES} more (--format json lists them)"


def _timed(item: Difference) -> str:
    return _row(item, *(("-" if value is None else seconds(value / 1000)) for value in (item.before, item.after)))


def _sized(item: Difference) -> str:
    return _row(item, *(("-" if value is None else f"{value / 1048576:.1f} MB") for value in (item.before, item.after)))


def _row(item: Difference, before: str, after: str) -> str:
    change = "new" if item.before is None else "gone" if item.after is None else f"{_percent(item):+.0f} %"
    return f"{item.name.ljust(_WIDTH)} {before:>10} -> {after:>10}  {change}"


def _percent(item: Difference) -> float:
    return 100 * item.delta / item.before if item.before else 100.0


def _told(items: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from (f"{identity}  {summary}" for identity, summary in items)


def _boots(number: int) -> str:
    return f"{number} boot{'' if number == 1 else 's'}"
